//! Step `restore-in-place`: deletes a cluster and creates another one under its name, on the volumes that are still there or not.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use crate::drill::error::DrillError;
use crate::drill::look::belongs;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::poll::{Limit, Seen, poll};
use crate::scenario::{RestoreInPlaceStep, Volumes};

/// What the operator calls the claim of a pod, before the pod's name.
const DATA: &str = "pgdata-";
const GONE: Limit = Limit::seconds(120);

impl<E: Environment> World<'_, E> {
    pub(super) async fn restore_in_place(&mut self, step: &RestoreInPlaceStep) -> Result<String, DrillError> {
        let name = self.cluster(&step.of)?.name.clone();
        let before = self.claims(&name).await?;
        self.delete(&step.of).await?;
        let left = self.claims(&name).await?;
        match step.volumes {
            Some(Volumes::Kept) if left.len() < before.len() => {
                let why = format!(
                    "the operator has deleted its volumes, {} of {} are left",
                    left.len(),
                    before.len()
                );
                let help = "set enable_persistent_volume_claim_deletion: false in its configuration";
                return Err(DrillError::step(
                    format!("keep the volumes of {}", step.of),
                    format!("{why}; {help}"),
                ));
            }
            Some(Volumes::Deleted) => self.delete_claims(&name, &left).await?,
            Some(Volumes::Kept) | None => {}
        }
        let volumes = match self.claims(&name).await?.len() {
            0 => "without its volumes".to_owned(),
            kept => format!("on {kept} volumes that were kept"),
        };
        let restored = self.create(&step.with).await?;
        Ok(format!("{volumes}: {restored}"))
    }

    /// The names of the claims of a cluster's pods that are not about to go.
    async fn claims(&self, name: &str) -> Result<Vec<String>, DrillError> {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client(), self.environment.namespace());
        let all = api.list(&ListParams::default()).await?.items;
        let staying = all.into_iter().filter(|claim| claim.metadata.deletion_timestamp.is_none());
        let names = staying.map(|claim| claim.name_any());
        Ok(names.filter(|claim| claim.strip_prefix(DATA).is_some_and(|pod| belongs(pod, name))).collect())
    }

    async fn delete_claims(&self, name: &str, claims: &[String]) -> Result<(), DrillError> {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client(), self.environment.namespace());
        for claim in claims {
            api.delete(claim, &DeleteParams::default()).await?;
        }
        let gone = poll(format!("the volumes of {name} to go"), GONE, async || {
            let mut left = Vec::new();
            for claim in claims {
                left.extend(api.get_opt(claim).await?.map(|claim| claim.name_any()));
            }
            Ok::<_, kube::Error>(match left.is_empty() {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("still there: {}", left.join(", "))),
            })
        });
        gone.await?;
        Ok(())
    }
}
