//! What a drill has made so far: accounts, storage, clusters, marks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;
use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::archive::Archive;
use super::error::DrillError;
use super::events::Teller;
use super::evidence::Evidence;
use super::faults::Fault;
use super::leader::Names;
use super::outcome::Outcome;
use super::outcome::standby::Lag;
use super::pods::Pods;
use super::secrets;
use super::tokens::Tokens;
use crate::environment::{BlobsWanted, ContainerLog, Environment, Storage, StorageWanted};
use crate::observe::data::{Connect, DataObservation, Identity};
use crate::observe::env::EnvObservation;
use crate::operator::{Release, apply, install};
use crate::scenario::{LoadedScenario, Variable, fill};
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;
use crate::storage::{Account, Blobs};
use crate::toolchain::Tools;

/// One drill's world.
pub(super) struct World<'e, E: Environment> {
    pub environment: &'e E,
    pub tools: &'e Tools,
    pub loaded: &'e LoadedScenario,
    pub release: Release,
    pub postgres_major: u16,
    pub accounts: BTreeMap<String, Account>,
    /// The SAS tokens that the scenario names.
    pub tokens: Tokens,
    pub storage: E::Storage,
    pub pods: Pods,
    pub clusters: BTreeMap<String, Cluster>,
    pub marks: BTreeMap<String, Mark>,
    /// Those that steps have begun, healed or not.
    pub faults: Vec<Fault>,
    /// What the scenario's own Secrets hold, beside the accounts' keys.
    pub literals: Vec<Secret>,
    /// Passwords that the operator made.
    pub passwords: Vec<Secret>,
    /// Server logs of clusters that are deleted, by short name, as they were last seen.
    pub server_logs: BTreeMap<String, Vec<ContainerLog>>,
    pub evidence: Evidence,
    pub teller: Teller,
}

/// What a world's storage begins with, and whether it can be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'a> {
    pub blobs: BlobsWanted<'a>,
    pub archive: Option<&'a Archive>,
}

impl<'a> Beginning<'a> {
    pub(super) fn of(archive: Option<&'a Archive>) -> Self {
        let blobs = archive.map_or(BlobsWanted::Passing, |archive| BlobsWanted::From(&archive.blobs));
        Beginning { blobs, archive }
    }
}

/// A world that could not be made, and who knows what nobody may read of why.
pub(super) struct NotStanding {
    pub error: DrillError,
    pub teller: Teller,
    pub redactor: Redactor,
}

/// A cluster of the scenario that was created.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// `metadata.name` of its manifest.
    pub name: String,
    pub uid: String,
    /// As it was applied, with every `${…}` filled in.
    pub manifest: Value,
    /// Just before it was.
    pub created: Option<Timestamp>,
    pub outcome: Option<Outcome>,
    pub identity: Option<Identity>,
    pub env: Option<EnvObservation>,
    pub connect: Option<Connect>,
    /// The pod that leads it, as it was last seen.
    pub leader: Option<String>,
    /// The short name of the cluster that it follows.
    pub follows: Option<String>,
    /// How far behind that one it was at the drill's end.
    pub lag: Option<Lag>,
    /// It came up, and was neither deleted since nor seen to have stopped.
    pub runs: bool,
    pub data: Option<DataObservation>,
    /// What was last seen of one that ran and did not any more at the drill's end.
    pub stopped: Option<String>,
    pub deleted: bool,
    /// It left the archive with which the drill began, and was never there in the drill.
    pub archived: bool,
    /// Its pods at the drill's end.
    pub pods: Vec<String>,
    /// It archives, and at the drill's end the storage had no base backup of it.
    pub without_backup: bool,
}

/// A named moment on a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mark {
    /// RFC 3339 with microseconds and the zone `+00:00`.
    pub time: String,
    pub lsn: String,
    /// When the last commit before it had not been made yet: recovery to the mark replays that one and no other.
    pub commit_after: Timestamp,
    pub data: DataObservation,
}

impl<'e, E: Environment> World<'e, E> {
    /// Makes the storage and the operator, side by side; the scenario's objects before the operator.
    ///
    /// # Errors
    /// The part that did not come up, or the object that the API server refused.
    pub(super) async fn stand_up(
        environment: &'e E,
        tools: &'e Tools,
        loaded: &'e LoadedScenario,
        operator: &str,
        evidence: Evidence,
        mut teller: Teller,
        beginning: Beginning<'_>,
    ) -> Result<World<'e, E>, NotStanding> {
        let start = Instant::now();
        teller.progress("stand up the storage and the operator");
        let names = loaded.scenario.storage.accounts.iter();
        let accounts: BTreeMap<String, Account> =
            names.map(|name| (name.clone(), Account::new(name.clone()))).collect();
        let tokens = Tokens::of(&loaded.scenario, &accounts, Timestamp::now());
        match Self::parts(environment, tools, loaded, operator, (&accounts, &tokens), beginning).await {
            Ok(parts) => {
                teller.phase("storage and operator", start, "");
                let (release, postgres_major, storage, pods) = parts;
                let mut world = World {
                    environment,
                    tools,
                    loaded,
                    release,
                    postgres_major,
                    accounts,
                    tokens,
                    storage,
                    pods,
                    clusters: beginning.archive.map(Archive::clusters).unwrap_or_default(),
                    marks: beginning.archive.map(Archive::marks).unwrap_or_default(),
                    faults: Vec::new(),
                    literals: Vec::new(),
                    passwords: Vec::new(),
                    server_logs: BTreeMap::new(),
                    evidence,
                    teller,
                };
                match world.own_secrets() {
                    Ok(literals) => world.literals = literals,
                    Err(error) => {
                        let redactor = world.redactor();
                        return Err(NotStanding { error, teller: world.teller, redactor });
                    }
                }
                Ok(world)
            }
            Err(error) => {
                let keys = accounts.values();
                let redactor = keys.fold(Redactor::new(), |redactor, account| {
                    redactor.account_key(&account.name, &account.key)
                });
                let redactor = tokens.known_to(redactor);
                Err(NotStanding { error, teller, redactor })
            }
        }
    }

    async fn parts(
        environment: &E,
        tools: &Tools,
        loaded: &LoadedScenario,
        operator: &str,
        (accounts, tokens): (&BTreeMap<String, Account>, &Tokens),
        beginning: Beginning<'_>,
    ) -> Result<Parts<E>, DrillError> {
        let tool =
            tools.operators.get(operator).ok_or_else(|| DrillError::NoOperator(operator.to_owned()))?;
        let release = Release::read(tool)?;
        let installed = environment.postgres_majors().unwrap_or_else(|| installed(tools));
        let postgres_major = newest_of(&installed, &release);
        let lookup = Lookup {
            namespace: environment.namespace(),
            accounts,
            tokens,
            clusters: &BTreeMap::new(),
            marks: &BTreeMap::new(),
            postgres_major,
        };
        let label = names(&release, loaded).cluster_label;
        let pods = Pods::watch(environment.client(), environment.namespace(), label);
        let operator = async {
            objects(environment, loaded, &release, &lookup).await?;
            let configuration = configuration(loaded, &lookup)?;
            let installed = install(environment, &release, &configuration).await;
            installed.map_err(|error| settings(loaded, &release, error))
        };
        let storage = async {
            let accounts: Vec<Account> = accounts.values().cloned().collect();
            let wanted = StorageWanted {
                azurite: &tools.azurite,
                accounts: &accounts,
                containers: &loaded.scenario.storage.containers,
                blobs: beginning.blobs,
                who_is: pods.who_is(),
            };
            environment.storage(wanted).await.map_err(DrillError::from)
        };
        let (storage, ()) = futures::try_join!(storage, operator)?;
        Ok((release, postgres_major, storage, pods))
    }

    pub(super) fn client(&self) -> Client {
        self.environment.client()
    }

    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup {
            namespace: self.environment.namespace(),
            accounts: &self.accounts,
            tokens: &self.tokens,
            clusters: &self.clusters,
            marks: &self.marks,
            postgres_major: self.postgres_major,
        }
    }

    /// The storage account's blobs, with its key.
    pub(super) fn blobs(&self, account: &str) -> Result<Blobs, DrillError> {
        let account =
            self.accounts.get(account).ok_or_else(|| DrillError::step("find a storage account", account))?;
        Ok(Blobs::new(account, self.storage.blobs_address()))
    }

    /// A cluster that was created.
    pub(super) fn cluster(&self, short: &str) -> Result<&Cluster, DrillError> {
        self.clusters
            .get(short)
            .ok_or_else(|| DrillError::step(format!("use cluster {short}"), "it was not created"))
    }

    /// The way into a cluster that runs.
    pub(super) fn connect(&self, short: &str) -> Result<Connect, DrillError> {
        let cluster = self.cluster(short)?;
        cluster.connect.clone().ok_or_else(|| {
            let what = format!("connect to cluster {short}");
            match &cluster.outcome {
                Some(outcome) => DrillError::Step {
                    what,
                    why: format!("it does not run: {}", outcome.why),
                    evidence: outcome.evidence.clone(),
                },
                None => DrillError::step(what, "it does not run"),
            }
        })
    }

    /// All values that nobody may read.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.accounts
            .values()
            .flat_map(|account| [account.key.clone(), account.other_key.clone()])
            .chain(self.tokens.secrets())
            .chain(self.literals.iter().cloned())
            .chain(self.passwords.iter().cloned())
            .collect()
    }

    /// Learns of the secrets that the operator has made by now.
    pub(super) async fn learn_secrets(&mut self) -> Result<(), DrillError> {
        let objects = &self.loaded.scenario.objects;
        let made = secrets::made_by_operator(&self.client(), self.environment.namespace(), objects).await?;
        // The operator may have copied one that is known already.
        let known: BTreeSet<Secret> = self.secrets().into_iter().collect();
        self.passwords.extend(made.into_iter().filter(|secret| !known.contains(secret)));
        Ok(())
    }

    /// What the scenario's Secrets hold and is neither a key nor the name of an account.
    fn own_secrets(&self) -> Result<Vec<Secret>, DrillError> {
        let lookup = self.lookup();
        let objects = self.loaded.scenario.objects.iter().map(|object| lookup.fill(object));
        let objects = objects.collect::<Result<Vec<Value>, _>>()?;
        let mut found = secrets::of_scenario(&objects);
        let of_account = |secret: &Secret, account: &Account| {
            account.key == *secret || account.other_key == *secret || account.name == secret.reveal()
        };
        let tokens: Vec<Secret> = self.tokens.secrets().collect();
        found.retain(|secret| {
            !tokens.contains(secret) && !self.accounts.values().any(|account| of_account(secret, account))
        });
        Ok(found)
    }
}

type Parts<E> = (Release, u16, <E as Environment>::Storage, Pods);

/// What `${…}` stands for at this moment.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'w> {
    namespace: &'w str,
    accounts: &'w BTreeMap<String, Account>,
    tokens: &'w Tokens,
    clusters: &'w BTreeMap<String, Cluster>,
    marks: &'w BTreeMap<String, Mark>,
    postgres_major: u16,
}

impl Lookup<'_> {
    pub(super) fn value(&self, variable: &Variable) -> Option<String> {
        match variable {
            Variable::ClusterUid(name) => self.clusters.get(name).map(|cluster| cluster.uid.clone()),
            Variable::MarkTime(name) => self.marks.get(name).map(|mark| mark.time.clone()),
            Variable::MarkLsn(name) => self.marks.get(name).map(|mark| mark.lsn.clone()),
            Variable::AccountName(name) => self.accounts.get(name).map(|account| account.name.clone()),
            // The manifest is where the key belongs; what is kept of it as evidence is redacted.
            Variable::AccountKey(name) => {
                self.accounts.get(name).map(|account| account.key.reveal().to_owned())
            }
            Variable::AccountSas(name, sas) => {
                self.tokens.get(name, sas).map(|token| token.reveal().to_owned())
            }
            Variable::PostgresVersion => Some(self.postgres_major.to_string()),
            Variable::DrillNamespace => Some(self.namespace.to_owned()),
        }
    }

    pub(super) fn fill(&self, value: &Value) -> Result<Value, DrillError> {
        Ok(fill(value, &|variable| self.value(variable))?)
    }
}

/// The newest installed major that this release's manifests may name.
pub(crate) fn postgres_major(tools: &Tools, release: &Release) -> u16 {
    newest_of(&installed(tools), release)
}

fn installed(tools: &Tools) -> Vec<u16> {
    tools.default_postgres().map(|postgres| postgres.major).collect()
}

fn newest_of(installed: &[u16], release: &Release) -> u16 {
    let majors = release.postgres_majors();
    let installed = || installed.iter().copied();
    installed().filter(|major| majors.contains(major)).max().or_else(|| installed().max()).unwrap_or_default()
}

/// How the operator names things, by the scenario's settings laid over the release's.
pub(super) fn names(release: &Release, loaded: &LoadedScenario) -> Names {
    Names::of(&release.configuration(&loaded.scenario.operator.configuration)["configuration"])
}

async fn objects<E: Environment>(
    environment: &E,
    loaded: &LoadedScenario,
    release: &Release,
    lookup: &Lookup<'_>,
) -> Result<(), DrillError> {
    for (index, object) in loaded.scenario.objects.iter().enumerate() {
        let object = lookup.fill(object)?;
        apply(&environment.client(), environment.namespace(), &object)
            .await
            .map_err(|error| placed(loaded, release, &format!("/objects/{index}"), error))?;
    }
    Ok(())
}

/// `OperatorConfiguration.configuration` of the scenario, filled in.
pub(super) fn configuration(
    loaded: &LoadedScenario,
    lookup: &Lookup<'_>,
) -> Result<serde_json::Map<String, Value>, DrillError> {
    let given = Value::Object(loaded.scenario.operator.configuration.clone());
    Ok(lookup.fill(&given)?.as_object().cloned().unwrap_or_default())
}

/// A refusal by the API server, with the place in the scenario that it is about.
pub(super) fn placed(
    loaded: &LoadedScenario,
    release: &Release,
    pointer: &str,
    error: crate::operator::ApplyError,
) -> DrillError {
    match error {
        crate::operator::ApplyError::Rejected { kind, field, message, .. } => {
            let siblings = siblings(release, &kind, field.as_deref(), &message);
            let siblings: Vec<&str> = siblings.iter().map(String::as_str).collect();
            Box::new(loaded.rejected_by_api_server(pointer, field.as_deref(), &message, &siblings)).into()
        }
        error => error.into(),
    }
}

/// What stands beside a field that the API server does not know.
fn siblings(release: &Release, kind: &str, field: Option<&str>, message: &str) -> Vec<String> {
    let unknown = ["unknown field", "field not declared"].iter().any(|words| message.contains(words));
    field.filter(|_| unknown).map(|field| release.fields_beside(kind, field)).unwrap_or_default()
}

/// A refusal of the `OperatorConfiguration` is about the scenario's settings: the rest is the release's own.
pub(super) fn settings(
    loaded: &LoadedScenario,
    release: &Release,
    error: crate::operator::InstallError,
) -> DrillError {
    use crate::operator::{ApplyError, InstallError};
    match error {
        InstallError::Apply(ApplyError::Rejected { kind, field, message, .. })
            if kind == "OperatorConfiguration" =>
        {
            let siblings = siblings(release, &kind, field.as_deref(), &message);
            let siblings: Vec<&str> = siblings.iter().map(String::as_str).collect();
            let field = field.as_deref().map(|field| field.strip_prefix("configuration.").unwrap_or(field));
            let pointer = "/operator/configuration";
            Box::new(loaded.rejected_by_api_server(pointer, field, &message, &siblings)).into()
        }
        error => error.into(),
    }
}
