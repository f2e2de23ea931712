//! One at a time: a Lease of Kubernetes, which a process that was killed cannot keep.

mod holder;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use tokio::sync::{Mutex, watch as channel};
use tokio_util::task::AbortOnDropHandle;

use super::connect::ClusterAccess;
use super::error::ClusterError;
use crate::poll::{Limit, PollError, Seen, poll};

pub use holder::Holder;
pub use watch::{Has, Watch};

/// A holder that has not renewed for so long is gone.
const DURATION: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(4);
/// The annotation that says what was made under the lease.
pub const NOTE: &str = "clonedrill/clone";
/// The annotation that says for people what its holder is.
const ABOUT: &str = "clonedrill/held-by";
/// The annotation that says since when its holder waits for something else.
const QUEUED: &str = "clonedrill/waits-since";
/// The others' [`DURATION`], and something for a slow API server.
const TAKE: Limit = Limit {
    total: Duration::from_secs(40),
    first_interval: Duration::from_millis(200),
    longest_interval: Duration::from_secs(1),
};

/// What is locked: a Lease of this name with this label.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Where the Lease lies.
    pub namespace: String,
    /// By its `metadata.name`.
    pub name: String,
    /// Only a Lease with it is ours.
    pub label: (String, String),
    /// What takes it, for whoever finds it taken: `drill orders-nightly of prod/acid-orders`.
    pub about: String,
}

/// What came of one attempt to take a lease.
pub enum Taken {
    /// It is ours until this is dropped.
    Held(Box<Held>),
    /// Somebody else has it.
    By(Has),
    /// Somebody else was faster; who, the next attempt tells.
    Not,
}

/// A lease that is held and renewed for as long as this lives.
pub struct Held {
    lock: Lock,
    api: Api<Lease>,
    owner: OwnerReference,
    /// The Lease as the API server last gave it.
    lease: Arc<Mutex<Lease>>,
    lost: channel::Receiver<Option<String>>,
    renewing: AbortOnDropHandle<()>,
}

impl Lock {
    /// Takes the lease, where need be from a holder that is gone. `told` hears what is waited for.
    ///
    /// # Errors
    /// [`ClusterError::Busy`] when its holder goes on, or it is not ours; else when the API server says no.
    pub async fn take(
        &self,
        access: &ClusterAccess,
        told: &(dyn Fn(String) + Sync),
    ) -> Result<Held, ClusterError> {
        let mut watch = Watch::default();
        let taken = poll(format!("the lease {}", self.name), TAKE, async || {
            Ok(match self.try_take(access, &mut watch).await? {
                Taken::Held(held) => Seen::Done(*held),
                Taken::By(has) if has.goes_on => {
                    return Err(ClusterError::Busy { name: self.name.clone(), by: has.to_string() });
                }
                Taken::By(has) => {
                    told(format!("held by {has}"));
                    Seen::NotYet(format!("held by {has}"))
                }
                Taken::Not => Seen::NotYet("somebody else was faster".to_owned()),
            })
        });
        match taken.await {
            Ok(held) => Ok(held),
            Err(PollError::Failed(error)) => Err(error),
            Err(PollError::TimedOut(late)) => Err(late.into()),
        }
    }

    /// Takes the lease if nobody has it, or one that is gone. `watch` remembers what was seen of it before.
    ///
    /// # Errors
    /// [`ClusterError::Busy`] when it is not ours; else when the API server says no.
    pub async fn try_take(&self, access: &ClusterAccess, watch: &mut Watch) -> Result<Taken, ClusterError> {
        let api: Api<Lease> = Api::namespaced(access.client(), &self.namespace);
        let there = api.get_opt(&self.name).await.map_err(ClusterError::api("look at the lease"))?;
        if let Some(there) = &there {
            if there.labels().get(&self.label.0) != Some(&self.label.1) {
                let by = "something that is not a drill".to_owned();
                return Err(ClusterError::Busy { name: self.name.clone(), by });
            }
            if let Some(has) = watch.holder(there) {
                return Ok(Taken::By(has));
            }
        }
        let me = Holder::this_process();
        let put = self.put(&api, &me, there).await?;
        Ok(put.map_or(Taken::Not, |lease| Taken::Held(Box::new(self.hold(api, lease, me)))))
    }

    /// Writes our name into it; somebody else may be faster.
    async fn put(
        &self,
        api: &Api<Lease>,
        me: &Holder,
        there: Option<Lease>,
    ) -> Result<Option<Lease>, ClusterError> {
        let now = MicroTime(Timestamp::now());
        let spec = LeaseSpec {
            holder_identity: Some(me.0.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        };
        let put = match there {
            Some(there) => {
                let mut lease = Lease { spec: Some(spec), ..there };
                lease.annotations_mut().insert(ABOUT.to_owned(), self.about.clone());
                lease.annotations_mut().remove(QUEUED);
                api.replace(&self.name, &PostParams::default(), &lease).await
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(self.name.clone()),
                    labels: Some([self.label.clone()].into()),
                    annotations: Some([(ABOUT.to_owned(), self.about.clone())].into()),
                    ..ObjectMeta::default()
                };
                let lease = Lease { metadata, spec: Some(spec) };
                api.create(&PostParams::default(), &lease).await
            }
        };
        match put {
            Ok(lease) => Ok(Some(lease)),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(ClusterError::api("take the lease")(error)),
        }
    }

    fn hold(&self, api: Api<Lease>, lease: Lease, me: Holder) -> Held {
        let owner = OwnerReference {
            api_version: "coordination.k8s.io/v1".to_owned(),
            kind: "Lease".to_owned(),
            name: self.name.clone(),
            uid: lease.uid().unwrap_or_default(),
            ..OwnerReference::default()
        };
        let (tell, lost) = channel::channel(None);
        let lease = Arc::new(Mutex::new(lease));
        let renewing = AbortOnDropHandle::new(tokio::spawn(renew(api.clone(), lease.clone(), me, tell)));
        Held { lock: self.clone(), api, owner, lease, lost, renewing }
    }
}

/// Renews until somebody else has it. An API server that does not answer lets nobody else take it either.
async fn renew(api: Api<Lease>, lease: Arc<Mutex<Lease>>, me: Holder, lost: channel::Sender<Option<String>>) {
    let name = lease.lock().await.name_any();
    let mut ticks = tokio::time::interval(RENEW);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let mut lease = lease.lock().await;
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        match api.replace(&name, &PostParams::default(), &lease).await {
            Ok(now) => *lease = now,
            Err(error) => {
                tracing::debug!(%error, name, "the lease could not be renewed");
                let holder = |lease: &Lease| lease.spec.clone().unwrap_or_default().holder_identity;
                match api.get_opt(&name).await {
                    Ok(Some(there)) if holder(&there).as_ref() == Some(&me.0) => *lease = there,
                    Ok(there) => {
                        let by = there.as_ref().and_then(holder);
                        let _ = lost.send(Some(by.unwrap_or_else(|| "somebody".to_owned())));
                        return;
                    }
                    Err(error) => tracing::debug!(%error, name, "the lease could not be looked at"),
                }
            }
        }
    }
}

impl Held {
    /// What is made under this lease goes with it.
    pub fn owner(&self) -> OwnerReference {
        self.owner.clone()
    }

    /// What whoever held it before noted last.
    pub async fn noted(&self) -> Option<String> {
        self.lease.lock().await.annotations().get(NOTE).cloned()
    }

    /// Writes into the Lease what is to be found by whoever takes it after this process was killed.
    ///
    /// # Errors
    /// When the API server says no.
    pub async fn note(&self, text: &str) -> Result<(), ClusterError> {
        self.annotate(NOTE, Some(text)).await
    }

    /// Says to others that its holder waits for something else since then, or no more.
    ///
    /// # Errors
    /// When the API server says no.
    pub async fn queue(&self, since: Option<Timestamp>) -> Result<(), ClusterError> {
        self.annotate(QUEUED, since.map(|since| format!("{since:.6}")).as_deref()).await
    }

    async fn annotate(&self, name: &str, text: Option<&str>) -> Result<(), ClusterError> {
        let mut lease = self.lease.lock().await;
        let mut noted = lease.clone();
        match text {
            Some(text) => noted.annotations_mut().insert(name.to_owned(), text.to_owned()),
            None => noted.annotations_mut().remove(name),
        };
        let put = self.api.replace(&self.lock.name, &PostParams::default(), &noted).await;
        *lease = put.map_err(ClusterError::api("write into the lease"))?;
        Ok(())
    }

    /// Comes back when it is held no more, with the reason.
    pub async fn lost(&self) -> ClusterError {
        let mut lost = self.lost.clone();
        let by = match lost.wait_for(Option::is_some).await {
            Ok(by) => by.clone().unwrap_or_default(),
            Err(_) => "nobody".to_owned(),
        };
        ClusterError::LeaseLost { name: self.lock.name.clone(), by }
    }

    /// Gives it back: the Lease is removed, if it is still the one that was taken.
    ///
    /// # Errors
    /// When the API server says no.
    pub async fn release(self) -> Result<(), ClusterError> {
        drop(self.renewing);
        if self.lost.borrow().is_some() {
            return Ok(());
        }
        let preconditions = Preconditions { uid: Some(self.owner.uid.clone()), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.api.delete(&self.lock.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(ClusterError::api("give the lease back")(error)),
        }
    }
}

/// Since when a Lease's holder waits for something else, if it does: see [`Held::queue`].
pub fn queued_since(lease: &Lease) -> Option<Timestamp> {
    lease.annotations().get(QUEUED)?.parse().ok()
}
