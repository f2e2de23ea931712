//! A clone section without a timestamp: the running cluster is copied.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::Bootstrap;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-not-from-backups",
    severity: Severity::Warning,
    title: "without a timestamp the clone copies the running cluster, and reads no backups",
    page: definition::page!("clone-not-from-backups"),
    shown: Shown::By(&["clone/from-running-source"]),
    find,
};

/// What shows that backups were meant, where the cluster's own manifest says it.
const MEANT: [&str; 3] =
    ["CLONE_WALG_AZ_PREFIX", "CLONE_AZURE_STORAGE_ACCOUNT", "CLONE_AZURE_STORAGE_ACCESS_KEY"];

fn find(world: &World<'_>, found: &mut Found) {
    both(world, found);
    for (cluster, rendered) in world.rendered() {
        if rendered.model.bootstrap != Bootstrap::RunningCluster || !cluster.is_clone() {
            continue;
        }
        let Some(name) = MEANT.into_iter().find(|name| cluster.spec_env(name).is_some()) else { continue };
        let source = cluster.document.text("/spec/clone/cluster").unwrap_or_default();
        let message = format!(
            "{}: {name} is without effect: the clone section has no timestamp, so the operator has the running cluster {source} \
             copied as it is at that moment, and the bootstrap fails where it does not run",
            cluster.name()
        );
        let repair = format!(
            "set spec.clone.timestamp, such as \"2026-01-31T12:00:00+00:00\", to restore from backups; where the running cluster is \
             meant, take {name} and its like out"
        );
        let place = cluster.document.place("/spec/clone");
        let finding = found.add(cluster.name(), place, "no timestamp", message, repair);
        finding.beside(world.place_of_name(cluster, rendered, name), "without effect");
    }
}

/// A cluster that is to follow another one is no clone, whatever its clone section says.
fn both(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if !matches!(rendered.model.bootstrap, Bootstrap::Standby(_)) || !cluster.is_clone() {
            continue;
        }
        let message = format!(
            "{}: the clone section is without effect: the cluster has a standby section too, and Patroni has it follow the other cluster \
             in place of restoring anything",
            cluster.name()
        );
        let place = cluster.document.place("/spec/clone");
        let repair = "take spec.standby out, where a clone is meant; or spec.clone, where a standby is";
        let finding = found.add(cluster.name(), place, "without effect", message, repair);
        finding.as_bad_as(Severity::Error);
        finding.beside(cluster.document.place("/spec/standby"), "this decides");
    }
}
