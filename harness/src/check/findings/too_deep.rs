//! A prefix that ends in a folder which WAL-G makes below it.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::{Store, search};

pub(super) static DEFINITION: Definition = Definition {
    code: "prefix-too-deep",
    severity: Severity::Error,
    title: "the clone's prefix ends in a folder that WAL-G makes itself, so no backup is found",
    page: definition::page!("prefix-too-deep"),
    shown: Shown::By(&["check/clones-that-find-nothing"]),
    find,
};

const NAME: &str = "CLONE_WALG_AZ_PREFIX";

/// The prefix that was meant, where the clone's is inside of WAL-G's own folders and its source does not archive there.
pub(super) fn meant<'r>(
    world: &World<'_>,
    cluster: &Cluster<'_>,
    rendered: &'r Rendered<'_>,
) -> Option<(&'r str, &'r str)> {
    let reads = rendered.model.source().filter(|reads| reads.store == Store::Azure)?;
    let found = search::above_walgs_folders(reads.prefix()?)?;
    let source = world.source_of(cluster).filter(|(_, source)| rendered.pod.reads_from(&source.pod));
    source.is_none().then_some(found)
}

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some((above, folder)) = meant(world, cluster, rendered) else { continue };
        let message = format!(
            "{}: no backup will be found and the bootstrap will fail: {NAME} goes into `{folder}`, a folder that WAL-G makes \
             itself below the prefix, and looks for a second one of its name in it",
            cluster.name()
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(cluster.name(), place, "too deep", message, format!("set {NAME} to {above}"));
    }
}
