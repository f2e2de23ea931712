//! The scenario's name, operator versions, storage accounts and objects.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::problem::{ProblemKind, What};
use super::Checker;
use super::texts::Scope;
use crate::yaml;

impl Checker<'_> {
    pub(super) fn header(&mut self) {
        self.name();
        self.operator();
        self.storage();
        let scenario = &self.loaded.scenario;
        for (index, object) in scenario.objects.iter().enumerate() {
            self.object(&format!("/objects/{index}"), object);
        }
        let configuration = Value::Object(scenario.operator.configuration.clone());
        self.texts("/operator/configuration", &configuration, &Scope::BeforeSteps);
    }

    fn name(&mut self) {
        let expected = format!("{}-{}", self.loaded.group, self.loaded.slug);
        let found = &self.loaded.scenario.name;
        if *found != expected {
            let kind = ProblemKind::NameOfFile { found: found.clone() };
            self.add("/name", kind, Some(format!("by its folder and file it is `{expected}`")));
        }
    }

    fn operator(&mut self) {
        let versions = &self.loaded.scenario.operator.versions;
        if versions.is_empty() {
            let kind = ProblemKind::Contradiction("no operator version: nothing would run".to_owned());
            self.add("/operator/versions", kind, None);
        }
        let mut seen = BTreeSet::new();
        for (index, version) in versions.iter().enumerate() {
            let pointer = format!("/operator/versions/{index}");
            if !seen.insert(version) {
                let kind = ProblemKind::Duplicate { what: What::OperatorVersion, name: version.clone() };
                self.add(&pointer, kind, None);
            }
            self.operator_version(&pointer, version);
        }
    }

    pub(super) fn operator_version(&mut self, pointer: &str, version: &str) {
        if let Err(help) = (self.checks.operator_known)(version) {
            self.add(pointer, ProblemKind::OperatorVersion(version.to_owned()), Some(help));
        }
    }

    fn storage(&mut self) {
        if self.loaded.scenario.storage.accounts.is_empty() {
            let kind =
                ProblemKind::Contradiction("no storage account: there is no storage without".to_owned());
            self.add("/storage/accounts", kind, Some("name one, also where nothing uses it".to_owned()));
        }
        self.containers();
        let mut seen = BTreeSet::new();
        for (index, name) in self.loaded.scenario.storage.accounts.iter().enumerate() {
            let pointer = format!("/storage/accounts/{index}");
            if let Some(why) = account_name_problem(name) {
                self.add(
                    &pointer,
                    ProblemKind::BadName { what: What::Account, name: name.clone(), why },
                    None,
                );
            }
            if !seen.insert(name) {
                let kind = ProblemKind::Duplicate { what: What::Account, name: name.clone() };
                self.add(&pointer, kind, None);
            }
        }
    }

    fn containers(&mut self) {
        let mut seen = BTreeSet::new();
        for (index, name) in self.loaded.scenario.storage.containers.iter().enumerate() {
            let pointer = format!("/storage/containers/{index}");
            if let Some(why) = container_name_problem(name) {
                let kind = ProblemKind::BadName { what: What::Container, name: name.clone(), why };
                self.add(&pointer, kind, None);
            }
            if !seen.insert(name) {
                let kind = ProblemKind::Duplicate { what: What::Container, name: name.clone() };
                self.add(&pointer, kind, None);
            }
        }
    }

    fn object(&mut self, pointer: &str, object: &Value) {
        for field in ["/apiVersion", "/kind", "/metadata/name"] {
            if object.pointer(field).and_then(Value::as_str).is_none() {
                let name = field.trim_start_matches('/').replace('/', ".");
                self.add(pointer, ProblemKind::MissingField(name), Some(self.field_help(object)));
            }
        }
        self.texts(pointer, object, &Scope::BeforeSteps);
    }

    /// The field that was probably meant: manifests are free-form, so only their first level is looked at.
    fn field_help(&self, object: &Value) -> String {
        let fields = object.as_object().map(|fields| fields.keys().map(String::as_str).collect::<Vec<_>>());
        let unknown = fields.unwrap_or_default().into_iter().find_map(|field| {
            let near = yaml::nearest(field, &["apiVersion", "kind", "metadata"])?;
            (near != field).then(|| format!("`{field}` is probably meant to be `{near}`"))
        });
        unknown.unwrap_or_else(|| "every Kubernetes object has apiVersion, kind and metadata.name".to_owned())
    }
}

/// Why Azure does not take this for a storage account's name.
pub fn account_name_problem(name: &str) -> Option<&'static str> {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (!plain || !(3..=24).contains(&name.len())).then_some("Azure takes 3 to 24 lowercase letters and digits")
}

/// The same for a container's name.
fn container_name_problem(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let sound = (3..=63).contains(&name.len())
        && name.starts_with(plain)
        && name.ends_with(plain)
        && !name.contains("--")
        && name.chars().all(|c| plain(c) || c == '-');
    (!sound).then_some("Azure takes 3 to 63 lowercase letters and digits, with single `-` between them")
}
