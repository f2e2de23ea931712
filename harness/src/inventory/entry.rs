//! One cluster's backups, from what its pods get.

use serde::Serialize;

use crate::check::{There, World};
use crate::diagnosis::Diagnosis;
use crate::manifests::{Index, Manifests};
use crate::render::Rendering;
use crate::spilo::{Azure, Pod, Scope, is_known};

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Entry {
    /// Of the StatefulSet, and so of the cluster.
    pub namespace: String,
    /// The `metadata.name` of the `postgresql` object.
    pub cluster: String,
    /// The major version of PostgreSQL.
    pub version: Option<u16>,
    /// Where its backups go; none where it has none.
    pub backups: Option<Backups>,
    /// None for a cluster that is no clone.
    pub cloned_from: Option<ClonedFrom>,
    /// Objects that may bring further variables, and are not known: what is missing here may stand there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A place in a storage account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Backups {
    /// Such as `azure`; of another store only its kind is known.
    pub store: &'static str,
    pub account: Option<String>,
    pub container: Option<String>,
    /// Inside the container.
    pub prefix: Option<String>,
    /// The kind of it, and the Secret that it stands in; never its value.
    pub credential: Option<String>,
}

/// What a cluster was made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ClonedFrom {
    pub cluster: String,
    pub uid: Option<String>,
    /// As the manifest has it; none for the running source as it was.
    pub timestamp: Option<String>,
    /// Where the backups were read.
    pub backups: Option<Backups>,
}

impl Entry {
    /// `manifest` is the `postgresql` object, where it is known.
    pub(super) fn new(
        namespace: &str,
        cluster: &str,
        pod: &Pod<'_>,
        manifest: Option<&serde_json::Value>,
        unknown: &[String],
    ) -> Self {
        let text = |pointer: &str| {
            let text = manifest?.pointer(pointer)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let azure = |azure: Option<&Azure>, scope: Scope| azure.map(|azure| backups(azure, pod, scope));
        let other = || {
            pod.archives().then_some(Backups {
                store: "other",
                account: None,
                container: None,
                prefix: None,
                credential: None,
            })
        };
        let source = text("/spec/clone/cluster").or_else(|| pod.value("CLONE_SCOPE").map(ToOwned::to_owned));
        Entry {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
            version: pod.major(),
            backups: azure(pod.own(), Scope::Own).or_else(other),
            cloned_from: source.map(|cluster| ClonedFrom {
                cluster,
                uid: text("/spec/clone/uid"),
                timestamp: text("/spec/clone/timestamp")
                    .or_else(|| pod.value("CLONE_TARGET_TIME").map(ToOwned::to_owned)),
                backups: azure(pod.source(), Scope::Clone),
            }),
            unknown: unknown.to_vec(),
        }
    }
}

fn backups(azure: &Azure, pod: &Pod<'_>, scope: Scope) -> Backups {
    let inside = azure.prefix.strip_prefix("azure://").unwrap_or(&azure.prefix);
    let (container, prefix) = inside.split_once('/').unwrap_or((inside, ""));
    if inside == "\u{fffd}" {
        // All of it is taken from somewhere.
        return Backups {
            store: "azure",
            account: azure.account.clone().filter(|account| is_known(account)),
            container: None,
            prefix: Some(unknown(pod, &format!("{}WALG_AZ_PREFIX", scope.prefix()))),
            credential: credential(azure, pod, scope),
        };
    }
    let known = |text: &str| Some(text.replace('\u{fffd}', "?")).filter(|text| !text.is_empty());
    Backups {
        store: "azure",
        account: azure.account.as_deref().and_then(|account| match is_known(account) {
            true => known(account),
            false => Some(unknown(pod, &format!("{}AZURE_STORAGE_ACCOUNT", scope.prefix()))),
        }),
        container: known(container),
        prefix: known(prefix),
        credential: credential(azure, pod, scope),
    }
}

fn credential(azure: &Azure, pod: &Pod<'_>, scope: Scope) -> Option<String> {
    azure.credential.map(|kind| match pod.credential_stands_in(scope) {
        Some(secret) => format!("{} ({secret})", kind.name()),
        None => kind.name().to_owned(),
    })
}

/// What is said in place of a value that an object holds.
fn unknown(pod: &Pod<'_>, name: &str) -> String {
    match pod.stands_in(name) {
        Some(object) => format!("unknown ({object})"),
        None => "unknown".to_owned(),
    }
}

/// The clusters that the operator made something of, by namespace and name; and those that were refused.
pub fn of_rendering(
    manifests: &Manifests,
    index: &Index,
    rendering: &Rendering,
) -> (Vec<Entry>, Vec<Diagnosis>) {
    let settings = crate::toolchain::CheckSettings::default();
    let world =
        World::new(manifests, index, rendering, &settings, jiff::Timestamp::UNIX_EPOCH, &There::Unknown);
    let mut entries: Vec<Entry> = world
        .rendered()
        .map(|(cluster, rendered)| {
            let document = cluster.document;
            Entry::new(
                &document.namespace,
                &document.name,
                &rendered.pod,
                Some(&document.value),
                &rendered.open,
            )
        })
        .collect();
    entries.sort();
    (entries, crate::check::refusals(&world, index, rendering, &[]))
}
