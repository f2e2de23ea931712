//! A clone that Spilo bootstraps from nothing.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::Bootstrap;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-without-prefix",
    severity: Severity::Error,
    title: "the clone will say Running and hold nothing",
    page: definition::page!("clone-without-prefix"),
    shown: Shown::By(&["clone/without-az-prefix"]),
    find,
};

const METHOD: &str = "CLONE_METHOD";
/// What Spilo must have of a running cluster.
const OF_RUNNING: [&str; 4] = ["CLONE_SCOPE", "CLONE_HOST", "CLONE_USER", "CLONE_PASSWORD"];

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if rendered.model.bootstrap != Bootstrap::EmptyInsteadOfClone
            || rendered.meant_by("CLONE_WALG_AZ_PREFIX").is_some()
        {
            continue;
        }
        let Some(method) = rendered.pod.value(METHOD) else { continue };
        let by_variable = || world.place_of_name(cluster, rendered, METHOD);
        let place = if cluster.is_clone() { cluster.document.place("/spec/clone") } else { by_variable() };
        let (why, place, repair, missing) = match method {
            "CLONE_WITH_WALE" => {
                let repair = match world.source_of(cluster).and_then(|(_, source)| source.pod.own()) {
                    Some(own) => format!("set CLONE_WALG_AZ_PREFIX in spec.env to {}", own.prefix),
                    None => "set CLONE_WALG_AZ_PREFIX in spec.env to the WALG_AZ_PREFIX that the source has"
                        .to_owned(),
                };
                let why = "nothing says where its source's backups are".to_owned();
                (why, place, repair, "CLONE_WALG_AZ_PREFIX")
            }
            "CLONE_WITH_BASEBACKUP" => {
                let missing = OF_RUNNING.into_iter().find(|name| !rendered.pod.has(name)).unwrap_or(METHOD);
                let why = format!("{missing} is missing, without which Spilo copies no running cluster");
                (
                    why,
                    place,
                    format!("set {missing}, or give the cluster a clone section in its place"),
                    missing,
                )
            }
            other => {
                let why = format!(
                    "Spilo knows no {METHOD} `{other}`, but only CLONE_WITH_WALE, for backups of WAL-G too, and CLONE_WITH_BASEBACKUP"
                );
                (why, by_variable(), format!("set {METHOD} to CLONE_WITH_WALE"), METHOD)
            }
        };
        let message = format!(
            "{}: the clone will come up empty and say Running: {why}, so Spilo makes a new database instead",
            cluster.name()
        );
        let finding = found.add(cluster.name(), place, "will not be cloned", message, repair);
        if missing != METHOD {
            finding.unless(&rendered.open, missing, Severity::Warning);
        }
    }
}

/// What Spilo counts as a clone, and of which it makes no env dir.
pub(super) static NOT_READ: Definition = Definition {
    code: "clone-prefix-not-read",
    severity: Severity::Error,
    title: "the clone is told its source's backups by a variable that WAL-G never gets",
    page: definition::page!("clone-prefix-not-read"),
    shown: Shown::By(&["check/clones-that-find-nothing"]),
    find: not_read,
};

fn not_read(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if rendered.model.bootstrap != Bootstrap::Backups(None) {
            continue;
        }
        let names = ["CLONE_WALE_AZ_PREFIX", "CLONE_WAL_AZ_BUCKET", "CLONE_WALE_GCS_PREFIX"];
        let Some(name) = names.into_iter().find(|name| rendered.pod.has(name)) else { continue };
        let message = format!(
            "{}: the clone's bootstrap will fail and be tried again for ever: Spilo takes {name} for the sign of a clone, and \
             then hands nothing of it to WAL-G",
            cluster.name()
        );
        let repair =
            format!("set CLONE_WALG_AZ_PREFIX, such as azure://<container>/<path>, in place of {name}");
        let place = world.place_of_name(cluster, rendered, name);
        found.add(cluster.name(), place, "never handed on", message, repair).unless(
            &rendered.open,
            "CLONE_WALG_AZ_PREFIX",
            Severity::Warning,
        );
    }
}
