//! What a drill looks at while it goes on: the pods of a cluster, what they have printed, and who leads them.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::error::DrillError;
use super::leader::{self, Leader};
use super::server_log;
use super::world::{World, names};
use crate::environment::{ContainerLog, Environment};
use crate::observe::data::identify;
use crate::observe::logs::Owner;
use crate::poll::{Limit, Seen, poll};
use crate::spilo::pauses;

/// Until another node leads where the leader is gone, and its service follows.
const LEADER: Limit = Limit::seconds(60);
const _: () =
    assert!(LEADER.total.as_secs() > pauses::LEADER_KEY_LASTS.as_secs() + pauses::PATRONI_LOOKS.as_secs());

impl<E: Environment> World<'_, E> {
    /// All output of all containers so far, each pod with a name of its own.
    pub(super) async fn container_logs(&self) -> Result<Vec<ContainerLog>, DrillError> {
        Ok(self.pods.tell_apart(self.environment.container_logs().await?))
    }

    /// What the pods of this cluster have printed.
    pub(super) async fn printed(&self, short: &str) -> Result<Vec<ContainerLog>, DrillError> {
        let (owners, of) = (self.pods.owners(), Owner::Cluster(short.to_owned()));
        let mut logs = self.container_logs().await?;
        logs.retain(|log| owners.get(&log.pod) == Some(&of));
        Ok(logs)
    }

    /// Everything that the pods of this cluster, which runs, and their servers have printed.
    pub(super) async fn logs_of(&self, short: &str) -> Result<Vec<ContainerLog>, DrillError> {
        let mut logs = self.printed(short).await?;
        logs.extend(self.server_logs_of(short).await?);
        Ok(logs)
    }

    /// The servers' logs of all pods that a cluster has. Of one that does not run, a pod may have none.
    pub(super) async fn server_logs_of(&self, short: &str) -> Result<Vec<ContainerLog>, DrillError> {
        let mut logs = Vec::new();
        for pod in self.pods_of(short).await? {
            match server_log::read(self.environment, &pod).await {
                Ok(log) => {
                    // A volume that was kept has what an earlier cluster's server said.
                    let text = match self.cluster(short)?.created {
                        Some(created) => server_log::since(&log.text, created),
                        None => log.text,
                    };
                    logs.push(ContainerLog { pod: self.pods.latest(&pod), text, ..log });
                }
                Err(error) if self.cluster(short)?.runs => return Err(error.into()),
                // A pod that never came up has no server log; its container's log says why.
                Err(_) => {}
            }
        }
        Ok(logs)
    }

    /// The names of all pods that a cluster has by now.
    pub(super) async fn pods_of(&self, short: &str) -> Result<Vec<String>, DrillError> {
        let name = &self.cluster(short)?.name;
        Ok(self.pods_by_now().await?.into_iter().filter(|pod| belongs(pod, name)).collect())
    }

    /// The names of all pods that there are by now.
    pub(super) async fn pods_by_now(&self) -> Result<Vec<String>, DrillError> {
        Ok(self.pods_as_they_are().await?.into_iter().map(|pod| pod.name_any()).collect())
    }

    /// All pods that there are by now, with what the node says of them.
    pub(super) async fn pods_as_they_are(&self) -> Result<Vec<Pod>, DrillError> {
        let api: Api<Pod> = Api::namespaced(self.client(), self.environment.namespace());
        Ok(api.list(&ListParams::default()).await?.items)
    }

    /// The cluster's leader as it is by now.
    pub(super) async fn leader(&self, name: &str) -> Result<Leader, DrillError> {
        let names = names(&self.release, self.loaded);
        leader::answering(self.environment, &names, name).await
    }

    /// Looks who leads a cluster by now: since it was last asked, a pod may have come, gone or been promoted.
    ///
    /// # Errors
    /// When none answers for longer than a leader that is gone is waited for.
    pub(super) async fn follow_leader(&mut self, short: &str) -> Result<(), DrillError> {
        let cluster = self.cluster(short)?;
        if !cluster.runs {
            // What wants to use it says why it cannot.
            return Ok(());
        }
        let (name, follows, this) = (cluster.name.clone(), cluster.follows.is_some(), &*self);
        let what = format!("the leader of {short} to answer");
        let (pod, connect) = poll(what, LEADER, async || {
            Ok::<_, DrillError>(match this.leader(&name).await? {
                Leader::NotYet(seen) => Seen::NotYet(seen),
                Leader::Found { pod, connect } => match identify(&connect).await {
                    // Patroni calls it the leader before its server has been promoted.
                    Ok(identity) if identity.in_recovery && !follows => {
                        Seen::NotYet("its leader is in recovery and takes no writes".to_owned())
                    }
                    Ok(_) => Seen::Done((pod, *connect)),
                    Err(error) => Seen::NotYet(format!("failed to {error}")),
                },
            })
        })
        .await?;
        if let Some(cluster) = self.clusters.get_mut(short) {
            (cluster.leader, cluster.connect) = (Some(pod), Some(connect));
        }
        Ok(())
    }
}

/// Pods of a StatefulSet are called after it, with a number.
pub(super) fn belongs(pod: &str, cluster: &str) -> bool {
    let rest = pod.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::belongs;

    #[test]
    fn a_pod_belongs_to_the_cluster_that_it_is_called_after() {
        assert!(belongs("acid-orders-0", "acid-orders"));
        assert!(!belongs("acid-orders-clone-0", "acid-orders"));
        assert!(!belongs("acid-orders-", "acid-orders"));
    }
}
