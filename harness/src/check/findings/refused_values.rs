//! Values that WAL-G cannot use.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::Scope;
use crate::spilo::tuning::{Fails, refused};

pub(super) static DEFINITION: Definition = Definition {
    code: "value-refused-by-wal-g",
    severity: Severity::Error,
    title: "WAL-G cannot use the value of a variable, and does not work with it",
    page: definition::page!("value-refused-by-wal-g"),
    shown: Shown::Not(
        "the WAL-G that is built here is older than those of newer images, and takes its default for sizes that are no numbers",
    ),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.archives().filter(|archive| archive.by_walg) {
            for refused in refused(archive, rendered.wal_g()) {
                let name = format!("{}{}", archive.scope.prefix(), refused.name);
                // What Spilo fills in by itself is right.
                if rendered.is_literal(&name) || !rendered.pod.has(&name) {
                    continue;
                }
                let (what, severity) = match (refused.fails, archive.scope) {
                    (Fails::Everything, Scope::Own) => ("every backup and WAL file fails", Severity::Error),
                    (Fails::Everything | Fails::Restores, Scope::Clone) => {
                        ("the clone's bootstrap fails and is tried again for ever", Severity::Error)
                    }
                    (Fails::Restores, Scope::Own) => (
                        "no replica is made from a backup, but each by pg_basebackup from the primary",
                        Severity::Warning,
                    ),
                    (Fails::BaseBackups, _) => ("every base backup fails", Severity::Error),
                    (Fails::Rate, _) => (
                        "the rate counts as 0, and no more than a few pages of each file go through",
                        Severity::Error,
                    ),
                };
                let value = archive.value(refused.name).unwrap_or_default();
                let message = format!(
                    "{}: {what}: {name} `{value}` is not what WAL-G wants, which is {}",
                    cluster.name(),
                    refused.wants
                );
                let place = world.place_of_name(cluster, rendered, &name);
                let repair = format!("write {}, or take {name} out", refused.wants);
                found.add(cluster.name(), place, "of no use", message, repair).as_bad_as(severity);
            }
        }
    }
}
