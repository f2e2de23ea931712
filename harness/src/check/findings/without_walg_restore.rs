//! A clone on Azure for which Spilo starts WAL-E, which knows nothing of Azure's `WALG_` names.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity};
use crate::check::world::World;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-without-walg-restore",
    severity: Severity::Error,
    title: "the clone's bootstrap will fail: nothing tells Spilo to restore with WAL-G",
    page: definition::page!("clone-without-walg-restore"),
    shown_by: &["clone/without-walg-restore"],
    find,
};

const NAME: &str = "CLONE_USE_WALG_RESTORE";

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.known_in_full() {
        if rendered.pod.source().is_none() || rendered.pod.setting(NAME) == "true" {
            continue;
        }
        let (place, label) = match rendered.pod.entry(NAME) {
            Some(entry) => (world.place_of(cluster, entry), "is not `true`"),
            None => (
                world.place_of_name(cluster, rendered, "CLONE_WALG_AZ_PREFIX"),
                "restored with WAL-E, which cannot read it",
            ),
        };
        let message = format!(
            "{}: the clone's bootstrap will fail (\"Found find 0 WALE_*_PREFIX environment variables, expected 1\") and be \
             tried again for ever: for Azure {NAME} must be `true`",
            cluster.name()
        );
        found.add(cluster.name(), place, label, message, format!("set {NAME} to \"true\" in spec.env"));
    }
}
