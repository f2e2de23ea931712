//! What a drill that did not pass leaves besides its observations: its pods and events, and what PostgreSQL and Patroni
//! say of themselves, as far as they can be had. Nothing of it changes a verdict.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::error::DrillError;
use super::evidence::Evidence;
use super::pods::Pods;
use super::world::World;
use super::{secrets, server_log};
use crate::environment::{ContainerLog, Environment, Storage};
use crate::observe::storage::StorageObservation;
use crate::operator::patroni;
use crate::poll::within;
use crate::snapshot::redact::Redactor;

/// For each part: whoever does not answer must not keep the report waiting.
const PART: Duration = Duration::from_secs(30);
/// The program of the cluster's own major version, of which a pod may have several.
const CONTROLDATA: &str = "data=\"${PGDATA:-${PGROOT:-/home/postgres/pgdata/pgroot}/data}\"; \
                           PATH=\"/usr/lib/postgresql/$(cat \"$data/PG_VERSION\")/bin:$PATH\"; \
                           exec pg_controldata \"$data\"";
/// What PostgreSQL makes up answers of for users that do not exist. It tells nobody anything.
const NONCE: &str = "Mock authentication nonce";
const POSTGRES: &str = "postgres";
const MISSING: &str = "bundle/missing.txt";

impl<E: Environment> World<'_, E> {
    /// Writes the bundle, and what observing did not come to, where it broke.
    pub(super) async fn bundle(&mut self, collected: bool) {
        let learnt = within("the operator's secrets", PART, self.learn_secrets()).await;
        let learnt = learnt.map_err(DrillError::from).and_then(|learnt| learnt);
        let redactor = self.redactor();
        let mut bundle = Bundle::new(self.environment, &self.evidence, &redactor);
        if !collected {
            bundle.requests(self).await;
        }
        match learnt {
            Ok(()) => {
                if !collected {
                    bundle
                        .logs(Some(&self.pods), self.server_logs.values().flatten().cloned().collect())
                        .await;
                }
                bundle.all().await;
            }
            Err(error) => bundle.miss("all else, since its secrets are not known", &error),
        }
        bundle.end();
    }
}

/// The bundle of a drill whose world could not be made.
pub(crate) async fn of_unmade<E: Environment>(environment: &E, evidence: &Evidence, redactor: Redactor) {
    let client = environment.client();
    let made = secrets::made_by_operator(&client, environment.namespace(), &[]);
    let made = within("the secrets in its namespace", PART, made).await;
    let made = made.map_err(DrillError::from).and_then(|made| made);
    let redactor = made.iter().flatten().fold(redactor, |redactor, secret| redactor.password(secret));
    let mut bundle = Bundle::new(environment, evidence, &redactor);
    match made {
        Ok(_) => {
            bundle.logs(None, Vec::new()).await;
            bundle.all().await;
        }
        Err(error) => bundle.miss("all of it, since its secrets are not known", &error),
    }
    bundle.end();
}

struct Bundle<'a, E> {
    environment: &'a E,
    evidence: &'a Evidence,
    redactor: &'a Redactor,
    missing: Vec<String>,
}

impl<'a, E: Environment> Bundle<'a, E> {
    fn new(environment: &'a E, evidence: &'a Evidence, redactor: &'a Redactor) -> Self {
        Bundle { environment, evidence, redactor, missing: Vec::new() }
    }

    fn miss(&mut self, name: &str, error: &DrillError) {
        let why = format!("{name}: failed to {error}").replace('\n', " ");
        self.missing.push(self.redactor.hide(&why));
    }

    /// What comes within the limit.
    async fn had<T>(&mut self, name: &str, coming: impl Future<Output = Result<T, DrillError>>) -> Option<T> {
        let came = within(name, PART, coming).await;
        let came = came.map_err(DrillError::from).and_then(|came| came);
        came.inspect_err(|error| self.miss(name, error)).ok()
    }

    fn write(&mut self, name: &str, text: &str) {
        if let Err(error) = self.evidence.text(name, &self.redactor.hide(text)) {
            self.miss(name, &error);
        }
    }

    async fn part(&mut self, name: &str, coming: impl Future<Output = Result<String, DrillError>>) {
        if let Some(text) = self.had(name, coming).await {
            self.write(name, &text);
        }
    }

    async fn all(&mut self) {
        let (client, namespace) = (self.environment.client(), self.environment.namespace());
        let events: Api<Event> = Api::namespaced(client.clone(), namespace);
        let events = async { Ok(event_lines(events.list(&ListParams::default()).await?.items)) };
        self.part("bundle/events.txt", events).await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let pods = async { Ok(pods.list(&ListParams::default()).await?.items) };
        for pod in self.had("bundle/pods", pods).await.unwrap_or_default() {
            let name = pod.name_any();
            self.write(&format!("bundle/pods/{name}.yaml"), &pod_yaml(&pod));
            if !is_of_cluster(&pod) {
                continue;
            }
            let controldata = controldata(self.environment, &name, runs(&pod));
            self.part(&format!("bundle/controldata/{name}.txt"), controldata).await;
            let history = history(client.clone(), namespace, &name);
            self.part(&format!("bundle/patroni/{name}.json"), history).await;
        }
    }

    /// The logs of all attempts, and of all servers that can be asked. Where pods are known, those that had one name are told apart.
    async fn logs(&mut self, known: Option<&Pods>, earlier: Vec<ContainerLog>) {
        let environment = self.environment;
        let logs = async {
            let logs = environment.container_logs().await?;
            Ok(match known {
                Some(known) => known.tell_apart(logs),
                None => logs,
            })
        };
        let mut logs = self.had("logs", logs).await.unwrap_or_default();
        logs.extend(earlier);
        let pods: Api<Pod> = Api::namespaced(environment.client(), environment.namespace());
        let pods = async { Ok(pods.list(&ListParams::default()).await?.items) };
        let pods = self.had("logs of the servers", pods).await.unwrap_or_default();
        for pod in pods.iter().filter(|pod| is_of_cluster(pod) && runs(pod)).map(ResourceExt::name_any) {
            let log = async { Ok(server_log::read(environment, &pod).await?) };
            let log = self.had(&format!("logs/{pod}.{}.0.log", server_log::CONTAINER), log).await;
            let pod = known.map_or_else(|| pod.clone(), |known| known.latest(&pod));
            logs.extend(log.map(|log| ContainerLog { pod, ..log }));
        }
        for ContainerLog { pod, container, attempt, text, .. } in logs {
            self.write(&format!("logs/{pod}.{container}.{attempt}.log"), &text);
        }
    }

    /// The gateway's record.
    async fn requests(&mut self, world: &World<'_, E>) {
        let name = "storage.json";
        let requests = async { Ok(world.storage.requests().await?) };
        let Some(requests) = self.had(name, requests).await else { return };
        let requests = StorageObservation::new(requests.accesses, Vec::new(), [].into());
        let hide = |text: &str| self.redactor.hide(text);
        if let Err(error) = self.evidence.json(name, &requests.accesses(), &hide) {
            self.miss(name, &error);
        }
    }

    fn end(self) {
        if self.missing.is_empty() {
            return;
        }
        if let Err(error) = self.evidence.text(MISSING, &format!("{}\n", self.missing.join("\n"))) {
            tracing::warn!(%error, "the bundle has no list of what is missing");
        }
    }
}

/// A pod whose server the operator's container runs.
fn is_of_cluster(pod: &Pod) -> bool {
    pod.spec.iter().flat_map(|spec| &spec.containers).any(|container| container.name == POSTGRES)
}

fn runs(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut of_server = containers.filter(|container| container.name == POSTGRES);
    of_server.any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// Without what only the API server needs.
pub(crate) fn pod_yaml(pod: &Pod) -> String {
    let mut pod = pod.clone();
    pod.metadata.managed_fields = None;
    serde_json::to_value(&pod).map_or_else(|error| error.to_string(), |pod| crate::yaml::text(&pod))
}

async fn controldata<E: Environment>(environment: &E, pod: &str, runs: bool) -> Result<String, DrillError> {
    let what = || format!("run pg_controldata in {pod}");
    if !runs {
        return Err(DrillError::step(what(), "its container does not run"));
    }
    let output = environment.exec(pod, POSTGRES, &["sh", "-c", CONTROLDATA], PART).await?;
    if output.code != 0 {
        let why = format!("it ended with code {}: {}", output.code, output.stderr.trim());
        return Err(DrillError::step(what(), why));
    }
    let lines = output.stdout.lines().filter(|line| !line.starts_with(NONCE));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// The changes of timeline that Patroni has noted of a pod's cluster. It keeps them outside the pod, so that they are there
/// after it too.
async fn history(client: kube::Client, namespace: &str, pod: &str) -> Result<String, DrillError> {
    let cluster = pod.rsplit_once('-').map_or(pod, |(cluster, _)| cluster);
    let object = patroni::config(cluster);
    let noted = |key| patroni::annotation(client.clone(), namespace, &object, key);
    match (noted(patroni::HISTORY).await?, noted(patroni::INITIALIZE).await?) {
        (Some(history), _) => Ok(format!("{history}\n")),
        (None, Some(_)) => Ok("[]\n".to_owned()),
        (None, None) => Err(DrillError::step(
            format!("read Patroni's history of {cluster}"),
            "there is none in Kubernetes",
        )),
    }
}

/// One line each, oldest first.
pub(crate) fn event_lines(mut events: Vec<Event>) -> String {
    let time = |event: &Event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        let micro = event.event_time.as_ref().map(|time| time.0);
        let made = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
        last.or(micro).or(event.first_timestamp.as_ref().map(|time| time.0)).or(made)
    };
    events.sort_by_key(|event| time(event));
    let line = |event: &Event| {
        let count = event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1);
        let of = &event.involved_object;
        let (kind, name) = (of.kind.as_deref().unwrap_or_default(), of.name.as_deref().unwrap_or_default());
        let message = event.message.as_deref().unwrap_or_default().split_whitespace();
        format!(
            "{} {} {kind}/{name}: {} ({count} times)\n",
            time(event).map_or_else(|| "-".to_owned(), |time| time.to_string()),
            event.reason.as_deref().unwrap_or("-"),
            message.collect::<Vec<_>>().join(" ")
        )
    };
    events.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_stand_in_the_order_of_time_one_line_each() {
        let event = |last: Option<&str>, micro: Option<&str>, count: i32, message: &str| -> Event {
            serde_json::from_value(json!({
                "metadata": { "name": "e", "creationTimestamp": "2026-11-26T10:00:03Z" },
                "involvedObject": { "kind": "Pod", "name": "acid-orders-0" },
                "reason": "BackOff", "message": message, "count": count,
                "lastTimestamp": last, "eventTime": micro,
            }))
            .unwrap()
        };
        let text = event_lines(vec![
            event(None, None, 1, "made"),
            event(Some("2026-11-26T10:00:02Z"), None, 4, "restarting\n  failed container"),
            event(None, Some("2026-11-26T10:00:01.000000Z"), 1, "early"),
        ]);
        let expected = "2026-11-26T10:00:01Z BackOff Pod/acid-orders-0: early (1 times)\n\
                        2026-11-26T10:00:02Z BackOff Pod/acid-orders-0: restarting failed container (4 times)\n\
                        2026-11-26T10:00:03Z BackOff Pod/acid-orders-0: made (1 times)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_servers_that_run_are_asked() {
        let pod = |name: &str, state: serde_json::Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "name": "p", "managedFields": [{ "manager": "operator" }] },
                "spec": { "containers": [{ "name": name }] },
                "status": { "containerStatuses": [{
                    "name": name, "state": state, "ready": true, "restartCount": 0, "image": "", "imageID": "",
                }] },
            }))
            .unwrap()
        };
        let running = pod("postgres", json!({ "running": {} }));
        assert!(is_of_cluster(&running) && runs(&running));
        assert!(!runs(&pod("postgres", json!({ "waiting": { "reason": "CrashLoopBackOff" } }))));
        assert!(!is_of_cluster(&pod("postgres-operator", json!({ "running": {} }))));
        let text = pod_yaml(&running);
        assert!(text.contains("kind: Pod") && !text.contains("managedFields"), "{text}");
    }
}
