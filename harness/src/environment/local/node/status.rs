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
    /// With its digest, once that is known.
    pub image_id: Option<String>,
    pub id: Option<String>,
    pub state: State,
    pub last_end: Option<Ended>,
    pub restarts: i32,
    pub started: bool,
    pub ready: bool,
    /// What the readiness probe saw while it is not ready.
    pub unready: Option<String>,
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
            image_id: None,
            id: None,
            state: State::Waiting { reason: waits_because.to_owned(), message: None },
            last_end: None,
            restarts: 0,
            started: false,
            ready: false,
            unready: None,
        }
    }

    fn status(&self) -> ContainerStatus {
        ContainerStatus {
            name: self.name.clone(),
            image: self.image.clone(),
            image_id: self.image_id.clone().unwrap_or_else(|| self.image.clone()),
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

    /// Which containers are not ready, sidecars among them, as kubelet says it; and, as it does not, why.
    fn unready(&self, pod: &Pod) -> Option<String> {
        let inits = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let sidecars = inits.zip(&self.inits);
        let sidecars = sidecars.filter(|(init, _)| init.restart_policy.as_deref() == Some("Always"));
        let counted = sidecars.map(|(_, view)| view).chain(&self.containers);
        let unready: Vec<&ContainerView> = counted.filter(|view| !view.ready).collect();
        if unready.is_empty() && !self.containers.is_empty() {
            return None;
        }
        let names: Vec<&str> = unready.iter().map(|view| view.name.as_str()).collect();
        let mut message = format!("containers with unready status: [{}]", names.join(" "));
        for view in unready {
            if let Some(why) = &view.unready {
                message.push_str(&format!("; {}: readiness probe failed: {why}", view.name));
            }
        }
        Some(message)
    }

    /// The status to write; conditions that did not change keep the time of `before`'s.
    pub(super) fn status(&self, pod: &Pod, before: &[PodCondition], now: Timestamp) -> PodStatus {
        let phase = self.phase();
        let over = matches!(phase, "Succeeded" | "Failed");
        let unready = if over { None } else { self.unready(pod) };
        let containers = unready.as_deref().map_or(Ok(()), |message| Err(("ContainersNotReady", message)));
        let containers = if over { Err(("PodCompleted", "")) } else { containers };
        let gates = closed_gates(pod);
        let ready =
            containers.and(gates.as_deref().map_or(Ok(()), |why| Err(("ReadinessGatesNotReady", why))));
        let has_sandbox = self.address.is_some() && !over;
        let all = [
            ("PodScheduled", Ok(())),
            ("PodReadyToStartContainers", if has_sandbox { Ok(()) } else { Err(("", "")) }),
            ("Initialized", if self.initialized() { Ok(()) } else { Err(("ContainersNotInitialized", "")) }),
            ("ContainersReady", containers),
            ("Ready", ready),
        ];
        let mut conditions: Vec<PodCondition> =
            all.iter().map(|(kind, holds)| condition(kind, *holds, before, now)).collect();
        // What others wrote (evictions, gates) is not ours to remove.
        let theirs = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.extend(theirs.filter(|one| all.iter().all(|(kind, _)| one.type_ != *kind)).cloned());
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

/// Readiness gates whose condition nobody has set to true.
fn closed_gates(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let closed = gates.map(|gate| gate.condition_type.as_str()).filter_map(|gate| {
        match conditions.iter().find(|condition| condition.type_ == gate) {
            None => Some(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")),
            Some(found) if found.status != "True" => Some(format!(
                "the status of pod readiness gate \"{gate}\" is not \"True\", but {}",
                found.status
            )),
            Some(_) => None,
        }
    });
    let closed: Vec<String> = closed.collect();
    (!closed.is_empty()).then(|| closed.join(", "))
}

/// A condition that holds, or its reason and message.
fn condition(
    kind: &str,
    holds: Result<(), (&str, &str)>,
    before: &[PodCondition],
    now: Timestamp,
) -> PodCondition {
    let status = if holds.is_ok() { "True" } else { "False" };
    let same = before.iter().find(|one| one.type_ == kind && one.status == status);
    let (reason, message) = holds.err().unwrap_or_default();
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: given(reason),
        message: given(message),
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
    fn a_pod_is_ready_when_its_containers_its_sidecars_and_its_gates_are() {
        let spec = serde_json::json!({ "spec": {
            "initContainers": [{ "name": "init" }, { "name": "sidecar", "restartPolicy": "Always" }],
            "containers": [{ "name": "main" }],
            "readinessGates": [{ "conditionType": "gate" }],
        }, "status": { "conditions": [{ "type": "gate", "status": "False" }] } });
        let mut object: Pod = serde_json::from_value(spec).unwrap();
        let running = |name: &str, ready| ContainerView {
            ready,
            state: State::Running { since: Timestamp::UNIX_EPOCH },
            ..ContainerView::new(name, "i", "")
        };
        let inits = vec![view(ended(0)), running("sidecar", false)];
        let mut view = pod(RestartPolicy::Always, inits, vec![running("main", true)]);
        view.inits[1].unready = Some("exit code 1".to_owned());
        let said = |view: &PodView, object: &Pod, kind: &str| {
            let conditions = view.status(object, &[], Timestamp::UNIX_EPOCH).conditions.unwrap();
            let one = conditions.into_iter().find(|one| one.type_ == kind).unwrap();
            format!("{} {} {}", one.status, one.reason.unwrap_or_default(), one.message.unwrap_or_default())
        };
        assert_eq!(
            said(&view, &object, "ContainersReady"),
            "False ContainersNotReady containers with unready status: [sidecar]; \
             sidecar: readiness probe failed: exit code 1"
        );
        view.inits[1].ready = true;
        assert_eq!(said(&view, &object, "ContainersReady"), "True  ");
        assert_eq!(
            said(&view, &object, "Ready"),
            "False ReadinessGatesNotReady the status of pod readiness gate \"gate\" is not \"True\", but False"
        );
        object.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "True".to_owned();
        assert_eq!(said(&view, &object, "Ready"), "True  ");
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
