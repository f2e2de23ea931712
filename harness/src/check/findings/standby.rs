//! A cluster that follows another one by its backups: what it reads them with has names of its own.

use super::another_store::field;
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::{Bootstrap, Store};

pub(super) static DEFINITION: Definition = Definition {
    code: "standby-cannot-read",
    severity: Severity::Error,
    title: "a cluster that shall follow another one by its backups is not told how to read them",
    page: definition::page!("standby-cannot-read"),
    shown: Shown::By(&["check/standby-cannot-read"]),
    find,
};

const PREFIX: &str = "STANDBY_WALG_AZ_PREFIX";

fn find(world: &World<'_>, found: &mut Found) {
    another_store(world, found);
    for (cluster, rendered) in world.rendered() {
        let follows = matches!(rendered.model.bootstrap, Bootstrap::Standby(_)) && rendered.pod.has(PREFIX);
        if !follows {
            continue;
        }
        let lacks = rendered.pod.standby_lacks(world.settings.managed_identity);
        let lacks: Vec<&str> = lacks.into_iter().filter(|name| rendered.meant_by(name).is_none()).collect();
        let Some(first) = lacks.first() else { continue };
        let message = format!(
            "{}: the cluster will not come up: it shall follow the one that archives to `{}`, and {} missing. Only names that \
             begin with STANDBY_ count there",
            cluster.name(),
            rendered.pod.value(PREFIX).unwrap_or("…"),
            match &lacks[..] {
                [one] => format!("{one} is"),
                many => format!("{} are", many.join(", ")),
            }
        );
        let repair = format!(
            "set {} in spec.env: the account and what opens it as the source has them, STANDBY_USE_WALG_RESTORE to \"true\"",
            lacks.join(", ")
        );
        let place = world.place_of_name(cluster, rendered, PREFIX);
        found.add(cluster.name(), place, "cannot be read", message, repair).unless(
            &rendered.open,
            first,
            Severity::Warning,
        );
    }
}

/// Fields of the standby section that make Spilo take another store, filled in for Azure.
fn another_store(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for (name, store) in
            [("STANDBY_WALE_S3_PREFIX", Store::S3), ("STANDBY_WALE_GS_PREFIX", Store::GoogleStorage)]
        {
            let is_azure = rendered.pod.value(name).is_some_and(|value| value.starts_with("azure:"));
            if !is_azure || !matches!(rendered.model.bootstrap, Bootstrap::Standby(_)) {
                continue;
            }
            let written = field(world, rendered, name);
            let message = format!(
                "{}: the cluster will not come up: {written} makes Spilo look for the other cluster's backups in {}, and an azure:// prefix \
                 is no path there",
                cluster.name(),
                store.name()
            );
            let repair = format!(
                "take {written} out, and set {PREFIX}, STANDBY_AZURE_STORAGE_ACCOUNT, what opens it, and STANDBY_USE_WALG_RESTORE to \
                 \"true\" in spec.env, or standby_host for a cluster that runs"
            );
            let place = world.place_of_name(cluster, rendered, name);
            found.add(cluster.name(), place, "this one decides", message, repair);
        }
    }
}
