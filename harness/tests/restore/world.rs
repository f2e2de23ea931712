//! A cluster that exists: an environment that `up` keeps, seen from outside, which ends with the test.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clonedrill::poll::{Limit, Seen, poll};
use futures::future::join_all;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::command::{Ended, Running, clonedrill};
use crate::process::{MIDDLE, Run};

/// The namespace of the sources.
pub(crate) const ORDERS: &str = "orders";
pub(crate) const ACCOUNT: &str = "production";
/// Made by the operator for a namespace, when it has its first cluster: all that come later use them too.
const OF_NAMESPACE: [&str; 2] = ["ServiceAccount postgres-pod ", "RoleBinding postgres-pod "];
/// For what takes a second or two on a quiet machine.
pub(crate) const SOON: Limit = Limit::seconds(60);
const COLLECTED: Limit = Limit::seconds(20);

/// Does all of these, in each namespace one after the other; gives what came of them in the order in which they ended.
pub(crate) fn one_in_each<T, R: Send>(
    namespaces: &[&str],
    todo: impl Iterator<Item = T> + Send,
    work: impl Fn(T, &str) -> R + Sync,
) -> Vec<R> {
    let (queue, done) = (Mutex::new(todo), Mutex::new(Vec::new()));
    let (queue, done, work) = (&queue, &done, &work);
    std::thread::scope(|scope| {
        for namespace in namespaces {
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(next) = next else { return };
                    let came = work(next, namespace);
                    done.lock().unwrap().push(came);
                }
            });
        }
    });
    std::mem::take(&mut *done.lock().unwrap())
}

/// Ends it, also where an assertion fails.
struct Kept {
    name: String,
    folder: tempfile::TempDir,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = clonedrill(self.folder.path()).args(["down", &self.name]).output();
    }
}

pub(crate) struct World {
    pub runtime: Runtime,
    pub client: Client,
    /// The administrator's.
    pub kubeconfig: Value,
    kept: Kept,
}

impl World {
    /// An operator that watches [`ORDERS`] and these namespaces, and a storage account.
    pub(crate) fn up(test: &str, namespaces: &[&str]) -> Self {
        Self::up_with(test, namespaces, &[])
    }

    /// The same with more storage accounts.
    pub(crate) fn up_with(test: &str, namespaces: &[&str], accounts: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("test-{test}-{}", std::process::id());
        let mut command = clonedrill(folder.path());
        command.args(["up", "--name", &name, "--account", ACCOUNT]).args(accounts);
        command.args(["--namespace", ORDERS]).args(namespaces);
        let mut up = Run::start(command, folder.path().join("up"));
        let kept = Kept { name, folder };
        assert_eq!(up.end_within(MIDDLE).code(), Some(0), "{}", up.said());
        let printed =
            clonedrill(kept.folder.path()).args(["kubeconfig", "--name", &kept.name]).output().unwrap();
        let kubeconfig: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let client = runtime.block_on(client(&kubeconfig));
        let world = World { runtime, client, kubeconfig, kept };
        world.file("kubeconfig", &world.kubeconfig.to_string());
        world
    }

    /// As the environment is known.
    pub(crate) fn name(&self) -> &str {
        &self.kept.name
    }

    pub(crate) fn folder(&self) -> &Path {
        self.kept.folder.path()
    }

    /// A file in the test's folder that only its user may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        let file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
        path
    }

    /// Starts `clonedrill` as the administrator, unless the arguments name another kubeconfig.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = clonedrill(self.folder());
        command.args(arguments).env("KUBECONFIG", self.folder().join("kubeconfig"));
        Running::start(command, self.folder())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Every object of a namespace, of whatever kind, with its version.
    pub(crate) fn objects(&self, namespace: &str) -> BTreeMap<String, String> {
        self.runtime.block_on(self.all_objects(namespace))
    }

    /// Waits until they are these again: what the drill or the operator owned, the garbage collector removes a moment later.
    pub(crate) fn is_again(&self, namespace: &str, before: &BTreeMap<String, String>) {
        let same = async || {
            let now = self.all_objects(namespace).await;
            Ok(if now == *before { Ok(()) } else { Err(format!("{:?}", changed(before, &now))) })
        };
        let what = format!("the namespace {namespace} to be as it was before");
        self.runtime.block_on(until(&what, COLLECTED, same));
    }

    /// Events are no objects of anybody.
    async fn all_objects(&self, namespace: &str) -> BTreeMap<String, String> {
        let discovery = Discovery::new(self.client.clone()).run().await.unwrap();
        let kinds = discovery.groups().flat_map(kube::discovery::ApiGroup::resources_by_stability);
        let kinds = kinds.filter(|(kind, capabilities)| {
            capabilities.scope == Scope::Namespaced
                && capabilities.supports_operation(verbs::LIST)
                && kind.kind != "Event"
        });
        let lists = join_all(kinds.map(|(kind, _)| async move {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind);
            let listed = api.list(&ListParams::default()).await.unwrap();
            let object = |object: DynamicObject| {
                let uid = object.uid().unwrap_or_default();
                let version = object.resource_version().unwrap_or_default();
                (format!("{} {} {uid}", kind.kind, object.name_any()), version)
            };
            listed.items.into_iter().map(object).collect::<Vec<_>>()
        }));
        let all = lists.await.into_iter().flatten();
        all.filter(|(object, _)| !OF_NAMESPACE.iter().any(|made| object.starts_with(made))).collect()
    }

    /// Makes an object of any kind in a namespace.
    pub(crate) fn create(&self, namespace: &str, object: &Value) {
        self.runtime.block_on(async {
            let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
            let api = self.of_kind(namespace, &object);
            api.create(&PostParams::default(), &object).await.unwrap();
        });
    }

    pub(crate) fn of_kind(&self, namespace: &str, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.as_ref().unwrap();
        let kind = GroupVersionKind::try_from(types).unwrap();
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::from_gvk(&kind))
    }
}

pub(crate) async fn client(kubeconfig: &Value) -> Client {
    let parsed: Kubeconfig = serde_json::from_value(kubeconfig.clone()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Waits for what the API server has to say; `look` gives what it saw instead.
pub(crate) async fn until<T>(
    what: &str,
    limit: Limit,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>, kube::Error>,
) -> T {
    let waited = poll(what, limit, async || {
        Ok::<_, kube::Error>(match look().await? {
            Ok(value) => Seen::Done(value),
            Err(seen) => Seen::NotYet(seen),
        })
    });
    waited.await.unwrap()
}

/// What has come, gone or changed.
fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let other = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, word: &str| {
        let differ = a.iter().filter(|(object, version)| b.get(*object) != Some(*version));
        differ.map(|(object, _)| format!("{word} {object}")).collect::<Vec<_>>()
    };
    [other(before, now, "before:"), other(now, before, "now:")].concat()
}
