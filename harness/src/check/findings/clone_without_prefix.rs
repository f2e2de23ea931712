//! A clone that Spilo bootstraps from nothing.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity};
use crate::check::world::World;
use crate::environment::local::images::spilo::settings::CloneMethod;

pub(super) static DEFINITION: Definition = Definition {
    code: "clone-without-prefix",
    severity: Severity::Error,
    title: "the clone will say Running and hold nothing",
    page: definition::page!("clone-without-prefix"),
    shown_by: &["clone/without-az-prefix"],
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        if !cluster.is_clone() || *rendered.pod.clone_method() != CloneMethod::Nothing {
            continue;
        }
        let (why, repair) = match rendered.pod.value("CLONE_METHOD") {
            Some("CLONE_WITH_WALE") => (
                "nothing says where the backups are that it is cloned from",
                "set CLONE_WALG_AZ_PREFIX in spec.env to the WALG_AZ_PREFIX that the source had",
            ),
            Some(_) => (
                "it lacks what it needs to copy the running source",
                "give the clone section a timestamp, so that it is restored from backups",
            ),
            None => (
                "the operator makes nothing of the clone section",
                "name the source in spec.clone.cluster; a timestamp restores it from backups",
            ),
        };
        let message = format!(
            "{}: the clone will come up empty and say Running: {why}, so Spilo initialises a new database instead",
            cluster.name()
        );
        found.add(
            cluster.name(),
            cluster.document.place("/spec/clone"),
            "will not be cloned",
            message,
            repair,
        );
    }
}
