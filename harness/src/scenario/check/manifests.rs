//! The `postgresql` manifests: what the operator needs to take them at all.

use serde_json::Value;

use super::super::expect::RESERVED_NAMES;
use super::super::problem::{ProblemKind, What};
use super::texts::Scope;
use super::{Checker, name_problem};
use crate::yaml::child;

impl Checker<'_> {
    pub(super) fn manifests(&mut self) {
        for (name, manifest) in &self.loaded.scenario.clusters {
            let pointer = child("/clusters", name);
            self.short_name(&pointer, name);
            self.manifest(&pointer, manifest);
            if !self.created.contains(name.as_str()) {
                let help = format!("add a step `- create: {name}`, or take the cluster out");
                self.add_at_key(&pointer, ProblemKind::NeverCreated(name.clone()), Some(help));
                // The others are looked at when their step comes, which knows what exists by then.
                self.texts(&pointer, manifest, &Scope::AtEnd);
            }
        }
    }

    fn short_name(&mut self, pointer: &str, name: &str) {
        let why = if RESERVED_NAMES.contains(&name) {
            Some("this name has a meaning of its own under `expect`")
        } else {
            name_problem(name)
        };
        if let Some(why) = why {
            let kind = ProblemKind::BadName { what: What::Cluster, name: name.to_owned(), why };
            self.add_at_key(pointer, kind, None);
        }
    }

    fn manifest(&mut self, pointer: &str, manifest: &Value) {
        let text = |at: &str| manifest.pointer(at).and_then(Value::as_str);
        if text("/kind") != Some("postgresql") {
            let kind = ProblemKind::Manifest("its kind is not `postgresql`".to_owned());
            self.add(&format!("{pointer}/kind"), kind, None);
        }
        if text("/apiVersion") != Some("acid.zalan.do/v1") {
            let kind = ProblemKind::Manifest("its apiVersion is not `acid.zalan.do/v1`".to_owned());
            self.add(&format!("{pointer}/apiVersion"), kind, None);
        }
        if !manifest.get("spec").is_some_and(Value::is_object) {
            self.add(pointer, ProblemKind::MissingField("spec".to_owned()), None);
        }
        let Some(name) = text("/metadata/name") else {
            self.add(
                &format!("{pointer}/metadata"),
                ProblemKind::MissingField("metadata.name".to_owned()),
                None,
            );
            return;
        };
        let configuration = &self.loaded.scenario.operator.configuration;
        let prefix_asked_for =
            configuration.get("enable_team_id_clustername_prefix") == Some(&Value::Bool(true));
        if prefix_asked_for
            && let Some(team) = text("/spec/teamId")
            && !name.starts_with(&format!("{team}-"))
        {
            let kind =
                ProblemKind::Manifest(format!("its name `{name}` does not start with its team `{team}-`"));
            let help = format!("enable_team_id_clustername_prefix asks for it: for example `{team}-{name}`");
            self.add(&format!("{pointer}/metadata/name"), kind, Some(help));
        }
    }
}
