//! A cluster that follows another one by its backups: what it reads them with has names of its own.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity};
use crate::check::world::World;
use crate::spilo::Bootstrap;

pub(super) static DEFINITION: Definition = Definition {
    code: "standby-cannot-read",
    severity: Severity::Error,
    title: "a cluster that shall follow another one by its backups is not told how to read them",
    page: definition::page!("standby-cannot-read"),
    shown_by: &[],
    find,
};

const PREFIX: &str = "STANDBY_WALG_AZ_PREFIX";

fn find(world: &World<'_>, found: &mut Found) {
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
