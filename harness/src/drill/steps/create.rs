//! Step `create`: applies a cluster's manifest and waits until it is evident what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::Value;

use crate::drill::error::DrillError;
use crate::drill::evidence;
use crate::drill::leader::Leader;
use crate::drill::look::belongs;
use crate::drill::outcome::{self, MarkedTime, Outcome, Peer};
use crate::drill::waiting::Waiting;
use crate::drill::world::{Cluster, World, placed};
use crate::environment::{Environment, Storage, has_room, trouble};
use crate::observe::data::{Connect, Identity, identify};
use crate::operator::{ApplyError, create, postgresqls, status};
use crate::poll::{Limit, PollError, Seen, poll};
use crate::scenario::ClusterOutcome;
use crate::spilo::pauses;
use crate::storage::{Effect, Who};

/// A clone that fails shows it twice in less than a minute; one that comes up needs 20 s on a quiet machine.
const EVIDENT: Limit = Limit {
    total: Duration::from_secs(240),
    first_interval: Duration::from_millis(100),
    longest_interval: Duration::from_millis(400),
};
/// Two bootstraps with Spilo's pause between them, and the looks for the end of two recoveries, with and without a target.
const _: () = assert!(
    EVIDENT.total.as_secs()
        > pauses::RESTARTS[0].as_secs()
            + 2 * (pauses::ASKS_FOR_META_DATA.as_secs() + pauses::PATRONI_LOOKS.as_secs())
            + 4 * pauses::LOOKS_FOR_END_OF_RECOVERY.as_secs()
            + pauses::WAITS_FOR_PROMOTION.as_secs()
);
/// States in which the operator has given up on a cluster that never ran.
const GIVEN_UP: [&str; 2] = ["CreateFailed", "Invalid"];

/// How a wait for a cluster ended.
enum Evident {
    Running { pod: String, connect: Box<Connect> },
    Failed(Outcome),
}

impl<E: Environment> World<'_, E> {
    pub(super) async fn create(&mut self, short: &str) -> Result<String, DrillError> {
        let pointer = format!("/clusters/{short}");
        let given = self.loaded.scenario.clusters.get(short);
        let given = given
            .ok_or_else(|| DrillError::step(format!("create {short}"), "the scenario has no such cluster"))?;
        let manifest = self.lookup().fill(given)?;
        self.evidence
            .json(&format!("manifests/{short}.json"), &evidence::shown(&manifest), &|text| self.hide(text))?;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.pods.name(&name, short);
        let created = Some(jiff::Timestamp::now());
        let mut cluster = Cluster { name, manifest: manifest.clone(), created, ..Cluster::default() };
        match create(&self.client(), self.environment.namespace(), &manifest).await {
            Ok(object) => cluster.uid = object.uid().unwrap_or_default(),
            Err(ApplyError::Rejected { message, .. }) if self.expects_rejection(short) => {
                let why = format!("the API server refused it: {message}");
                cluster.outcome = Some(Outcome {
                    kind: ClusterOutcome::Rejected,
                    why: why.clone(),
                    evidence: vec![message],
                });
                self.clusters.insert(short.to_owned(), cluster);
                return Ok(why);
            }
            Err(error) => return Err(placed(self.loaded, &self.release, &pointer, error)),
        }
        self.clusters.insert(short.to_owned(), cluster);
        let evident = self.evident(short).await?;
        if let Evident::Running { pod, connect } = &evident {
            let identity = identify(connect).await?;
            if let Some(cluster) = self.clusters.get_mut(short) {
                cluster.identity = Some(identity);
                cluster.runs = true;
                (cluster.leader, cluster.connect) = (Some(pod.clone()), Some((**connect).clone()));
            }
        }
        self.learn_secrets().await?;
        self.observe_env(short).await?;
        let outcome = match evident {
            Evident::Failed(outcome) => outcome,
            Evident::Running { .. } => self.outcome_of_running(short).await?,
        };
        let note = outcome.why.clone();
        if let Some(cluster) = self.clusters.get_mut(short) {
            cluster.outcome = Some(outcome);
        }
        Ok(note)
    }

    fn expects_rejection(&self, short: &str) -> bool {
        let expected = self.loaded.scenario.expect.clusters.get(short);
        expected.is_some_and(|expected| expected.outcome == ClusterOutcome::Rejected)
    }

    /// Waits until the cluster says Running and its leader answers, or until its failure shows.
    async fn evident(&self, short: &str) -> Result<Evident, DrillError> {
        let name = self.cluster(short)?.name.clone();
        let mut waiting = Waiting::default();
        let found = poll(format!("cluster {short} to run or to fail"), EVIDENT, async || {
            if let Some(failure) = self.storage.failed() {
                return Err(DrillError::StorageEnded(failure));
            }
            self.strikes().await?;
            let status = self.status(&name).await?;
            self.teller.progress(format!("{short}: {status}"));
            if status == "Running" {
                return Ok(match self.leader(&name).await? {
                    Leader::NotYet(seen) => Seen::NotYet(format!("status Running, {seen}")),
                    Leader::Found { pod, connect } => Seen::Done(Evident::Running { pod, connect }),
                });
            }
            let logs = self.printed(short).await?;
            let texts: Vec<&str> = logs.iter().map(|log| log.text.as_str()).collect();
            let outcome = match GIVEN_UP.contains(&status.as_str()) {
                true => outcome::of_given_up(&status, &texts, &self.complaints(&name).await?),
                false => outcome::of_failures(&texts),
            };
            if let Some(mut outcome) = outcome {
                outcome.evidence = outcome.evidence.iter().map(|line| self.hide(line)).collect();
                return Ok(Seen::Done(Evident::Failed(outcome)));
            }
            let mut pods = self.pods_as_they_are().await?;
            pods.retain(|pod| belongs(&pod.name_any(), &name));
            has_room(&pods)?;
            if texts.is_empty()
                && let Some(outcome) = waiting.look(&pods)
            {
                return Ok(Seen::Done(Evident::Failed(outcome)));
            }
            let last = texts.iter().flat_map(|text| text.lines()).last().unwrap_or("nothing logged yet");
            let troubles = self.troubles(&pods);
            Ok(Seen::NotYet(format!("status {status}{troubles}, last log line: {}", self.hide(last))))
        });
        match found.await {
            Ok(evident) => Ok(evident),
            Err(PollError::Failed(error)) => Err(error),
            Err(PollError::TimedOut(timed_out)) => Err(timed_out.into()),
        }
    }

    /// What the node says of pods that are not ready, to be put after something else.
    fn troubles(&self, pods: &[Pod]) -> String {
        let troubles = pods.iter().filter_map(|pod| Some(format!(", {}: {}", pod.name_any(), trouble(pod)?)));
        troubles.map(|trouble| self.hide(&trouble)).collect()
    }

    /// What the operator says went wrong with a cluster.
    async fn complaints(&self, name: &str) -> Result<Vec<String>, DrillError> {
        let operator = self.release.deployment_name();
        let logs = self.container_logs().await?;
        let logs = logs.iter().filter(|log| log.pod.starts_with(operator));
        let cluster = format!("{}/{name}", self.environment.namespace());
        Ok(logs.flat_map(|log| outcome::complaints(&log.text, &cluster)).collect())
    }

    /// `status.PostgresClusterStatus` as the operator last set it.
    async fn status(&self, name: &str) -> Result<String, DrillError> {
        let object = postgresqls(self.client(), self.environment.namespace()).get(name).await?;
        Ok(status(&object).unwrap_or("not set").to_owned())
    }

    async fn outcome_of_running(&mut self, short: &str) -> Result<Outcome, DrillError> {
        let Some(identity) = self.cluster(short)?.identity.clone() else {
            return Err(DrillError::step(
                format!("tell what became of {short}"),
                "nobody asked it who it is",
            ));
        };
        let peers: Vec<Peer> = self
            .clusters
            .iter()
            .filter(|(other, _)| *other != short)
            .filter_map(|(other, cluster)| {
                let identifier = cluster.identity.as_ref()?.system_identifier.clone();
                Some(Peer { cluster: other.clone(), system_identifier: identifier })
            })
            .collect();
        let mut outcome = match self.outcome_of_standby(short, &identity, &peers).await? {
            Some(outcome) => outcome,
            None => self.outcome_of_clone(short, &identity, &peers).await?,
        };
        let redactor = self.redactor();
        outcome.evidence = outcome.evidence.iter().map(|line| redactor.hide(line)).collect();
        Ok(outcome)
    }

    async fn outcome_of_clone(
        &self,
        short: &str,
        identity: &Identity,
        peers: &[Peer],
    ) -> Result<Outcome, DrillError> {
        let logs = self.logs_of(short).await?;
        let texts: Vec<&str> = logs.iter().map(|log| log.text.as_str()).collect();
        let clone = &self.cluster(short)?.manifest["spec"]["clone"];
        let source = clone["cluster"].as_str().filter(|name| !name.is_empty());
        let source = source.map(|name| self.named(name, clone["uid"].as_str().unwrap_or_default()));
        let target = clone["timestamp"].as_str().unwrap_or_default();
        let backups_of = self.writers_of_backups(short).await?;
        outcome::of_running(
            &outcome::Seen {
                system_identifier: &identity.system_identifier,
                clone_of: source.as_deref(),
                has_target: !target.is_empty(),
                mark: self.marked(target),
                timeline: identity.timeline,
                logs: &texts,
                backups_of: &backups_of,
            },
            peers,
        )
        .map_err(|why| DrillError::step(format!("tell what became of {short}"), why))
    }

    /// The short name of the cluster that a clone section names: by its UID where it has one, since two
    /// clusters may have had one name.
    fn named(&self, name: &str, uid: &str) -> String {
        let by_uid = self.clusters.iter().find(|(_, cluster)| !uid.is_empty() && cluster.uid == uid);
        let by_name = || self.clusters.iter().find(|(_, cluster)| cluster.name == name);
        by_uid.or_else(by_name).map(|(short, _)| short.clone()).unwrap_or_else(|| name.to_owned())
    }

    /// The mark that has this time, as it was filled into the manifest.
    fn marked(&self, target: &str) -> Option<MarkedTime<'_>> {
        let (name, mark) = self.marks.iter().find(|(_, mark)| mark.time == target)?;
        let (commit_after, time) = (mark.commit_after, mark.time.parse().ok()?);
        Some(MarkedTime { name, commit_after, time, timeline: mark.data.identity.timeline })
    }

    /// Clusters that wrote the base backups' blobs that this cluster has read.
    async fn writers_of_backups(&self, short: &str) -> Result<Vec<String>, DrillError> {
        let records = self.storage.requests().await?.accesses;
        let done = |status: Option<u16>| status.is_some_and(|status| (200..300).contains(&status));
        let is_backup = |blob: &str| blob.contains("/basebackups_");
        let mut writers: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        let mut found = Vec::new();
        for access in &records {
            let (Some(blob), Who::Cluster(who)) = (access.blob.as_deref(), &access.who) else { continue };
            if !is_backup(blob) || !done(access.status) {
                continue;
            }
            let place = (access.account.as_str(), blob);
            if access.operation.effect() == Effect::Write {
                writers.insert(place, who);
            } else if who == short
                && let Some(writer) = writers.get(&place)
                && *writer != short
                && !found.iter().any(|found| found == writer)
            {
                found.push((*writer).to_owned());
            }
        }
        Ok(found)
    }

    /// The StatefulSet's pod template of a cluster, once the operator has made it.
    pub(in crate::drill) async fn template(&self, name: &str) -> Result<Option<Value>, DrillError> {
        let sets: Api<StatefulSet> = Api::namespaced(self.client(), self.environment.namespace());
        let set = sets.get_opt(name).await?;
        Ok(set.and_then(|set| serde_json::to_value(set.spec?.template).ok()))
    }
}
