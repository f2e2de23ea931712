//! What a pod's container gets from its env list, and what Spilo makes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::archive::{self, Scope};
use super::settings::{CloneMethod, Settings};
use super::variables::Variables;
use super::{Release, expand, log_tags, search};
use crate::secret::Secret;

/// The container that Spilo runs in, and a variable that only Spilo's has.
const CONTAINER: &str = "postgres";
const SCOPE: &str = "SCOPE";
/// Stands for a value that only the cluster knows, such as a Secret's that is not among the manifests.
pub(super) const UNKNOWN: &str = "\u{fffd}";
/// Spilo reads the number of processors for its concurrency alone.
const PROCESSORS: usize = 2;

/// An entry of a container's env list, as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvItem {
    /// Also that of the entry in `item`; may occur in several entries.
    pub name: String,
    /// With `value` or `valueFrom`, and the name.
    pub item: Value,
}

/// What is known of the objects that variables refer to.
pub trait Objects {
    /// The text below a key of a Secret or ConfigMap, where it is known.
    fn text(&self, kind: &str, namespace: &str, name: &str, key: &str) -> Option<String>;
}

/// No object is looked at: whatever refers to one is unknown.
#[derive(Debug, Clone, Copy)]
pub struct Unread;

impl Objects for Unread {
    fn text(&self, _: &str, _: &str, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// A `$(NAME)` that the container gets as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The variable in whose value it stands.
    pub variable: String,
    /// What stands in the parentheses.
    pub name: String,
    /// What keeps Kubernetes from it.
    pub why: WhyLiteral,
}

/// Why Kubernetes does not replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyLiteral {
    /// No variable has this name.
    Undefined,
    /// The variable comes later in the list.
    Later,
    /// The value is taken from an object, and only values in the list itself are expanded.
    FromObject,
}

/// The env of a cluster's container `postgres`.
pub struct Pod<'w> {
    entries: Vec<(&'w str, &'w Value)>,
    namespace: String,
    /// The value that the container gets; of two with one name, the last.
    values: BTreeMap<Cow<'w, str>, String>,
    literals: Vec<Literal>,
    spilo: Settings,
    own: Option<Azure>,
    clone: Option<Azure>,
}

/// Backups in an Azure storage account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Azure {
    /// Its name; none where nothing gives one, U+FFFD in it where it stands in an object.
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
            && search::is_searched(&self.prefix, &archived.prefix, major)
    }
}

/// How WAL-G shows a storage account who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    /// A key of the account, which may do everything in it.
    AccessKey,
    /// A token that opens part of the account for a time.
    SasToken,
    /// An application of Entra ID: its id, its secret and its tenant.
    ServicePrincipal,
}

impl CredentialKind {
    /// As it is called by people.
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
    pub fn new(
        entries: impl IntoIterator<Item = (&'w str, &'w Value)>,
        namespace: &str,
        objects: &dyn Objects,
    ) -> Self {
        Pod::over(Vec::new(), entries, namespace, objects)
    }

    /// The same over what `envFrom` gives: the list beats it, and its values are taken as they are.
    pub fn over(
        from: Vec<(String, String)>,
        entries: impl IntoIterator<Item = (&'w str, &'w Value)>,
        namespace: &str,
        objects: &dyn Objects,
    ) -> Self {
        let entries: Vec<(&str, &Value)> = entries.into_iter().collect();
        let mut values: BTreeMap<Cow<'w, str>, String> =
            from.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        let mut literals: Vec<Literal> = Vec::new();
        for (name, item) in entries.iter().copied() {
            let value = match item.get("valueFrom") {
                Some(source) => {
                    let value = taken_from(source, namespace, objects).unwrap_or_else(|| UNKNOWN.to_owned());
                    expand(&value, |inside| {
                        let why = WhyLiteral::FromObject;
                        literals.push(Literal { variable: name.to_owned(), name: inside.to_owned(), why });
                        None
                    });
                    value
                }
                None => {
                    let text = item.get("value").and_then(Value::as_str).unwrap_or_default();
                    expand(text, |inside| {
                        let value = values.get(inside).cloned();
                        if value.is_none() {
                            let is_later = entries.iter().any(|(entry, _)| *entry == inside);
                            let why = if is_later { WhyLiteral::Later } else { WhyLiteral::Undefined };
                            let variable = name.to_owned();
                            literals.push(Literal { variable, name: inside.to_owned(), why });
                        }
                        value
                    })
                }
            };
            values.insert(Cow::Borrowed(name), value);
        }
        let variables: Variables = values.iter().map(|(name, value)| (&**name, value.as_str())).collect();
        let spilo = Settings::of(variables, PROCESSORS);
        let own = azure(&spilo.variables, Scope::Own);
        let clone = matches!(spilo.clone, CloneMethod::Backups { .. })
            .then(|| azure(&spilo.variables, Scope::Clone))
            .flatten();
        Pod { entries, namespace: namespace.to_owned(), values, literals, spilo, own, clone }
    }

    /// The env list of a running cluster, whose objects are not read.
    pub fn of_items(items: &'w [EnvItem], namespace: &str) -> Self {
        Pod::new(items.iter().map(|entry| (entry.name.as_str(), &entry.item)), namespace, &Unread)
    }

    /// The value that the container gets, or none where it is empty, missing, or known to the cluster alone.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty() && is_known(value))
    }

    /// Whether the container gets a value at all.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_empty())
    }

    /// The names of the env list, in its order, each as often as it stands there; then those of `envFrom`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let listed = |name: &str| self.entries.iter().any(|(entry, _)| *entry == name);
        let from = self.values.keys().map(|name| &**name).filter(move |name| !listed(name));
        self.entries.iter().map(|(name, _)| *name).chain(from)
    }

    /// What the container gets of a variable, U+FFFD in place of what is not known; none where it is empty or missing.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// References to other variables that are not replaced, each variable's of the entry that counts or an earlier one.
    pub fn literals(&self) -> &[Literal] {
        &self.literals
    }

    /// With every default of Spilo in its place.
    pub(super) fn settled(&self) -> &Variables {
        &self.spilo.variables
    }

    /// The variable that asks for a cluster which follows another one.
    pub fn standby(&self) -> Option<&'static str> {
        self.spilo.standby
    }

    /// What a cluster that follows another one by its backups in Azure needs and has not, by its full name.
    pub fn standby_lacks(&self, has_identity: bool) -> Vec<&'static str> {
        let principal = ["STANDBY_AZURE_CLIENT_ID", "STANDBY_AZURE_CLIENT_SECRET", "STANDBY_AZURE_TENANT_ID"];
        let opens = has_identity
            || self.has("STANDBY_AZURE_STORAGE_ACCESS_KEY")
            || self.has("STANDBY_AZURE_STORAGE_SAS_TOKEN")
            || principal.iter().all(|name| self.has(name));
        let switch = ["STANDBY_USE_WALG_RESTORE", "STANDBY_USE_WALG", "USE_WALG"];
        let given = switch.iter().find(|name| self.values.contains_key(**name));
        let by_walg = given
            .and_then(|name| self.raw(name))
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || !is_known(value));
        let lacks = [
            ("STANDBY_AZURE_STORAGE_ACCOUNT", !self.has("STANDBY_AZURE_STORAGE_ACCOUNT")),
            ("STANDBY_AZURE_STORAGE_ACCESS_KEY", !opens),
            ("STANDBY_USE_WALG_RESTORE", !by_walg),
        ];
        lacks.into_iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| name).collect()
    }

    /// What comes of `LOG_S3_TAGS` in this release.
    pub(crate) fn log_tags(&self, release: Release) -> log_tags::Tags {
        match self.raw("LOG_S3_TAGS") {
            Some(tags) if !is_known(tags) => log_tags::Tags::Sound,
            _ => log_tags::of(self.settled(), release),
        }
    }

    /// What Spilo reads from the env, with its defaults.
    pub fn settings(&self) -> &Settings {
        &self.spilo
    }

    /// The item that counts.
    pub fn item(&self, name: &str) -> Option<&'w Value> {
        self.entries.iter().rev().find(|(entry, _)| *entry == name).map(|(_, item)| *item)
    }

    /// With Spilo's default where the environment says nothing.
    pub fn setting(&self, name: &str) -> &str {
        self.spilo.text(name)
    }

    /// The major version of PostgreSQL.
    pub fn major(&self) -> Option<u16> {
        self.value("PGVERSION")?.parse().ok()
    }

    /// WAL is archived, and base backups are taken.
    pub fn archives(&self) -> bool {
        self.spilo.archiving
    }

    /// What the cluster is made from, as Spilo decides it.
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

    /// The backups of one of both.
    pub fn azure(&self, scope: Scope) -> Option<&Azure> {
        match scope {
            Scope::Own => self.own(),
            Scope::Clone => self.source(),
        }
    }

    /// Whether it is restored from where `other` archives.
    pub fn reads_from(&self, other: &Pod<'_>) -> bool {
        self.source().zip(other.own()).is_some_and(|(reads, own)| reads.finds(own, self.major()))
    }

    /// What tells one storage account from another: its name where that is known, else the object that it stands in.
    pub fn account(&self, scope: Scope) -> Option<String> {
        let account = self.azure(scope)?.account.as_deref()?;
        if is_known(account) {
            return Some(account.to_owned());
        }
        let name = format!("{}AZURE_STORAGE_ACCOUNT", scope.prefix());
        let object = self.stands_in(&name).unwrap_or(name);
        Some(format!("{UNKNOWN} of {object} in {}", self.namespace))
    }

    /// The Secret and key that the credential stands in, where it stands in one.
    pub fn credential_stands_in(&self, scope: Scope) -> Option<String> {
        let name = format!("{}{}", scope.prefix(), self.azure(scope)?.credential?.variable());
        self.stands_in(&name).filter(|object| object.starts_with("Secret"))
    }

    /// The object and key that a variable's value is taken from, such as `Secret keys/prod`.
    pub fn stands_in(&self, name: &str) -> Option<String> {
        let item = self.item(name)?;
        [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")].into_iter().find_map(|(kind, at)| {
            let reference = item.pointer(&format!("/valueFrom/{at}"))?;
            let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
            Some(format!("{kind} {}/{}", text("name"), text("key")))
        })
    }

    /// What tells one credential from another: its value where that is known, else the Secret that it stands in.
    pub fn credential(&self, scope: Scope) -> Option<String> {
        let name = format!("{}{}", scope.prefix(), self.azure(scope)?.credential?.variable());
        if let Some(value) = self.value(&name) {
            return Some(Secret::new(value).fingerprint());
        }
        Some(format!("{} of {}", self.credential_stands_in(scope)?, self.namespace))
    }
}

/// The env list of the container that Spilo runs in; none where the StatefulSet is no cluster of the operator.
pub fn env_of(set: &StatefulSet) -> Option<Vec<EnvItem>> {
    let template = set.spec.as_ref()?.template.spec.as_ref()?;
    let container = template.containers.iter().find(|container| container.name == CONTAINER)?;
    let items = container.env.iter().flatten().filter_map(|variable| {
        Some(EnvItem { name: variable.name.clone(), item: serde_json::to_value(variable).ok()? })
    });
    let items: Vec<EnvItem> = items.collect();
    items.iter().any(|entry| entry.name == SCOPE).then_some(items)
}

/// Whether all of a value is known from the manifests.
pub fn is_known(value: &str) -> bool {
    !value.contains(UNKNOWN)
}

fn azure(variables: &Variables, scope: Scope) -> Option<Azure> {
    let env_dir = archive::env_dir(variables, scope)?;
    let value = |name: &str| {
        let written = env_dir.entries.iter().find(|(entry, _)| entry == name);
        written.map(|(_, value)| archive::as_read(value))
    };
    let kinds = [CredentialKind::AccessKey, CredentialKind::SasToken, CredentialKind::ServicePrincipal];
    Some(Azure {
        account: value("AZURE_STORAGE_ACCOUNT").map(ToOwned::to_owned),
        prefix: value("WALG_AZ_PREFIX")?.trim_end_matches('/').to_owned(),
        credential: kinds.into_iter().find(|kind| value(kind.variable()).is_some()),
        warning: env_dir.warnings.into_iter().next(),
    })
}

/// What a reference gives, where it is known.
fn taken_from(source: &Value, namespace: &str, objects: &dyn Objects) -> Option<String> {
    let text = |path: &str| source.pointer(path).and_then(Value::as_str);
    if text("/fieldRef/fieldPath") == Some("metadata.namespace") {
        return Some(namespace.to_owned());
    }
    [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")].into_iter().find_map(|(kind, at)| {
        objects.text(kind, namespace, text(&format!("/{at}/name"))?, text(&format!("/{at}/key"))?)
    })
}
