//! One cluster's backups, as its container would configure itself: from the env that it gets, to what WAL-G is told.

use super::archive::{self, Scope};
use super::names::{Effect, effect_of};
use super::pod::Pod;
use super::settings::CloneMethod;
use super::store::{self, Store};

/// All that decides about a cluster's backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Where it archives; none where WAL is thrown away.
    pub archive: Option<Archive>,
    /// What its data begin as.
    pub bootstrap: Bootstrap,
    /// Variables that do nothing, in the order of the env list.
    pub without_effect: Vec<WithoutEffect>,
}

/// What a cluster is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bootstrap {
    /// `initdb`.
    Empty,
    /// A clone was asked for, and Spilo has too little to go on: an empty database.
    EmptyInsteadOfClone,
    /// Backups; none where Spilo counts it as a clone and yet writes no env dir, so that the bootstrap fails.
    Backups(Option<Archive>),
    /// The running cluster itself.
    RunningCluster,
    /// It follows another cluster; the variable that says so.
    Standby(&'static str),
}

/// One env dir, and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Whose backups they are.
    pub scope: Scope,
    /// The kind of storage that they lie in.
    pub store: Store,
    /// The variable that makes Spilo take this store.
    pub decided_by: String,
    /// Other stores that are configured too and lose, each with its variable.
    pub beaten: Vec<(Store, String)>,
    /// Whether WAL-G does the work, or WAL-E.
    pub by_walg: bool,
    /// In the order in which they are written.
    pub env_dir: Vec<Written>,
}

/// A file of an env dir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The variable that WAL-G reads from it, without `CLONE_`.
    pub name: String,
    /// As WAL-G gets it. May be secret; holds U+FFFD where it is not known.
    pub value: String,
    /// The variable that it is from; none for what Spilo makes itself.
    pub from: Option<String>,
}

/// A variable that does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutEffect {
    /// As it stands in the env list.
    pub name: String,
    /// What comes before it, or who does not read it.
    pub why: Why,
}

/// Why a variable does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nobody reads this name; with the one that was probably meant.
    Unread {
        /// The name that was probably meant; none where nothing is like it.
        meant: Option<String>,
        /// It is that name but for upper and lower case.
        only_case: bool,
    },
    /// WAL-G would read it, and Spilo does not hand it on.
    NotHandedOn,
    /// It is for another store than the one that decides.
    OtherStore(Store),
    /// Another credential, or another part of this one, decides.
    OtherCredential,
    /// The cluster is no clone, or not one from backups.
    NoClone,
    /// The cluster archives nothing.
    NoArchive,
}

impl Model {
    /// What Spilo makes of this env.
    pub fn of(pod: &Pod<'_>) -> Model {
        let archive = pod.archives().then(|| archive_of(pod, Scope::Own)).flatten();
        // Patroni makes a cluster that follows another one before it looks for a way to bootstrap.
        let bootstrap = match (pod.standby(), pod.clone_method()) {
            (Some(variable), _) => Bootstrap::Standby(variable),
            (None, CloneMethod::Backups { .. }) => Bootstrap::Backups(archive_of(pod, Scope::Clone)),
            (None, CloneMethod::RunningCluster { .. }) => Bootstrap::RunningCluster,
            // Also where Spilo knows no such method.
            (None, CloneMethod::Nothing) if pod.has("CLONE_METHOD") => Bootstrap::EmptyInsteadOfClone,
            (None, CloneMethod::Nothing) => Bootstrap::Empty,
        };
        let mut model = Model { archive, bootstrap, without_effect: Vec::new() };
        model.without_effect = model.dropped(pod);
        model
    }

    /// The backups that it is cloned from.
    pub fn source(&self) -> Option<&Archive> {
        match &self.bootstrap {
            Bootstrap::Backups(archive) => archive.as_ref(),
            _ => None,
        }
    }

    fn dropped(&self, pod: &Pod<'_>) -> Vec<WithoutEffect> {
        let mut found: Vec<WithoutEffect> = Vec::new();
        for name in pod.names() {
            if found.iter().any(|dropped| dropped.name == name) || !pod.has(name) {
                continue;
            }
            if let Some(why) = self.why_dropped(name) {
                found.push(WithoutEffect { name: name.to_owned(), why });
            }
        }
        found
    }

    fn why_dropped(&self, name: &str) -> Option<Why> {
        match effect_of(name) {
            Effect::Misspelt { meant, only_case } => {
                return Some(Why::Unread { meant: Some(meant), only_case });
            }
            Effect::Nobody => return Some(Why::Unread { meant: None, only_case: false }),
            Effect::NotHandedOn => return Some(Why::NotHandedOn),
            Effect::Foreign => return None,
            Effect::Read => {}
        }
        let (archive, bare, none) = match name.strip_prefix("CLONE_") {
            Some(bare) => (self.source(), bare, Why::NoClone),
            None => (self.archive.as_ref(), name, Why::NoArchive),
        };
        // Only what goes into an env dir is looked at.
        let store = archive::store_of(bare)?;
        let Some(archive) = archive else {
            return (name != bare || !matches!(self.bootstrap, Bootstrap::Standby(_))).then_some(none);
        };
        if let Some(store) = store
            && store != archive.store
        {
            return Some(Why::OtherStore(store));
        }
        let is_written = archive.written(bare).is_some();
        let is_credential = archive::is_azure_credential(bare);
        (is_credential && !is_written).then_some(Why::OtherCredential)
    }
}

impl Archive {
    /// A variable as WAL-G gets it.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.written(name).map(|written| written.value.as_str())
    }

    /// The file of this name.
    pub fn written(&self, name: &str) -> Option<&Written> {
        self.env_dir.iter().find(|written| written.name == name)
    }

    /// Where the backups are, as the program that decides gets it.
    pub fn prefix(&self) -> Option<&str> {
        self.value(self.store.prefix_variable())
    }
}

fn archive_of(pod: &Pod<'_>, scope: Scope) -> Option<Archive> {
    let variables = pod.settled();
    let mut stores = store::configured(variables, scope).into_iter();
    let (store, decided_by) = stores.next()?;
    let dir = archive::env_dir(variables, scope)?;
    let env_dir: Vec<Written> = dir
        .entries
        .into_iter()
        .map(|(name, value)| {
            let full = format!("{}{name}", scope.prefix());
            let from = pod.has(&full).then_some(full);
            Written { name, value: archive::as_read(&value).to_owned(), from }
        })
        .collect();
    let switch = match scope {
        Scope::Own => "USE_WALG_BACKUP",
        Scope::Clone => "USE_WALG_RESTORE",
    };
    let by_walg = env_dir.iter().any(|written| written.name == switch && written.value == "true");
    Some(Archive { scope, store, decided_by, beaten: stores.collect(), by_walg, env_dir })
}

#[cfg(test)]
mod tests;
