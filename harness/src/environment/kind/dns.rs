//! The storage accounts' names in the cluster's CoreDNS: each namespace has a gateway of its own.
//!
//! A pod asks for a name with few dots under its own namespace first (`ndots:5`, `search <namespace>.svc.cluster.local`), so
//! that the question itself says whose it is. What is asked for without that suffix does not exist: nothing leaves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::gateway::SERVICE;
use crate::environment::{EnvironmentError, has_room};
use crate::poll::{Limit, Seen, poll};

const SYSTEM: &str = "kube-system";
const COREDNS: &str = "coredns";
const PODS: &str = "k8s-app=kube-dns";
const FILE: &str = "Corefile";
/// The line that our zones stand behind.
const SERVER: &str = ".:53 {";
const STORAGE: &str = "blob.core.windows.net";
const READY: Limit = Limit::seconds(180);

/// Teaches CoreDNS the accounts' names, and waits until it serves them.
///
/// # Errors
/// When its configuration is none that we know, or it does not come up.
pub(super) async fn set_up(client: &Client) -> Result<(), EnvironmentError> {
    edit(client, |text| with_lines(&text.replace("\n    reload\n", "\n    reload 2s 1s\n"), &zones()))
        .await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM);
    let restarted = json!({ "spec": {
        // One is enough here, and one alone knows at once what it is told.
        "replicas": 1,
        "template": { "metadata": { "annotations": { "clonedrill/restarted": Timestamp::now().to_string() } } },
    } });
    let generation = deployments
        .patch(COREDNS, &PatchParams::default(), &Patch::Merge(&restarted))
        .await?
        .metadata
        .generation;
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
    let ready = poll("CoreDNS to serve the storage accounts' names", READY, async || {
        has_room(&pods.list(&ListParams::default().labels(PODS)).await?.items)?;
        let deployment = deployments.get(COREDNS).await?;
        let status = deployment.status.clone().unwrap_or_default();
        let done = status.observed_generation >= generation
            && (status.updated_replicas, status.replicas, status.available_replicas)
                == (Some(1), Some(1), Some(1));
        Ok::<_, EnvironmentError>(if done { Seen::Done(()) } else { Seen::NotYet(format!("{status:?}")) })
    });
    ready.await.map_err(EnvironmentError::from)
}

/// Whether `host` exists for pods of this namespace from now on. When they notice is for the caller to see.
///
/// # Errors
/// When the API server refuses.
pub(super) async fn set(
    client: &Client,
    namespace: &str,
    host: &str,
    resolves: bool,
) -> Result<(), EnvironmentError> {
    let zone = no_such_host(namespace, host);
    edit(client, |text| match resolves {
        true => Some(text.replace(&zone, "")),
        false => with_lines(text, &zone),
    })
    .await?;
    // A kubelet looks at a pod's files when the pod changes, and otherwise a minute later.
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
    let now =
        json!({ "metadata": { "annotations": { "clonedrill/changed": Timestamp::now().to_string() } } });
    for pod in pods.list(&ListParams::default().labels(PODS)).await? {
        pods.patch(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&now)).await?;
    }
    Ok(())
}

fn no_such_host(namespace: &str, host: &str) -> String {
    format!("    template ANY ANY {host}.{namespace}.svc.cluster.local {{\n      rcode NXDOMAIN\n    }}\n")
}

fn zones() -> String {
    let account = r"^[^.]+[.]blob[.]core[.]windows[.]net[.](?P<namespace>[^.]+)[.]svc[.]cluster[.]local[.]$";
    format!(
        "    template IN A svc.cluster.local {{\n      match {account}\n      answer \"{{{{ .Name }}}} 5 IN CNAME \
         {SERVICE}.{{{{ .Group.namespace }}}}.svc.cluster.local.\"\n      fallthrough\n    }}\n    \
         template IN AAAA svc.cluster.local {{\n      match {account}\n      rcode NOERROR\n      fallthrough\n    }}\n    \
         template ANY ANY {STORAGE} {{\n      rcode NXDOMAIN\n    }}\n"
    )
}

/// Behind the first line of the server's block: of two templates the first decides.
fn with_lines(text: &str, lines: &str) -> Option<String> {
    let (before, after) = text.split_once(SERVER)?;
    Some(format!("{before}{SERVER}\n{}{}", lines, after.trim_start_matches('\n')))
}

/// Changes the configuration, again where somebody else changed it meanwhile.
async fn edit(client: &Client, change: impl Fn(&str) -> Option<String>) -> Result<(), EnvironmentError> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), SYSTEM);
    let changed = poll("CoreDNS's configuration to be changed", READY, async || {
        let Some(mut map) = maps.get_opt(COREDNS).await? else {
            return Ok(Seen::NotYet("there is none yet".to_owned()));
        };
        let data = map.data.get_or_insert_with(BTreeMap::new);
        let text = data.get(FILE).and_then(|text| change(text));
        let Some(text) = text else {
            let why = format!("change CoreDNS's configuration: it has no line `{SERVER}`");
            return Err(EnvironmentError::Connection(why));
        };
        data.insert(FILE.to_owned(), text);
        match maps.replace(COREDNS, &PostParams::default(), &map).await {
            Ok(_) => Ok(Seen::Done(())),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Seen::NotYet(status.message.clone())),
            Err(error) => Err(error.into()),
        }
    });
    changed.await.map_err(EnvironmentError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_comes_before_what_is_known() {
        let text = ".:53 {\n    errors\n    reload\n}\n";
        let known = with_lines(text, &zones()).unwrap();
        assert!(known.starts_with(".:53 {\n    template IN A svc.cluster.local {\n"), "{known}");
        assert!(known.ends_with("    }\n    errors\n    reload\n}\n"), "{known}");
        let zone = no_such_host("drill-1", "x.blob.core.windows.net");
        let forgotten = with_lines(&known, &zone).unwrap();
        assert!(forgotten.find("ANY ANY x").unwrap() < forgotten.find("IN A svc").unwrap());
        assert_eq!(forgotten.replace(&zone, ""), known, "what resolves again is as it was");
        assert!(with_lines("example.org {\n}\n", "x").is_none());
    }
}
