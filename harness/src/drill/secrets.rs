//! What nobody may read, beside the accounts' keys: what the scenario's own Secrets hold, and what the operator made.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::error::DrillError;
use crate::secret::Secret;

/// Whose password it is stands beside it, and is no secret.
const USER: &str = "username";

/// All that the operator has made in this namespace, whatever its template for names: the Secrets that are not the
/// scenario's own.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn made_by_operator(
    client: &Client,
    namespace: &str,
    objects: &[Value],
) -> Result<Vec<Secret>, DrillError> {
    let own: BTreeSet<&str> =
        secrets(objects).filter_map(|secret| secret["metadata"]["name"].as_str()).collect();
    let api: Api<KubeSecret> = Api::namespaced(client.clone(), namespace);
    let all = api.list(&ListParams::default()).await?.items;
    let made = all.into_iter().filter(|secret| !own.contains(secret.name_any().as_str()));
    let values = made.flat_map(|secret| secret.data.unwrap_or_default()).filter(|(key, _)| key != USER);
    Ok(values.map(|(_, value)| Secret::new(String::from_utf8_lossy(&value.0))).collect())
}

/// What stands in the scenario's own Secrets, filled in.
pub(super) fn of_scenario(objects: &[Value]) -> Vec<Secret> {
    let texts = |secret: &Value, field: &str| -> Vec<String> {
        let values = secret[field].as_object().into_iter().flat_map(|map| map.iter());
        let values = values.filter(|(key, _)| *key != USER);
        values.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
    };
    let decoded = |text: String| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let of = |secret: &Value| {
        let data = texts(secret, "data").into_iter().filter_map(decoded);
        data.chain(texts(secret, "stringData")).map(Secret::new).collect::<Vec<_>>()
    };
    secrets(objects).flat_map(of).collect()
}

fn secrets(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects.iter().filter(|object| object["kind"] == "Secret")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_in_a_secret_of_the_scenario_is_one() {
        let objects = [
            json!({ "kind": "Secret", "stringData": { "sas": "sv=2020&sig=abc", "username": "somebody" } }),
            json!({ "kind": "Secret", "data": { "key": STANDARD.encode("k-e-y-1234") } }),
            json!({ "kind": "ConfigMap", "data": { "open": "to everybody" } }),
        ];
        assert_eq!(of_scenario(&objects), [Secret::new("sv=2020&sig=abc"), Secret::new("k-e-y-1234")]);
    }
}
