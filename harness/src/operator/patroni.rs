//! What Patroni keeps in Kubernetes, as annotations of Endpoints or of ConfigMaps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints};
use kube::api::Api;
use kube::{Client, ResourceExt};

/// The system identifier, once the cluster is bootstrapped.
pub const INITIALIZE: &str = "initialize";
/// Changes of timeline, as JSON.
pub const HISTORY: &str = "history";

/// The object that has both of a cluster.
pub fn config(cluster: &str) -> String {
    format!("{cluster}-config")
}

/// Since when a cluster's leader is its leader; none where Patroni does not say it in Kubernetes.
///
/// # Errors
/// When the API server says no.
pub async fn leads_since(
    client: Client,
    namespace: &str,
    cluster: &str,
) -> Result<Option<Timestamp>, kube::Error> {
    for object in [cluster.to_owned(), format!("{cluster}-leader")] {
        if let Some(time) = annotation(client.clone(), namespace, &object, "acquireTime").await? {
            return Ok(time.parse().ok());
        }
    }
    Ok(None)
}

/// # Errors
/// When the API server says no.
pub async fn annotation(
    client: Client,
    namespace: &str,
    object: &str,
    key: &str,
) -> Result<Option<String>, kube::Error> {
    let of = |annotations: &BTreeMap<String, String>| annotations.get(key).cloned();
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), namespace);
    if let Some(text) = endpoints.get_opt(object).await?.and_then(|found| of(found.annotations())) {
        return Ok(Some(text));
    }
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    Ok(maps.get_opt(object).await?.and_then(|found| of(found.annotations())))
}
