//! The program `kind`: given, found on PATH, or built from its Go module. Only the environment `kind` needs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::command;
use super::configuration::{Configuration, Program};
use super::error::ToolchainError;
use super::host::{is_program, on_path};
use super::parts::Part;
use super::plan::{Source, wrong};
use super::remedy::Remedy;

/// The image that the pinned kind makes nodes of where nobody says otherwise.
pub const KIND_NODE: &str =
    "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a";

/// An older one does not know the node images of current Kubernetes: their containerd has another configuration.
const OLDEST: [u32; 3] = [0, 24, 0];

/// The program, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindTool {
    /// In the cache, on `PATH`, or where a person gave it.
    pub program: PathBuf,
    /// For example `0.30.0`.
    pub version: String,
}

/// Where it comes from.
///
/// # Errors
/// When the one that is given or found cannot be used.
pub(super) fn source(configuration: &Configuration) -> Result<Source<KindTool>, ToolchainError> {
    if let Some(given) = configuration.programs.get(&Program::Kind) {
        if !is_program(&given.path) {
            return Err(wrong(Program::Kind, given, "is no program"));
        }
        let tool = inspect(&given.path)
            .ok_or_else(|| wrong(Program::Kind, given, "is not kind: it does not tell its version"))?;
        return match lack(&tool) {
            None => Ok(Source::Given(tool, given.origin.clone())),
            Some(lack) => Err(wrong(Program::Kind, given, format!("cannot be used: {lack}"))),
        };
    }
    found(on_path("kind").first().map(PathBuf::as_path))
}

/// One that is no kind is no reason not to build one; one that is too old is what its owner would go on using.
fn found(program: Option<&Path>) -> Result<Source<KindTool>, ToolchainError> {
    let Some(tool) = program.and_then(inspect) else { return Ok(Source::Made(Part::Kind)) };
    match lack(&tool) {
        None => Ok(Source::Found(tool, "PATH")),
        Some(lack) => Err(ToolchainError::Missing(vec![lack])),
    }
}

/// Asks it for its version, for example `kind version 0.30.0`.
fn inspect(program: &Path) -> Option<KindTool> {
    let said = command::ask(Command::new(program).arg("--version"))?;
    let version = said.strip_prefix("kind version ")?.split_whitespace().next()?.trim_start_matches('v');
    Some(KindTool { program: program.to_owned(), version: version.to_owned() })
}

fn lack(tool: &KindTool) -> Option<Remedy> {
    let numbers: Vec<u32> =
        tool.version.split(['.', '-', '+']).map_while(|number| number.parse().ok()).collect();
    let [major, minor, patch] = OLDEST;
    (numbers[..] < OLDEST[..]).then(|| {
        Remedy::new(
            format!(
                "{} is kind {}, too old for nodes of current Kubernetes",
                tool.program.display(),
                tool.version
            ),
            format!(
                "install kind {major}.{minor}.{patch} or newer, give one as CLONEDRILL_KIND, or take this one off PATH: \
                 then one is built"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::configuration::Given;
    use super::*;
    use crate::exit::Verdict;

    /// A program that says this when it is asked for its version.
    fn fake(folder: &tempfile::TempDir, says: &str) -> PathBuf {
        let path = folder.path().join("kind");
        std::fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = --version ] && echo '{says}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn given(path: PathBuf) -> Result<Source<KindTool>, ToolchainError> {
        let given = Given { path, origin: "CLONEDRILL_KIND".to_owned() };
        let mut configuration = Configuration::default();
        configuration.programs.insert(Program::Kind, given);
        source(&configuration)
    }

    #[test]
    fn an_old_kind_is_the_machines_fault_where_it_is_found_and_a_persons_where_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let program = fake(&folder, "kind version 0.20.0");
        let error = found(Some(&program)).unwrap_err();
        assert_eq!(error.verdict(), Verdict::Broken);
        let said = error.to_string();
        assert!(said.contains("is kind 0.20.0, too old") && said.contains("install kind 0.24.0"), "{said}");
        let error = given(program).unwrap_err();
        assert_eq!(error.verdict(), Verdict::Invalid);
        let said = error.to_string();
        assert!(said.contains("use the kind given by CLONEDRILL_KIND") && said.contains("too old"), "{said}");
    }

    #[test]
    fn a_new_kind_is_taken_and_without_one_it_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let program = fake(&folder, "kind version 0.30.0");
        let new = KindTool { program: program.clone(), version: "0.30.0".to_owned() };
        assert!(matches!(found(Some(&program)).unwrap(), Source::Found(tool, "PATH") if tool == new));
        assert!(matches!(given(program).unwrap(), Source::Given(tool, _) if tool == new));
        assert!(matches!(found(None).unwrap(), Source::Made(Part::Kind)));
        let other = fake(&folder, "something else");
        assert!(matches!(found(Some(&other)).unwrap(), Source::Made(Part::Kind)));
        assert!(given(other).unwrap_err().to_string().contains("is not kind"));
    }

    #[test]
    fn a_kind_that_does_not_know_current_nodes_is_too_old() {
        let lacks =
            |version: &str| lack(&KindTool { program: "/x/kind".into(), version: version.to_owned() });
        for old in ["0.23.0", "0.9.1", "0.20.0-alpha"] {
            assert!(lacks(old).is_some(), "{old}");
        }
        for new in ["0.24.0", "0.30.0", "0.31.0-alpha+abc", "1.0.0"] {
            assert!(lacks(new).is_none(), "{new}");
        }
    }
}
