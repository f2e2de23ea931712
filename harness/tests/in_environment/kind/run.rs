//! Runs of the binary in kind, each with a cluster of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clonedrill::environment::kind::Order;
use clonedrill::poll::Limit;

use crate::process::Run;

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");
pub(super) const OPERATOR: &str = "v1.15.1";
/// A cluster is made in half a minute where its images are at hand.
pub(super) const STANDS: Limit = Limit::seconds(400);
pub(super) const SCENARIO: &str = "scenarios/clone/into-another-account.yaml";

pub(super) fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// A folder for a run, with whom nobody shares.
pub(super) struct Own {
    pub folder: tempfile::TempDir,
    share: String,
}

impl Own {
    pub(super) fn new(what: &str) -> Self {
        let share = format!("test-{what}-{}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        // Snapshots stand beside the scenarios that they are of.
        for name in ["scenarios", "snapshots"] {
            std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
        }
        Own { folder, share }
    }

    pub(super) fn environment(&self) -> String {
        format!("kind/{}/{OPERATOR}", self.share)
    }

    pub(super) fn cluster(&self) -> String {
        Order::cluster_name(&self.environment())
    }

    /// What stands in its `clonedrill.yaml`.
    pub(super) fn configure(&self, text: &str) {
        fs::write(self.folder.path().join("clonedrill.yaml"), text).unwrap();
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.folder.path());
        // The environment ends with this test's process, if not before.
        command.env("CLONEDRILL_SHARE", format!("{}:{}", self.share, std::process::id()));
        command
    }

    /// A run in kind whose environment ends with it.
    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.command(&["run", "--operator", OPERATOR, "--environment", "kind"]);
        command.args(arguments);
        Run::start(command, self.folder.path().join("output"))
    }
}
