//! What a drill has seen, put together at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Secret as KubeSecret};
use kube::api::Api;
use serde_json::Value;

use super::error::DrillError;
use super::judge::{Observed, ObservedCluster};
use super::leader::{self, Leader};
use super::own_place::{OWN_PREFIX, OwnPlace};
use super::server_log;
use super::steps;
use super::world::{Cluster, World};
use crate::environment::{ContainerLog, Environment};
use crate::observe::data::{self, Options};
use crate::observe::env::{EnvInputs, EnvObservation};
use crate::observe::logs::LogObservation;
use crate::observe::storage::StorageObservation;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::scenario::ObservationKind;
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;

/// The storage's silence that counts as its end: WAL-G's requests follow each other faster.
const QUIET: Duration = Duration::from_millis(600);
/// For `env`, which only prints.
const ENV_LIMIT: Duration = Duration::from_secs(30);

impl<E: Environment> World<'_, E> {
    /// Knows all values of this drill that vary or that nobody may read.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::new()
            .namespace(self.environment.namespace())
            .address("gateway", &self.environment.gateway_address().to_string());
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
        for account in self.accounts.values() {
            redactor = redactor.account_key(&account.name, &account.key);
        }
        self.passwords.iter().fold(redactor, |redactor, password| redactor.password(password))
    }

    /// A text with every secret replaced by its fingerprint.
    pub fn hide(&self, text: &str) -> String {
        self.redactor().hide(text)
    }

    /// Remembers what the operator wrote into a cluster's pod template and what its container got of it.
    pub(super) async fn observe_env(&mut self, short: &str) -> Result<(), DrillError> {
        let cluster = self.cluster(short)?;
        let (name, manifest) = (cluster.name.clone(), cluster.manifest.clone());
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
            container: self.container_env(short, &format!("{name}-0")).await?,
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
        let runs = self.cluster(short)?.connect.is_some();
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
    pub async fn collect(&mut self) -> Result<Observed, DrillError> {
        self.passwords.extend(leader::passwords(&self.client(), self.environment.namespace()).await?);
        self.passwords.sort();
        self.passwords.dedup();
        self.still_running().await?;
        self.settled().await?;
        self.observe_data().await?;
        let logs = self.all_logs().await?;
        let redactor = self.redactor();
        let hide = |text: &str| redactor.hide(text);
        for log in &logs {
            let name = format!("logs/{}.{}.{}.log", log.pod, log.container, log.attempt);
            self.evidence.text(&name, &hide(&log.text))?;
        }
        let storage = self.storage().await?;
        self.evidence.json("storage.json", &storage.accesses(), &hide)?;
        let mut clusters = BTreeMap::new();
        for (short, cluster) in &self.clusters {
            if let Some(env) = &cluster.env {
                self.evidence.text(&format!("env/{short}.txt"), &env.to_text(&redactor))?;
            }
            if let Some(data) = &cluster.data {
                self.evidence.json(&format!("data/{short}.json"), data, &hide)?;
            }
            clusters.insert(short.clone(), observed(cluster));
        }
        let observed = Observed {
            clusters,
            marks: self.marks.iter().map(|(name, mark)| (name.clone(), mark.data.clone())).collect(),
            logs: LogObservation::new(&logs, &self.pods.owners(), &redactor),
            storage,
        };
        self.evidence.text("logs.txt", &observed.logs.to_text())?;
        self.evidence.text("storage.txt", &observed.storage.to_text())?;
        Ok(observed)
    }

    /// Containers' logs and, as containers of their own, the servers' logs.
    async fn all_logs(&self) -> Result<Vec<ContainerLog>, DrillError> {
        let mut logs = self.environment.container_logs().await?;
        logs.extend(self.server_logs.values().cloned());
        for cluster in self.clusters.values().filter(|cluster| !cluster.deleted) {
            match server_log::read(self.environment, &format!("{}-0", cluster.name)).await {
                Ok(log) => logs.push(log),
                Err(error) if cluster.connect.is_some() => return Err(error.into()),
                // A pod that never came up has no server log; its container's log says why.
                Err(_) => {}
            }
        }
        Ok(logs)
    }

    /// What was seen when a cluster was created may have changed since: it may have ended, or its pods were replaced.
    async fn still_running(&mut self) -> Result<(), DrillError> {
        let running = self.clusters.iter().filter(|(_, cluster)| cluster.connect.is_some());
        let running: Vec<_> = running.map(|(short, cluster)| (short.clone(), cluster.name.clone())).collect();
        for (short, name) in running {
            let (client, namespace) = (self.client(), self.environment.namespace());
            let found = poll(format!("cluster {short} to run at the end"), Limit::seconds(30), async || {
                Ok::<_, DrillError>(match leader::answering(&client, namespace, &name).await? {
                    Leader::NotYet(seen) => Seen::NotYet(seen),
                    Leader::Found { connect, .. } => Seen::Done(connect),
                })
            });
            let (connect, stopped) = match found.await {
                Ok(connect) => (Some(*connect), None),
                Err(PollError::TimedOut(timed_out)) => (None, Some(self.hide(&timed_out.last))),
                Err(PollError::Failed(error)) => return Err(error),
            };
            let runs = connect.is_some();
            if let Some(cluster) = self.clusters.get_mut(&short) {
                (cluster.connect, cluster.stopped) = (connect, stopped);
            }
            if runs {
                self.observe_env(&short).await?;
            }
        }
        Ok(())
    }

    /// Waits until every cluster that runs and archives has its first base backup, which it takes by itself, in the
    /// storage, and until the storage has been quiet: only then two runs of a drill see the same there.
    async fn settled(&self) -> Result<(), DrillError> {
        let archiving = self.clusters.iter().filter(|(_, cluster)| {
            cluster.connect.is_some()
                && cluster.env.as_ref().is_some_and(|env| env.value(OWN_PREFIX).is_some())
        });
        let archiving: Vec<&str> = archiving.map(|(short, _)| short.as_str()).collect();
        let (mut last, mut since) = (0, Instant::now());
        let quiet = poll("the clusters' own backups to be complete", Limit::seconds(45), async || {
            let records = self.gateway.records();
            if records.len() != last {
                (last, since) = (records.len(), Instant::now());
            }
            let missing: Vec<&str> =
                archiving.iter().copied().filter(|short| steps::backups(&records, short) == 0).collect();
            Ok::<_, DrillError>(match since.elapsed() >= QUIET && missing.is_empty() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("{last} requests to the storage, no backup of {missing:?}")),
            })
        });
        match quiet.await {
            // A cluster that cannot archive is for the expectations to judge, not a reason to see nothing.
            Ok(()) | Err(PollError::TimedOut(_)) => Ok(()),
            Err(PollError::Failed(error)) => Err(error),
        }
    }

    async fn storage(&self) -> Result<StorageObservation, DrillError> {
        let mut blobs = Vec::new();
        for name in self.accounts.keys() {
            blobs.extend(self.blobs(name)?.list().await?);
        }
        let uids = self.clusters.iter().map(|(short, cluster)| (cluster.uid.clone(), short.clone()));
        Ok(StorageObservation::new(self.gateway.records(), blobs, uids.collect()))
    }

    /// The data of every cluster that runs and that an expectation or a snapshot is about.
    async fn observe_data(&mut self) -> Result<(), DrillError> {
        let wanted = self.data_wanted();
        let spool = self.scratch.join("end");
        for (short, cluster) in self.clusters.iter_mut().filter(|(short, _)| wanted.contains(*short)) {
            if let Some(connect) = &cluster.connect {
                self.teller.progress(format!("observe the data of {short}"));
                let data = data::observe(connect, &Options::default(), Some(&spool.join(short))).await?;
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
            .flat_map(|(short, data)| [Some(short), data.equals.as_ref(), data.differs_from.as_ref()])
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
    }
}
