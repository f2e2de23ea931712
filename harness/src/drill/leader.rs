//! The way into a cluster: its leader's address and the superuser's password that the operator made.

use k8s_openapi::api::core::v1::{Pod, Secret as KubeSecret};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::error::DrillError;
use crate::observe::data::Connect;
use crate::secret::Secret;

const PORT: u16 = 5432;
/// The operator's defaults for the superuser and for the names of Secrets.
const SUPERUSER: &str = "postgres";
const SECRET_SUFFIX: &str = "credentials.postgresql.acid.zalan.do";
/// The label that Patroni keeps up to date, and its values for a leader in old and new releases.
const ROLE_LABEL: &str = "spilo-role";
const LEADER: [&str; 2] = ["master", "primary"];

/// What is known of a cluster's leader.
pub enum Leader {
    Found {
        pod: String,
        connect: Box<Connect>,
    },
    /// What is missing, for a time-out's message.
    NotYet(String),
}

/// Looks for the leader of the cluster called `name` in Kubernetes.
async fn find(client: &Client, namespace: &str, name: &str) -> Result<Leader, DrillError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let all = pods.list(&ListParams::default().labels(&format!("cluster-name={name}"))).await?.items;
    let leads = |pod: &&Pod| pod.labels().get(ROLE_LABEL).is_some_and(|role| LEADER.contains(&role.as_str()));
    let Some(leader) = all.iter().find(leads) else {
        return Ok(Leader::NotYet(format!("none of its {} pods is leader", all.len())));
    };
    let status = leader.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
    let (true, Some(host)) = (ready, status.pod_ip) else {
        return Ok(Leader::NotYet(format!("leader {} is not ready", leader.name_any())));
    };
    let secrets: Api<KubeSecret> = Api::namespaced(client.clone(), namespace);
    let Some(secret) = secrets.get_opt(&format!("{SUPERUSER}.{name}.{SECRET_SUFFIX}")).await? else {
        return Ok(Leader::NotYet("the operator has made no password yet".to_owned()));
    };
    let Some(password) = text(&secret, "password") else {
        return Ok(Leader::NotYet("the operator's Secret holds no password".to_owned()));
    };
    let connect = Connect { host, port: PORT, user: SUPERUSER.to_owned(), password };
    Ok(Leader::Found { pod: leader.name_any(), connect: Box::new(connect) })
}

/// The same for a leader that lets the superuser in.
pub async fn answering(client: &Client, namespace: &str, name: &str) -> Result<Leader, DrillError> {
    let found = find(client, namespace, name).await?;
    Ok(match &found {
        Leader::Found { connect, .. } => match connect.open(SUPERUSER).await {
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
