//! What the API server is told about a pod.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::network::GATEWAY;
use super::restart::RestartPolicy;

/// What is known about one container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ContainerView {
    pub name: String,
    pub image: String,
    pub id: Option<String>,
    pub state: State,
    pub last_end: Option<Ended>,
    pub restarts: i32,
    pub started: bool,
    pub ready: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Waiting { reason: String, message: Option<String> },
    Running { since: Timestamp },
    Ended(Ended),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    pub code: i32,
    pub from: Timestamp,
    pub to: Timestamp,
    pub message: Option<String>,
}

impl ContainerView {
    pub(super) fn new(name: &str, image: &str, waits_because: &str) -> Self {
        ContainerView {
            name: name.to_owned(),
            image: image.to_owned(),
            id: None,
            state: State::Waiting { reason: waits_because.to_owned(), message: None },
            last_end: None,
            restarts: 0,
            started: false,
            ready: false,
        }
    }

    fn status(&self) -> ContainerStatus {
        ContainerStatus {
            name: self.name.clone(),
            image: self.image.clone(),
            image_id: self.image.clone(),
            container_id: self.id.clone(),
            state: Some(self.state.to_api(self.id.as_deref())),
            last_state: self.last_end.as_ref().map(|end| State::Ended(end.clone()).to_api(None)),
            restart_count: self.restarts,
            started: Some(self.started),
            ready: self.ready,
            ..ContainerStatus::default()
        }
    }
}

impl State {
    fn to_api(&self, id: Option<&str>) -> ContainerState {
        let mut state = ContainerState::default();
        match self {
            State::Waiting { reason, message } => {
                state.waiting =
                    Some(ContainerStateWaiting { reason: Some(reason.clone()), message: message.clone() });
            }
            State::Running { since } => {
                state.running = Some(ContainerStateRunning { started_at: Some(time(*since)) });
            }
            State::Ended(end) => {
                state.terminated = Some(ContainerStateTerminated {
                    container_id: id.map(str::to_owned),
                    exit_code: end.code,
                    finished_at: Some(time(end.to)),
                    message: end.message.clone(),
                    reason: Some(if end.code == 0 { "Completed" } else { "Error" }.to_owned()),
                    signal: None,
                    started_at: Some(time(end.from)),
                });
            }
        }
        state
    }
}

/// What is known about a pod.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PodView {
    pub since: Timestamp,
    pub address: Option<String>,
    pub policy: RestartPolicy,
    pub inits: Vec<ContainerView>,
    pub containers: Vec<ContainerView>,
    /// Why the pod as a whole cannot go on.
    pub trouble: Option<String>,
}

impl PodView {
    pub(super) fn phase(&self) -> &'static str {
        let ended = |view: &&ContainerView| match &view.state {
            State::Ended(end) => Some(end.code),
            _ => None,
        };
        let init_failed = self.inits.iter().filter_map(|view| ended(&view)).any(|code| code != 0);
        if self.policy == RestartPolicy::Never && init_failed {
            return "Failed";
        }
        let codes: Vec<Option<i32>> = self.containers.iter().map(|view| ended(&view)).collect();
        if self.policy != RestartPolicy::Always && codes.iter().all(Option::is_some) {
            let done = |code: &Option<i32>| code.is_some_and(|code| !self.policy.restarts_after(code));
            if codes.iter().all(done) {
                return if codes.iter().all(|code| *code == Some(0)) { "Succeeded" } else { "Failed" };
            }
        }
        let ran =
            |view: &ContainerView| view.last_end.is_some() || !matches!(view.state, State::Waiting { .. });
        if self.containers.iter().any(ran) { "Running" } else { "Pending" }
    }

    fn initialized(&self) -> bool {
        self.inits
            .iter()
            .all(|view| matches!(&view.state, State::Ended(end) if end.code == 0) || view.started)
    }

    /// The status to write; conditions that did not change keep the time of `before`'s.
    pub(super) fn status(&self, pod: &Pod, before: &[PodCondition], now: Timestamp) -> PodStatus {
        let phase = self.phase();
        let over = matches!(phase, "Succeeded" | "Failed");
        let ready = !over && !self.containers.is_empty() && self.containers.iter().all(|view| view.ready);
        let no_reason = if over { "PodCompleted" } else { "ContainersNotReady" };
        let all = [
            ("PodScheduled", true, ""),
            ("PodReadyToStartContainers", self.address.is_some() && !over, ""),
            ("Initialized", self.initialized(), "ContainersNotInitialized"),
            ("ContainersReady", ready, no_reason),
            ("Ready", ready, no_reason),
        ];
        let mut conditions: Vec<PodCondition> =
            all.iter().map(|(kind, holds, why)| condition(kind, *holds, why, before, now)).collect();
        // What others wrote (evictions, gates) is not ours to remove.
        let theirs = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.extend(theirs.filter(|one| all.iter().all(|(kind, ..)| one.type_ != *kind)).cloned());
        let statuses = |views: &[ContainerView]| Some(views.iter().map(ContainerView::status).collect());
        PodStatus {
            phase: Some(phase.to_owned()),
            conditions: Some(conditions),
            host_ip: Some(GATEWAY.to_string()),
            host_ips: Some(vec![HostIP { ip: GATEWAY.to_string() }]),
            pod_ip: self.address.clone(),
            pod_ips: self.address.clone().map(|ip| vec![PodIP { ip }]),
            start_time: Some(time(self.since)),
            init_container_statuses: if self.inits.is_empty() { None } else { statuses(&self.inits) },
            container_statuses: statuses(&self.containers),
            message: self.trouble.clone(),
            observed_generation: pod.metadata.generation,
            ..PodStatus::default()
        }
    }
}

fn condition(kind: &str, holds: bool, why: &str, before: &[PodCondition], now: Timestamp) -> PodCondition {
    let status = if holds { "True" } else { "False" };
    let same = before.iter().find(|one| one.type_ == kind && one.status == status);
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: (!holds && !why.is_empty()).then(|| why.to_owned()),
        last_transition_time: same
            .and_then(|one| one.last_transition_time.clone())
            .or_else(|| Some(time(now))),
        ..PodCondition::default()
    }
}

/// Kubernetes' times have whole seconds.
fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn view(state: State) -> ContainerView {
        ContainerView { state, ..ContainerView::new("c", "i", "ContainerCreating") }
    }

    fn ended(code: i32) -> State {
        State::Ended(Ended { code, from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH, message: None })
    }

    fn pod(policy: RestartPolicy, inits: Vec<ContainerView>, containers: Vec<ContainerView>) -> PodView {
        PodView { since: Timestamp::UNIX_EPOCH, address: None, policy, inits, containers, trouble: None }
    }

    #[test]
    fn the_phase_follows_the_containers_and_the_policy() {
        use RestartPolicy::*;
        let running = || view(State::Running { since: Timestamp::UNIX_EPOCH });
        let waiting = || ContainerView::new("c", "i", "PodInitializing");
        let crashed = ContainerView {
            last_end: Some(Ended {
                code: 1,
                from: Timestamp::UNIX_EPOCH,
                to: Timestamp::UNIX_EPOCH,
                message: None,
            }),
            ..ContainerView::new("c", "i", "CrashLoopBackOff")
        };
        for (policy, inits, containers, phase) in [
            (Always, vec![], vec![waiting()], "Pending"),
            (Always, vec![], vec![running(), waiting()], "Running"),
            (Always, vec![], vec![crashed], "Running"),
            (Always, vec![], vec![view(ended(1))], "Running"),
            (OnFailure, vec![], vec![view(ended(0)), view(ended(0))], "Succeeded"),
            (OnFailure, vec![], vec![view(ended(0)), view(ended(1))], "Running"),
            (Never, vec![], vec![view(ended(0)), view(ended(1))], "Failed"),
            (Never, vec![], vec![view(ended(0)), running()], "Running"),
            (Never, vec![view(ended(1))], vec![waiting()], "Failed"),
            (Always, vec![view(ended(1))], vec![waiting()], "Pending"),
        ] {
            let pod = pod(policy, inits, containers);
            assert_eq!(pod.phase(), phase, "{pod:?}");
        }
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_changes() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut view = pod(RestartPolicy::Always, vec![], vec![view(State::Running { since: at(1) })]);
        let first = view.status(&Pod::default(), &[], at(10)).conditions.unwrap();
        view.containers[0].ready = true;
        let second = view.status(&Pod::default(), &first, at(20)).conditions.unwrap();
        let time_of = |kind: &str| {
            let one = second.iter().find(|one| one.type_ == kind).unwrap();
            (one.status.clone(), one.last_transition_time.as_ref().unwrap().0.as_second())
        };
        assert_eq!(time_of("PodScheduled"), ("True".to_owned(), 10));
        assert_eq!(time_of("Ready"), ("True".to_owned(), 20));
    }

    #[test]
    fn conditions_of_others_stay() {
        let theirs = serde_json::json!({ "status": { "conditions": [
            { "type": "DisruptionTarget", "status": "True" }, { "type": "Ready", "status": "True" }] } });
        let pod_of_others = serde_json::from_value(theirs).unwrap();
        let view = pod(RestartPolicy::Always, vec![], vec![]);
        let conditions = view.status(&pod_of_others, &[], Timestamp::UNIX_EPOCH).conditions.unwrap();
        assert!(conditions.iter().any(|one| one.type_ == "DisruptionTarget"));
        assert_eq!(conditions.iter().filter(|one| one.type_ == "Ready").count(), 1);
    }
}
