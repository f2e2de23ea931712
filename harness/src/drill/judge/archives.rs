//! In which accounts and archives a cluster looked, and which it changed.

use std::collections::BTreeSet;

use super::{Observed, ObservedCluster};
use crate::report::Finding;
use crate::storage::{Access, Effect, Operation, Who};

impl Observed {
    /// The accounts in which a cluster looked for backups. That it lists and reads its own ones, to take the next
    /// or to drop the oldest, says nothing about where it came from; that it reads what another one wrote there, does.
    pub(super) fn reads(&self, short: &str) -> BTreeSet<String> {
        let own = self.clusters.get(short).and_then(|cluster| cluster.own.as_ref());
        let of_cluster = |access: &&Access| matches!(&access.who, Who::Cluster(name) if name == short);
        let all = || self.storage.accesses().iter().filter(of_cluster);
        let place = |access: &Access| (access.account.clone(), access.container.clone(), access.blob.clone());
        let wrote: BTreeSet<_> = all().filter(|access| access.finished_blob()).map(place).collect();
        let anothers = |access: &Access| {
            access.operation == Operation::ReadBlob
                && access.status.is_some_and(|status| (200..300).contains(&status))
                && !wrote.contains(&place(access))
        };
        all()
            .filter(|access| access.operation.effect() == Effect::Read)
            .filter(|access| anothers(access) || !own.is_some_and(|own| own.holds(access)))
            .map(|access| access.account.clone())
            .collect()
    }

    /// The other clusters whose archives a cluster changed.
    pub(super) fn archives_written(&self, short: &str) -> BTreeSet<String> {
        let changed: Vec<&Access> = self
            .storage
            .accesses()
            .iter()
            .filter(|access| matches!(&access.who, Who::Cluster(name) if name == short))
            .filter(|access| access.writes())
            .filter(|access| access.status.is_some_and(|status| (200..300).contains(&status)))
            .collect();
        let holds = |cluster: &ObservedCluster| {
            cluster.own.as_ref().is_some_and(|own| changed.iter().any(|access| own.holds(access)))
        };
        let others = self.clusters.iter().filter(|(name, cluster)| *name != short && holds(cluster));
        others.map(|(name, _)| name.clone()).collect()
    }
}

/// Names that are held against exactly these; `what` is said where there is none.
pub(super) fn lists_differ(
    short: &str,
    verb: &str,
    what: &str,
    expected: &[String],
    seen: &BTreeSet<String>,
) -> Option<Finding> {
    let expected: BTreeSet<String> = expected.iter().cloned().collect();
    let list = |names: &BTreeSet<String>| match names.len() {
        0 => format!("no {what}"),
        _ => names.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    (expected != *seen).then(|| {
        Finding::new(format!("{short}: {verb}"), list(&expected), list(seen))
            .with_help("storage.txt in the evidence folder lists every kind of request")
    })
}
