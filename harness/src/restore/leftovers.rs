//! What earlier drills left because they were killed: found by label, by Lease and by what the Lease notes, and removed.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use super::clean::{Leftover, clones, remove};
use super::clone::LABEL;
use super::error::RestoreError;
use crate::environment::cluster::{ClusterAccess, ClusterError, NOTE, abandoned};

/// The label with a cluster's name, where no StatefulSet tells.
const CLUSTER_LABEL: &str = "cluster-name";

/// Removes everything of drills in a namespace that nobody minds any more: its Lease is abandoned or gone, or it has expired.
/// With `all` also of drills that go on. Gives the names of the clones that it removed.
///
/// # Errors
/// When something stays, or the API server says no.
pub async fn clean(
    access: &ClusterAccess,
    namespace: &str,
    all: bool,
    told: &(dyn Fn(String) + Sync),
) -> Result<Vec<String>, RestoreError> {
    let leases: Api<Lease> = Api::namespaced(access.client(), namespace);
    let held = leases.list(&ListParams::default().labels(LABEL)).await;
    let held = held.map_err(ClusterError::api(format!("list the leases in {namespace}")))?.items;
    let abandoned = match all {
        true => held.clone(),
        false => abandoned(&access.client(), namespace, LABEL).await?,
    };
    let minded = |clone: &Leftover| {
        let of_drill = |lease: &Lease| lease.name_any() == clone.lease;
        held.iter().any(of_drill) && !abandoned.iter().any(of_drill)
    };
    let expired = |clone: &Leftover| clone.expires.is_some_and(|expires| expires < Timestamp::now());
    let mut names: Vec<String> = clones(access, namespace)
        .await?
        .into_iter()
        .filter(|clone| expired(clone) || !minded(clone))
        .map(|clone| clone.name)
        .collect();
    // Of a clone whose object is gone already, only the Lease knows.
    names.extend(abandoned.iter().filter_map(|lease| lease.annotations().get(NOTE).cloned()));
    names.sort();
    names.dedup();
    for name in &names {
        remove(access, namespace, name, CLUSTER_LABEL, told).await?;
    }
    for lease in abandoned {
        match leases.delete(&lease.name_any(), &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(ClusterError::api("remove an abandoned lease")(error).into()),
        }
    }
    Ok(names)
}

/// Removes what earlier drills under the same Lease left; `noted` is what the last of them wrote into it.
///
/// # Errors
/// As [`clean`].
pub async fn of_lease(
    access: &ClusterAccess,
    (namespace, lease): (&str, &str),
    noted: Option<String>,
    label: &str,
    told: &(dyn Fn(String) + Sync),
) -> Result<Vec<String>, RestoreError> {
    let mine = clones(access, namespace).await?.into_iter().filter(|clone| clone.lease == lease);
    let mut names: Vec<String> = mine.map(|clone| clone.name).chain(noted).collect();
    names.sort();
    names.dedup();
    for name in &names {
        remove(access, namespace, name, label, told).await?;
    }
    Ok(names)
}
