//! Other clusters that this user can see: who archives into the same place as the source, and whose a timeline is.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::history::{History, Switch};
use super::source::Source;
use crate::environment::cluster::ClusterAccess;
use crate::operator::patroni;
use crate::report::Finding;
use crate::spilo::{Pod, env_of};

/// Another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sibling {
    pub namespace: String,
    pub name: String,
    /// Its archive lies where the source's is looked for.
    pub shares: bool,
    /// It is restored from where it archives.
    pub reads: bool,
}

impl Sibling {
    pub fn shown(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether a pod is one of its own, by its name.
    pub fn has_pod(&self, pod: &str) -> bool {
        has_pod(&self.name, pod)
    }
}

/// A pod that is not the source's, which took the base backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakenBy {
    pub backup: String,
    pub host: String,
    /// Whose pod it is, where such a cluster is seen.
    pub owner: Option<String>,
}

impl TakenBy {
    pub(super) fn said(&self) -> String {
        let TakenBy { backup, host, owner } = self;
        let of = owner.as_ref().map_or(String::new(), |owner| format!(", a pod of {owner}"));
        format!("{backup} was taken by {host}{of}")
    }
}

/// `acid-orders-0` is a pod of `acid-orders`.
pub(super) fn has_pod(cluster: &str, pod: &str) -> bool {
    let number = pod.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// All others that this user may list: in all namespaces, else in the source's. Where nothing may be listed, nothing is known,
/// and that is no error.
pub(super) async fn everyone(access: &ClusterAccess, source: &Source) -> Vec<Sibling> {
    let major = source.pod().major();
    let others = sets(access, &source.namespace).await.into_iter().filter_map(|set| {
        let (namespace, name) = (set.namespace()?, set.name_any());
        if (namespace.as_str(), name.as_str()) == (source.namespace.as_str(), source.name.as_str()) {
            return None;
        }
        let variables = env_of(&set)?;
        let pod = Pod::of_items(&variables, &namespace);
        let shares = pod.own().is_some_and(|own| source.backups.finds(own, major));
        let reads = pod.reads_from(&pod);
        Some(Sibling { namespace, name, shares, reads })
    });
    others.collect()
}

async fn sets(access: &ClusterAccess, namespace: &str) -> Vec<StatefulSet> {
    let everywhere: Api<StatefulSet> = Api::all(access.client());
    if let Ok(listed) = everywhere.list(&ListParams::default()).await {
        return listed.items;
    }
    let here: Api<StatefulSet> = Api::namespaced(access.client(), namespace);
    here.list(&ListParams::default()).await.map(|listed| listed.items).unwrap_or_default()
}

/// The cluster that has this switch in its own history.
pub(super) async fn whose<'s>(
    access: &ClusterAccess,
    siblings: &'s [Sibling],
    switch: &Switch,
) -> Option<&'s Sibling> {
    for sibling in siblings {
        let Sibling { namespace, name, .. } = sibling;
        let found =
            patroni::annotation(access.client(), namespace, &patroni::config(name), patroni::HISTORY).await;
        // What may not be read tells nothing.
        let history = found.ok().flatten().and_then(|text| History::of_patroni(&text));
        if history.is_some_and(|history| history.has(switch)) {
            return Some(sibling);
        }
    }
    None
}

/// What `clonedrill check` would say of them: in such a place no backup can be relied on.
pub(super) fn finding(source: &Source, sharing: &[Sibling]) -> Option<Finding> {
    let first = sharing.first()?;
    let code = if first.reads { "prefix-shared-with-source" } else { "prefix-shared-by-clusters" };
    let names: Vec<String> = sharing.iter().map(Sibling::shown).collect();
    Some(Finding {
        subject: "source: archive".to_owned(),
        expected: format!(
            "only {}/{} archives into {}",
            source.namespace, source.name, source.backups.prefix
        ),
        seen: format!("{} archives into it, too ({code})", names.join(" and ")),
        evidence: Vec::new(),
        help: format!(
            "a restore from there may give another cluster's data: give each cluster a WALG_AZ_PREFIX of its own, and take a \
             new base backup; `clonedrill check --explain {code}` tells more"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::samples;

    #[test]
    fn a_pod_is_known_by_its_clusters_name_and_a_number() {
        assert!(has_pod("acid-orders", "acid-orders-0") && has_pod("acid-orders", "acid-orders-12"));
        for other in ["acid-orders", "acid-orders-", "acid-orders-clone-0", "acid-orders2-0"] {
            assert!(!has_pod("acid-orders", other), "{other}");
        }
    }

    #[test]
    fn who_shares_the_archive_is_named_with_the_checks_own_code() {
        let sibling = |reads| Sibling {
            namespace: "prod".to_owned(),
            name: "acid-clone".to_owned(),
            shares: true,
            reads,
        };
        let source = samples::source();
        assert!(finding(&source, &[]).is_none());
        for (reads, code) in [(true, "prefix-shared-with-source"), (false, "prefix-shared-by-clusters")] {
            assert!(crate::check::by_code(code).is_some());
            let found = finding(&source, &[sibling(reads)]);
            assert!(
                found
                    .is_some_and(|found| found.seen.contains("prod/acid-clone") && found.seen.contains(code))
            );
        }
    }
}
