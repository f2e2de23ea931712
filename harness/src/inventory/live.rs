//! The inventory of what runs, read from the API server. Nothing is written, and no Secret is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::Value;

use super::entry::Entry;
use crate::exit::Verdict;
use crate::operator::{postgresql_kind, postgresqls};
use crate::spilo::{Pod, env_of};

/// Why the inventory of what runs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// It cannot be read, or has not the context that was asked for.
    #[error("read the kubeconfig {path}: {source}")]
    Kubeconfig {
        /// As `--kubeconfig` gives it.
        path: PathBuf,
        /// What kube says of it.
        source: kube::config::KubeconfigError,
    },
    /// It was read, and no client can be made of it.
    #[error("use the kubeconfig {path}: {source}")]
    Client {
        /// As `--kubeconfig` gives it.
        path: PathBuf,
        /// What kube says.
        source: Box<kube::Error>,
    },
    /// The API server did not give a list.
    #[error("list {what}: {source}")]
    List {
        /// In the plural, such as `StatefulSets`.
        what: &'static str,
        /// What kube says.
        source: Box<kube::Error>,
    },
    /// The API server did not tell which keys an object has.
    #[error("look up the keys of {object}: {source}")]
    Keys {
        /// Such as `Secret shop/keys`.
        object: String,
        /// What kube says.
        source: Box<kube::Error>,
    },
}

impl LiveError {
    /// A kubeconfig is a person's file; an API server that does not answer is the environment.
    pub fn verdict(&self) -> Verdict {
        match self {
            LiveError::Kubeconfig { .. } | LiveError::Client { .. } => Verdict::Invalid,
            LiveError::List { .. } | LiveError::Keys { .. } => Verdict::Broken,
        }
    }
}

/// How many objects one answer holds.
const PAGE: u32 = 200;

/// The clusters that a kubeconfig reaches, by namespace and name.
///
/// # Errors
/// When the kubeconfig cannot be used, or the API server refuses to list StatefulSets or clusters.
pub async fn of_cluster(
    kubeconfig: &Path,
    context: Option<&str>,
    namespace: Option<&str>,
) -> Result<Vec<Entry>, LiveError> {
    let client = client(kubeconfig, context).await?;
    let manifests = clusters(&client, namespace).await?;
    let sets: Api<StatefulSet> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut entries: Vec<Entry> =
        all(&sets, "StatefulSets").await?.iter().filter_map(|set| entry(set, &manifests)).collect();
    entries.sort();
    Ok(entries)
}

/// The way to the API server of a kubeconfig.
pub(super) async fn client(kubeconfig: &Path, context: Option<&str>) -> Result<Client, LiveError> {
    let wrong = |source| LiveError::Kubeconfig { path: kubeconfig.to_owned(), source };
    let read = Kubeconfig::read_from(kubeconfig).map_err(wrong)?;
    let options =
        KubeConfigOptions { context: context.map(ToOwned::to_owned), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(read, &options).await.map_err(wrong)?;
    Client::try_from(config)
        .map_err(|source| LiveError::Client { path: kubeconfig.to_owned(), source: Box::new(source) })
}

/// The clusters that are there, by namespace and name.
///
/// # Errors
/// As for [`of_cluster`].
pub async fn names(
    kubeconfig: &Path,
    context: Option<&str>,
) -> Result<BTreeSet<(String, String)>, LiveError> {
    let client = client(kubeconfig, context).await?;
    Ok(clusters(&client, None).await?.into_keys().collect())
}

/// The `postgresql` objects by namespace and name; none where the API server does not know the kind.
async fn clusters(
    client: &Client,
    namespace: Option<&str>,
) -> Result<BTreeMap<(String, String), Value>, LiveError> {
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => postgresqls(client.clone(), namespace),
        None => Api::all_with(client.clone(), &postgresql_kind()),
    };
    let listed = match all(&api, "postgresql objects").await {
        Err(LiveError::List { source, .. }) if matches!(&*source, kube::Error::Api(status) if status.code == 404) => {
            Vec::new()
        }
        listed => listed?,
    };
    let by_name = listed.into_iter().map(|object| {
        let name = (object.namespace().unwrap_or_default(), object.name_any());
        (name, object.data)
    });
    Ok(by_name.collect())
}

async fn all<K>(api: &Api<K>, what: &'static str) -> Result<Vec<K>, LiveError>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let mut found = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page =
            api.list(&params).await.map_err(|source| LiveError::List { what, source: Box::new(source) })?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// A StatefulSet that runs Spilo.
fn entry(set: &StatefulSet, manifests: &BTreeMap<(String, String), Value>) -> Option<Entry> {
    let variables = env_of(set)?;
    let (namespace, name) = (set.namespace().unwrap_or_default(), set.name_any());
    let pod = Pod::of_items(&variables, &namespace);
    let manifest = manifests.get(&(namespace.clone(), name.clone()));
    Some(Entry::new(&namespace, &name, &pod, manifest, &[]))
}
