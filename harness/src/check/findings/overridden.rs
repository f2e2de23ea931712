//! A variable of the manifest that stands in the pod template, and that a later one of the same name hides.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::render::RenderedVariable;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-variable-overridden",
    severity: Severity::Error,
    title: "a variable in spec.env is overridden by the operator's own of the same name",
    page: definition::page!("clone-variable-overridden"),
    shown: Shown::By(&[
        "clone/global-account-overrides",
        "clone/global-account-wrong-data",
        "clone/wal-prefixed-overrides",
    ]),
    find,
};

/// What decides where backups are read.
const ACCOUNT: &str = "CLONE_AZURE_STORAGE_ACCOUNT";

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for hidden in rendered.entries().iter().filter(|entry| entry.hidden) {
            let Some(at) = cluster.spec_env(&hidden.name) else { continue };
            let Some(winner) = rendered.entry(&hidden.name) else { continue };
            // Twice the same is no harm, and a manifest may well say what the operator says.
            if winner.item == hidden.item {
                continue;
            }
            overridden(world, found, cluster, rendered, (&at, winner));
        }
    }
}

fn overridden(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    (at, winner): (&str, &RenderedVariable),
) {
    let name = &winner.name;
    let wins = definition::shown(winner, rendered.pod.value(name));
    let wanted = cluster.document.text(&format!("{at}/value")).unwrap_or_default();
    let message = match name.as_str() {
        ACCOUNT => format!(
            "{}: the clone will read its backups in the storage account `{wins}`, not in `{wanted}`: the operator \
             appends a {ACCOUNT} of its own, and Kubernetes takes the last",
            cluster.name()
        ),
        _ => format!(
            "{}: {name} will be {}, not what spec.env says: the operator appends one of its own, and Kubernetes takes \
             the last",
            cluster.name(),
            if wins.is_empty() { "empty".to_owned() } else { format!("`{wins}`") },
        ),
    };
    let repair = match name.as_str() {
        ACCOUNT => format!(
            "leave wal_az_storage_account out of the operator configuration and name the account in spec.env of every \
             cluster, as AZURE_STORAGE_ACCOUNT and {ACCOUNT}"
        ),
        _ => format!(
            "take {name} out of spec.env; what decides is the operator configuration and the clone section"
        ),
    };
    let place = cluster.document.place(&format!("{at}/value"));
    let finding = found.add(cluster.name(), place, "without effect", message, repair);
    if let Some((document, pointer)) = world.written(winner) {
        finding.beside(document.place(pointer), "this one wins");
    }
}
