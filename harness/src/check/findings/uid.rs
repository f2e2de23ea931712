//! The uid of a clone's source.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::prefix::is_uid;
use crate::check::world::World;

pub(super) static DEFINITION: Definition = Definition {
    code: "uid-not-a-uid",
    severity: Severity::Error,
    title: "the clone's uid is not a uid",
    page: definition::page!("uid-not-a-uid"),
    shown: Shown::By(&["check/clone-section-refused"]),
    find,
};

const UID: &str = "/spec/clone/uid";

fn find(world: &World<'_>, found: &mut Found) {
    for cluster in &world.clusters {
        let Some(uid) = cluster.document.text(UID).filter(|uid| !uid.is_empty() && !is_uid(uid)) else {
            continue;
        };
        let message = match &cluster.rendered {
            Ok(_) => format!(
                "{}: the clone will look for the backups of a cluster with the uid `{uid}`, which no cluster has",
                cluster.name()
            ),
            Err(_) => {
                format!("{}: the API server will refuse the cluster: `{uid}` is not a uid", cluster.name())
            }
        };
        let name = cluster.document.text("/spec/clone/cluster").unwrap_or("<source>");
        let repair = format!(
            "`kubectl get postgresql {name} -o jsonpath={{.metadata.uid}}` gives it while the source exists"
        );
        found.add(cluster.name(), cluster.document.place(UID), "not a uid", message, repair);
    }
}
