//! The operators of a world: how they start, work, die and end.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, PostParams};

use super::error::RenderError;
use super::log::OperatorLog;
use super::operator::Operator;
use super::world::{World, flatten};
use crate::environment::Environment;
use crate::operator::{OperatorPod, WORKING};
use crate::poll::{Limit, Seen, poll};

impl World<'_> {
    /// Starts the operators and waits until they work, or cannot.
    pub(super) async fn start(&mut self, operator: Operator<'_>) -> Result<(), RenderError> {
        let client = self.environment.client();
        let home = self.home().to_owned();
        self.versions += 1;
        for number in 0..self.operators {
            let pod = operator.release.pod(&OperatorPod {
                name: format!("{}{number}", self.pods()),
                tag: operator.tag.to_owned(),
                settings: self.blueprint.settings_name(),
                controller: self.controller(number),
                arguments: operator.flags.arguments(),
            })?;
            let pod: Pod = serde_json::from_value(pod).map_err(kube::Error::SerdeError)?;
            Api::namespaced(client.clone(), &home).create(&PostParams::default(), &pod).await?;
        }
        let what = format!("operator {} to work", operator.release.version());
        let dead = poll(what, Limit::seconds(60), async || {
            if let Some(why) = self.death().await? {
                return Ok(Seen::Done(Some(why)));
            }
            let mut logs = self.environment.container_logs_of(&home).await?;
            logs.retain(|log| log.pod.starts_with(&self.pods()));
            let working = logs.iter().filter(|log| log.text.contains(WORKING)).count();
            Ok::<_, RenderError>(match working >= self.operators {
                true => Seen::Done(None),
                false => Seen::NotYet(format!("{working} of {} operators", self.operators)),
            })
        });
        self.dead = dead.await.map_err(flatten)?;
        Ok(())
    }

    /// The error that an operator's first process died of, where one did.
    pub(super) async fn death(&self) -> Result<Option<String>, RenderError> {
        let pods: Api<Pod> = Api::namespaced(self.environment.client(), self.home());
        let pods = pods.list(&ListParams::default().labels(crate::environment::RUN_LABEL)).await?;
        let containers =
            pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
        let ended = containers.into_iter().any(|container| {
            let state = container.state.as_ref();
            container.restart_count > 0 || state.is_some_and(|state| state.terminated.is_some())
        });
        if !ended {
            return Ok(None);
        }
        let log = self.log().await?;
        let why = log.death().map(|why| self.in_input_words(&why));
        Ok(Some(why.unwrap_or_else(|| "the operator has ended without an error".to_owned())))
    }
    /// The log of the world's operators, of those that run now.
    pub(super) async fn log(&self) -> Result<OperatorLog, RenderError> {
        let logs = self.environment.container_logs_of(self.home()).await?;
        let pods = self.pods();
        Ok(OperatorLog::read(logs.iter().filter(|log| log.pod.starts_with(&pods))))
    }

    /// What the names of the operators' pods begin with.
    fn pods(&self) -> String {
        format!("postgres-operator-{}-", self.versions)
    }
    /// Ends the operators and waits until they are gone. Their logs go with the namespace.
    pub(super) async fn end_operators(&self) -> Result<(), RenderError> {
        let pods: Api<Pod> = Api::namespaced(self.environment.client(), self.home());
        let ours = ListParams::default().labels(crate::environment::RUN_LABEL);
        pods.delete_collection(&DeleteParams::default().grace_period(0), &ours).await?;
        poll("the operator to be gone", Limit::seconds(30), async || {
            Ok::<_, RenderError>(match pods.list(&ours).await?.items.len() {
                0 => Seen::Done(()),
                left => Seen::NotYet(format!("{left} pods")),
            })
        })
        .await
        .map_err(flatten)
    }
}
