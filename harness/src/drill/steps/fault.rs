//! Steps `fault` and `heal`: something breaks, and is whole again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::drill::error::DrillError;
use crate::drill::faults::{Before, Fault, Kind, SmallVolumes, Strike};
use crate::drill::world::World;
use crate::environment::{Environment, EnvironmentError, Storage};
use crate::poll::{Limit, Seen, poll};
use crate::scenario::{
    BlobsFault, FaultStep, NodeFault, OperatorFault, PodsAct, RequestsFault, VolumesFault,
};
use crate::storage::Rule;

use super::damage::damage;
use super::rule;

/// Sends a signal to the processes of a name, all but itself and the first for `*`; how many that were stands on the output.
const SIGNAL: &str = r#"n=0; for p in /proc/[0-9]*; do
  case "${p#/proc/}" in 1|$$) continue;; esac
  read -r comm < $p/comm 2>/dev/null || continue
  case "$comm" in $0) kill -$1 ${p#/proc/} 2>/dev/null && n=$((n+1)) && continue;; esac
  case "$comm" in python*) tr '\0' ' ' < $p/cmdline 2>/dev/null | grep -Eq "[ /]$0 " && kill -$1 ${p#/proc/} 2>/dev/null && n=$((n+1));; esac
done; echo $n"#;
const SIGNAL_LIMIT: Duration = Duration::from_secs(20);
/// The operator's container.
const OPERATOR: &str = "postgres-operator";
const SCALED: Limit = Limit::seconds(120);

impl<E: Environment> World<'_, E> {
    pub(super) async fn fault(&mut self, step: &FaultStep) -> Result<String, DrillError> {
        let (kind, note) = if let Some(fault) = &step.requests {
            self.break_requests(&step.name, fault).await?
        } else if let Some(fault) = &step.blobs {
            self.break_blobs(&step.name, fault).await?
        } else if let Some(fault) = &step.pods {
            let strike = Strike { fault: fault.clone(), hit: Mutex::new(None) };
            self.strike(&strike).await?;
            let note = strike.hit().unwrap_or("as soon as there is one".to_owned());
            (Kind::Pods(strike), note)
        } else if let Some(fault) = step.operator {
            self.break_operator(fault).await?
        } else if let Some(fault) = &step.certificate {
            self.begin(rule::of_certificate(&step.name, fault)).await?
        } else if let Some(fault) = &step.host_name {
            self.begin(rule::of_host_name(&step.name, fault)).await?
        } else if let Some(fault) = &step.volumes {
            self.limit_volumes(fault).await?
        } else if let Some(NodeFault::Restart) = step.node {
            let count = self.environment.restart_node().await?;
            (Kind::NodeRestarted(count), format!("{count} containers"))
        } else {
            return Err(DrillError::step(format!("begin fault {}", step.name), "it names no kind of fault"));
        };
        self.faults.push(Fault::new(step.name.clone(), kind, step.ends_after));
        Ok(note)
    }

    pub(super) async fn heal(&mut self, name: &str) -> Result<String, DrillError> {
        let what = format!("heal {name}");
        let fault = self.faults.iter().find(|fault| fault.name == name && !fault.is_healed());
        let fault = fault.ok_or_else(|| DrillError::step(&what, "no such fault acts"))?;
        self.end(fault).await?;
        let effect = self.effect_of(name).await?;
        effect.ok_or_else(|| DrillError::step(what, format!("fault {name} hit nothing until now")))
    }

    async fn end(&self, fault: &Fault) -> Result<(), DrillError> {
        match &fault.kind {
            Kind::Requests(id) => drop(self.storage.end_rule(*id).await?),
            Kind::Blobs(before) => {
                for Before { account, container, name, content, kind } in before {
                    self.blobs(account)?.write(container, name, content.clone(), kind).await?;
                }
            }
            Kind::OperatorStopped(instances) => self.scale_operator(*instances).await?,
            Kind::OperatorPaused(pod, _) => self.go_on(pod, OPERATOR, "*").await,
            Kind::Pods(strike) => {
                if let (PodsAct::Pause(name), Some(pod)) = (&strike.fault.act, strike.pod()) {
                    self.go_on(&pod, "postgres", name).await;
                }
            }
            Kind::Volumes(small) => {
                let made = self.environment.limit_volumes(&small.claims, None).await?;
                small.made.store(made, Ordering::Relaxed);
            }
            Kind::OperatorKilled | Kind::NodeRestarted(_) => {}
        }
        fault.healed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A pod that is gone has nothing that could go on.
    async fn go_on(&self, pod: &str, container: &str, name: &str) {
        if let Err(error) = self.signal(pod, container, "CONT", name).await {
            tracing::debug!(%error, pod, name, "nothing goes on");
        }
    }

    /// How many processes of a name got the signal.
    async fn signal(
        &self,
        pod: &str,
        container: &str,
        signal: &str,
        name: &str,
    ) -> Result<u32, EnvironmentError> {
        let argv = ["sh", "-c", SIGNAL, name, signal];
        let output = self.environment.exec(pod, container, &argv, SIGNAL_LIMIT).await?;
        Ok(output.stdout.trim().parse().unwrap_or_default())
    }

    /// A rule of the gateway, from now on.
    async fn begin(&self, rule: Rule) -> Result<(Kind, String), DrillError> {
        Ok((Kind::Requests(self.storage.add_rule(rule).await?), "from now on".to_owned()))
    }

    /// As the StatefulSet calls them.
    async fn limit_volumes(&self, fault: &VolumesFault) -> Result<(Kind, String), DrillError> {
        let manifest = self.loaded.scenario.clusters.get(&fault.of);
        let name = manifest.and_then(|manifest| manifest["metadata"]["name"].as_str()).unwrap_or_default();
        let claims = format!("pgdata-{name}-");
        self.environment.limit_volumes(&claims, Some(fault.hold)).await?;
        let small = SmallVolumes { claims, mebibytes: fault.hold, made: AtomicU64::new(0) };
        Ok((Kind::Volumes(small), format!("those that are made from now on hold {} MiB", fault.hold)))
    }

    async fn break_requests(&self, name: &str, fault: &RequestsFault) -> Result<(Kind, String), DrillError> {
        self.begin(rule::of(name, fault, &|account| self.blobs(account)).await?).await
    }

    async fn break_blobs(&self, name: &str, fault: &BlobsFault) -> Result<(Kind, String), DrillError> {
        let before = damage(name, fault, &self.blobs(&fault.account)?).await?;
        let names: Vec<&str> = before.iter().map(|blob| blob.name.as_str()).collect();
        let note = names.join(", ");
        Ok((Kind::Blobs(before), note))
    }

    /// Lets blows fall that have hit nothing yet, and ends what is over.
    pub(in crate::drill) async fn strikes(&self) -> Result<(), DrillError> {
        for fault in self.faults.iter().filter(|fault| !fault.is_healed()) {
            if fault.until.is_some_and(|until| until <= Instant::now()) {
                self.end(fault).await?;
                continue;
            }
            if let Kind::Pods(strike) = &fault.kind {
                self.strike(strike).await?;
            }
        }
        Ok(())
    }

    async fn strike(&self, strike: &Strike) -> Result<(), DrillError> {
        if strike.hit().is_some() || !self.clusters.contains_key(&strike.fault.of) {
            return Ok(());
        }
        let leader = self.cluster(&strike.fault.of)?.leader.clone();
        let pods = self.pods_of(&strike.fault.of).await?;
        let pod = leader.filter(|leader| pods.contains(leader)).or_else(|| pods.first().cloned());
        let Some(pod) = pod else { return Ok(()) };
        match &strike.fault.act {
            PodsAct::Delete => {
                let api: Api<Pod> = Api::namespaced(self.client(), self.environment.namespace());
                api.delete(&pod, &DeleteParams::default()).await?;
                strike.note(pod.clone(), format!("pod {pod} deleted"));
            }
            PodsAct::Kill(name) | PodsAct::Pause(name) => {
                let (signal, done) = match &strike.fault.act {
                    PodsAct::Pause(_) => ("STOP", "paused"),
                    _ => ("KILL", "killed"),
                };
                // Before the container runs there is nothing to hit.
                match self.signal(&pod, "postgres", signal, name).await {
                    Ok(0) | Err(_) => {}
                    Ok(count) => {
                        strike.note(pod.clone(), format!("{count} processes {name} {done} in {pod}"))
                    }
                }
            }
        }
        Ok(())
    }

    async fn operators_pod(&self) -> Result<String, DrillError> {
        let name = self.release.deployment_name();
        let pod = self.pods_by_now().await?.into_iter().find(|pod| pod.starts_with(name));
        pod.ok_or_else(|| DrillError::step("find the operator", "it has no pod"))
    }

    async fn break_operator(&self, fault: OperatorFault) -> Result<(Kind, String), DrillError> {
        let name = self.release.deployment_name();
        match fault {
            OperatorFault::Pause => {
                let pod = self.operators_pod().await?;
                let count = self.signal(&pod, OPERATOR, "STOP", "*").await?;
                if count == 0 {
                    return Err(DrillError::step("pause the operator", format!("nothing runs in {pod}")));
                }
                Ok((Kind::OperatorPaused(pod, count), format!("{count} processes")))
            }
            OperatorFault::Kill => {
                let api: Api<Pod> = Api::namespaced(self.client(), self.environment.namespace());
                let pod = self.operators_pod().await?;
                api.delete(&pod, &DeleteParams::default().grace_period(0)).await?;
                Ok((Kind::OperatorKilled, format!("pod {pod} deleted")))
            }
            OperatorFault::Stop => {
                let api: Api<Deployment> = Api::namespaced(self.client(), self.environment.namespace());
                let instances = api.get(name).await?.spec.and_then(|spec| spec.replicas).unwrap_or(1);
                self.scale_operator(0).await?;
                Ok((Kind::OperatorStopped(instances.into()), "it is gone".to_owned()))
            }
        }
    }

    /// Waits until the operator has so many pods.
    async fn scale_operator(&self, instances: i64) -> Result<(), DrillError> {
        let name = self.release.deployment_name();
        let api: Api<Deployment> = Api::namespaced(self.client(), self.environment.namespace());
        let changes = json!({ "spec": { "replicas": instances } });
        api.patch(name, &PatchParams::default(), &Patch::Merge(&changes)).await?;
        let scaled = poll(format!("the operator to have {instances} pods"), SCALED, async || {
            let pods = self.pods_as_they_are().await?;
            let theirs = pods.iter().filter(|pod| pod.name_any().starts_with(name)).count();
            Ok::<_, DrillError>(match i64::try_from(theirs) == Ok(instances) {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("{theirs} pods")),
            })
        });
        scaled.await.map_err(DrillError::from)
    }
}
