//! Step `delete`: deletes a cluster and waits until its pods are gone. Its backups stay.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use crate::drill::error::DrillError;
use crate::drill::look::belongs;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::operator::postgresqls;
use crate::poll::{Limit, Seen, poll};

impl<E: Environment> World<'_, E> {
    pub(super) async fn delete(&mut self, short: &str) -> Result<String, DrillError> {
        let name = self.cluster(short)?.name.clone();
        let namespace = self.environment.namespace();
        let logs = self.server_logs_of(short).await?;
        self.server_logs.insert(short.to_owned(), logs);
        postgresqls(self.client(), namespace).delete(&name, &DeleteParams::default()).await?;
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let gone = poll(format!("the pods of {short} to go"), Limit::seconds(120), async || {
            let all = pods.list(&ListParams::default()).await?.items;
            let left: Vec<String> =
                all.iter().map(|pod| pod.name_any()).filter(|pod| belongs(pod, &name)).collect();
            let object = postgresqls(self.client(), namespace).get_opt(&name).await?;
            Ok::<_, kube::Error>(match (left.is_empty(), object) {
                (true, None) => Seen::Done(()),
                (false, _) => Seen::NotYet(format!("still there: {}", left.join(", "))),
                (true, Some(_)) => Seen::NotYet("the manifest is still there".to_owned()),
            })
        });
        gone.await?;
        if let Some(cluster) = self.clusters.get_mut(short) {
            cluster.deleted = true;
            cluster.runs = false;
            (cluster.connect, cluster.leader) = (None, None);
        }
        Ok(String::new())
    }
}
