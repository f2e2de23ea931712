//! Step `apply`: a changed manifest of a cluster that is there, and the wait for what the operator does then.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};

use crate::drill::error::DrillError;
use crate::drill::evidence;
use crate::drill::follow::has_standby;
use crate::drill::outcome::{Outcome, is_about};
use crate::drill::world::{World, placed};
use crate::environment::{Environment, is_ready};
use crate::observe::logs::recovery::CLONE_SCRIPT;
use crate::operator::{change, postgresqls};
use crate::poll::{Limit, Seen, poll};
use crate::scenario::{ApplyStep, ClusterOutcome};

/// The operator says one of them for each change of a manifest that it has heard of.
const DONE: &str = "cluster has been updated";
const NOT_DONE: &str = "could not update cluster";
/// Pods are replaced one after another, each with its grace period.
const APPLIED: Limit = Limit {
    total: Duration::from_secs(600),
    first_interval: Duration::from_millis(100),
    longest_interval: Duration::from_millis(500),
};

impl<E: Environment> World<'_, E> {
    /// `at` is the place of the changes in the file.
    pub(super) async fn apply(&mut self, step: &ApplyStep, at: &str) -> Result<String, DrillError> {
        let short = step.to.as_str();
        let name = self.cluster(short)?.name.clone();
        let changes = self.lookup().fill(&Value::Object(step.changes.clone()))?;
        let (done, not_done) = self.updates(&name).await?;
        let restores = self.restores(short).await?;
        let (client, namespace) = (self.client(), self.environment.namespace());
        let before = postgresqls(client.clone(), namespace).get(&name).await?.metadata.generation;
        let changed = change(&client, namespace, &self.cluster(short)?.manifest, &changes).await;
        let changed = changed.map_err(|error| placed(self.loaded, &self.release, at, error))?;
        if changed.metadata.generation == before {
            return Err(DrillError::step(format!("apply to {short}"), "the manifest says all of it already"));
        }
        let was_clone = self.clone_section(short)?;
        if let Some(cluster) = self.clusters.get_mut(short) {
            json_patch::merge(&mut cluster.manifest, &changes);
        }
        let shown = evidence::shown(&self.cluster(short)?.manifest);
        self.evidence.json(&format!("manifests/{short}.json"), &shown, &|text| self.hide(text))?;
        self.applied(short, &name, (done, not_done)).await?;
        if self.cluster(short)?.runs {
            self.follow_leader(short).await?;
        }
        self.all_ready(short, &name).await?;
        self.learn_secrets().await?;
        self.observe_env(short).await?;
        if self.cluster(short)?.follows.is_some() && !has_standby(&self.cluster(short)?.manifest) {
            return self.let_go(short).await;
        }
        let is_clone = self.clone_section(short)?;
        if !is_clone["cluster"].as_str().unwrap_or_default().is_empty()
            && is_clone != was_clone
            && self.restores(short).await? == restores
        {
            let why = "it went on with its own data when its manifest got another clone section: nothing was restored";
            if let Some(cluster) = self.clusters.get_mut(short) {
                let evidence = vec![format!("spec.clone: {was_clone} before, {is_clone} now")];
                cluster.outcome =
                    Some(Outcome { kind: ClusterOutcome::NotRestored, why: why.to_owned(), evidence });
            }
            return Ok(why.to_owned());
        }
        Ok("the operator has updated it".to_owned())
    }

    fn clone_section(&self, short: &str) -> Result<Value, DrillError> {
        Ok(self.cluster(short)?.manifest.pointer("/spec/clone").cloned().unwrap_or_else(|| json!({})))
    }

    /// How often its pods have begun to restore.
    async fn restores(&self, short: &str) -> Result<usize, DrillError> {
        let logs = self.printed(short).await?;
        Ok(logs.iter().map(|log| log.text.matches(CLONE_SCRIPT).count()).sum())
    }

    /// How often the operator said of a cluster that it has done what a change asked for, and that it could not.
    async fn updates(&self, name: &str) -> Result<(usize, Vec<String>), DrillError> {
        let operator = self.release.deployment_name();
        let cluster = format!("{}/{name}", self.environment.namespace());
        let logs = self.container_logs().await?;
        let lines = logs.iter().filter(|log| log.pod.starts_with(operator)).flat_map(|log| log.text.lines());
        let lines: Vec<&str> = lines.filter(|line| is_about(line, &cluster)).collect();
        let with = |text: &'static str| lines.iter().filter(move |line| line.contains(text));
        Ok((with(DONE).count(), with(NOT_DONE).map(|line| (*line).to_owned()).collect()))
    }

    async fn applied(
        &self,
        short: &str,
        name: &str,
        (done, not_done): (usize, Vec<String>),
    ) -> Result<(), DrillError> {
        let what = format!("the operator to update {short}");
        let waited = poll(&what, APPLIED, async || {
            let (now, complaints) = self.updates(name).await?;
            if complaints.len() > not_done.len() {
                return Err(DrillError::Step {
                    what: format!("apply to {short}"),
                    why: "the operator could not update the cluster".to_owned(),
                    evidence: complaints[not_done.len()..].iter().map(|line| self.hide(line)).collect(),
                });
            }
            Ok(match now > done {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("no line `{DONE}` since the change")),
            })
        });
        waited.await.map_err(DrillError::from)
    }

    /// Waits until a cluster has as many pods as its manifest asks for, all ready.
    pub(super) async fn all_ready(&self, short: &str, name: &str) -> Result<(), DrillError> {
        let wanted = self.cluster(short)?.manifest["spec"]["numberOfInstances"].as_u64().unwrap_or_default();
        let ready = poll(format!("{wanted} pods of {short} to be ready"), APPLIED, async || {
            let mut pods = self.pods_as_they_are().await?;
            pods.retain(|pod| crate::drill::look::belongs(&pod.name_any(), name));
            let going = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()).count();
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            let as_wanted = pods.len() as u64 == wanted && ready == pods.len() && going == 0;
            Ok::<_, DrillError>(match as_wanted {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("{} pods, {ready} ready, {going} about to end", pods.len())),
            })
        });
        ready.await.map_err(DrillError::from)
    }
}
