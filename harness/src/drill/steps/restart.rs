//! Step `restart`: new pods for a cluster, one after another, the leader's last.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};

use crate::drill::error::DrillError;
use crate::drill::world::World;
use crate::environment::{Environment, is_ready, trouble};
use crate::poll::{Limit, Seen, poll};

/// A pod has its grace period, starts, and its PostgreSQL recovers.
const REPLACED: Limit = Limit::seconds(300);

impl<E: Environment> World<'_, E> {
    pub(super) async fn restart(&mut self, short: &str) -> Result<String, DrillError> {
        let name = self.cluster(short)?.name.clone();
        let leader = self.cluster(short)?.leader.clone();
        let mut pods = self.pods_of(short).await?;
        pods.sort_by_key(|pod| Some(pod) == leader.as_ref());
        for pod in &pods {
            self.replace(pod).await?;
        }
        self.follow_leader(short).await?;
        self.all_ready(short, &name).await?;
        self.observe_env(short).await?;
        Ok(format!("new pods: {}", pods.join(", ")))
    }

    /// Deletes a pod and waits until another one of its name is ready.
    async fn replace(&self, pod: &str) -> Result<(), DrillError> {
        let api: Api<Pod> = Api::namespaced(self.client(), self.environment.namespace());
        let before = api.get(pod).await?.uid();
        api.delete(pod, &DeleteParams::default()).await?;
        let replaced = poll(format!("a new pod {pod} to be ready"), REPLACED, async || {
            let now = api.get_opt(pod).await?;
            Ok::<_, kube::Error>(match now {
                Some(now) if now.uid() != before && is_ready(&now) => Seen::Done(()),
                Some(now) if now.uid() == before => Seen::NotYet("the old one is still there".to_owned()),
                Some(now) => Seen::NotYet(trouble(&now).unwrap_or("it is not ready".to_owned())),
                None => Seen::NotYet("there is none".to_owned()),
            })
        });
        replaced.await?;
        Ok(())
    }
}
