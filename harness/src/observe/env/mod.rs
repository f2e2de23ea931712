//! The observation of the env: what the operator wrote into a pod template, and what the container got.

mod origin;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario::{EnvForm, EnvOrigin};
use crate::secret::{Secret, is_a_word, is_told_by_name};
use crate::snapshot::redact::{CELL, ROW, Redactor};

/// All that an observation of one cluster's container is made from.
#[derive(Debug, Clone, Default)]
pub struct EnvInputs {
    /// `env` of the container `postgres` in the StatefulSet's pod template, as it is.
    pub template_env: Vec<Value>,
    /// `envFrom` of the same container.
    pub template_env_from: Vec<Value>,
    /// The environment of the container's own first process.
    pub container: BTreeMap<String, String>,
    /// The cluster's manifest as it was applied.
    pub manifest: Value,
    /// Content of the operator's `pod_environment_secret`, where it has one.
    pub pod_environment_secret: Option<BTreeMap<String, Secret>>,
    /// Content of the operator's `pod_environment_configmap`, where it has one.
    pub pod_environment_configmap: Option<BTreeMap<String, String>>,
    /// `OperatorConfiguration.configuration` as it was applied.
    pub operator_configuration: Value,
    /// Values to hide wherever they stand: storage keys, passwords that the operator made.
    pub secrets: Vec<Secret>,
}

/// What a pod template says of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// A value, secrets in it as fingerprints.
    Value(String),
    /// Where Kubernetes takes it from, such as `secret backup-keys/prod`.
    Reference(String),
}

/// One entry of the pod template's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvEntry {
    /// The variable's name; may occur in several entries.
    pub name: String,
    /// A value or a reference, as the pod template has it.
    pub written: Written,
    /// Who brought it, as far as can be told.
    pub from: EnvOrigin,
    /// A later entry of the same name hides it.
    pub hidden: bool,
}

/// The env of a cluster's container `postgres`.
#[derive(Debug, Clone, Default)]
pub struct EnvObservation {
    /// In the pod template's order, with its duplicates.
    pub entries: Vec<EnvEntry>,
    /// `envFrom`, such as `configmap pod-env`.
    pub from_whole: Vec<String>,
    /// What the container got, secrets as fingerprints.
    got: BTreeMap<String, String>,
}

impl EnvObservation {
    /// What these inputs come to, with the source of each variable.
    pub fn new(inputs: &EnvInputs) -> Self {
        let known = inputs.secrets.iter().fold(Redactor::new(), Redactor::password);
        let hider = |name: &str, value: &str| shown(name, value, &known);
        let mut entries: Vec<EnvEntry> = inputs
            .template_env
            .iter()
            .filter_map(|item| {
                let name = item.get("name")?.as_str()?.to_owned();
                let written = written(item, &name, &hider);
                Some(EnvEntry { from: origin::of(&name, item, inputs), name, written, hidden: false })
            })
            .collect();
        for index in 0..entries.len() {
            let (this, later) = entries[index..].split_at_mut(1);
            this[0].hidden = later.iter().any(|entry| entry.name == this[0].name);
        }
        EnvObservation {
            entries,
            from_whole: inputs.template_env_from.iter().map(reference).collect(),
            got: inputs.container.iter().map(|(name, value)| (name.clone(), hider(name, value))).collect(),
        }
    }

    /// Whether anything is known of the container: of one that does not run, no variable is, present or absent.
    pub fn knows_container(&self) -> bool {
        !self.got.is_empty()
    }

    /// How often the name stands in the pod template.
    pub fn listed(&self, name: &str) -> usize {
        self.entries.iter().filter(|entry| entry.name == name).count()
    }

    /// The value that the container got; a secret's fingerprint, or a text with fingerprints in it.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.got.get(name).map(String::as_str)
    }

    /// Everything that the container got, secrets as fingerprints.
    pub fn container(&self) -> impl Iterator<Item = (&str, &str)> {
        self.got.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the entry that counts came from: Kubernetes takes the last one of a name.
    pub fn from(&self, name: &str) -> Option<EnvOrigin> {
        self.entries.iter().rev().find(|entry| entry.name == name).map(|entry| entry.from)
    }

    /// How the entry that counts is written.
    pub fn form(&self, name: &str) -> Option<EnvForm> {
        self.entries.iter().rev().find(|entry| entry.name == name).map(|entry| match entry.written {
            Written::Value(_) => EnvForm::PlainText,
            Written::Reference(_) => EnvForm::Reference,
        })
    }

    /// The observation as it stands in a snapshot: one line an entry, in the pod template's order.
    pub fn to_text(&self, redactor: &Redactor) -> String {
        let rows: Vec<[String; 3]> = self.entries.iter().map(|entry| self.row(entry)).collect();
        // Redacted as a whole, so that equal passwords get equal numbers, and laid out only then.
        let separated: Vec<String> = rows.iter().map(|row| row.join(&CELL.to_string())).collect();
        let redacted = redactor.redact_known(&separated.join(&ROW.to_string()));
        let rows: Vec<Vec<&str>> = redacted.split(ROW).map(|row| row.split(CELL).collect()).collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let (names, origins) = (width(0), width(1));
        let mut text = String::new();
        for row in rows.iter().filter(|row| row.len() == 3) {
            let line = format!("{:<names$}  {:<origins$}  {}", row[0], row[1], row[2]);
            text.extend(line.lines().flat_map(|line| [line.trim_end(), "\n"]));
        }
        for source in &self.from_whole {
            text.push_str(&format!(
                "{:<names$}  {:<origins$}  all of {}\n",
                "",
                "",
                redactor.redact_known(source)
            ));
        }
        text.trim_end().to_owned()
    }

    fn row(&self, entry: &EnvEntry) -> [String; 3] {
        let got = self.value(&entry.name);
        let said = match &entry.written {
            Written::Value(value) => laid_out(value),
            Written::Reference(reference) => reference.clone(),
        };
        let outcome = match (&entry.written, got) {
            _ if entry.hidden => " (hidden by a later one)".to_owned(),
            // Of a container that does not run nothing is known, which is no news about a variable.
            (_, None) if self.got.is_empty() => String::new(),
            (_, None) => " (the container has none)".to_owned(),
            (Written::Value(value), Some(got)) if value == got => String::new(),
            // An address or a name of the pod itself: what it is says nothing.
            (Written::Reference(reference), Some(_)) if reference.starts_with("field ") => String::new(),
            (_, Some(got)) => format!(" = {}", laid_out(got)),
        };
        [entry.name.clone(), entry.from.name().to_owned(), format!("{said}{outcome}")]
    }
}

/// A JSON object on lines of its own, so that a difference in it is a line; an empty value as quotes.
fn laid_out(value: &str) -> String {
    if value.is_empty() {
        return "\"\"".to_owned();
    }
    match serde_json::from_str::<Value>(value) {
        Ok(object @ Value::Object(_)) => match serde_json::to_string_pretty(&object) {
            Ok(pretty) if pretty.lines().count() > 4 => format!("\n    {}", pretty.replace('\n', "\n    ")),
            _ => value.to_owned(),
        },
        _ => value.replace('\n', "\\n"),
    }
}

/// What an item of an env list says, secrets in it as `hider` shows them.
pub(crate) fn written(item: &Value, name: &str, hider: &impl Fn(&str, &str) -> String) -> Written {
    match item.get("valueFrom") {
        Some(source) => Written::Reference(reference(source)),
        None => Written::Value(hider(name, item.get("value").and_then(Value::as_str).unwrap_or_default())),
    }
}

/// `valueFrom` or an item of `envFrom` in a few words.
fn reference(source: &Value) -> String {
    let text = |path: &str| source.pointer(path).and_then(Value::as_str).unwrap_or_default();
    for (kind, key) in [("secret", "secretKeyRef"), ("configmap", "configMapKeyRef")] {
        if source.get(key).is_some() {
            return format!("{kind} {}/{}", text(&format!("/{key}/name")), text(&format!("/{key}/key")));
        }
    }
    for (kind, key) in [("secret", "secretRef"), ("configmap", "configMapRef")] {
        if source.get(key).is_some() {
            return format!("{kind} {}", text(&format!("/{key}/name")));
        }
    }
    if source.get("fieldRef").is_some() {
        return format!("field {}", text("/fieldRef/fieldPath"));
    }
    if source.get("resourceFieldRef").is_some() {
        return format!("resource {}", text("/resourceFieldRef/resource"));
    }
    source.to_string()
}

/// A variable's value as an observation shows it: secrets are hidden by their values wherever they stand, and by the
/// variable's name where nobody told the value.
pub fn shown(name: &str, value: &str, known: &Redactor) -> String {
    if value.is_empty() || !is_told_by_name(name) || is_a_word(value) {
        return known.hide(value);
    }
    Secret::new(value).fingerprint()
}

#[cfg(test)]
mod tests;
