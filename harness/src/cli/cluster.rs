//! Which cluster is meant: the same arguments for every subcommand that works on one that exists.

use std::path::PathBuf;

use clap::Args;
use miette::miette;

use super::Failure;
use crate::environment::cluster::{ClusterError, Wanted};
use crate::restore::RestoreError;

#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// The kubeconfig; without it, what kubectl would take, and in a pod its service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; without it, the current one
    #[arg(long)]
    context: Option<String>,
}

impl ClusterArgs {
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

/// With its remedy.
pub(super) fn cluster_failure(error: &ClusterError) -> Failure {
    let report = match error.help() {
        Some(help) => miette!(help = help, "failed to {error}"),
        None => miette!("failed to {error}"),
    };
    Failure { verdict: error.verdict(), report }
}

/// What came of `doing`, as people read it in a report too.
pub(super) fn restore_failure(doing: &str, error: &RestoreError) -> Failure {
    let finding = error.finding(doing);
    let report = match finding.help.is_empty() {
        true => miette!("{}", finding.seen),
        false => miette!(help = finding.help, "{}", finding.seen),
    };
    Failure { verdict: error.verdict(), report }
}
