//! Programs of the control plane that this machine has already, in a version that does: where envtest keeps them, or on PATH.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command;
use super::configuration::{Configuration, Program};
use super::host::{is_program, on_path};
use super::parts::{KUBERNETES_VERSION, Part};
use super::plan::Source;

/// The folder that envtest's `setup-envtest` makes, with etcd and the API server.
pub(super) const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The oldest minor of etcd 3 that this Kubernetes works with.
const OLDEST_ETCD: u32 = 5;

/// A program that was found and is not used, and why.
pub(super) type PassedOver = (Program, String);

/// The first that does, else the part that has it; what was found and does not do goes to `passed_over`.
pub(super) fn source(
    program: Program,
    part: Part,
    configuration: &Configuration,
    passed_over: &mut Vec<PassedOver>,
) -> Source<PathBuf> {
    let assets = configuration.assets.iter().map(|folder| (folder.join(program.key()), ASSETS));
    let assets = assets.filter(|(path, _)| is_program(path));
    for (path, place) in assets.chain(on_path(program.key()).into_iter().map(|path| (path, "PATH"))) {
        let Some(version) = version(&path) else { continue };
        if does(program, &version) {
            return Source::Found(path, place);
        }
        let why = format!("{} is {version}, and {} is wanted", path.display(), wanted(program));
        passed_over.push((program, why));
    }
    Source::Made(part)
}

/// What it says of its version: `etcd Version: 3.6.6`, `Kubernetes v1.34.4`.
pub(super) fn version(program: &Path) -> Option<String> {
    let said = command::ask(Command::new(program).arg("--version"))?;
    let version = said.lines().next()?.split_whitespace().next_back()?.trim_start_matches('v');
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

fn does(program: Program, version: &str) -> bool {
    let numbers = |version: &str| {
        let mut numbers = version.split(['.', '-', '+']).map_while(|number| number.parse::<u32>().ok());
        Some((numbers.next()?, numbers.next()?))
    };
    match (program, numbers(version)) {
        (Program::Etcd, Some((major, minor))) => major == 3 && minor >= OLDEST_ETCD,
        // The controllers may not be newer than the API server, and its definitions are those that snapshots were taken with.
        (_, found) => found.is_some() && found == numbers(KUBERNETES_VERSION),
    }
}

fn wanted(program: Program) -> String {
    match program {
        Program::Etcd => format!("3.{OLDEST_ETCD} or newer"),
        _ => match KUBERNETES_VERSION.rsplit_once('.') {
            Some((minor, _)) => format!("{minor}.x"),
            None => KUBERNETES_VERSION.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_of_another_minor_is_not_used() {
        assert!(does(Program::KubeApiserver, "1.34.0") && does(Program::KubeControllerManager, "1.34.9"));
        assert!(!does(Program::KubeApiserver, "1.33.4") && !does(Program::KubeApiserver, "1.35.0"));
        assert!(!does(Program::KubeApiserver, "unknown"));
    }

    #[test]
    fn an_etcd_that_kubernetes_works_with_is_used() {
        assert!(does(Program::Etcd, "3.5.16") && does(Program::Etcd, "3.6.6"));
        assert!(!does(Program::Etcd, "3.4.30") && !does(Program::Etcd, "4.0.0"));
    }
}
