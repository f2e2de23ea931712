//! A cluster that has an account, and no backups.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;

pub(super) static DEFINITION: Definition = Definition {
    code: "account-without-prefix",
    severity: Severity::Error,
    title: "the cluster has a storage account, and will not be backed up",
    page: definition::page!("account-without-prefix"),
    shown: Shown::By(&["check/account-without-prefix"]),
    find,
};

/// What shows that backups are wanted.
const WANTED: [&str; 4] =
    ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET"];

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if rendered.meant_by("WALG_AZ_PREFIX").is_some() {
            continue;
        }
        let Some(wanted) = WANTED.iter().find(|name| rendered.pod.has(name)) else { continue };
        if rendered.pod.archives() {
            continue;
        }
        let message = format!(
            "{}: there will be no backups at all: only WALG_AZ_PREFIX switches them on, and {wanted} alone does nothing. \
             The WAL is thrown away (archive_command is /bin/true)",
            cluster.name()
        );
        let place = world.place_of_name(cluster, rendered, wanted);
        let repair = "set WALG_AZ_PREFIX in spec.env, such as azure://<container>/$(SCOPE)/$(PGVERSION)";
        found.add(cluster.name(), place, "of no use without a prefix", message, repair).unless(
            &rendered.open,
            "WALG_AZ_PREFIX",
            Severity::Warning,
        );
    }
}
