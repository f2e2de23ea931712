//! Waiting for a clone: until it takes connections as a leader, or until it is evident that it will not.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::bearing::Bearing;
use super::clone::PlannedClone;
use super::error::RestoreError;
use super::pod_times::PodTimes;
use super::readback;
use super::refusal::{Refusal, refusal};
use super::repeated::repeated;
use super::source::Source;
use super::way_in::open;
use crate::drill::outcome::{FAILED_BOOTSTRAP, FAILURES, of_failures};
use crate::environment::cluster::{ClusterAccess, ClusterError, Forward, PodLogs};
use crate::environment::trouble;
use crate::exit::Verdict;
use crate::observe::data::{Connect, identify};
use crate::observe::logs::recovery::CLONE_SCRIPT;
use crate::operator::{is_ready, leads, postgresqls, status};
use crate::poll::{Limit, PollError, Seen, poll};
use crate::report::Finding;
use crate::spilo::EnvItem;
use crate::spilo::env_of;

/// An operator that watches a namespace sees a new cluster at once, and may have to wait for another one first: for 10
/// minutes by its default.
const OPERATOR: Duration = Duration::from_secs(12 * 60);
/// Until it says that it waits for an operator that may not be there.
const SUSPICIOUS: Duration = Duration::from_secs(60);
/// What the kubelet asks for again by itself is no failure before it has stood for so long.
const STANDS: Duration = Duration::from_secs(20);

/// What became of a clone.
pub(super) enum Fate {
    Usable(Usable),
    Failed(Failure),
}

/// A clone that takes connections as a leader.
pub(super) struct Usable {
    pub since: Timestamp,
    pub connect: Connect,
    /// The operator's word for it.
    pub status: String,
    pub variables: Vec<EnvItem>,
    pub pod: PodTimes,
    _forward: Forward,
}

/// A clone that will not come up.
pub(super) struct Failure {
    pub verdict: Verdict,
    pub finding: Finding,
}

/// Follows one clone.
pub(super) struct Follow<'a> {
    pub access: &'a ClusterAccess,
    pub source: &'a Source,
    pub clone: &'a PlannedClone,
    pub logs: &'a mut PodLogs,
    pub told: &'a (dyn Fn(String) + Sync),
    pub hide: &'a (dyn Fn(&str) -> String + Sync),
    /// What the drill may still take.
    pub limit: Duration,
    /// The trouble that stands now, and since when.
    trouble: Option<(String, Instant)>,
    bearing: Bearing,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        (access, source, clone): (&'a ClusterAccess, &'a Source, &'a PlannedClone),
        logs: &'a mut PodLogs,
        told: &'a (dyn Fn(String) + Sync),
        hide: &'a (dyn Fn(&str) -> String + Sync),
        limit: Duration,
    ) -> Self {
        Follow { access, source, clone, logs, told, hide, limit, trouble: None, bearing: Bearing::default() }
    }

    /// # Errors
    /// When the API server does not answer. A clone that is not usable within the limit is a failure, and said as one.
    pub(super) async fn fate(mut self) -> Result<Fate, RestoreError> {
        let limit = Limit {
            total: self.limit,
            first_interval: Duration::from_millis(200),
            longest_interval: Duration::from_secs(1),
        };
        let begin = Instant::now();
        let name = self.clone.name.clone();
        let looked = poll(format!("the clone {name} to take connections"), limit, async || {
            let seen = self.look(begin).await;
            match self.bearing.bear(seen)? {
                Ok(seen) => Ok(seen),
                Err(passing) => {
                    (self.told)(format!("{name}: {passing}"));
                    Ok::<_, RestoreError>(Seen::NotYet(passing))
                }
            }
        });
        match looked.await {
            Ok(fate) => Ok(fate),
            Err(PollError::Failed(error)) => Err(error),
            Err(PollError::TimedOut(late)) => Ok(Fate::Failed(Failure {
                verdict: self.verdict_of_late(),
                finding: Finding {
                    subject: "clone: time".to_owned(),
                    expected: format!("to be usable within {:.0?}", self.limit),
                    seen: late.to_string(),
                    evidence: Vec::new(),
                    help: "`limits.time` says how long a drill may take".to_owned(),
                },
            })),
        }
    }

    /// Where nothing was restored yet, the time says nothing of the backup.
    fn verdict_of_late(&self) -> Verdict {
        // Nor does it where the clone was disturbed.
        if self.logs.so_far().iter().any(|log| log.attempt > 0) {
            return Verdict::Broken;
        }
        if self.logs.seen(CLONE_SCRIPT) > 0 { Verdict::Failed } else { Verdict::Broken }
    }

    async fn look(&mut self, begin: Instant) -> Result<Seen<Fate>, RestoreError> {
        let (client, PlannedClone { namespace, name, .. }) = (self.access.client(), self.clone);
        let object = postgresqls(client.clone(), namespace).get_opt(name).await;
        let object = object.map_err(ClusterError::api(format!("look at the clone {name}")))?;
        let Some(object) = object else {
            self.access.usable(namespace).await?;
            return Ok(Seen::Done(broken("somebody else removed it", "")));
        };
        let status = status(&object).unwrap_or_default();
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        let set = sets.get_opt(name).await.map_err(ClusterError::api("look at the clone's StatefulSet"))?;
        let variables = set.as_ref().and_then(env_of);
        let Some(variables) = variables else {
            self.access.usable(namespace).await?;
            return Ok(self.without_set(begin, status));
        };
        let finding = set.as_ref().and_then(|set| readback::label(self.source, self.clone, set));
        if let Some(finding) = finding.or_else(|| readback::finding(self.source, self.clone, &variables)) {
            return Ok(Seen::Done(Fate::Failed(Failure { verdict: Verdict::Failed, finding })));
        }
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let of_clone = format!("{}={name}", self.source.cluster_label);
        let pods = pods.list(&ListParams::default().labels(&of_clone)).await;
        let pods = pods.map_err(ClusterError::api("look at the clone's pods"))?.items;
        self.logs.follow(&pods);
        if let Some(fate) = self.failed_bootstrap() {
            return Ok(Seen::Done(fate));
        }
        if let Some(refusal) = repeated(self.logs) {
            return Ok(Seen::Done(self.refused(refusal, Vec::new())));
        }
        let troubles = match pods.is_empty() {
            true => self.access.usable(namespace).await.map(|()| None)?.or(self.no_pod().await?),
            false => match pods.iter().find_map(trouble) {
                Some(trouble) => Some(trouble),
                None => self.warning(&pods).await?,
            },
        };
        if let Some(fate) = self.stands(&pods, troubles.clone()) {
            return Ok(Seen::Done(fate));
        }
        let waiting = match self.usable(&pods, status, variables).await? {
            Ok(usable) => return Ok(Seen::Done(Fate::Usable(usable))),
            Err(waiting) => waiting,
        };
        let newest = self.logs.newest().map(|line| format!("; {}", line.text)).unwrap_or_default();
        let why = troubles.unwrap_or(waiting);
        let status = if status.is_empty() { "no status yet" } else { status };
        let said = (self.hide)(&format!("{status}, {why}{newest}"));
        (self.told)(format!("{name}: {:.0?} of {:.0?}, {said}", begin.elapsed(), self.limit));
        Ok(Seen::NotYet(said))
    }

    /// Before the operator has made anything.
    fn without_set(&self, begin: Instant, status: &str) -> Seen<Fate> {
        let given_up = ["Invalid", "CreateFailed"].contains(&status);
        if given_up {
            let seen = format!("the operator has set its status to {status} and made no StatefulSet");
            let help = "the operator's log says what it does not take";
            return Seen::Done(broken(&seen, help));
        }
        if begin.elapsed() >= OPERATOR {
            let namespace = &self.clone.namespace;
            let seen = format!("no operator made anything of it within {OPERATOR:?}");
            let help = format!(
                "the operator must watch the namespace {namespace} (WATCHED_NAMESPACE, watched_namespace)"
            );
            return Seen::Done(broken(&seen, &help));
        }
        let waited = match begin.elapsed() {
            spent if spent < SUSPICIOUS => "waiting for the operator".to_owned(),
            spent => format!(
                "waiting for the operator for {spent:.0?} of {OPERATOR:?}; does it watch this namespace?"
            ),
        };
        (self.told)(format!("{}: {waited}", self.clone.name));
        Seen::NotYet(waited)
    }

    fn failed_bootstrap(&self) -> Option<Fate> {
        if self.logs.seen(FAILED_BOOTSTRAP) < FAILURES {
            return None;
        }
        let logs = self.logs.so_far();
        let texts: Vec<String> = logs.iter().map(|log| joined(&log.lines)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let outcome = of_failures(&texts)?;
        let evidence: Vec<String> = outcome.evidence.iter().map(|line| (self.hide)(line)).collect();
        let refusal = refusal(&texts, self.source, self.clone);
        Some(self.refused(Refusal { why: format!("{}: {}", outcome.why, refusal.why), ..refusal }, evidence))
    }

    fn refused(&self, refusal: Refusal, others: Vec<String>) -> Fate {
        let Refusal { why, help, lines, verdict } = refusal;
        let mut evidence: Vec<String> = lines.iter().map(|line| (self.hide)(line)).collect();
        let others = others.into_iter().filter(|line| !evidence.contains(line));
        let others: Vec<String> = others.collect();
        evidence.extend(others);
        Fate::Failed(Failure {
            verdict,
            finding: Finding {
                subject: "clone: restore".to_owned(),
                expected: "the backup to be cloned back".to_owned(),
                seen: (self.hide)(&why),
                evidence,
                help,
            },
        })
    }

    /// What the StatefulSet's controller says of pods that it cannot make.
    async fn no_pod(&self) -> Result<Option<String>, RestoreError> {
        let name = &self.clone.name;
        self.event(&format!("involvedObject.kind=StatefulSet,involvedObject.name={name},reason=FailedCreate"))
            .await
    }

    /// What the scheduler, or who brings volumes, says of a pod that has not started.
    async fn warning(&self, pods: &[Pod]) -> Result<Option<String>, RestoreError> {
        let pending = |pod: &&Pod| {
            pod.status
                .as_ref()
                .and_then(|status| status.phase.as_deref())
                .is_none_or(|phase| phase == "Pending")
        };
        let Some(pod) = pods.iter().find(pending) else { return Ok(None) };
        let name = pod.name_any();
        self.event(&format!("involvedObject.kind=Pod,involvedObject.name={name},type=Warning")).await
    }

    async fn event(&self, fields: &str) -> Result<Option<String>, RestoreError> {
        let events: Api<Event> = Api::namespaced(self.access.client(), &self.clone.namespace);
        let listed = events.list(&ListParams::default().fields(fields)).await;
        let listed = listed.map_err(ClusterError::api("look at the clone's events"))?.items;
        Ok(listed.iter().filter_map(|event| event.message.clone()).next_back())
    }

    /// A trouble that does not pass.
    fn stands(&mut self, pods: &[Pod], trouble: Option<String>) -> Option<Fate> {
        let Some(trouble) = trouble else {
            self.trouble = None;
            return None;
        };
        // Attempts alternate between two words for one trouble, each with its own delay.
        let kind = kind(pods, &trouble)?;
        let since = match &self.trouble {
            Some((before, since)) if before == kind.0 => *since,
            _ => {
                self.trouble = Some((kind.0.to_owned(), Instant::now()));
                return None;
            }
        };
        (since.elapsed() >= STANDS).then(|| broken(&(self.hide)(&format!("{}: {trouble}", kind.0)), kind.1))
    }

    /// The way in, once there is one; else what it lacks.
    async fn usable(
        &self,
        pods: &[Pod],
        status: &str,
        variables: Vec<EnvItem>,
    ) -> Result<Result<Usable, String>, RestoreError> {
        let Some(leader) = pods.iter().find(|pod| leads(pod, &self.source.role_label)) else {
            return Ok(Err(format!("none of its {} pods is leader", pods.len())));
        };
        if !is_ready(leader) {
            return Ok(Err(format!("{} is not ready", leader.name_any())));
        }
        let namespace = &self.clone.namespace;
        let Some((connect, forward)) = open(self.access, namespace, leader, &variables).await? else {
            return Ok(Err("the operator has made no password yet".to_owned()));
        };
        match identify(&connect).await {
            Ok(identity) if identity.in_recovery => Ok(Err("it is still in recovery".to_owned())),
            Ok(_) => Ok(Ok(Usable {
                since: Timestamp::now(),
                connect,
                status: status.to_owned(),
                variables,
                pod: PodTimes::of(leader),
                _forward: forward,
            })),
            Err(error) => Ok(Err(format!("failed to {error}"))),
        }
    }
}

/// The kind of a trouble that the node or a controller will not get over by itself, and what to do; none of one that may pass.
fn kind(pods: &[Pod], trouble: &str) -> Option<(&'static str, &'static str)> {
    if trouble.contains("exceeded quota") {
        return Some((
            "the namespace's quota is exceeded",
            "ask for less in `clone.resources` or `clone.volume`, or raise the quota",
        ));
    }
    let waits = pods.iter().flat_map(|pod| {
        let status = pod.status.iter();
        let containers =
            status.flat_map(|status| status.init_container_statuses.iter().chain(&status.container_statuses));
        containers
            .flatten()
            .filter_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone())
    });
    waits.into_iter().find_map(|reason| match reason.as_str() {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => Some((
            "its image cannot be pulled",
            "the namespace needs the pull secret that the source's has, or the node a way to the registry",
        )),
        "CreateContainerConfigError" => Some((
            "its container cannot be made",
            "the clone refers to the same Secrets and ConfigMaps as its source: they must be in its namespace too",
        )),
        _ => None,
    })
}

pub(super) fn joined(lines: &[crate::environment::cluster::Line]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// The cluster is at fault, not the backup.
fn broken(seen: &str, help: &str) -> Fate {
    let finding = Finding {
        subject: "clone".to_owned(),
        expected: "to come up".to_owned(),
        seen: seen.to_owned(),
        evidence: Vec::new(),
        help: help.to_owned(),
    };
    Fate::Failed(Failure { verdict: Verdict::Broken, finding })
}
