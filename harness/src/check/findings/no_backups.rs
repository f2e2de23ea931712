//! Clusters without backups, and input that may leave out what would give them some.

use serde_json::Value;

use super::mounted;
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};

pub(super) static DEFINITION: Definition = Definition {
    code: "no-backups",
    severity: Severity::Warning,
    title: "the cluster has no backups",
    page: definition::page!("no-backups"),
    shown: Shown::By(&["check/account-without-prefix"]),
    find,
};

/// Whether a cluster takes no backups of the kind that can be cloned.
pub(crate) fn is_without(rendered: &Rendered<'_>) -> bool {
    !rendered.pod.archives()
}

/// What was meant for backups and does nothing is a finding that says more.
fn says_more(rendered: &Rendered<'_>) -> bool {
    rendered.meant_by("WALG_AZ_PREFIX").is_some()
        || mounted::over(rendered).is_some()
        || [
            "AZURE_STORAGE_ACCOUNT",
            "AZURE_STORAGE_ACCESS_KEY",
            "AZURE_STORAGE_SAS_TOKEN",
            "AZURE_CLIENT_SECRET",
        ]
        .iter()
        .any(|name| rendered.pod.has(name))
}

fn find(world: &World<'_>, found: &mut Found) {
    let others = world.rendered().any(|(_, rendered)| !is_without(rendered));
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| is_without(rendered)) {
        if says_more(rendered) {
            continue;
        }
        let logical = cluster.document.value.pointer("/spec/enableLogicalBackup") == Some(&Value::Bool(true));
        let and = if logical {
            ". Its logical backups (enableLogicalBackup) are dumps: no point in time can be restored from them"
        } else {
            ""
        };
        let message = format!(
            "{}: this cluster has no backups: nothing that Spilo archives with reaches its pods, and the WAL is thrown away \
             (archive_command is /bin/true){and}",
            cluster.name()
        );
        let repair = "set WALG_AZ_PREFIX, AZURE_STORAGE_ACCOUNT and a credential, in spec.env or in the operator's \
                      pod_environment_configmap and pod_environment_secret; where that is meant so, accept it \
                      (annotation clonedrill.io/accept: \"no-backups: <reason>\")";
        let place = cluster.document.place_of_name();
        let finding = found.add(cluster.name(), place, "not backed up", message, repair);
        // Where nobody has any, a folder of examples is likelier than a gap; so is a clone or a dump beside others.
        if !others || logical || !is_plain(cluster) || world.manifests.settings().is_none() {
            finding.as_bad_as(Severity::Note);
        }
        finding.unless(&rendered.open, "WALG_AZ_PREFIX", Severity::Note);
        if world.manifests.settings().is_none() {
            finding.message.push_str("; unless the operator's configuration brings it, which was not given");
        }
    }
}

fn is_plain(cluster: &Cluster<'_>) -> bool {
    !cluster.is_clone() && cluster.document.value.pointer("/spec/standby").is_none()
}

/// What is said first, and loudly, where no configuration of the operator was given.
pub(crate) fn without_configuration(world: &World<'_>) -> Option<String> {
    if world.manifests.settings().is_some() || world.clusters.is_empty() {
        return None;
    }
    let without: Vec<String> = world
        .rendered()
        .filter(|(_, rendered)| is_without(rendered))
        .map(|(cluster, _)| cluster.name())
        .collect();
    let hangs = match without.len() {
        0 => String::new(),
        _ => format!(" With the default these have NO BACKUPS: {}.", without.join(", ")),
    };
    Some(format!(
        "NO OPERATOR CONFIGURATION WAS GIVEN: the default of the release was taken. What your own brings \
         (pod_environment_configmap, pod_environment_secret, wal_az_storage_account, logical backups, upgrades in place) is \
         not in what follows.{hangs} Give the OperatorConfiguration (or the operator's ConfigMap) and what it names as \
         well, or name it once in clonedrill.yaml: check: {{ operator-configuration: ../platform/opconf.yaml }}"
    ))
}
