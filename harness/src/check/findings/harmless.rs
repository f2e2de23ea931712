//! The operator's complaint about a missing account, where nothing is missing.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::observe::logs;

pub(super) static DEFINITION: Definition = Definition {
    code: "no-global-account-is-harmless",
    severity: Severity::Note,
    title: "the operator will log that it cannot figure out an account, and nothing is wrong",
    page: definition::page!("no-global-account-is-harmless"),
    shown: Shown::By(&["clone/into-another-account"]),
    find,
};

/// The catalogue's name of the line.
const MESSAGE: &str = "no-global-storage-account";

fn find(world: &World<'_>, found: &mut Found) {
    // With another configuration the operator may say nothing, or have an account that wins.
    if world.manifests.settings().is_none() {
        return;
    }
    for (cluster, rendered) in world.rendered() {
        let says = |line: &&String| logs::names(line).contains(&MESSAGE);
        if !rendered.set.log.iter().any(|line| says(&line)) {
            continue;
        }
        // Harmless is it only where the clone has all that the operator would have added.
        let Some(azure) = rendered.pod.source() else { continue };
        let Some(account) = &azure.account else { continue };
        let message = format!(
            "{}: the operator will log at level error \"cannot figure out S3 or GS bucket or AZ storage account\". This is \
             harmless here: the clone is told its account, `{account}`, and its prefix",
            cluster.name()
        );
        let place = world.place_of_name(cluster, rendered, "CLONE_AZURE_STORAGE_ACCOUNT");
        let repair = "nothing; wal_az_storage_account would silence the line, and override this account";
        found.add(cluster.name(), place, "named here", message, repair);
    }
}
