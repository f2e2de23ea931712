//! A clone on Azure for which Spilo starts WAL-E, which knows nothing of Azure's `WALG_` names.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::{Store, is_known};

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-without-walg-restore",
    severity: Severity::Error,
    title: "the clone's bootstrap will fail: nothing tells Spilo to restore with WAL-G",
    page: definition::page!("clone-without-walg-restore"),
    shown: Shown::By(&["clone/without-walg-restore"]),
    find,
};

const NAME: &str = "CLONE_USE_WALG_RESTORE";

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let wale =
            rendered.model.source().is_some_and(|source| source.store == Store::Azure && !source.by_walg);
        if !wale
            || rendered.meant_by(NAME).is_some()
            || rendered.pod.raw(NAME).is_some_and(|value| !is_known(value))
        {
            continue;
        }
        let (place, label) = match rendered.entry(NAME) {
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
        found
            .add(cluster.name(), place, label, message, format!("set {NAME} to \"true\" in spec.env"))
            .unless(&rendered.open, NAME, Severity::Warning);
    }
}

pub(super) static OWN: Definition = Definition {
    code: "backups-without-walg",
    severity: Severity::Error,
    title: "Spilo archives with WAL-E, which knows nothing of Azure's prefix",
    page: definition::page!("backups-without-walg"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: own,
};

fn own(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let archive = rendered
            .model
            .archive
            .as_ref()
            .filter(|archive| archive.store == Store::Azure && !archive.by_walg);
        if archive.is_none() {
            continue;
        }
        // Only a value that somebody gave switches it off: of itself Spilo switches it on for Azure.
        let given = ["USE_WALG_BACKUP", "USE_WALG"].into_iter().find(|name| rendered.pod.has(name));
        let name = given.unwrap_or("USE_WALG_BACKUP");
        if rendered.pod.raw(name).is_some_and(|value| !is_known(value)) {
            continue;
        }
        let message = format!(
            "{}: there will be no WAL and no base backup: with {name} other than `true` Spilo archives with WAL-E, which does \
             not know an azure:// prefix",
            cluster.name()
        );
        let repair =
            format!("set {name} to \"true\", or take it out: for Azure that is what Spilo does by itself");
        let place = world.place_of_name(cluster, rendered, name);
        found.add(cluster.name(), place, "is not `true`", message, repair);
    }
}
