//! What a drill has seen, put together at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Secret as KubeSecret};
use kube::api::Api;
use serde_json::Value;

use super::error::DrillError;
use super::first_backup::is_from_replica;
use super::judge::{Comparisons, Observed, ObservedCluster};
use super::kept_backup;
use super::own_place::{OWN_PREFIX, OwnPlace};
use super::steps;
use super::still::observe_still;
use super::world::{Cluster, World};
use crate::environment::{ContainerLog, Environment, Storage};
use crate::observe::data::identify;
use crate::observe::env::{EnvInputs, EnvObservation};
use crate::observe::logs::LogObservation;
use crate::observe::storage::StorageObservation;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::scenario::ObservationKind;
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;
use crate::storage::{Access, Requests};

/// A message is written in a moment; troubles that pass by themselves do so within Patroni's and the operator's next look.
const LOGS: Limit = Limit::seconds(60);
/// The storage's silence that counts as its end: WAL-G's requests follow each other faster.
const QUIET: Duration = Duration::from_millis(600);
/// From the moment that the last of them was begun; also how long one that fails again and again is watched.
const OWN_BACKUPS: Limit = Limit::seconds(45);
/// For `env`, which only prints.
const ENV_LIMIT: Duration = Duration::from_secs(30);

impl<E: Environment> World<'_, E> {
    /// Knows all values of this drill that vary or that nobody may read.
    pub(super) fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::new()
            .namespace(self.environment.namespace())
            .address("gateway", &self.storage.gateway_address().to_string());
        for (short, cluster) in &self.clusters {
            if !cluster.uid.is_empty() {
                redactor = redactor.uid(short, &cluster.uid);
            }
            if let Some(identity) = &cluster.identity {
                // A clone has its source's: the first cluster that had it gives it its name.
                let known = self.clusters.iter().take_while(|(other, _)| *other != short);
                let known = known.filter_map(|(_, other)| other.identity.as_ref());
                if !known.into_iter().any(|other| other.system_identifier == identity.system_identifier) {
                    redactor = redactor.system_identifier(short, &identity.system_identifier);
                }
                redactor = redactor.postgres_version(&identity.server_version);
            }
        }
        for (name, mark) in &self.marks {
            redactor = redactor.mark(name, &mark.time, &mark.lsn);
        }
        redactor = self.literals.iter().fold(redactor, Redactor::literal);
        for account in self.accounts.values() {
            redactor = redactor.account_key(&account.name, &account.key);
            redactor = redactor.account_key(&format!("{}, the other", account.name), &account.other_key);
        }
        redactor = self.tokens.known_to(redactor);
        self.passwords.iter().fold(redactor, |redactor, password| redactor.password(password))
    }

    /// A text with every secret replaced by its fingerprint.
    pub(super) fn hide(&self, text: &str) -> String {
        self.redactor().hide(text)
    }

    /// Remembers what the operator wrote into a cluster's pod template and what its container got of it.
    pub(super) async fn observe_env(&mut self, short: &str) -> Result<(), DrillError> {
        let cluster = self.cluster(short)?;
        let (name, manifest) = (cluster.name.clone(), cluster.manifest.clone());
        let pod = cluster.leader.clone().unwrap_or_else(|| format!("{name}-0"));
        let Some(template) = self.template(&name).await? else { return Ok(()) };
        let containers = template["spec"]["containers"].as_array().cloned().unwrap_or_default();
        let Some(postgres) = containers.iter().find(|container| container["name"] == "postgres") else {
            return Ok(());
        };
        let list = |key: &str| postgres[key].as_array().cloned().unwrap_or_default();
        let configuration = super::world::configuration(self.loaded, &self.lookup())?;
        let configuration = self.release.configuration(&configuration)["configuration"].take();
        let kubernetes = configuration["kubernetes"].clone();
        let inputs = EnvInputs {
            template_env: list("env"),
            template_env_from: list("envFrom"),
            container: self.container_env(short, &pod).await?,
            manifest,
            pod_environment_secret: self.secret(&kubernetes["pod_environment_secret"]).await?,
            pod_environment_configmap: self.config_map(&kubernetes["pod_environment_configmap"]).await?,
            operator_configuration: configuration,
            secrets: self.secrets(),
        };
        let observation = EnvObservation::new(&inputs);
        if let Some(cluster) = self.clusters.get_mut(short) {
            cluster.env = Some(observation);
        }
        Ok(())
    }

    /// The environment that the container was started with. Of one that does not run nothing is known.
    async fn container_env(&self, short: &str, pod: &str) -> Result<BTreeMap<String, String>, DrillError> {
        let runs = self.cluster(short)?.runs;
        let output = match self.environment.exec(pod, "postgres", &["env", "-0"], ENV_LIMIT).await {
            Ok(output) if output.code == 0 => output,
            Ok(output) if runs => {
                let why = format!("it ended with code {}: {}", output.code, self.hide(&output.stderr));
                return Err(DrillError::step(format!("ask {pod} for its environment"), why));
            }
            Err(error) if runs => return Err(error.into()),
            Ok(_) | Err(_) => return Ok(BTreeMap::new()),
        };
        let entries = output.stdout.split('\0').filter_map(|entry| entry.split_once('='));
        Ok(entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    async fn secret(&self, reference: &Value) -> Result<Option<BTreeMap<String, Secret>>, DrillError> {
        let Some((namespace, name)) = self.place(reference) else { return Ok(None) };
        let api: Api<KubeSecret> = Api::namespaced(self.client(), &namespace);
        let Some(secret) = api.get_opt(&name).await? else { return Ok(None) };
        let data = secret.data.unwrap_or_default().into_iter();
        Ok(Some(data.map(|(key, value)| (key, Secret::new(String::from_utf8_lossy(&value.0)))).collect()))
    }

    async fn config_map(&self, reference: &Value) -> Result<Option<BTreeMap<String, String>>, DrillError> {
        let Some((namespace, name)) = self.place(reference) else { return Ok(None) };
        let api: Api<ConfigMap> = Api::namespaced(self.client(), &namespace);
        Ok(api.get_opt(&name).await?.map(|map| map.data.unwrap_or_default()))
    }

    /// `namespace/name`, or a name in the drill's own namespace.
    fn place(&self, reference: &Value) -> Option<(String, String)> {
        let text = reference.as_str().filter(|text| !text.is_empty())?;
        let (namespace, name) = text.split_once('/').unwrap_or((self.environment.namespace(), text));
        Some((namespace.to_owned(), name.to_owned()))
    }

    /// Looks at everything once more and puts it together; all of it is written as evidence too.
    ///
    /// # Errors
    /// When something cannot be looked at: then nothing is proved.
    pub(super) async fn collect(&mut self) -> Result<Observed, DrillError> {
        self.learn_secrets().await?;
        self.still_running().await?;
        self.follow_to_the_end().await?;
        self.settled().await?;
        // Whatever comes of it, the logs and requests are worth reading.
        let data = self.observe_data().await;
        for short in self.clusters.keys().cloned().collect::<Vec<_>>() {
            let pods = self.pods_of(&short).await?.iter().map(|pod| self.pods.latest(pod)).collect();
            if let Some(cluster) = self.clusters.get_mut(&short).filter(|cluster| !cluster.deleted) {
                cluster.pods = pods;
            }
        }
        let redactor = self.redactor();
        let hide = |text: &str| redactor.hide(text);
        let (logs, seen_logs) = match self.logs_to_the_end(&redactor).await {
            Ok(logs) => logs,
            // A cluster that broke at this says nothing any more.
            Err(error) => return Err(data.err().unwrap_or(error)),
        };
        for log in &logs {
            // Each pod has a name of its own by now, so no file takes another one's place.
            let name = format!("logs/{}.{}.{}.log", log.pod, log.container, log.attempt);
            self.evidence.text(&name, &hide(&log.text))?;
        }
        let storage = self.storage().await?;
        self.evidence.json("storage.json", &storage.accesses(), &hide)?;
        self.evidence.text("storage.txt", &storage.to_text())?;
        self.evidence.text("logs.txt", &seen_logs.to_text())?;
        let mut clusters = BTreeMap::new();
        for (short, cluster) in self.clusters.iter().filter(|(_, cluster)| !cluster.archived) {
            if let Some(env) = &cluster.env {
                self.evidence.text(&format!("env/{short}.txt"), &env.to_text(&redactor))?;
            }
            if let Some(data) = &cluster.data {
                self.evidence.json(&format!("data/{short}.json"), data, &hide)?;
            }
            clusters.insert(short.clone(), observed(cluster));
        }
        data?;
        Ok(Observed {
            clusters,
            marks: self.marks.iter().map(|(name, mark)| (name.clone(), mark.data.clone())).collect(),
            logs: seen_logs,
            storage,
            redactor,
            comparisons: Comparisons::default(),
        })
    }

    /// All logs, read until nobody is in the middle of a message and all passing troubles have passed; or as they are
    /// after a while.
    async fn logs_to_the_end(
        &self,
        redactor: &Redactor,
    ) -> Result<(Vec<ContainerLog>, LogObservation), DrillError> {
        let mut last = None;
        let read = poll("the logs to be complete", LOGS, async || {
            let logs = self.all_logs().await?;
            let mut seen = LogObservation::new(&logs, &self.pods.owners(), redactor);
            let pods = self.pods_by_now().await?;
            let alive: BTreeSet<String> = pods.iter().map(|pod| self.pods.latest(pod)).collect();
            seen.ended(|pod| !alive.contains(pod));
            let pending = seen.pending().join("; ");
            last = Some((logs, seen));
            Ok::<_, DrillError>(if pending.is_empty() { Seen::Done(()) } else { Seen::NotYet(pending) })
        });
        match (read.await, last) {
            // What has not passed by now is for the expectations to judge.
            (Ok(()) | Err(PollError::TimedOut(_)), Some(last)) => Ok(last),
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(DrillError::step("read the logs", "nobody looked")),
        }
    }

    /// Containers' logs and, as containers of their own, the servers' logs.
    async fn all_logs(&self) -> Result<Vec<ContainerLog>, DrillError> {
        let mut logs = self.container_logs().await?;
        logs.extend(self.server_logs.values().flatten().cloned());
        for (short, _) in self.clusters.iter().filter(|(_, cluster)| !cluster.deleted) {
            logs.extend(self.server_logs_of(short).await?);
        }
        Ok(logs)
    }

    /// What was seen when a cluster was created may have changed since: it may have ended, or its pods were replaced.
    async fn still_running(&mut self) -> Result<(), DrillError> {
        let running = self.clusters.iter().filter(|(_, cluster)| cluster.runs);
        for short in running.map(|(short, _)| short.clone()).collect::<Vec<_>>() {
            let stopped = match self.follow_leader(&short).await {
                Ok(()) => self.became_another(&short).await?,
                Err(DrillError::TimedOut(timed_out)) => Some(self.hide(&timed_out.last)),
                Err(error) => return Err(error),
            };
            if let Some(cluster) = self.clusters.get_mut(&short).filter(|_| stopped.is_some()) {
                cluster.runs = false;
                (cluster.connect, cluster.stopped) = (None, stopped);
            } else {
                self.observe_env(&short).await?;
            }
        }
        Ok(())
    }

    /// Whether what answers by now is not the cluster that came up, or does not take writes.
    async fn became_another(&mut self, short: &str) -> Result<Option<String>, DrillError> {
        let cluster = self.cluster(short)?;
        let (Some(connect), Some(before)) = (&cluster.connect, &cluster.identity) else { return Ok(None) };
        let now = identify(connect).await?;
        Ok(if now.system_identifier != before.system_identifier {
            let (now, before) = (now.system_identifier, &before.system_identifier);
            Some(format!("its system identifier is {now}, and was {before} when it came up"))
        } else if cluster.follows.is_some() {
            if !now.in_recovery {
                let why = format!(
                    "it followed another cluster and does not any more: it takes writes, on timeline {}",
                    now.timeline
                );
                self.promoted(short, why, now);
            }
            None
        } else {
            now.in_recovery.then(|| "its leader is in recovery and takes no writes".to_owned())
        })
    }

    /// Waits until every cluster that runs and archives has its first base backup, which it takes by itself, in the
    /// storage, and until the storage has been quiet: only then two runs of a drill see the same there. What has no backup
    /// by then is noted.
    pub(super) async fn settled(&mut self) -> Result<(), DrillError> {
        let archiving = self.clusters.iter().filter(|(_, cluster)| {
            let archives = cluster.env.as_ref().is_some_and(|env| env.value(OWN_PREFIX).is_some());
            // One that is backed up from a replica takes none by itself, and one that follows another has none to take.
            cluster.runs && archives && !is_from_replica(cluster) && cluster.follows.is_none()
        });
        let archiving: Vec<String> = archiving.map(|(short, _)| short.clone()).collect();
        let without = |records: &[Access]| -> Vec<String> {
            let missing = archiving.iter().filter(|short| steps::backups(records, short) == 0);
            missing.cloned().collect()
        };
        // Whatever has no backup by now has yet to begin one, or did and failed.
        let records = self.storage.requests().await?.accesses;
        let none = without(&records);
        let none: Vec<&str> = none.iter().map(String::as_str).collect();
        match self.first_backups_called(&none).await {
            Ok(()) | Err(PollError::TimedOut(_)) => {}
            Err(PollError::Failed(error)) => return Err(error),
        }
        let (mut last, mut since) = (0, Instant::now());
        let quiet = poll("the clusters' own backups to be complete", OWN_BACKUPS, async || {
            let Requests { accesses: records, at_rest } = self.storage.requests().await?;
            if !at_rest {
                since = Instant::now();
                return Ok(Seen::NotYet("requests that are going on".to_owned()));
            }
            if records.len() != last {
                (last, since) = (records.len(), Instant::now());
            }
            let missing = without(&records);
            Ok::<_, DrillError>(match since.elapsed() >= QUIET && missing.is_empty() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("{last} requests to the storage, no backup of {missing:?}")),
            })
        });
        match quiet.await {
            Ok(()) => {}
            // A clone that fails again and again is never quiet.
            Err(PollError::TimedOut(_)) => {
                for short in without(&self.storage.requests().await?.accesses) {
                    if let Some(cluster) = self.clusters.get_mut(&short) {
                        cluster.without_backup = true;
                    }
                }
            }
            Err(PollError::Failed(error)) => return Err(error),
        }
        let records = self.storage.requests().await?.accesses;
        for (short, cluster) in self.clusters.iter_mut().filter(|(_, cluster)| cluster.follows.is_some()) {
            cluster.without_backup = steps::backups(&records, short) == 0;
        }
        for short in archiving {
            let exists = async |(account, container, blob): (&str, &str, &str)| match self
                .accounts
                .contains_key(account)
            {
                true => Ok::<_, DrillError>(self.blobs(account)?.exists(container, blob).await?),
                false => Ok(false),
            };
            let kept = kept_backup::is_there(&kept_backup::said(&records, &short), exists).await?;
            if let Some(cluster) = self.clusters.get_mut(&short).filter(|_| !kept) {
                cluster.without_backup = true;
            }
        }
        Ok(())
    }

    async fn storage(&self) -> Result<StorageObservation, DrillError> {
        let mut blobs = Vec::new();
        for name in self.accounts.keys() {
            blobs.extend(self.blobs(name)?.list().await?);
        }
        let uids = self.clusters.iter().map(|(short, cluster)| (cluster.uid.clone(), short.clone()));
        // A request that is going on has no answer yet, which is another thing than one that gets none.
        let resting = poll("requests to the storage to be answered", Limit::seconds(10), async || {
            Ok::<_, DrillError>(match self.storage.requests().await? {
                Requests { accesses, at_rest: true } => Seen::Done(accesses),
                Requests { .. } => Seen::NotYet("some are going on".to_owned()),
            })
        });
        let records = match resting.await {
            Err(PollError::TimedOut(_)) => self.storage.requests().await?.accesses,
            resting => resting?,
        };
        let faults = self.faults.iter().map(|fault| (fault.name.clone(), fault.damaged())).collect();
        Ok(StorageObservation::new(records, blobs, uids.collect()).with_faults(faults))
    }

    /// The data of every cluster that runs and that an expectation or a snapshot is about.
    async fn observe_data(&mut self) -> Result<(), DrillError> {
        for short in self.data_wanted() {
            let Some(connect) = self.clusters.get(&short).and_then(|cluster| cluster.connect.clone()) else {
                continue;
            };
            self.teller.progress(format!("observe the data of {short}"));
            let what = format!("the data of {short} are observed");
            let observed = observe_still(&connect, &what, self.evidence.folder(), 0, async |_| Ok(()));
            let (data, ()) = observed.await?;
            if let Some(cluster) = self.clusters.get_mut(&short) {
                cluster.data = Some(data);
            }
        }
        Ok(())
    }

    fn data_wanted(&self) -> BTreeSet<String> {
        let scenario = &self.loaded.scenario;
        if scenario.expect.snapshots.contains(&ObservationKind::Data) {
            return self.clusters.keys().cloned().collect();
        }
        let expectations = scenario.told_apart_from.iter().flatten().chain(&scenario.expect.clusters);
        let with_data = expectations.filter_map(|(short, expected)| Some((short, expected.data.as_ref()?)));
        with_data
            .flat_map(|(short, data)| {
                [Some(short), data.equals.as_ref(), data.differs_from.as_ref(), data.same_rows_as.as_ref()]
            })
            .flatten()
            .cloned()
            .collect()
    }
}

fn observed(cluster: &Cluster) -> ObservedCluster {
    ObservedCluster {
        own: cluster.env.as_ref().and_then(OwnPlace::of),
        outcome: cluster.outcome.clone(),
        data: cluster.data.clone(),
        env: cluster.env.clone(),
        stopped: cluster.stopped.clone(),
        pods: cluster.pods.clone(),
        lag: cluster.lag.clone(),
        without_backup: cluster.without_backup,
    }
}
