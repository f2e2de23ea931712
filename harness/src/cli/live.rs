//! What a cluster that exists knows of manifests: which of their clusters are there, and the keys of what they refer to.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::IntoDiagnostic;

use super::Failure;
use crate::check::There;
use crate::inventory;
use crate::manifests::Manifests;

/// Which cluster is asked.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// Ask this cluster for what the manifests do not say: the names of the keys of Secrets and ConfigMaps, never values
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; without it, the current one
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
}

impl LiveArgs {
    /// Whether a cluster is to be asked.
    pub(super) fn kubeconfig(&self) -> Option<&Path> {
        self.kubeconfig.as_deref()
    }

    /// Adds the keys of the objects that the manifests refer to and lack. What may not be looked at is told on stderr.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used, or the API server does not answer.
    pub(super) fn learn(&self, manifests: &mut Manifests) -> Result<(), Failure> {
        let sought = manifests.sought();
        let Some(kubeconfig) = self.kubeconfig().filter(|_| !sought.is_empty()) else { return Ok(()) };
        let keys = ask(inventory::keys(kubeconfig, self.context.as_deref(), &sought))?;
        for (object, said) in &keys.known {
            manifests.learn(object, said);
        }
        for note in &keys.notes {
            eprintln!("note: {note}");
        }
        Ok(())
    }

    /// Which clusters are there already; nothing is known without a cluster to ask.
    ///
    /// # Errors
    /// As [`LiveArgs::learn`].
    pub(super) fn there(&self) -> Result<There, Failure> {
        let Some(kubeconfig) = self.kubeconfig() else { return Ok(There::Unknown) };
        Ok(There::These(ask(inventory::names(kubeconfig, self.context.as_deref()))?))
    }
}

fn ask<T>(asked: impl Future<Output = Result<T, inventory::LiveError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Runtime::new().into_diagnostic().map_err(Failure::broken)?;
    runtime
        .block_on(asked)
        .map_err(|error| Failure { verdict: error.verdict(), report: miette::miette!("failed to {error}") })
}
