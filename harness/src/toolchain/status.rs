//! What is there and from where, for `clonedrill tools`.

use std::path::PathBuf;

use serde::Serialize;

use super::configuration::Configuration;
use super::error::ToolchainError;
use super::found;
use super::host::HostProgram;
use super::plan::{Plan, Source};
use crate::spilo::release::{IMAGES, is_older};

/// One program, as `clonedrill tools` lists it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartStatus {
    /// Its name; several lines may have the same, such as one for each PostgreSQL.
    pub program: String,
    /// None where it does not say it, or is not there.
    pub version: Option<String>,
    /// Whether a run would have to make it.
    pub state: PartState,
    /// Who gave it, or where it comes from.
    pub from: String,
    /// Where it is, or will be.
    pub path: PathBuf,
    /// What one should know of this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether a part is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// It was given, found or made, and can be used.
    Ready,
    /// It will be fetched or built by the first run that needs it.
    Missing,
}

impl PartState {
    /// As `clonedrill tools` writes it.
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
    let of_control_plane = |path: &PathBuf| (found::version(path), path.clone());
    let mut all = vec![
        status(&plan, "etcd", &plan.etcd, of_control_plane),
        status(&plan, "kube-apiserver", &plan.kube_apiserver, of_control_plane),
        status(&plan, "kube-controller-manager", &plan.kube_controller_manager, of_control_plane),
        status(&plan, "wal-g", &plan.wal_g, |tool| (Some(tool.version.clone()), tool.program.clone())),
        status(&plan, "azurite", &plan.azurite, path),
        status(&plan, "patroni", &plan.patroni, |tool| (Some(tool.version.clone()), tool.python.clone())),
    ];
    for source in plan.all_postgres() {
        all.push(status(&plan, "postgres", source, |tool| (Some(tool.version.clone()), tool.bin.clone())));
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
            note: None,
        },
    });
    for (program, why) in &plan.passed_over {
        let listed = all.iter_mut().find(|part| part.program == program.key());
        if let Some(part) = listed {
            part.note = Some(why.clone());
        }
    }
    for part in all.iter_mut().filter(|part| part.program == "wal-g") {
        part.note = part.version.as_deref().and_then(older_than_images);
    }
    Ok(all)
}

/// What a drill with this WAL-G does not show of those that people run.
fn older_than_images(version: &str) -> Option<String> {
    let newer: Vec<String> = IMAGES
        .iter()
        .rev()
        .filter(|image| is_older(version, image.wal_g))
        .map(|image| format!("{} with {}", image.wal_g, image.operator))
        .collect();
    let newer = newer.join(", ");
    (!newer.is_empty()).then(|| {
        format!(
            "older than in Spilo's images ({newer}), and says some things otherwise; give a newer one by path"
        )
    })
}

fn status<T>(
    plan: &Plan,
    program: &str,
    source: &Source<T>,
    tell: impl Fn(&T) -> (Option<String>, PathBuf),
) -> PartStatus {
    let program = program.to_owned();
    let note = None;
    match source {
        Source::Given(tool, origin) => {
            let (version, path) = tell(tool);
            PartStatus { program, version, state: PartState::Ready, from: origin.clone(), path, note }
        }
        Source::Found(tool, place) => {
            let (version, path) = tell(tool);
            PartStatus { program, version, state: PartState::Ready, from: (*place).to_owned(), path, note }
        }
        Source::Made(part) => {
            let slot = part.slot(&plan.cache);
            let manifest = slot.read();
            let state = if manifest.is_some() { PartState::Ready } else { PartState::Missing };
            let found = manifest.as_ref().and_then(|manifest| manifest.version.clone());
            let version = Some(found.unwrap_or_else(|| part.version().to_owned()));
            let from = manifest.map_or_else(|| "to be made".to_owned(), |manifest| manifest.from);
            PartStatus { program, version, state, from, path: slot.folder, note }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wal_g_that_is_older_than_those_of_the_images_is_told() {
        let note = older_than_images("1.1.3-rc-with-build").unwrap_or_default();
        assert!(note.contains("(3.0.5 with v1.15.1, 3.0.3 with v1.14.0, 2.0.1 with v1.10.1)"), "{note}");
        let note = older_than_images("v3.0.3").unwrap_or_default();
        assert!(note.contains("(3.0.5 with v1.15.1)"), "{note}");
        assert_eq!(older_than_images("v3.0.5"), None);
    }
}
