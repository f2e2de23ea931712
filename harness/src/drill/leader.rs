//! The way into a cluster: its leader's address and the superuser's password that the operator made.

use k8s_openapi::api::core::v1::{Pod, Secret as KubeSecret};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::Value;

use super::error::DrillError;
use crate::environment::Environment;
use crate::observe::data::Connect;
use crate::operator::{image_of, is_ready, leads};
use crate::secret::Secret;

const PORT: u16 = 5432;
/// Every cluster has it.
const DATABASE: &str = "postgres";

/// How the operator's configuration names things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The label of pods that has the cluster's name.
    pub cluster_label: String,
    role_label: String,
    superuser: String,
    secret_template: String,
}

impl Names {
    /// Of `OperatorConfiguration.configuration`; where it says nothing, the operator's defaults.
    pub(super) fn of(configuration: &Value) -> Names {
        let text = |pointer: &str, default: &str| {
            let given =
                configuration.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
            given.unwrap_or(default).to_owned()
        };
        Names {
            cluster_label: text("/kubernetes/cluster_name_label", "cluster-name"),
            role_label: text("/kubernetes/pod_role_label", "spilo-role"),
            superuser: text("/users/super_username", "postgres"),
            secret_template: text(
                "/kubernetes/secret_name_template",
                "{username}.{cluster}.credentials.{tprkind}.{tprgroup}",
            ),
        }
    }

    /// The Secret with the superuser's password.
    fn secret(&self, cluster: &str) -> String {
        self.secret_template
            .replace("{username}", &self.superuser.replace('_', "-"))
            .replace("{cluster}", cluster)
            .replace("{tprkind}", "postgresql")
            .replace("{tprgroup}", "acid.zalan.do")
    }
}

/// What is known of a cluster's leader.
pub(super) enum Leader {
    Found {
        pod: String,
        connect: Box<Connect>,
    },
    /// What is missing, for a time-out's message.
    NotYet(String),
}

/// Looks for the leader of the cluster called `name` in Kubernetes.
async fn find<E: Environment>(environment: &E, names: &Names, name: &str) -> Result<Leader, DrillError> {
    let (client, namespace) = (environment.client(), environment.namespace());
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let all =
        pods.list(&ListParams::default().labels(&format!("{}={name}", names.cluster_label))).await?.items;
    let Some(leader) = all.iter().find(|pod| leads(pod, &names.role_label)) else {
        return Ok(Leader::NotYet(format!("none of its {} pods is leader", all.len())));
    };
    if !is_ready(leader) {
        return Ok(Leader::NotYet(format!("leader {} is not ready", leader.name_any())));
    }
    let Some(address) = environment.reach(leader, PORT).await? else {
        return Ok(Leader::NotYet(format!("leader {} has no address", leader.name_any())));
    };
    let secrets: Api<KubeSecret> = Api::namespaced(client, namespace);
    let Some(secret) = secrets.get_opt(&names.secret(name)).await? else {
        return Ok(Leader::NotYet("the operator has made no password yet".to_owned()));
    };
    let Some(password) = text(&secret, "password") else {
        return Ok(Leader::NotYet("the operator's Secret holds no password".to_owned()));
    };
    let (host, port) = (address.ip().to_string(), address.port());
    let connect = Connect { host, port, user: names.superuser.clone(), password, image: image_of(leader) };
    Ok(Leader::Found { pod: leader.name_any(), connect: Box::new(connect) })
}

/// The same for a leader that lets the superuser in.
pub(super) async fn answering<E: Environment>(
    environment: &E,
    names: &Names,
    name: &str,
) -> Result<Leader, DrillError> {
    let found = find(environment, names, name).await?;
    Ok(match &found {
        Leader::Found { connect, .. } => match connect.open(DATABASE).await {
            Ok(_) => found,
            Err(error) => Leader::NotYet(format!("failed to {error}")),
        },
        Leader::NotYet(_) => found,
    })
}

fn text(secret: &KubeSecret, key: &str) -> Option<Secret> {
    let bytes = secret.data.as_ref()?.get(key)?.0.clone();
    String::from_utf8(bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_the_configurations_or_the_operators_own() {
        let names = Names::of(&json!({}));
        assert_eq!(names.secret("acid-orders"), "postgres.acid-orders.credentials.postgresql.acid.zalan.do");
        let names = Names::of(&json!({
            "users": { "super_username": "super_user" },
            "kubernetes": { "cluster_name_label": "cluster", "secret_name_template": "{cluster}-{username}" },
        }));
        assert_eq!(names.secret("acid-orders"), "acid-orders-super-user");
        assert_eq!((names.cluster_label.as_str(), names.role_label.as_str()), ("cluster", "spilo-role"));
    }
}
