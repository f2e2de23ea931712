//! A clone that no storage account is named to.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-without-account",
    severity: Severity::Error,
    title: "nothing names the storage account that the clone reads",
    page: definition::page!("clone-without-account"),
    shown: Shown::By(&["check/clone-without-account"]),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if rendered.meant_by("CLONE_AZURE_STORAGE_ACCOUNT").is_some() {
            continue;
        }
        let Some(azure) = rendered.pod.source().filter(|azure| azure.account.is_none()) else { continue };
        let own = rendered.pod.own().and_then(|own| own.account.as_ref());
        let not_own =
            own.map_or(String::new(), |own| format!(" (AZURE_STORAGE_ACCOUNT, `{own}`, is where it writes)"));
        let message = format!(
            "{}: the clone's bootstrap will fail: nothing says in which storage account `{}` is{not_own}",
            cluster.name(),
            azure.prefix
        );
        let place = world.place_of_name(cluster, rendered, "CLONE_WALG_AZ_PREFIX");
        let repair =
            "set CLONE_AZURE_STORAGE_ACCOUNT in spec.env to the account that holds the source's backups";
        found.add(cluster.name(), place, "in which account?", message, repair).unless(
            &rendered.open,
            "CLONE_AZURE_STORAGE_ACCOUNT",
            Severity::Note,
        );
    }
}

pub(super) static OWN: Definition = Definition {
    code: "backups-without-account",
    severity: Severity::Error,
    title: "nothing names the storage account that the cluster writes its backups into",
    page: definition::page!("backups-without-account"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: own,
};

fn own(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "AZURE_STORAGE_ACCOUNT";
    for (cluster, rendered) in world.rendered() {
        let Some(azure) = rendered.pod.own().filter(|azure| azure.account.is_none()) else { continue };
        if rendered.meant_by(NAME).is_some() {
            continue;
        }
        let message = format!(
            "{}: every backup and WAL file will fail: nothing says in which storage account `{}` is (\"{NAME}\" is not specified)",
            cluster.name(),
            azure.prefix
        );
        let place = world.place_of_name(cluster, rendered, "WALG_AZ_PREFIX");
        let repair = format!("set {NAME} in spec.env to the account that shall hold the backups");
        found.add(cluster.name(), place, "in which account?", message, repair).unless(
            &rendered.open,
            NAME,
            Severity::Note,
        );
    }
}
