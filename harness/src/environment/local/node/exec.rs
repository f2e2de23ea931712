//! Programs run in containers that run: for `exec`, probes and hooks.

use super::pod::Place;
use super::probes::Exec;
use super::process::{Spawner, StartError};
use crate::environment::ExecOutput;
use crate::environment::local::container::ExecSpec;

/// A running container, as seen by who wants to run a program in it.
pub(super) struct InContainer<'a> {
    pub spawner: &'a Spawner,
    pub place: &'a Place,
}

impl InContainer<'_> {
    pub(super) async fn run(&self, argv: Vec<String>) -> Result<ExecOutput, StartError> {
        let Place { init, env, working_dir } = self.place.clone();
        self.spawner.exec(ExecSpec { pid: init, argv, env, working_dir }).await
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
