//! What a pod's container gets from its env list, and what Spilo makes of it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::prefix;
use crate::environment::local::images::spilo::archive::{self, Scope};
use crate::environment::local::images::spilo::settings::{CloneMethod, Settings};
use crate::environment::local::images::spilo::variables::Variables;
use crate::environment::local::node::env::expand;
use crate::manifests::{Kind, Manifests};
use crate::render::RenderedVariable;
use crate::secret::Secret;

/// The container that Spilo runs in, and a variable that only Spilo's has.
const CONTAINER: &str = "postgres";
const SCOPE: &str = "SCOPE";
/// Stands for a value that only the cluster knows, such as a Secret's that is not among the manifests.
const UNKNOWN: &str = "\u{fffd}";
/// Spilo reads the number of processors for its concurrency alone.
const PROCESSORS: usize = 2;

/// The env of a cluster's container `postgres`.
pub struct Pod<'w> {
    entries: &'w [RenderedVariable],
    namespace: String,
    /// The value that the container gets; of two with one name, the last.
    values: BTreeMap<&'w str, String>,
    spilo: Settings,
    own: Option<Azure>,
    clone: Option<Azure>,
}

/// Backups in an Azure storage account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Azure {
    pub account: Option<String>,
    /// Without a slash at its end.
    pub prefix: String,
    /// The one that Spilo gives to WAL-G; none where there is none.
    pub credential: Option<CredentialKind>,
    /// Spilo's warning where there is more than one.
    pub warning: Option<String>,
}

impl Azure {
    /// Whether who looks for backups here finds what is archived there; what only the cluster knows is never the same.
    pub fn finds(&self, archived: &Azure, major: Option<u16>) -> bool {
        let known = |azure: &Azure| is_known(&azure.prefix) && azure.account.as_deref().is_none_or(is_known);
        known(self)
            && known(archived)
            && self.account == archived.account
            && prefix::is_searched(&self.prefix, &archived.prefix, major)
    }
}

/// How WAL-G shows a storage account who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    AccessKey,
    SasToken,
    ServicePrincipal,
}

impl CredentialKind {
    pub fn name(self) -> &'static str {
        match self {
            CredentialKind::AccessKey => "access key",
            CredentialKind::SasToken => "SAS token",
            CredentialKind::ServicePrincipal => "service principal",
        }
    }

    /// The variable that holds the secret of it.
    pub fn variable(self) -> &'static str {
        match self {
            CredentialKind::AccessKey => "AZURE_STORAGE_ACCESS_KEY",
            CredentialKind::SasToken => "AZURE_STORAGE_SAS_TOKEN",
            CredentialKind::ServicePrincipal => "AZURE_CLIENT_SECRET",
        }
    }
}

impl<'w> Pod<'w> {
    /// `namespace` is the cluster's own, whatever the rendered one was called.
    pub fn new(entries: &'w [RenderedVariable], namespace: &str, manifests: &Manifests) -> Self {
        let mut values: BTreeMap<&str, String> = BTreeMap::new();
        for entry in entries {
            let value = match entry.item.get("valueFrom") {
                Some(source) => {
                    taken_from(source, namespace, manifests).unwrap_or_else(|| UNKNOWN.to_owned())
                }
                None => {
                    let text = entry.item.get("value").and_then(Value::as_str).unwrap_or_default();
                    expand(text, |name| values.get(name).cloned())
                }
            };
            values.insert(&entry.name, value);
        }
        let variables: Variables = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let spilo = Settings::of(variables, PROCESSORS);
        let own = azure(&spilo.variables, Scope::Own);
        let clone = matches!(spilo.clone, CloneMethod::Backups { .. })
            .then(|| azure(&spilo.variables, Scope::Clone))
            .flatten();
        Pod { entries, namespace: namespace.to_owned(), values, spilo, own, clone }
    }

    pub fn entries(&self) -> &'w [RenderedVariable] {
        self.entries
    }

    /// The value that the container gets, or none where it is empty, missing, or known to the cluster alone.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty() && is_known(value))
    }

    /// Whether the container gets a value at all.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_empty())
    }

    /// The entry that counts.
    pub fn entry(&self, name: &str) -> Option<&'w RenderedVariable> {
        self.entries.iter().rev().find(|entry| entry.name == name)
    }

    /// With Spilo's default where the environment says nothing.
    pub fn setting(&self, name: &str) -> &str {
        self.spilo.text(name)
    }

    /// The major version of PostgreSQL.
    pub fn major(&self) -> Option<u16> {
        self.value("PGVERSION")?.parse().ok()
    }

    pub fn archives(&self) -> bool {
        self.spilo.archiving
    }

    pub fn clone_method(&self) -> &CloneMethod {
        &self.spilo.clone
    }

    /// What Spilo says of the environment, in its own words.
    pub fn warnings(&self) -> &[String] {
        &self.spilo.warnings
    }

    /// Where the cluster's own backups go, where that is Azure.
    pub fn own(&self) -> Option<&Azure> {
        self.own.as_ref()
    }

    /// Where the backups are that it is cloned from, where that is Azure.
    pub fn source(&self) -> Option<&Azure> {
        self.clone.as_ref()
    }

    /// The Secret and key that the credential stands in, where it stands in one.
    pub fn credential_stands_in(&self, scope: Scope) -> Option<String> {
        let azure = match scope {
            Scope::Own => self.own(),
            Scope::Clone => self.source(),
        };
        let name = format!("{}{}", scope.prefix(), azure?.credential?.variable());
        let reference = self.entry(&name)?.item.pointer("/valueFrom/secretKeyRef")?;
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(format!("Secret {}/{}", text("name"), text("key")))
    }

    /// What tells one credential from another: its value where that is known, else the Secret that it stands in.
    pub fn credential(&self, scope: Scope) -> Option<String> {
        let azure = match scope {
            Scope::Own => self.own(),
            Scope::Clone => self.source(),
        };
        let name = format!("{}{}", scope.prefix(), azure?.credential?.variable());
        if let Some(value) = self.value(&name) {
            return Some(Secret::new(value).fingerprint());
        }
        Some(format!("{} of {}", self.credential_stands_in(scope)?, self.namespace))
    }
}

/// The env list of the container that Spilo runs in; none where the StatefulSet is no cluster of the operator.
pub fn entries_of(set: &StatefulSet) -> Option<Vec<RenderedVariable>> {
    let template = set.spec.as_ref()?.template.spec.as_ref()?;
    let container = template.containers.iter().find(|container| container.name == CONTAINER)?;
    let variables = container.env.iter().flatten().filter_map(|variable| {
        let item = serde_json::to_value(variable).ok()?;
        let name = variable.name.clone();
        Some(RenderedVariable { name, item, origins: Vec::new(), derived: false, hidden: false })
    });
    let variables: Vec<RenderedVariable> = variables.collect();
    variables.iter().any(|variable| variable.name == SCOPE).then_some(variables)
}

/// Whether all of a value is known from the manifests.
pub fn is_known(value: &str) -> bool {
    !value.contains(UNKNOWN)
}

fn azure(variables: &Variables, scope: Scope) -> Option<Azure> {
    let env_dir = archive::env_dir(variables, scope)?;
    let value = |name: &str| env_dir.entries.iter().find(|(entry, _)| entry == name).map(|(_, value)| value);
    let kinds = [CredentialKind::AccessKey, CredentialKind::SasToken, CredentialKind::ServicePrincipal];
    Some(Azure {
        account: value("AZURE_STORAGE_ACCOUNT").cloned(),
        prefix: value("WALG_AZ_PREFIX")?.trim_end_matches('/').to_owned(),
        credential: kinds.into_iter().find(|kind| value(kind.variable()).is_some()),
        warning: env_dir.warnings.into_iter().next(),
    })
}

/// What a reference gives, where the manifests hold it.
fn taken_from(source: &Value, namespace: &str, manifests: &Manifests) -> Option<String> {
    let text = |path: &str| source.pointer(path).and_then(Value::as_str);
    if text("/fieldRef/fieldPath") == Some("metadata.namespace") {
        return Some(namespace.to_owned());
    }
    let of = |kind: Kind, at: &str| {
        let document = manifests.find(kind, namespace, text(&format!("/{at}/name"))?)?;
        let field = |field: &str| document.value.get(field)?.get(text(&format!("/{at}/key"))?)?.as_str();
        match kind {
            Kind::Secret => field("stringData").map(ToOwned::to_owned).or_else(|| decoded(field("data")?)),
            _ => field("data").map(ToOwned::to_owned),
        }
    };
    of(Kind::Secret, "secretKeyRef").or_else(|| of(Kind::ConfigMap, "configMapKeyRef"))
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}
