//! Which document configures the operator, where there are several: the operator's own Deployment says it.

use serde_json::{Map, Value};

use super::Manifests;
use super::document::Kind;
use super::problem::{ProblemKind, first_here};

use crate::diagnosis::Diagnosis;

/// What a Deployment says of where its operator's configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    Object(String),
    ConfigMap(String),
}

/// Variables of the operator's container that name its configuration; of both, the first counts.
const OBJECT: &str = "POSTGRES_OPERATOR_CONFIGURATION_OBJECT";
const CONFIG_MAP: &str = "CONFIG_MAP_NAME";

/// What an object of any kind says; only the operator's Deployment says anything.
pub(super) fn hint(fields: &Map<String, Value>) -> Option<Hint> {
    let containers = fields.get("spec")?.pointer("/template/spec/containers")?.as_array()?;
    let variables = || containers.iter().filter_map(|container| container.get("env")?.as_array()).flatten();
    let value = |name: &str| {
        let found =
            variables().find(|variable| variable.get("name").and_then(Value::as_str) == Some(name))?;
        found.get("value")?.as_str().filter(|value| !value.is_empty()).map(ToOwned::to_owned)
    };
    value(OBJECT).map(Hint::Object).or_else(|| value(CONFIG_MAP).map(Hint::ConfigMap))
}

/// Chooses what a Deployment names; without one, the only document of its kind. Any other is a problem.
pub(super) fn choose(manifests: &mut Manifests, hints: &[Hint]) {
    let is_settings = |kind| matches!(kind, Kind::OperatorConfiguration | Kind::OperatorConfigMap);
    let candidates: Vec<usize> =
        (0..manifests.documents.len()).filter(|at| is_settings(manifests.documents[*at].kind)).collect();
    let named = candidates.iter().copied().find(|at| {
        let document = &manifests.documents[*at];
        hints.iter().any(|hint| match hint {
            Hint::Object(name) => {
                // The setting may name a namespace before the object.
                document.kind == Kind::OperatorConfiguration
                    && name.rsplit('/').next() == Some(&document.name)
            }
            Hint::ConfigMap(name) => document.kind == Kind::OperatorConfigMap && *name == document.name,
        })
    });
    manifests.settings = named.or(candidates.first().copied());
    if named.is_some() {
        return;
    }
    let Some(first) = manifests.settings().map(super::Document::place_of_name) else { return };
    for at in &candidates[1..] {
        let document = &manifests.documents[*at];
        let kind = ProblemKind::SecondSettings { object: document.to_string() };
        let problem = Diagnosis::new(&kind, Some(document.place_of_name()))
            .beside([first_here(first.clone())])
            .with_help("give one operator's manifests at a time, or its Deployment as well, which names its configuration".to_owned());
        manifests.problems.push(problem);
    }
}
