//! A place of one test, and the ways to look at its pods.

use std::time::Duration;

use clonedrill::environment::Environment;
use clonedrill::environment::local::LocalEnvironment;
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::toolchain::Tools;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Resource};
use libtest_mimic::Failed;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// For what takes a second or two on a quiet machine.
const SOON: Limit = Limit::seconds(60);
const EXEC: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub tools: Tools,
    pub environment: LocalEnvironment,
}

impl World {
    /// Runs one test in a place of its own.
    pub(crate) fn run(tools: Option<&Tools>, test: impl AsyncFnOnce(&World)) -> Result<(), Failed> {
        let tools = tools.ok_or("the tests are only listed")?.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let environment = LocalEnvironment::join(&tools).await?;
            test(&World { tools, environment }).await;
            Ok(())
        })
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.environment.client(), self.environment.namespace())
    }

    /// Creates an object; the test names only what it is about.
    pub(crate) async fn create<K>(&self, object: Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
    {
        let object: K = serde_json::from_value(object).unwrap();
        self.api::<K>().create(&PostParams::default(), &object).await.unwrap();
    }

    pub(crate) async fn secret(&self, name: &str, data: Value) {
        let object = json!({ "metadata": { "name": name }, "stringData": data });
        self.create::<k8s_openapi::api::core::v1::Secret>(object).await;
    }

    pub(crate) async fn pod(&self, name: &str, spec: Value) {
        self.create::<Pod>(json!({ "metadata": { "name": name }, "spec": spec })).await;
    }

    pub(crate) async fn delete(&self, pod: &str, parameters: &DeleteParams) {
        self.api::<Pod>().delete(pod, parameters).await.unwrap();
    }

    pub(crate) async fn until<T>(&self, name: &str, what: &str, see: impl Fn(&Pod) -> Option<T>) -> T {
        let api = self.api::<Pod>();
        let seen = poll(format!("{name} {what}"), SOON, async || {
            let pod = api.get(name).await?;
            Ok::<_, kube::Error>(match see(&pod) {
                Some(seen) => Seen::Done(seen),
                None => Seen::NotYet(serde_json::to_string(&pod.status).unwrap_or_default()),
            })
        });
        seen.await.unwrap()
    }

    pub(crate) async fn until_phase(&self, name: &str, phase: &str) -> Pod {
        self.until(name, &format!("to be {phase}"), |pod| {
            (pod.status.as_ref()?.phase.as_deref() == Some(phase)).then(|| pod.clone())
        })
        .await
    }

    pub(crate) async fn until_ready(&self, name: &str, ready: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        self.until(name, &format!("to have Ready={status}"), |pod| {
            (condition(pod, "Ready")?.status == status).then(|| pod.clone())
        })
        .await
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        let api = self.api::<Pod>();
        let gone = poll(format!("{name} to be gone"), SOON, async || {
            Ok::<_, kube::Error>(match api.get_opt(name).await? {
                None => Seen::Done(()),
                Some(pod) => Seen::NotYet(format!("{:?}", pod.metadata.deletion_timestamp)),
            })
        });
        gone.await.unwrap();
    }

    /// What one attempt of a container has printed.
    pub(crate) async fn log(&self, pod: &str, container: &str, attempt: u32) -> String {
        let logs = self.environment.container_logs().await.unwrap();
        let of = |log: &&clonedrill::environment::ContainerLog| {
            (log.pod.as_str(), log.container.as_str(), log.attempt) == (pod, container, attempt)
        };
        logs.iter().filter(of).map(|log| log.text.as_str()).collect()
    }

    pub(crate) async fn until_logged(&self, pod: &str, container: &str, attempt: u32, words: &str) -> String {
        let logged = poll(format!("{pod} to print {words:?}"), SOON, async || {
            let log = self.log(pod, container, attempt).await;
            Ok::<_, std::convert::Infallible>(match log.contains(words) {
                true => Seen::Done(log),
                false => Seen::NotYet(log),
            })
        });
        logged.await.unwrap()
    }

    /// Runs a shell command in a container; it must succeed.
    pub(crate) async fn sh(&self, pod: &str, container: &str, script: &str) -> String {
        let output = self.environment.exec(pod, container, &["sh", "-c", script], EXEC).await.unwrap();
        assert_eq!(output.code, 0, "{script}: {}{}", output.stdout, output.stderr);
        output.stdout
    }
}

/// A container that runs a script; `more` are further fields of it.
pub(crate) fn container(name: &str, script: &str, more: Value) -> Value {
    let mut container = json!({ "name": name, "image": "clonedrill/shell", "args": ["-ec", script] });
    if let (Some(fields), Value::Object(more)) = (container.as_object_mut(), more) {
        fields.extend(more);
    }
    container
}

pub(crate) fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let mut all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.find(|status| status.name == container)
}

pub(crate) fn condition<'a>(
    pod: &'a Pod,
    kind: &str,
) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

pub(crate) fn exit_code(status: &ContainerStatus) -> Option<i32> {
    Some(status.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// Runs until it is asked to end.
pub(crate) const RUNS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
