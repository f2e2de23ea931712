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
    for (cluster, rendered) in world.known_in_full() {
        let asked = rendered.pod.value("CLONE_METHOD") == Some("CLONE_WITH_WALE");
        if !asked || *rendered.pod.clone_method() != CloneMethod::Nothing {
            continue;
        }
        let message = format!(
            "{}: the clone will come up empty and say Running: nothing says where its source's backups are, so Spilo makes a \
             new database instead",
            cluster.name()
        );
        let repair = "set CLONE_WALG_AZ_PREFIX in spec.env to the WALG_AZ_PREFIX that the source has";
        let place = cluster.document.place("/spec/clone");
        found.add(cluster.name(), place, "will not be cloned", message, repair);
    }
}
