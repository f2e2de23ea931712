//! When Kubernetes says that what happened to a clone's pod.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Whole seconds, as the API has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PodTimes {
    pub created: Option<Timestamp>,
    pub scheduled: Option<Timestamp>,
    /// Its container's first start that is still known.
    pub started: Option<Timestamp>,
}

impl PodTimes {
    pub(super) fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let mut conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
        let scheduled = conditions.find(|condition| condition.type_ == "PodScheduled");
        let mut containers = status.into_iter().flat_map(|status| status.container_statuses.iter().flatten());
        let running = containers.find_map(|container| container.state.as_ref()?.running.clone());
        PodTimes {
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            scheduled: scheduled
                .and_then(|condition| condition.last_transition_time.as_ref())
                .map(|time| time.0),
            started: running.and_then(|running| running.started_at).map(|time| time.0),
        }
    }

    /// Who took how long, from the clone's creation on.
    pub(super) fn shown(&self, clone_created: Timestamp) -> String {
        let steps = [
            ("the operator", Some(clone_created), self.created),
            ("the scheduler", self.created, self.scheduled),
            ("volume and image", self.scheduled.or(self.created), self.started),
        ];
        let spent = steps.into_iter().filter_map(|(who, from, to)| {
            let seconds = to?.duration_since(from?).as_secs().max(0);
            Some(format!("{who} {seconds} s"))
        });
        spent.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_has_its_share_of_the_start() {
        let pod = serde_json::from_value(json!({
            "metadata": { "creationTimestamp": "2026-11-25T22:00:03Z" },
            "status": {
                "conditions": [{ "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-25T22:00:04Z" }],
                "containerStatuses": [{
                    "name": "postgres", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                    "state": { "running": { "startedAt": "2026-11-25T22:01:04Z" } },
                }],
            },
        }))
        .unwrap();
        let shown = PodTimes::of(&pod).shown("2026-11-25T22:00:01.5Z".parse().unwrap());
        assert_eq!(shown, "the operator 1 s, the scheduler 1 s, volume and image 60 s");
    }
}
