//! A pod whose container cannot be made: the kubelet says why in the container's status, and asks again for ever.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ContainerStateWaiting, Pod};

use super::outcome::Outcome;
use crate::scenario::ClusterOutcome;

/// Kubernetes' own word for a Secret, a ConfigMap or a key of one that is not there.
const CONFIGURATION_AT_FAULT: &str = "CreateContainerConfigError";
/// What comes a moment after the pod is no failure; nothing in a drill makes a missing object later than that.
const STANDS: Duration = Duration::from_secs(5);

/// What the containers of one cluster wait for, look after look.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    since: Option<(String, Instant)>,
}

impl Waiting {
    /// Looks at the pods of one cluster. An outcome comes out once the same thing has been missing for a while.
    pub(super) fn look(&mut self, pods: &[Pod]) -> Option<Outcome> {
        self.note(pods.iter().find_map(missing), Instant::now())
    }

    fn note(&mut self, missing: Option<String>, now: Instant) -> Option<Outcome> {
        let Some(missing) = missing else {
            self.since = None;
            return None;
        };
        match &self.since {
            Some((before, since)) if *before == missing => {
                (now.duration_since(*since) >= STANDS).then(|| outcome(&missing))
            }
            _ => {
                self.since = Some((missing, now));
                None
            }
        }
    }
}

fn outcome(missing: &str) -> Outcome {
    Outcome {
        kind: ClusterOutcome::CannotStart,
        why: format!("its container cannot be made: {missing}"),
        evidence: vec![format!("{CONFIGURATION_AT_FAULT}: {missing}")],
    }
}

/// What a container of this pod waits for.
fn missing(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let of_pod = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    of_pod.filter_map(|container| container.state.as_ref()?.waiting.as_ref()).find_map(at_fault)
}

fn at_fault(waiting: &ContainerStateWaiting) -> Option<String> {
    let at_fault = waiting.reason.as_deref() == Some(CONFIGURATION_AT_FAULT);
    at_fault.then(|| waiting.message.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MISSING: &str = r#"secret "backup-keys" not found"#;

    fn pod(reason: &str) -> Pod {
        let waiting = json!({ "waiting": { "reason": reason, "message": MISSING } });
        let container = json!({
            "name": "postgres", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": waiting,
        });
        serde_json::from_value(json!({ "metadata": {}, "status": { "containerStatuses": [container] } }))
            .unwrap()
    }

    #[test]
    fn only_a_configuration_that_is_at_fault_counts() {
        assert_eq!(missing(&pod(CONFIGURATION_AT_FAULT)).as_deref(), Some(MISSING));
        for passing in ["ContainerCreating", "PodInitializing", "CrashLoopBackOff", "ErrImagePull"] {
            assert_eq!(missing(&pod(passing)), None, "{passing}");
        }
    }

    #[test]
    fn what_is_missing_for_a_moment_only_is_no_failure() {
        let start = Instant::now();
        let seen = |missing: Option<&str>, seconds| {
            (missing.map(str::to_owned), start + Duration::from_secs(seconds))
        };
        let mut waiting = Waiting::default();
        let mut note = |(missing, now)| waiting.note(missing, now);
        assert_eq!(note(seen(Some(MISSING), 0)), None);
        assert_eq!(note(seen(Some(MISSING), 4)), None);
        assert_eq!(note(seen(None, 5)), None);
        assert_eq!(note(seen(Some(MISSING), 6)), None);
        assert_eq!(note(seen(Some("another"), 12)), None);
        assert_eq!(note(seen(Some(MISSING), 13)), None);
        let outcome = note(seen(Some(MISSING), 18)).unwrap();
        assert_eq!(outcome.kind, ClusterOutcome::CannotStart);
        assert_eq!(outcome.why, r#"its container cannot be made: secret "backup-keys" not found"#);
    }
}
