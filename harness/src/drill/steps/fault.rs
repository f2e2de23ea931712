//! Steps `fault` and `heal`: something breaks, and is whole again.

use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::drill::error::DrillError;
use crate::drill::faults::{Before, Fault, Kind, Strike};
use crate::drill::world::World;
use crate::environment::{Environment, Storage};
use crate::poll::{Limit, Seen, poll};
use crate::scenario::{BlobsFault, FaultStep, OperatorFault, PodsAct, RequestsFault};

use super::damage::damage;
use super::rule;

/// Ends the processes of a name; how many that were stands on the output.
const KILL: &str = r#"n=0; for p in /proc/[0-9]*; do
  read -r comm < $p/comm 2>/dev/null || continue
  case "$comm" in "$0") kill -KILL ${p#/proc/} 2>/dev/null && n=$((n+1)) && continue;; esac
  case "$comm" in python*) tr '\0' ' ' < $p/cmdline 2>/dev/null | grep -Eq "[ /]$0 " && kill -KILL ${p#/proc/} 2>/dev/null && n=$((n+1));; esac
done; echo $n"#;
const KILL_LIMIT: Duration = Duration::from_secs(20);
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
        } else {
            return Err(DrillError::step(format!("begin fault {}", step.name), "it names no kind of fault"));
        };
        self.faults.push(Fault { name: step.name.clone(), kind, healed: false });
        Ok(note)
    }

    pub(super) async fn heal(&mut self, name: &str) -> Result<String, DrillError> {
        let what = format!("heal {name}");
        let index = self.faults.iter().position(|fault| fault.name == name && !fault.healed);
        let index = index.ok_or_else(|| DrillError::step(&what, "no such fault acts"))?;
        match &self.faults[index].kind {
            Kind::Requests(id) => drop(self.storage.end_rule(*id).await?),
            Kind::Blobs(before) => {
                for Before { account, container, name, content, kind } in before {
                    self.blobs(account)?.write(container, name, content.clone(), kind).await?;
                }
            }
            Kind::OperatorStopped(instances) => self.scale_operator(*instances).await?,
            Kind::Pods(_) | Kind::OperatorKilled => {}
        }
        self.faults[index].healed = true;
        let effect = self.effect_of(name).await?;
        effect.ok_or_else(|| DrillError::step(what, format!("fault {name} hit nothing until now")))
    }

    async fn break_requests(&self, name: &str, fault: &RequestsFault) -> Result<(Kind, String), DrillError> {
        let rule = rule::of(name, fault, &|account| self.blobs(account)).await?;
        let id = self.storage.add_rule(rule).await?;
        Ok((Kind::Requests(id), "from now on".to_owned()))
    }

    async fn break_blobs(&self, name: &str, fault: &BlobsFault) -> Result<(Kind, String), DrillError> {
        let before = damage(name, fault, &self.blobs(&fault.account)?).await?;
        let names: Vec<&str> = before.iter().map(|blob| blob.name.as_str()).collect();
        let note = names.join(", ");
        Ok((Kind::Blobs(before), note))
    }

    /// Lets blows fall that have hit nothing yet.
    pub(in crate::drill) async fn strikes(&self) -> Result<(), DrillError> {
        for fault in self.faults.iter().filter(|fault| !fault.healed) {
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
                strike.note(format!("pod {pod} deleted"));
            }
            PodsAct::Kill(name) => {
                let argv = ["sh", "-c", KILL, name];
                // Before the container runs there is nothing to kill.
                let Ok(output) = self.environment.exec(&pod, "postgres", &argv, KILL_LIMIT).await else {
                    return Ok(());
                };
                match output.stdout.trim().parse::<u32>() {
                    Ok(0) | Err(_) => {}
                    Ok(count) => strike.note(format!("{count} processes {name} killed in {pod}")),
                }
            }
        }
        Ok(())
    }

    async fn break_operator(&self, fault: OperatorFault) -> Result<(Kind, String), DrillError> {
        let name = self.release.deployment_name();
        match fault {
            OperatorFault::Kill => {
                let api: Api<Pod> = Api::namespaced(self.client(), self.environment.namespace());
                let pods = self.pods_by_now().await?;
                let pod = pods.into_iter().find(|pod| pod.starts_with(name));
                let pod = pod.ok_or_else(|| DrillError::step("kill the operator", "it has no pod"))?;
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
