//! The cluster whose backup is cloned, as its objects say it is. Nothing of it is changed, and no Secret is read.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::Api;
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::error::RestoreError;
use super::file::SourceName;
use super::history::History;
use super::lsn::Lsn;
use crate::environment::cluster::{ClusterAccess, ClusterError};
use crate::operator::{patroni, postgresqls};
use crate::spilo::EnvItem;
use crate::spilo::{Azure, Pod, env_of};

/// The operator's default.
const CLUSTER_LABEL: &str = "cluster-name";

/// What is known of it.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the drill's file has it.
    pub namespace: String,
    /// Its `metadata.name`.
    pub name: String,
    /// What keeps its backups apart from those of other clusters of its name.
    pub uid: String,
    /// The `spec` of its `postgresql` object.
    pub spec: Value,
    /// The env list of its container, as the operator wrote it.
    pub variables: Vec<EnvItem>,
    /// Part of its prefix may be taken from an object, and is not known then.
    pub backups: Azure,
    /// From Patroni's `initialize` key; none where it is not kept in Kubernetes or may not be read.
    pub system_identifier: Option<String>,
    /// Where it stood when it was read.
    pub course: Course,
    /// How long what it commits may stay out of its archive, by its own settings; none where nothing bounds it.
    pub archive_timeout: Option<Duration>,
    /// The label that has a cluster's name, from the StatefulSet's selector.
    pub cluster_label: String,
    /// The label that has a pod's role.
    pub role_label: String,
}

impl Source {
    /// # Errors
    /// When there is no such cluster, it has no backups in Azure, or the API server says no.
    pub async fn read(access: &ClusterAccess, wanted: &SourceName) -> Result<Self, RestoreError> {
        let SourceName { namespace, name } = wanted;
        let shown = format!("{namespace}/{name}");
        let api = postgresqls(access.client(), namespace);
        let object = match api.get_opt(name).await {
            Ok(object) => object.ok_or_else(|| RestoreError::NoSource(shown.clone()))?,
            Err(error) => return Err(ClusterError::api(format!("read the source {shown}"))(error).into()),
        };
        let sets: Api<StatefulSet> = Api::namespaced(access.client(), namespace);
        let set = sets.get_opt(name).await.map_err(ClusterError::api("read the source's StatefulSet"))?;
        let set = set.ok_or_else(|| RestoreError::NotRendered(shown.clone()))?;
        let variables = env_of(&set).ok_or_else(|| RestoreError::NotRendered(shown.clone()))?;
        let backups = backups(&variables, namespace, &shown)?;
        let labels =
            set.spec.as_ref().and_then(|spec| spec.selector.match_labels.clone()).unwrap_or_default();
        // `cluster_labels` of the operator's configuration may have any value, the name among them.
        let has_name = |label: &&String| labels.get(*label) == Some(name);
        let usual = CLUSTER_LABEL.to_owned();
        let cluster_label = Some(&usual).filter(has_name).or_else(|| labels.keys().find(has_name)).cloned();
        let role_label = Pod::of_items(&variables, namespace);
        let role_label = role_label.value("KUBERNETES_ROLE_LABEL").unwrap_or("spilo-role").to_owned();
        Ok(Source {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: object.uid().unwrap_or_default(),
            spec: object.data.get("spec").cloned().unwrap_or_default(),
            variables,
            backups,
            system_identifier: annotation(
                access.client(),
                namespace,
                &patroni::config(name),
                patroni::INITIALIZE,
            )
            .await?,
            course: Course::read(access.client(), namespace, name).await?,
            archive_timeout: archive_timeout(access.client(), namespace, name).await?,
            cluster_label: cluster_label.unwrap_or(usual),
            role_label,
        })
    }

    /// The env list as Spilo sees it.
    pub fn pod(&self) -> Pod<'_> {
        Pod::of_items(&self.variables, &self.namespace)
    }
}

fn backups(variables: &[EnvItem], namespace: &str, shown: &str) -> Result<Azure, RestoreError> {
    let pod = Pod::of_items(variables, namespace);
    let Some(azure) = pod.own() else {
        return Err(RestoreError::NoBackups(match pod.archives() {
            true => format!("find backups of {shown} in Azure: it archives to another store"),
            false => {
                format!("find backups of {shown}: it archives nothing, no WALG_AZ_PREFIX reaches its pods")
            }
        }));
    };
    Ok(azure.clone())
}

/// How far a cluster has come, by what Patroni keeps of it in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Course {
    /// The timelines that it has left; none where Patroni keeps nothing there.
    pub history: Option<History>,
    /// How far it had written its WAL a moment before: the leader notes it every few seconds (`optime`).
    pub written: Option<Lsn>,
    /// When the leader noted that; what it has written since then it has not noted.
    pub noted: Option<Timestamp>,
}

impl Course {
    /// # Errors
    /// When the API server says no.
    pub async fn read(client: Client, namespace: &str, name: &str) -> Result<Self, ClusterError> {
        let config = patroni::config(name);
        let history = match annotation(client.clone(), namespace, &config, patroni::HISTORY).await? {
            Some(text) => History::of_patroni(&text),
            // A cluster that was never promoted has none.
            None => annotation(client.clone(), namespace, &config, patroni::INITIALIZE)
                .await?
                .map(|_| History::default()),
        };
        let (mut written, mut noted) = (None, None);
        for object in [name.to_owned(), format!("{name}-leader")] {
            if let Some(text) = annotation(client.clone(), namespace, &object, "optime").await? {
                written = text.parse().ok().map(Lsn);
                // Patroni writes both at once.
                noted = annotation(client, namespace, &object, "renewTime").await?;
                break;
            }
        }
        Ok(Course { history, written, noted: noted.and_then(|time| time.parse().ok()) })
    }
}

/// As Patroni's dynamic configuration has it, which Spilo begins with half an hour.
async fn archive_timeout(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Duration>, ClusterError> {
    let config = annotation(client, namespace, &patroni::config(name), "config").await?;
    let config: Option<Value> = config.and_then(|text| serde_json::from_str(&text).ok());
    let setting = config.as_ref().and_then(|config| config.pointer("/postgresql/parameters/archive_timeout"));
    Ok(setting.and_then(seconds).filter(|timeout| !timeout.is_zero()))
}

/// A span of time as PostgreSQL's settings have it, in seconds where it has no unit.
fn seconds(setting: &Value) -> Option<Duration> {
    let text = match setting {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(unit)?))
}

/// What Patroni keeps of it.
async fn annotation(
    client: Client,
    namespace: &str,
    object: &str,
    key: &str,
) -> Result<Option<String>, ClusterError> {
    let found = patroni::annotation(client, namespace, object, key).await;
    found.map_err(ClusterError::api(format!("read Patroni's {object}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_time_is_read_with_its_unit() {
        let read = |text: &str| seconds(&Value::from(text)).map(|span| span.as_secs());
        assert_eq!(read("1800s"), Some(1800));
        assert_eq!(
            (read("30min"), read("60"), read("0"), read("2 h")),
            (Some(1800), Some(60), Some(0), Some(7200))
        );
        assert_eq!(seconds(&Value::from(300)), Some(Duration::from_secs(300)));
        assert_eq!(read("soon"), None);
    }
}
