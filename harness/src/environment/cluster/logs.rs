//! All that containers print, followed from their start: nothing is lost with a pod or a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{AsyncBufReadExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::LogParams;
use kube::{Api, Client, ResourceExt};
use tokio::task::JoinSet;

/// More lines of one container are not kept: of those that come later the newest takes the last's place.
const KEEP: usize = 200_000;

/// One line, with the time at which the node read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// By the node's clock; none where the line came without a time.
    pub time: Option<Timestamp>,
    /// Without the time and the line's end.
    pub text: String,
}

/// What one attempt of one container printed.
#[derive(Debug, Clone)]
pub struct ContainerLines {
    /// By its `metadata.name`.
    pub pod: String,
    /// Its name in the pod; init containers too.
    pub container: String,
    /// 0 for the first start.
    pub attempt: i32,
    /// In the order in which they were printed.
    pub lines: Vec<Line>,
    /// How many lines are left out before the last one.
    pub left_out: usize,
}

/// A container's attempt: the pod's UID, the container, the number of restarts.
type Key = (String, String, i32);

#[derive(Default)]
struct State {
    lines: BTreeMap<Key, ContainerLines>,
    /// Those that are being read now.
    reading: Vec<Key>,
    /// How many lines had each of the texts that are counted.
    counted: Vec<(&'static str, usize)>,
}

/// Follows logs until it is dropped.
pub struct PodLogs {
    api: Api<Pod>,
    state: Arc<Mutex<State>>,
    tasks: JoinSet<()>,
}

impl PodLogs {
    /// Counts lines with each of `counted`, so that nobody needs to look through all of them again and again.
    /// `streams` is a client whose requests may go on for ever.
    pub fn new(streams: Client, namespace: &str, counted: &[&'static str]) -> Self {
        let api = Api::namespaced(streams, namespace);
        let counted = counted.iter().map(|text| (*text, 0)).collect();
        let state = State { counted, ..State::default() };
        PodLogs { api, state: Arc::new(Mutex::new(state)), tasks: JoinSet::new() }
    }

    /// How many lines had a text that is counted.
    pub fn seen(&self, text: &str) -> usize {
        locked(&self.state)
            .counted
            .iter()
            .filter(|(counted, _)| *counted == text)
            .map(|(_, seen)| *seen)
            .sum()
    }

    /// Begins with what has started among `pods` and is not followed yet; a stream that broke off is taken up again.
    pub fn follow(&mut self, pods: &[Pod]) {
        while self.tasks.try_join_next().is_some() {}
        for pod in pods {
            let statuses = pod.status.iter().flat_map(|status| {
                status.init_container_statuses.iter().chain(&status.container_statuses).flatten()
            });
            for status in statuses {
                self.container(pod, status);
            }
        }
    }

    fn container(&mut self, pod: &Pod, status: &ContainerStatus) {
        let key = |attempt| (pod.uid().unwrap_or_default(), status.name.clone(), attempt);
        let state = status.state.clone().unwrap_or_default();
        let attempt = status.restart_count;
        // Between two starts the current log is that of the attempt that ended.
        if attempt > 0 && !self.knows(&key(attempt - 1)) {
            self.read(pod, key(attempt - 1), true);
        }
        let runs = state.running.is_some();
        if (runs || state.terminated.is_some())
            && !self.is_read(&key(attempt))
            && (runs || !self.knows(&key(attempt)))
        {
            self.read(pod, key(attempt), false);
        }
    }

    fn read(&mut self, pod: &Pod, key: Key, previous: bool) {
        let mut state = locked(&self.state);
        let known = state.lines.entry(key.clone()).or_insert_with(|| ContainerLines {
            pod: pod.name_any(),
            container: key.1.clone(),
            attempt: key.2,
            lines: Vec::new(),
            left_out: 0,
        });
        let last = known.lines.last().and_then(|line| line.time);
        state.reading.push(key.clone());
        drop(state);
        let params = LogParams {
            container: Some(key.1.clone()),
            follow: !previous,
            previous,
            timestamps: true,
            since_time: last,
            ..LogParams::default()
        };
        let (api, name, into) = (self.api.clone(), pod.name_any(), self.state.clone());
        self.tasks.spawn(async move {
            if let Err(error) = stream(&api, &name, &params, &into, &key, last).await {
                tracing::debug!(%error, pod = name, "a log broke off");
            }
            locked(&into).reading.retain(|reading| *reading != key);
        });
    }

    fn knows(&self, key: &Key) -> bool {
        locked(&self.state).lines.contains_key(key)
    }

    fn is_read(&self, key: &Key) -> bool {
        locked(&self.state).reading.contains(key)
    }

    /// All that was read until now, by pod, container and attempt.
    pub fn so_far(&self) -> Vec<ContainerLines> {
        locked(&self.state).lines.values().cloned().collect()
    }

    /// The same by the pod's UID, the container and the attempt.
    pub fn by_pod(&self) -> BTreeMap<(String, String, i32), ContainerLines> {
        locked(&self.state).lines.clone()
    }

    /// The line that came last of all.
    pub fn newest(&self) -> Option<Line> {
        let state = locked(&self.state);
        state.lines.values().filter_map(|lines| lines.lines.last()).max_by_key(|line| line.time).cloned()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn stream(
    api: &Api<Pod>,
    name: &str,
    params: &LogParams,
    into: &Mutex<State>,
    key: &Key,
    after: Option<Timestamp>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut lines = api.log_stream(name, params).await?.lines();
    while let Some(text) = lines.try_next().await? {
        let line = parse_line(&text);
        // `sinceTime` counts whole seconds.
        if line.time.is_some() && line.time <= after {
            continue;
        }
        let mut state = locked(into);
        for (counted, seen) in &mut state.counted {
            *seen += usize::from(line.text.contains(*counted));
        }
        if let Some(known) = state.lines.get_mut(key) {
            if known.lines.len() >= KEEP {
                known.left_out += 1;
                known.lines.pop();
            }
            known.lines.push(line);
        }
    }
    Ok(())
}

/// `2026-11-25T22:00:00.123456789Z the line`.
pub fn parse_line(text: &str) -> Line {
    let (time, rest) = text.split_once(' ').unwrap_or((text, ""));
    match time.parse() {
        Ok(time) => Line { time: Some(time), text: rest.to_owned() },
        Err(_) => Line { time: None, text: text.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_its_node() {
        let line = parse_line("2026-11-25T22:00:00.123456789Z 2026-11-25 22:00:00 INFO: text");
        assert_eq!(line.text, "2026-11-25 22:00:00 INFO: text");
        assert_eq!(line.time.map(|time| time.to_string()).as_deref(), Some("2026-11-25T22:00:00.123456789Z"));
        assert_eq!(parse_line("no time"), Line { time: None, text: "no time".to_owned() });
    }
}
