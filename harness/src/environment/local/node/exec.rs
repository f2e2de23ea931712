//! Programs run in containers that run: for `exec`, probes and hooks.

use std::collections::HashMap;
use std::path::PathBuf;

use super::probes::Exec;
use super::process::{Spawner, StartError};
use crate::environment::ExecOutput;
use crate::environment::local::container::{ExecSpec, Identity};

/// Where `exec` finds a container that runs.
#[derive(Debug, Clone)]
pub(super) struct RunningContainer {
    pub init: i32,
    pub env: Vec<(String, String)>,
    pub working_dir: PathBuf,
    pub identity: Identity,
}

/// By namespace, pod and container.
pub(super) type RunningContainers = HashMap<(String, String, String), RunningContainer>;

/// A running container, as seen by who wants to run a program in it.
pub(super) struct InContainer<'a> {
    pub spawner: &'a Spawner,
    pub place: &'a RunningContainer,
}

impl InContainer<'_> {
    pub(super) async fn run(&self, argv: Vec<String>) -> Result<ExecOutput, StartError> {
        let RunningContainer { init, env, working_dir, identity } = self.place.clone();
        self.spawner.exec(ExecSpec { pid: init, argv, env, working_dir, identity }).await
    }
}

impl Exec for InContainer<'_> {
    async fn exec(&self, argv: Vec<String>) -> Result<(), String> {
        match self.run(argv).await {
            Ok(output) if output.code == 0 => Ok(()),
            Ok(output) => Err(format!("exit code {}: {}", output.code, output.stderr.trim_end())),
            Err(error) => Err(error.to_string()),
        }
    }
}
