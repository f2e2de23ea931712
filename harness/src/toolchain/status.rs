//! What is there and from where, for `clonedrill tools`.

use std::path::PathBuf;

use serde::Serialize;

use super::configuration::Configuration;
use super::error::ToolchainError;
use super::host::HostProgram;
use super::plan::{Plan, Source};

/// One program, as `clonedrill tools` lists it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartStatus {
    pub program: String,
    pub version: Option<String>,
    pub state: PartState,
    /// Who gave it, or where it comes from.
    pub from: String,
    /// Where it is, or will be.
    pub path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    Ready,
    /// It will be fetched or built by the first run that needs it.
    Missing,
}

impl PartState {
    pub fn name(self) -> &'static str {
        match self {
            PartState::Ready => "ready",
            PartState::Missing => "missing",
        }
    }
}

/// Looks at every program without making anything.
///
/// # Errors
/// Those of what a person gave.
pub fn survey(
    configuration: &Configuration,
    operators: &[String],
) -> Result<Vec<PartStatus>, ToolchainError> {
    let plan = Plan::new(configuration, operators)?;
    let path = |path: &PathBuf| (None, path.clone());
    let mut all = vec![
        status(&plan, "etcd", &plan.etcd, path),
        status(&plan, "kube-apiserver", &plan.kube_apiserver, path),
        status(&plan, "kube-controller-manager", &plan.kube_controller_manager, path),
        status(&plan, "wal-g", &plan.wal_g, |tool| (Some(tool.version.clone()), tool.program.clone())),
        status(&plan, "azurite", &plan.azurite, path),
        status(&plan, "patroni", &plan.patroni, |tool| (Some(tool.version.clone()), tool.python.clone())),
    ];
    match &plan.postgres {
        Source::Given(tools, _) | Source::Found(tools, _) => all.extend(tools.iter().map(|tool| {
            let one = |_: &Vec<_>| (Some(tool.version.clone()), tool.bin.clone());
            status(&plan, "postgres", &plan.postgres, one)
        })),
        made => all.push(status(&plan, "postgres", made, |_| (None, PathBuf::new()))),
    }
    for source in plan.operators.values() {
        let tool = status(&plan, "postgres-operator", source, |tool| {
            (Some(tool.version.clone()), tool.binary.clone())
        });
        all.push(tool);
    }
    let node = |node: &PathBuf| {
        let version = HostProgram::Node.says(node);
        (version.map(|version| version.trim_start_matches('v').to_owned()), node.clone())
    };
    all.push(match &plan.node {
        Some(source) => status(&plan, "node", source, node),
        None => PartStatus {
            program: "node".to_owned(),
            version: None,
            state: PartState::Missing,
            from: "to be installed by you".to_owned(),
            path: PathBuf::new(),
        },
    });
    Ok(all)
}

fn status<T>(
    plan: &Plan,
    program: &str,
    source: &Source<T>,
    tell: impl Fn(&T) -> (Option<String>, PathBuf),
) -> PartStatus {
    let program = program.to_owned();
    match source {
        Source::Given(tool, origin) => {
            let (version, path) = tell(tool);
            PartStatus { program, version, state: PartState::Ready, from: origin.clone(), path }
        }
        Source::Found(tool, place) => {
            let (version, path) = tell(tool);
            PartStatus { program, version, state: PartState::Ready, from: (*place).to_owned(), path }
        }
        Source::Made(part) => {
            let slot = part.slot(&plan.cache);
            let manifest = slot.read();
            let state = if manifest.is_some() { PartState::Ready } else { PartState::Missing };
            let found = manifest.as_ref().and_then(|manifest| manifest.version.clone());
            let version = Some(found.unwrap_or_else(|| part.version().to_owned()));
            let from = manifest.map_or_else(|| "to be made".to_owned(), |manifest| manifest.from);
            PartStatus { program, version, state, from, path: slot.folder }
        }
    }
}
