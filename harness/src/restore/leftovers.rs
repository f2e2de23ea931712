//! What killed drills left behind: found by label, by Lease and by what the Lease notes, and removed.

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::clean::{Leftover, clones, remove};
use super::clone::{LABEL, is_name_of_clone};
use super::error::RestoreError;
use crate::environment::cluster::{ClusterAccess, ClusterError, Lock, NOTE};

/// The label with a cluster's name, where nothing tells another.
const CLUSTER_LABEL: &str = "cluster-name";

/// Removes everything of drills in a namespace that nobody minds any more: each Lease is taken first, as another drill would,
/// so that a drill that goes on is left alone. With `all` those are not. Gives the names of the clones that it removed.
///
/// # Errors
/// When something stays, or the API server says no.
pub async fn clean(
    access: &ClusterAccess,
    namespace: &str,
    all: bool,
    told: &(dyn Fn(String) + Sync),
) -> Result<Vec<String>, RestoreError> {
    // Clones first: one that is made after this has a Lease of its own in the second list.
    let clones = clones(access, namespace).await?;
    let leases: Api<Lease> = Api::namespaced(access.client(), namespace);
    let listed = leases.list(&ListParams::default().labels(LABEL)).await;
    let listed = listed.map_err(ClusterError::api(format!("list the leases in {namespace}")))?.items;
    let mut names: Vec<String> = listed.iter().map(Lease::name_any).collect();
    names.extend(clones.iter().map(|clone| clone.lease.clone()));
    names.sort();
    names.dedup();
    let mut removed = Vec::new();
    for name in names {
        let lock = Lock {
            namespace: namespace.to_owned(),
            label: (LABEL.to_owned(), name.clone()),
            name: name.clone(),
            about: "clonedrill clean".to_owned(),
        };
        match lock.take(access, told).await {
            Ok(held) => {
                let noted = held.noted().await;
                removed.extend(of_lease(access, (namespace, &name), noted, told).await?);
                held.release().await?;
            }
            Err(ClusterError::Busy { .. }) if all => {
                let noted = listed.iter().find(|lease| lease.name_any() == name);
                let noted = noted.and_then(|lease| lease.annotations().get(NOTE).cloned());
                removed.extend(of_lease(access, (namespace, &name), noted, told).await?);
            }
            Err(ClusterError::Busy { by, .. }) => told(format!("{name} is left alone: held by {by}")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(removed)
}

/// Removes what earlier drills under the same Lease left; `noted` is what the last of them wrote into it.
///
/// # Errors
/// As [`clean`].
pub(super) async fn of_lease(
    access: &ClusterAccess,
    (namespace, lease): (&str, &str),
    noted: Option<String>,
    told: &(dyn Fn(String) + Sync),
) -> Result<Vec<String>, RestoreError> {
    let mine = clones(access, namespace).await?.into_iter().filter(|clone| clone.lease == lease);
    let mut left: Vec<(String, String)> =
        mine.map(|Leftover { name, cluster_label, .. }| (name, cluster_label)).collect();
    // Of a clone whose object is gone already, only the Lease knows.
    left.extend(noted.as_deref().and_then(read_note));
    left.sort();
    left.dedup();
    for (name, label) in &left {
        let label = if label.is_empty() { CLUSTER_LABEL } else { label };
        remove(access, namespace, name, label, told).await?;
    }
    Ok(left.into_iter().map(|(name, _)| name).collect())
}

/// What a drill writes into its Lease before it makes anything: the clone's name, and the label that will have it.
pub(super) fn note(name: &str, cluster_label: &str) -> String {
    format!("{name} {cluster_label}")
}

/// A note of anything else is none of ours.
fn read_note(text: &str) -> Option<(String, String)> {
    let (name, label) = text.split_once(' ')?;
    is_name_of_clone(name).then(|| (name.to_owned(), label.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clones_name_is_taken_from_a_note() {
        let read = |text: &str| read_note(text);
        let of = |name: &str, label: &str| Some((name.to_owned(), label.to_owned()));
        assert_eq!(
            read(&note("acid-orders-drill-abcde", "cluster")),
            of("acid-orders-drill-abcde", "cluster")
        );
        assert_eq!(read("acid-orders cluster-name"), None);
        assert_eq!(read("acid-drill-x cluster-name"), None);
        assert_eq!(read(""), None);
    }
}
