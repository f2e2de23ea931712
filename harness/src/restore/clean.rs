//! Removing a clone with all that the operator and Patroni made of it. Only what a drill created is touched.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Preconditions,
    PropagationPolicy,
};
use kube::{Client, ResourceExt};

use super::bearing::Bearing;
use super::clone::{CLUSTER_LABEL, LABEL};
use super::error::RestoreError;
use crate::environment::cluster::{ClusterAccess, ClusterError};
use crate::operator::postgresqls;
use crate::poll::{Limit, PollError, Seen, poll};

/// What the operator and Patroni make of a cluster, owners before what they own: as `kubectl auth can-i` writes it, and its kind.
const KINDS: [(&str, &str); 11] = [
    ("statefulsets.apps", "StatefulSet"),
    ("poddisruptionbudgets.policy", "PodDisruptionBudget"),
    ("pods", "Pod"),
    ("services", "Service"),
    ("endpoints", "Endpoints"),
    ("configmaps", "ConfigMap"),
    ("secrets", "Secret"),
    ("persistentvolumeclaims", "PersistentVolumeClaim"),
    // The operator deletes what owns them and lets them be orphans, which no garbage collector takes.
    ("controllerrevisions.apps", "ControllerRevision"),
    ("endpointslices.discovery.k8s.io", "EndpointSlice"),
    ("networkpolicies.networking.k8s.io", FENCE),
];
/// The one thing that the drill made besides the clone; it goes last.
const FENCE: &str = "NetworkPolicy";
/// A pod has its grace period (5 minutes by the operator's default), a volume its finalizer.
const GONE: Limit = Limit {
    total: Duration::from_secs(900),
    first_interval: Duration::from_millis(200),
    longest_interval: Duration::from_secs(1),
};
/// A server writes what it has in memory before it ends.
const PODS: Duration = Duration::from_secs(120);
/// The operator removes what it made by itself; it is given so long for each next object.
const OPERATOR: Duration = Duration::from_secs(15);
/// Once no pod is left. An operator that missed its pod's end waits minutes for it (v1.15.1 does), and what a Patroni made again
/// nobody removes.
const WITHOUT_PODS: Duration = Duration::from_secs(2);
/// An operator that hears of a cluster's creation and removal at once first makes it, and then removes it.
const STILL: Duration = Duration::from_secs(3);
/// As long as none of it was seen.
const STILL_WITHOUT_SET: Duration = Duration::from_secs(10);

/// A clone that a drill made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    pub name: String,
    /// The Lease of its drill.
    pub lease: String,
    /// The label that has a cluster's name.
    pub cluster_label: String,
}

/// What removing clones must be allowed to list and delete.
pub(super) fn removed() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().map(|(resource, _)| resource)
}

/// The clones of drills in a namespace.
///
/// # Errors
/// When the API server says no.
pub(super) async fn clones(access: &ClusterAccess, namespace: &str) -> Result<Vec<Leftover>, ClusterError> {
    let api = postgresqls(access.client(), namespace);
    let listed = api.list(&ListParams::default().labels(LABEL)).await;
    let listed = listed.map_err(ClusterError::api(format!("list the clones in {namespace}")))?;
    let of = |object: &DynamicObject| Leftover {
        name: object.name_any(),
        lease: object.labels().get(LABEL).cloned().unwrap_or_default(),
        cluster_label: object.annotations().get(CLUSTER_LABEL).cloned().unwrap_or_default(),
    };
    Ok(listed.items.iter().map(of).collect())
}

/// Removes a clone and waits until nothing of it is left. `label` is the one that has a cluster's name.
///
/// # Errors
/// When something of it stays, or the API server says no.
pub(super) async fn remove(
    access: &ClusterAccess,
    namespace: &str,
    name: &str,
    label: &str,
    told: &(dyn Fn(String) + Sync),
) -> Result<(), RestoreError> {
    let mut stage = Stage::Unknown;
    let mut last: Option<(BTreeSet<String>, Instant)> = None;
    let mut bearing = Bearing::default();
    let mut still = STILL_WITHOUT_SET;
    let gone = poll(format!("the clone {name} to be gone"), GONE, async || {
        let left = match bearing.bear(left(access.client(), namespace, name, label).await)? {
            Ok(left) => left,
            Err(passing) => return Ok(Seen::NotYet(passing)),
        };
        let has = |kinds: &[&str]| left.iter().any(|(kind, _)| kinds.contains(kind));
        if has(&["StatefulSet"]) {
            still = STILL;
        }
        if stage != Stage::Deleted {
            let asked = match stage {
                Stage::Stopping(since) if since.elapsed() >= PODS || !has(&["StatefulSet", "Pod"]) => {
                    delete_clone(access, namespace, name).await.map(|()| Stage::Deleted)
                }
                Stage::Stopping(since) => Ok(Stage::Stopping(since)),
                _ => stop(access, namespace, name).await.map(|()| Stage::Stopping(Instant::now())),
            };
            match bearing.bear(asked)? {
                Ok(reached) => stage = reached,
                Err(passing) => return Ok(Seen::NotYet(passing)),
            }
        }
        let names: BTreeSet<String> = left.iter().map(|(kind, object)| format!("{kind} {object}")).collect();
        let now = Instant::now();
        let since = match &last {
            Some((before, since)) if *before == names => *since,
            _ => {
                last = Some((names.clone(), now));
                now
            }
        };
        let stood = now.duration_since(since);
        if names.is_empty() {
            return Ok(match stood >= still {
                true => Seen::Done(()),
                false => Seen::NotYet("nothing is left of it, for now".to_owned()),
            });
        }
        let said = names.iter().cloned().collect::<Vec<_>>().join(", ");
        told(format!("removing {name}: {said}"));
        let of_pods = has(&["postgresql", "StatefulSet", "Pod"]);
        let patience = match () {
            () if stage != Stage::Deleted => GONE.total,
            () if left.iter().all(|(kind, _)| *kind == FENCE) => Duration::ZERO,
            () if of_pods => OPERATOR,
            () => WITHOUT_PODS,
        };
        if stood >= patience
            && let Err(passing) = bearing.bear(delete_all(access.client(), namespace, &left).await)?
        {
            return Ok(Seen::NotYet(passing));
        }
        Ok::<_, RestoreError>(Seen::NotYet(format!("there are {said}")))
    });
    match gone.await {
        Ok(()) => Ok(()),
        Err(PollError::Failed(error)) => Err(error),
        Err(PollError::TimedOut(late)) => Err(late.into()),
    }
}

/// How far a removal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unknown,
    /// Its pods end, since then.
    Stopping(Instant),
    /// The operator has been told.
    Deleted,
}

/// Ends its pods. An operator that ends them itself may miss that they have ended, and then waits for ten minutes, in which
/// nothing is done for other clusters either (v1.15.1 drops an event that comes close after another).
async fn stop(access: &ClusterAccess, namespace: &str, name: &str) -> Result<(), RestoreError> {
    ours(access, namespace, name).await?;
    let sets: Api<StatefulSet> = Api::namespaced(access.client(), namespace);
    let deleted = sets.delete(name, &DeleteParams::background()).await;
    match deleted {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(ClusterError::api(format!("end the pods of {namespace}/{name}"))(error).into()),
        Ok(_) => Ok(()),
    }
}

async fn delete_clone(access: &ClusterAccess, namespace: &str, name: &str) -> Result<(), RestoreError> {
    let Some(object) = ours(access, namespace, name).await? else { return Ok(()) };
    let deleted = delete(&postgresqls(access.client(), namespace), name, object.uid()).await;
    deleted.map_err(|error| ClusterError::api(format!("remove the clone {namespace}/{name}"))(error).into())
}

/// The object of this name, if it is there. One without a drill's label is somebody's cluster, and that is an error.
async fn ours(
    access: &ClusterAccess,
    namespace: &str,
    name: &str,
) -> Result<Option<DynamicObject>, RestoreError> {
    let doing = || format!("remove the clone {namespace}/{name}");
    let object = postgresqls(access.client(), namespace).get_opt(name).await;
    let object = object.map_err(ClusterError::api(doing()))?;
    match object {
        Some(object) if !object.labels().contains_key(LABEL) => Err(RestoreError::Broken {
            what: doing(),
            seen: format!("it has no label {LABEL}, so no drill has made it"),
            help: String::new(),
        }),
        object => Ok(object),
    }
}

async fn delete(api: &Api<DynamicObject>, name: &str, uid: Option<String>) -> Result<(), kube::Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match api.delete(name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What carries the clone's name, which nothing else ever had.
async fn left(
    client: Client,
    namespace: &str,
    name: &str,
    label: &str,
) -> Result<Vec<(&'static str, String)>, ClusterError> {
    let object = postgresqls(client.clone(), namespace).get_opt(name).await;
    let object = object.map_err(ClusterError::api(format!("look whether {name} is gone")))?;
    let object = object.map(|object| {
        let waits = object.finalizers().join(", ");
        ("postgresql", if waits.is_empty() { name.to_owned() } else { format!("{name} (finalizer {waits})") })
    });
    let lists = KINDS.map(|(resource, kind)| {
        let api = api(client.clone(), namespace, (resource, kind));
        async move {
            let listed = api.list_metadata(&ListParams::default().labels(&format!("{label}={name}"))).await;
            let listed =
                listed.map_err(ClusterError::api(format!("list what is left of {name}: {kind}s")))?;
            let names = listed.items.iter().map(|object| (kind, object.name_any()));
            Ok::<_, ClusterError>(names.collect::<Vec<_>>())
        }
    });
    let found = try_join_all(lists).await?;
    Ok(object.into_iter().chain(found.into_iter().flatten()).collect())
}

async fn delete_all(
    client: Client,
    namespace: &str,
    left: &[(&'static str, String)],
) -> Result<(), ClusterError> {
    for (kind, name) in left {
        let Some(known) = KINDS.into_iter().find(|(_, known)| known == kind) else { continue };
        let deleted = delete(&api(client.clone(), namespace, known), name, None).await;
        deleted.map_err(ClusterError::api(format!("remove {kind} {name}")))?;
    }
    Ok(())
}

fn api(client: Client, namespace: &str, (resource, kind): (&str, &str)) -> Api<DynamicObject> {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Api::namespaced_with(client, namespace, &resource)
}
