//! The clone's manifest, made from the source's: what it needs of it, and nothing that reaches beyond itself.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use rand::Rng;
use serde_json::{Map, Value, json};

use super::error::RestoreError;
use super::file::RestoreDrill;
use super::safety::{self, READS};
use super::source::Source;
use super::target::in_manifest;
use crate::secret::{is_a_word, is_told_by_name};
use crate::spilo::archive::switches;
use crate::spilo::{CredentialKind, is_known};

/// Everything that a drill makes carries it: the name of the drill's Lease.
pub(super) const LABEL: &str = "clonedrill/drill";
/// After this time no drill can be going on with it.
const EXPIRES: &str = "clonedrill/expires";
/// Which label of what the operator makes of it has its name.
pub(super) const CLUSTER_LABEL: &str = "clonedrill/cluster-label";
const SOURCE: &str = "clonedrill/source";
/// What the names of clones hold, before a part of their own.
const MIDDLE: &str = "-drill-";
/// A StatefulSet's name and the hash that Kubernetes hangs on it must fit a label (63).
const LONGEST: usize = 50;
/// A part of its own, so that a clone is never taken for one that is just being removed.
const OWN: usize = 5;

/// What a clone needs of its source's `spec`. Not its users, databases, sidecars, load balancers, standby, streams,
/// pooler or logical backups: each of them reaches beyond the clone.
const KEPT: [&str; 10] = [
    "teamId",
    "dockerImage",
    "volume",
    "nodeAffinity",
    "tolerations",
    "schedulerName",
    "podAnnotations",
    "spiloRunAsUser",
    "spiloRunAsGroup",
    "spiloFSGroup",
];
/// What the operator's own configuration may turn on for every cluster.
const OFF: [&str; 7] = [
    "enableMasterLoadBalancer",
    "enableReplicaLoadBalancer",
    "enableConnectionPooler",
    "enableReplicaConnectionPooler",
    "enableMasterPoolerLoadBalancer",
    "enableReplicaPoolerLoadBalancer",
    "enableLogicalBackup",
];
/// Volumes that belong to the pod alone. Any other kind is somebody's storage, mounted to be written.
const OWN_VOLUMES: [&str; 5] = ["emptyDir", "secret", "configMap", "projected", "downwardAPI"];
/// Parameters that are the source's own affair: its memory, its archive, what it sends or takes, what it logs; and those that
/// let a server pass over damage.
const DROPPED_PARAMETERS: [&str; 30] = [
    "shared_buffers",
    "huge_pages",
    "archive_command",
    "archive_mode",
    "archive_library",
    "archive_timeout",
    "restore_command",
    "archive_cleanup_command",
    "recovery_end_command",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_target",
    "recovery_target_name",
    "recovery_target_xid",
    "recovery_target_lsn",
    "recovery_target_time",
    "recovery_target_action",
    "recovery_min_apply_delay",
    "log_destination",
    "log_directory",
    "log_filename",
    "log_min_messages",
    "log_error_verbosity",
    "lc_messages",
    "logging_collector",
    "zero_damaged_pages",
    "ignore_checksum_failure",
    "ignore_invalid_pages",
    "synchronous_standby_names",
    "synchronized_standby_slots",
];
/// Restored jobs would do their work twice. Only what needs no restart, which the operator would do in the middle of the drill;
/// the fence is what keeps restored subscriptions from their publishers.
const QUIET: [(&str, &str); 1] = [("cron.launch_active_jobs", "off")];
/// What WAL-G must know to read, besides the prefix and the credential.
const READING: [&str; 16] = [
    "AZURE_STORAGE_ACCOUNT",
    "WALG_AZURE_BUFFER_SIZE",
    "WALG_AZURE_MAX_BUFFERS",
    "AZURE_ENVIRONMENT_NAME",
    "WALG_DOWNLOAD_CONCURRENCY",
    "WALG_DISK_RATE_LIMIT",
    "WALG_NETWORK_RATE_LIMIT",
    "WALG_LIBSODIUM_KEY",
    "WALG_LIBSODIUM_KEY_PATH",
    "WALG_LIBSODIUM_KEY_TRANSFORM",
    "WALG_PGP_KEY",
    "WALG_PGP_KEY_PATH",
    "WALG_PGP_KEY_PASSPHRASE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// A clone that is to be made.
#[derive(Debug, Clone)]
pub struct PlannedClone {
    /// The only namespace in which anything is made.
    pub namespace: String,
    /// With a part of its own at the end, so that no two clones have one name.
    pub name: String,
    /// In whole microseconds, as PostgreSQL knows times.
    pub target: Timestamp,
    /// Its variables, as they stand in the manifest.
    pub env: Vec<Value>,
    /// The `postgresql` object, as it is going to be applied.
    pub manifest: Value,
}

/// Whether a name is one that [`name`] gives.
pub(super) fn is_name_of_clone(name: &str) -> bool {
    name.rsplit_once(MIDDLE)
        .is_some_and(|(_, own)| own.len() == OWN && own.chars().all(|letter| letter.is_ascii_lowercase()))
}

/// A name that nothing has yet.
pub(super) fn name(source: &str) -> String {
    let room = LONGEST - MIDDLE.len() - OWN;
    let head: String = source.chars().take(room).collect();
    let mut rng = rand::rng();
    let own: String = (0..OWN).map(|_| char::from(b'a' + rng.random_range(0..26_u8))).collect();
    format!("{}{MIDDLE}{own}", head.trim_end_matches('-'))
}

impl PlannedClone {
    /// # Errors
    /// When it would be unsafe, or a part of it does not follow from the source's settings.
    pub fn of(
        source: &Source,
        drill: &RestoreDrill,
        name: &str,
        (target, expires): (Timestamp, Timestamp),
        lease: &str,
    ) -> Result<Self, RestoreError> {
        let env = env(source, drill, name)?;
        let mut spec = Map::new();
        for field in KEPT {
            if let Some(value) = source.spec.get(field) {
                spec.insert(field.to_owned(), value.clone());
            }
        }
        if let Some(volumes) = source.spec.get("additionalVolumes").and_then(Value::as_array) {
            let own: Vec<&Value> = volumes.iter().filter(|volume| is_own(volume)).collect();
            spec.insert("additionalVolumes".to_owned(), json!(own));
        }
        spec.extend(OFF.map(|field| (field.to_owned(), json!(false))));
        if let Some(volume) = &drill.clone.volume {
            spec.insert("volume".to_owned(), volume.clone());
        }
        safety::volume(&spec, drill)?;
        spec.insert("numberOfInstances".to_owned(), json!(1));
        spec.insert("resources".to_owned(), resources(source, drill));
        spec.insert("postgresql".to_owned(), postgresql(source));
        spec.insert(
            "clone".to_owned(),
            json!({ "cluster": source.name, "uid": source.uid, "timestamp": in_manifest(target) }),
        );
        spec.insert("env".to_owned(), json!(env));
        let namespace = drill.into.namespace.clone();
        let manifest = json!({
            "apiVersion": "acid.zalan.do/v1",
            "kind": "postgresql",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": { LABEL: lease, "app.kubernetes.io/managed-by": "clonedrill" },
                "annotations": {
                    SOURCE: format!("{}/{}", source.namespace, source.name),
                    CLUSTER_LABEL: source.cluster_label,
                    EXPIRES: expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                },
            },
            "spec": spec,
        });
        Ok(PlannedClone { namespace, name: name.to_owned(), target, env, manifest })
    }

    /// As it is created: it goes with the Lease.
    pub fn owned_by(&self, owner: &OwnerReference) -> Value {
        let mut manifest = self.manifest.clone();
        manifest["metadata"]["ownerReferences"] = json!([owner]);
        manifest
    }

    /// Where it reads backups, for people.
    pub fn reads(&self) -> &str {
        let value = self.variable(READS).and_then(|variable| variable["value"].as_str());
        value.unwrap_or("a place that an object names")
    }

    /// The variable that counts among those that the manifest gives.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.env.iter().rev().find(|variable| variable["name"] == name)
    }
}

fn is_own(volume: &Value) -> bool {
    let kinds = volume.get("volumeSource").and_then(Value::as_object);
    kinds.is_some_and(|kinds| kinds.keys().all(|kind| OWN_VOLUMES.contains(&kind.as_str())))
}

fn postgresql(source: &Source) -> Value {
    let mut parameters = Map::new();
    let given = source.spec.pointer("/postgresql/parameters").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        if !DROPPED_PARAMETERS.contains(&name.as_str()) {
            parameters.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in QUIET {
        parameters.insert(name.to_owned(), json!(value));
    }
    json!({ "version": source.spec.pointer("/postgresql/version"), "parameters": parameters })
}

/// Little is asked for; what it may use at most is what the source may.
fn resources(source: &Source, drill: &RestoreDrill) -> Value {
    if let Some(resources) = &drill.clone.resources {
        return resources.clone();
    }
    let limits = source.spec.pointer("/resources/limits").filter(|limits| limits.is_object()).cloned();
    json!({
        "requests": { "cpu": "100m", "memory": "250Mi" },
        "limits": limits.unwrap_or_else(|| json!({ "cpu": "1", "memory": "1Gi" })),
    })
}

fn env(source: &Source, drill: &RestoreDrill, name_of_clone: &str) -> Result<Vec<Value>, RestoreError> {
    let pod = source.pod();
    let mut env = vec![
        json!({ "name": READS, "value": source.backups.prefix }),
        json!({ "name": "CLONE_USE_WALG_RESTORE", "value": "true" }),
    ];
    let given = |name: &str| drill.clone.env.iter().any(|variable| variable["name"] == name);
    if !is_known(&source.backups.prefix) && !given(READS) {
        return Err(RestoreError::refused(
            format!(
                "where the backups of {}/{} are does not follow from its env: part of its WALG_AZ_PREFIX is taken from an object",
                source.namespace, source.name
            ),
            format!("name it in `clone.env` as {READS}"),
        ));
    }
    let credential: &[&str] = match source.backups.credential {
        Some(CredentialKind::AccessKey) => &["AZURE_STORAGE_ACCESS_KEY"],
        Some(CredentialKind::SasToken) => &["AZURE_STORAGE_SAS_TOKEN"],
        Some(CredentialKind::ServicePrincipal) => {
            &["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"]
        }
        None => &[],
    };
    for name in READING.iter().chain(credential) {
        let clone_name = format!("CLONE_{name}");
        let Some(item) = pod.item(name).filter(|_| pod.has(name) && !given(&clone_name)) else { continue };
        let mut item = item.clone();
        item["name"] = json!(clone_name);
        if item.get("valueFrom").is_none() {
            if is_secret(name, pod.value(name).unwrap_or_default()) {
                return Err(RestoreError::refused(
                    format!(
                        "the source has its {name} in plain text, and it shall not be written into another manifest"
                    ),
                    format!(
                        "give `{clone_name}` under `clone.env`, from a Secret in {}",
                        drill.into.namespace
                    ),
                ));
            }
            // Such as `$(SCOPE)`, which would be the clone's own here.
            let value = pod.value(name).filter(|value| is_known(value)).ok_or_else(|| {
                RestoreError::refused(
                    format!("what the source's {name} is does not follow from its env"),
                    format!("give `{clone_name}` under `clone.env`"),
                )
            })?;
            item["value"] = json!(value);
        }
        env.push(item);
    }
    env.extend(archive(source, drill, name_of_clone));
    for variable in &drill.clone.env {
        env.retain(|made| made["name"] != variable["name"]);
        env.push(variable.clone());
    }
    safety::archive(&env, source)?;
    Ok(env)
}

/// Its own archive location, or none: an empty value keeps away what the operator's configuration gives to every pod.
fn archive(source: &Source, drill: &RestoreDrill, name_of_clone: &str) -> Vec<Value> {
    let pod = source.pod();
    let off = switches().into_iter().filter(|name| *name != "WALG_AZ_PREFIX" && pod.has(name));
    let mut env: Vec<Value> = off.map(|name| json!({ "name": name, "value": "" })).collect();
    // Below the given place each clone has its own: the next one must not find this one's timelines.
    let place = drill.clone.archive.as_ref();
    let prefix =
        place.map_or(String::new(), |place| format!("{}/{name_of_clone}", place.trim_end_matches('/')));
    env.push(json!({ "name": "WALG_AZ_PREFIX", "value": prefix }));
    env
}

/// A proxy's address may have a password in it.
fn is_secret(name: &str, value: &str) -> bool {
    (is_told_by_name(name) && !is_a_word(value)) || (name.ends_with("_proxy") && value.contains('@'))
}

#[cfg(test)]
mod tests;
