//! What a drill that did not pass leaves besides its logs: the clone's objects and pods, the namespace's events, Patroni's
//! history, and what the operator logged about the clone, as far as they can be had. Nothing of it changes a verdict.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Event, Pod};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams, LogParams};

use super::error::RestoreError;
use super::evidence::Evidence;
use super::file::RestoreDrill;
use super::plan::Plan;
use crate::drill::bundle::{event_lines, pod_yaml};
use crate::environment::cluster::{ClusterAccess, ClusterError};
use crate::operator::{patroni, postgresqls};
use crate::poll::within;
use crate::yaml::text as yaml;

/// For each part: whoever does not answer must not keep the report waiting.
const PART: Duration = Duration::from_secs(20);
/// Where operators usually run, besides the namespaces that the drill knows.
const USUAL: [&str; 2] = ["postgres-operator", "default"];
/// How the operator's pods are labelled by its manifests, and by its chart.
const LABELS: [&str; 2] = ["name=postgres-operator", "app.kubernetes.io/name=postgres-operator"];
const CONTROLDATA: &str = "drills have no right to run programs in pods; \
                           logs/postgres-server.log and the proofs say what the server knows of itself";

/// What the bundle is of.
pub(super) struct Bundled<'a> {
    pub access: &'a ClusterAccess,
    pub drill: &'a RestoreDrill,
    pub plan: &'a Plan,
    pub evidence: &'a Evidence,
    /// When the drill's turn began.
    pub begin: Instant,
}

/// Writes the bundle into the evidence folder.
pub(super) async fn keep(of: &Bundled<'_>) {
    let mut bundle = Bundle { of, missing: Vec::new() };
    bundle.events().await;
    bundle.objects().await;
    bundle.patroni().await;
    bundle.operator().await;
    bundle.missing.push(format!("pg_controldata: {CONTROLDATA}"));
    let missing = format!("{}\n", bundle.missing.join("\n"));
    if let Err(error) = of.evidence.text("bundle/missing.txt", &missing) {
        tracing::warn!(%error, "the bundle has no list of what is missing");
    }
}

struct Bundle<'a> {
    of: &'a Bundled<'a>,
    missing: Vec<String>,
}

impl Bundle<'_> {
    /// What comes within the limit.
    async fn had<T>(
        &mut self,
        name: &str,
        coming: impl Future<Output = Result<T, kube::Error>>,
    ) -> Option<T> {
        let what = format!("get {name}");
        let came = within(name, PART, coming).await.map_err(ClusterError::from);
        match came.and_then(|came| came.map_err(ClusterError::api(what))) {
            Ok(value) => Some(value),
            Err(error) => {
                self.missing.push(format!("{name}: failed to {error}").replace('\n', " "));
                None
            }
        }
    }

    fn write(&mut self, name: &str, text: &str) {
        let written: Result<(), RestoreError> = self.of.evidence.text(&format!("bundle/{name}"), text);
        if let Err(error) = written {
            self.missing.push(format!("{name}: failed to {error}"));
        }
    }

    fn namespace(&self) -> String {
        self.of.drill.into.namespace.clone()
    }

    fn of_clone(&self) -> ListParams {
        let Plan { clone_name, source, .. } = self.of.plan;
        ListParams::default().labels(&format!("{}={clone_name}", source.cluster_label))
    }

    async fn events(&mut self) {
        let events: Api<Event> = Api::namespaced(self.of.access.client(), &self.namespace());
        if let Some(listed) = self.had("events.txt", events.list(&ListParams::default())).await {
            self.write("events.txt", &event_lines(listed.items));
        }
    }

    async fn objects(&mut self) {
        let (client, namespace) = (self.of.access.client(), self.namespace());
        let clone = self.of.plan.clone_name.clone();
        let objects = postgresqls(client.clone(), &namespace);
        match self.had("postgresql.yaml", objects.get_opt(&clone)).await {
            Some(Some(object)) => self.write("postgresql.yaml", &shown(object)),
            Some(None) => self.missing.push(format!("postgresql.yaml: there is no object {clone}")),
            None => {}
        }
        let pods: Api<Pod> = Api::namespaced(client, &namespace);
        for pod in self.had("pods", pods.list(&self.of_clone())).await.into_iter().flatten() {
            self.write(&format!("pods/{}.yaml", pod.name_any()), &pod_yaml(&pod));
        }
    }

    /// It keeps its history in Endpoints or in a ConfigMap; a drill may list them.
    async fn patroni(&mut self) {
        let (client, namespace, of_clone) = (self.of.access.client(), self.namespace(), self.of_clone());
        let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
        let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
        let name = "patroni-history.json";
        let found = self.had(name, async {
            let endpoints = endpoints.list(&of_clone).await?.items.into_iter().map(|found| found.metadata);
            let maps = maps.list(&of_clone).await?.items.into_iter().map(|found| found.metadata);
            let mut all = endpoints.chain(maps);
            Ok(all.find_map(|found| found.annotations?.remove(patroni::HISTORY)))
        });
        match found.await {
            Some(Some(history)) => self.write(name, &format!("{history}\n")),
            Some(None) => self.missing.push(format!("{name}: Patroni has noted no change of timeline")),
            None => {}
        }
    }

    /// The operator's lines in which the clone's name stands.
    async fn operator(&mut self) {
        let name = "operator.log";
        let Some(pods) = self.operators().await else { return };
        let spent = self.of.begin.elapsed().as_secs() + 60;
        let mut text = String::new();
        for pod in pods {
            let (namespace, pod) = (pod.namespace().unwrap_or_default(), pod.name_any());
            let api: Api<Pod> = Api::namespaced(self.of.access.client(), &namespace);
            let since = LogParams { since_seconds: i64::try_from(spent).ok(), ..LogParams::default() };
            let part = format!("{name} of {namespace}/{pod}");
            let Some(log) = self.had(&part, api.logs(&pod, &since)).await else { continue };
            text.extend(about(&log, &self.of.plan.clone_name));
        }
        if text.is_empty() {
            let until = Timestamp::now();
            self.missing.push(format!("{name}: no line that was read up to {until} is about the clone"));
        } else {
            self.write(name, &text);
        }
    }

    /// The operator's pods, where they may be looked for. Those that may not be are no part that is missing for anything else.
    async fn operators(&mut self) -> Option<Vec<Pod>> {
        let RestoreDrill { operator, source, into, .. } = self.of.drill;
        let mut namespaces: Vec<&str> = match operator {
            Some(operator) => vec![&operator.namespace],
            None => [source.namespace.as_str(), into.namespace.as_str()].into_iter().chain(USUAL).collect(),
        };
        namespaces.dedup();
        let mut refused = Vec::new();
        for namespace in namespaces {
            let api: Api<Pod> = Api::namespaced(self.of.access.client(), namespace);
            for labels in LABELS {
                let wanted = ListParams::default().labels(labels);
                let listed = within("the operator's pods", PART, api.list(&wanted));
                match listed.await {
                    Ok(Ok(pods)) if !pods.items.is_empty() => return Some(pods.items),
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => refused.push(format!("{namespace}: {error}")),
                    Err(late) => refused.push(format!("{namespace}: failed to {late}")),
                }
            }
        }
        refused.dedup();
        let seen = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) };
        self.missing.push(format!(
            "operator.log: the operator's pod was not found{seen}; `operator: {{ namespace: … }}` in the drill's file says where \
             it runs, and ci/kubernetes/rbac-operator-log.yaml has the rights to read its log"
        ));
        None
    }
}

/// The lines with a name in them. Names of clones are like no other text.
fn about(log: &str, name: &str) -> impl Iterator<Item = String> {
    log.lines().filter(move |line| line.contains(name)).map(|line| format!("{line}\n"))
}

/// Without what only the API server needs.
fn shown(mut object: DynamicObject) -> String {
    object.metadata.managed_fields = None;
    serde_json::to_value(&object).map_or_else(|error| error.to_string(), |object| yaml(&object))
}
