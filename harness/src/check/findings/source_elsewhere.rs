//! A running cluster is to be copied, and it is in another namespace.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::Bootstrap;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-source-elsewhere",
    severity: Severity::Warning,
    title: "the running cluster that the clone is to copy is in another namespace",
    page: definition::page!("clone-source-elsewhere"),
    shown: Shown::Not(
        "a scenario has one namespace; check/missing-secret shows what a clone does whose running source is not in it",
    ),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if rendered.model.bootstrap != Bootstrap::RunningCluster || !cluster.is_clone() {
            continue;
        }
        let own = cluster.document.namespace.as_str();
        let source = cluster.document.text("/spec/clone/cluster").unwrap_or_default();
        let mut named = world.clusters.iter().filter(|other| other.document.name == source).peekable();
        let elsewhere = named.peek().copied();
        // Where no cluster has the name, the source may be one that is not among the manifests.
        let Some(elsewhere) = elsewhere.filter(|_| named.all(|other| other.document.namespace != own)) else {
            continue;
        };
        let message = format!(
            "{}: its pods will not start, unless there is a cluster {source} in the namespace {own} that is not among the \
             manifests: the clone section has no timestamp, so the operator has the running cluster of that name there copied. \
             {source} is in {}, and the Secret with its password too",
            cluster.name(),
            elsewhere.document.namespace
        );
        let repair = format!(
            "restore from the backups of {}: set spec.clone.timestamp and the CLONE_ variables (clonedrill explain writes them)",
            elsewhere.name()
        );
        let place = cluster.document.place("/spec/clone/cluster");
        let finding = found.add(cluster.name(), place, "not in this namespace", message, repair);
        finding.beside(elsewhere.document.place("/metadata/name"), "it is here");
    }
}
