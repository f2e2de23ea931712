//! One drill at a time: a Lease of Kubernetes, which a process that was killed cannot keep.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;

use super::connect::ClusterAccess;
use super::error::ClusterError;
use crate::poll::{Limit, PollError, Seen, poll};

/// A holder that has not renewed for so long is gone.
const DURATION: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(4);
/// The annotation that says what was made under the lease.
pub const NOTE: &str = "clonedrill/clone";
/// The others' [`DURATION`], and something for a slow API server.
const TAKE: Limit = Limit {
    total: Duration::from_secs(40),
    first_interval: Duration::from_millis(200),
    longest_interval: Duration::from_secs(1),
};

/// Who holds a lease, in a form that another process on this machine can look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(String);

impl Holder {
    pub fn this_process() -> Self {
        let id = std::process::id();
        let host = nix::unistd::gethostname().unwrap_or_default();
        let host = host.to_string_lossy().into_owned();
        let machine = machine().unwrap_or_default();
        Holder(format!("{host}/{id}/{}/{machine}", started(id).unwrap_or_default()))
    }

    /// Whether it was a process of this machine that is no more.
    fn is_gone(&self) -> bool {
        let mut parts = self.0.rsplit('/');
        let (Some(of), Some(start), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let (Ok(id), Some(here)) = (id.parse::<u32>(), machine()) else { return false };
        // Another user's process may hide its start, but not that it is there.
        let is_there =
            || i32::try_from(id).is_ok_and(|id| kill(Pid::from_raw(id), None) != Err(Errno::ESRCH));
        of == here
            && match started(id) {
                Some(now) => now != start,
                None => has_ended(id) || !is_there(),
            }
    }
}

/// When a process started, in ticks since the machine did; none of one that is no more or does not show it.
fn started(id: u32) -> Option<String> {
    let fields = fields(id)?;
    // One that has ended and was not waited for yet holds nothing any more.
    (fields.first()? != "Z").then(|| fields.get(19).cloned())?
}

fn has_ended(id: u32) -> bool {
    fields(id).is_some_and(|fields| fields.first().is_some_and(|state| state == "Z"))
}

/// What stands in a process's `stat` after its name, which may hold anything.
fn fields(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// This machine since it started, as far as its processes see each other; none where that cannot be told.
fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = std::fs::read_link(Path::new("/proc/self/ns/pid")).ok()?;
    let processes: String = processes.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let boot = boot.trim();
    (!boot.is_empty() && !processes.is_empty()).then(|| format!("{boot}-{processes}"))
}

/// What is locked: a Lease of this name with this label.
#[derive(Debug, Clone)]
pub struct Lock {
    pub namespace: String,
    pub name: String,
    /// Only a Lease with it is ours.
    pub label: (String, String),
}

/// A lease that is held and renewed for as long as this lives.
pub struct Held {
    lock: Lock,
    api: Api<Lease>,
    owner: OwnerReference,
    /// The Lease as the API server last gave it.
    lease: Arc<Mutex<Lease>>,
    lost: watch::Receiver<Option<String>>,
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
        let api: Api<Lease> = Api::namespaced(access.client(), &self.namespace);
        let me = Holder::this_process();
        let mut seen: Option<(Option<MicroTime>, Instant)> = None;
        let taken = poll(format!("the lease {}", self.name), TAKE, async || {
            let Some(there) =
                api.get_opt(&self.name).await.map_err(ClusterError::api("look at the lease"))?
            else {
                return self.put(&api, &me, None).await;
            };
            if there.labels().get(&self.label.0) != Some(&self.label.1) {
                let by = "something that is not a drill".to_owned();
                return Err(ClusterError::Busy { name: self.name.clone(), by });
            }
            let spec = there.spec.clone().unwrap_or_default();
            let Some(holder) = spec.holder_identity.filter(|holder| !holder.is_empty()) else {
                return self.put(&api, &me, Some(there)).await;
            };
            let (renewed, since) = seen.get_or_insert_with(|| (spec.renew_time.clone(), Instant::now()));
            if Holder(holder.clone()).is_gone() {
                return self.put(&api, &me, Some(there)).await;
            }
            if *renewed != spec.renew_time {
                return Err(ClusterError::Busy { name: self.name.clone(), by: holder });
            }
            let silent = since.elapsed();
            let limit = spec
                .lease_duration_seconds
                .map_or(DURATION, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
            if silent >= limit {
                return self.put(&api, &me, Some(there)).await;
            }
            let waited = format!("{holder} holds it and was silent for {:.0?} of {limit:.0?}", silent);
            told(waited.clone());
            Ok(Seen::NotYet(waited))
        });
        let lease = match taken.await {
            Ok(lease) => lease,
            Err(PollError::Failed(error)) => return Err(error),
            Err(PollError::TimedOut(late)) => return Err(late.into()),
        };
        Ok(self.hold(api, lease, me))
    }

    /// Writes our name into it; somebody else may be faster.
    async fn put(
        &self,
        api: &Api<Lease>,
        me: &Holder,
        there: Option<Lease>,
    ) -> Result<Seen<Lease>, ClusterError> {
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
                let lease = Lease { spec: Some(spec), ..there };
                api.replace(&self.name, &PostParams::default(), &lease).await
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(self.name.clone()),
                    labels: Some([self.label.clone()].into()),
                    ..ObjectMeta::default()
                };
                let lease = Lease { metadata, spec: Some(spec) };
                api.create(&PostParams::default(), &lease).await
            }
        };
        match put {
            Ok(lease) => Ok(Seen::Done(lease)),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok(Seen::NotYet("somebody else was faster".to_owned()))
            }
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
        let (tell, lost) = watch::channel(None);
        let lease = Arc::new(Mutex::new(lease));
        let renewing = AbortOnDropHandle::new(tokio::spawn(renew(api.clone(), lease.clone(), me, tell)));
        Held { lock: self.clone(), api, owner, lease, lost, renewing }
    }
}

/// Renews until somebody else has it. An API server that does not answer lets nobody else take it either.
async fn renew(api: Api<Lease>, lease: Arc<Mutex<Lease>>, me: Holder, lost: watch::Sender<Option<String>>) {
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
        let mut lease = self.lease.lock().await;
        let mut noted = lease.clone();
        noted.annotations_mut().insert(NOTE.to_owned(), text.to_owned());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_holder_on_this_machine_is_known_to_be_gone() {
        let me = Holder::this_process();
        assert!(!me.is_gone(), "{me:?}");
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let id = child.id();
        let other = Holder(format!("host/{id}/{}/{}", started(id).unwrap(), machine().unwrap()));
        assert!(!other.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(other.is_gone());
        let elsewhere = Holder(format!("host/{id}/1/another-machine"));
        assert!(!elsewhere.is_gone(), "what another machine does, this one cannot know");
        assert!(!Holder("somebody".to_owned()).is_gone());
    }
}
