//! The archive with which a drill begins: made of accounts that are there, by clusters that are told apart from those of the drill.

use super::super::problem::{ProblemKind, What};
use super::Checker;
use crate::yaml::child;

impl Checker<'_> {
    pub(super) fn archive(&mut self) {
        let Some(archived) = self.loaded.archived() else { return };
        let accounts = self.account_names();
        for account in archived.storage.accounts.iter().filter(|name| !accounts.contains(&name.as_str())) {
            let kind = ProblemKind::UnknownName { what: What::Account, name: account.clone() };
            let help = "the archive holds blobs in it, so the scenario must have it too";
            self.add("/archive", kind, Some(help.to_owned()));
        }
        for cluster in
            self.loaded.scenario.clusters.keys().filter(|name| archived.clusters.contains_key(*name))
        {
            let kind = ProblemKind::Duplicate { what: What::Cluster, name: cluster.clone() };
            let help = "a cluster of the archive has this name: give this one another";
            self.add_at_key(&child("/clusters", cluster), kind, Some(help.to_owned()));
        }
    }
}
