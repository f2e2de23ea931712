//! The environment that `up` keeps, for clients that see it as they see any cluster: its kubeconfig, logs, ports of
//! pods, several namespaces, and that nobody reaches it once it has ended.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::process::{MIDDLE, Process, Run, descendants};
use clonedrill::observe::data::Connect;
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::secret::Secret;
use futures::{AsyncBufReadExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Secret as KubeSecret};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, LogParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");
const CLUSTER: &str = "acid-outside";
/// For what takes a second or two on a quiet machine.
const SOON: Limit = Limit::seconds(60);

/// An environment that ends with the test, also where an assertion fails.
pub(super) struct Kept {
    name: String,
    folder: tempfile::TempDir,
    run: Run,
}

impl Kept {
    pub(super) fn up(test: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("test-{test}-{}", std::process::id());
        let mut command = in_folder(folder.path());
        command.args(["up", "--name", &name]).args(arguments);
        let mut run = Run::start(command, folder.path().join("output"));
        assert_eq!(run.end_within(MIDDLE).code(), Some(0), "{}", run.said());
        Kept { name, folder, run }
    }

    pub(super) fn kubeconfig(&self) -> Output {
        in_folder(self.folder.path()).args(["kubeconfig", "--name", &self.name]).output().unwrap()
    }

    fn down(&self) -> Output {
        in_folder(self.folder.path()).args(["down", &self.name]).output().unwrap()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        self.down();
    }
}

fn in_folder(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env("TMPDIR", folder).env_remove("CLONEDRILL_SHARE");
    command
}

pub(super) async fn client(kubeconfig: &str) -> Client {
    let parsed = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

#[test]
fn an_environment_that_up_keeps_is_as_any_cluster_to_who_comes_from_outside() {
    let mut kept = Kept::up("outside", &["--namespace", "orders", "drills", "--account", "production"]);
    let printed = kept.kubeconfig();
    assert_eq!(printed.status.code(), Some(0), "{printed:?}");
    let kubeconfig = String::from_utf8(printed.stdout).unwrap();
    let parsed: Value = serde_json::from_str(&kubeconfig).unwrap();
    assert_eq!(parsed["contexts"][0]["context"]["namespace"], "orders");
    let server = parsed["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let address: SocketAddr = server.strip_prefix("https://").unwrap().parse().unwrap();
    assert!(address.ip().is_loopback(), "{address}");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = client(&kubeconfig).await;
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await.unwrap();
        let nodes: Vec<_> = nodes.into_iter().filter_map(|node| node.metadata.name).collect();
        assert_eq!(nodes, ["clonedrill"]);
        tokio::join!(its_logs_are_read(&client), a_cluster_of_the_second_namespace_is_reached(&client));
    });

    let outermost = clonedrill::environment::shared::outermost(&kept.name).unwrap();
    let below = descendants(&[outermost]).into_iter().chain(Process::read(outermost));
    kept.run.seen.extend(below.map(|process| (process.key(), process)));
    assert!(StdStream::connect(address).is_ok());
    let down = kept.down();
    assert_eq!(down.status.code(), Some(0), "{down:?}");
    kept.run.leaves_nothing();
    assert_eq!(StdStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let gone = kept.kubeconfig();
    assert_eq!(gone.status.code(), Some(2), "{gone:?}");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("no environment"), "{gone:?}");
    let mut left: Vec<_> =
        std::fs::read_dir(kept.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["output"]);
}

/// A pod that prints, ends and starts again; the second time it goes on until it is deleted.
async fn its_logs_are_read(client: &Client) {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let script =
        "if test ! -e /state/begun; then echo one; echo two; echo three; touch /state/begun; exit 1; fi
                  trap 'echo asked to end; exit 0' TERM; echo again; while :; do sleep 0.1; done";
    let pod = json!({
        "metadata": { "name": "prints" },
        "spec": {
            "volumes": [{ "name": "state", "emptyDir": {} }],
            "containers": [{
                "name": "it",
                "image": "clonedrill/shell",
                "args": ["-ec", script],
                "volumeMounts": [{ "name": "state", "mountPath": "/state" }],
            }],
        },
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let previous = LogParams { previous: true, ..LogParams::default() };
    let again = poll("the pod to have started again", SOON, async || {
        Ok::<_, kube::Error>(match pods.logs("prints", &previous).await {
            // Of a pod that is not bound yet the API server gives an empty log itself.
            Ok(log) if log.is_empty() => Seen::NotYet("an empty log".to_owned()),
            Ok(log) => Seen::Done(log),
            Err(kube::Error::Api(status)) if status.code == 400 => Seen::NotYet(status.message.clone()),
            Err(error) => return Err(error),
        })
    });
    assert_eq!(again.await.unwrap(), "one\ntwo\nthree\n");
    let last = LogParams { tail_lines: Some(2), limit_bytes: Some(7), ..previous };
    assert_eq!(pods.logs("prints", &last).await.unwrap(), "two\nthr");

    // Followed until the container has ended, which it does because its first line was heard.
    let followed = LogParams { follow: true, timestamps: true, ..LogParams::default() };
    let mut lines = pods.log_stream("prints", &followed).await.unwrap().lines();
    let (first, text) = timed(&lines.try_next().await.unwrap().unwrap());
    assert_eq!(text, "again");
    let since = |since_time| LogParams { since_time: Some(since_time), ..LogParams::default() };
    let minute = Duration::from_secs(60);
    assert_eq!(pods.logs("prints", &since(first - minute)).await.unwrap(), "again\n");
    assert_eq!(pods.logs("prints", &since(first + minute)).await.unwrap(), "");
    pods.delete("prints", &DeleteParams::default()).await.unwrap();
    let (second, text) = timed(&lines.try_next().await.unwrap().unwrap());
    assert_eq!(text, "asked to end");
    assert!(first < second, "{first} {second}");
    assert_eq!(lines.try_next().await.unwrap(), None);
}

fn timed(line: &str) -> (Timestamp, String) {
    let (time, text) = line.split_once(' ').unwrap();
    (time.parse().unwrap(), text.to_owned())
}

/// The operator makes it, its keys are there, its storage is found, and its port is forwarded.
async fn a_cluster_of_the_second_namespace_is_reached(client: &Client) {
    let kind = GroupVersionKind::gvk("acid.zalan.do", "v1", "postgresql");
    let clusters: Api<DynamicObject> = Api::namespaced_with(
        client.clone(),
        "drills",
        &ApiResource::from_gvk_with_plural(&kind, "postgresqls"),
    );
    let key = json!({ "secretKeyRef": { "name": "storage-accounts", "key": "production" } });
    let cluster = json!({
        "apiVersion": "acid.zalan.do/v1",
        "kind": "postgresql",
        "metadata": { "name": CLUSTER },
        "spec": {
            "teamId": "acid",
            "numberOfInstances": 1,
            "volume": { "size": "1Gi" },
            "postgresql": { "version": postgres_major() },
            "users": { "orders": [] },
            "databases": { "orders": "orders" },
            "env": [
                { "name": "AZURE_STORAGE_ACCOUNT", "value": "production" },
                { "name": "AZURE_STORAGE_ACCESS_KEY", "valueFrom": key },
                { "name": "WALG_AZ_PREFIX", "value": "azure://backups/$(SCOPE)/$(PGVERSION)" },
            ],
        },
    });
    clusters.create(&PostParams::default(), &serde_json::from_value(cluster).unwrap()).await.unwrap();
    let running = poll("the cluster to be Running", MIDDLE, async || {
        let status = clusters.get(CLUSTER).await?.data["status"].clone();
        Ok::<_, kube::Error>(match status["PostgresClusterStatus"] == "Running" {
            true => Seen::Done(()),
            false => Seen::NotYet(status.to_string()),
        })
    });
    running.await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "drills");
    let pod = format!("{CLUSTER}-0");
    let backed_up = poll("the first backup", MIDDLE, async || {
        let log = pods.logs(&pod, &LogParams::default()).await?;
        Ok::<_, kube::Error>(match log.contains("Wrote backup with name") {
            true => Seen::Done(()),
            false => Seen::NotYet(log.lines().last().unwrap_or_default().to_owned()),
        })
    });
    backed_up.await.unwrap();

    let secrets: Api<KubeSecret> = Api::namespaced(client.clone(), "drills");
    let credentials = format!("postgres.{CLUSTER}.credentials.postgresql.acid.zalan.do");
    let password = secrets.get(&credentials).await.unwrap().data.unwrap().remove("password").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = Connect {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        user: "postgres".to_owned(),
        password: Secret::new(String::from_utf8(password.0).unwrap()),
        image: None,
    };
    let asked = async {
        let session = connect.open("orders").await.unwrap();
        let row = session.query_one("SELECT 40 + 2, repeat('x', 1000000)", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 42);
        assert_eq!(row.get::<_, String>(1).len(), 1_000_000);
    };
    let forwarded = async {
        let (mut local, _) = listener.accept().await.unwrap();
        let mut forwarder = pods.portforward(&pod, &[5432]).await.unwrap();
        let mut remote = forwarder.take_stream(5432).unwrap();
        tokio::io::copy_bidirectional(&mut local, &mut remote).await.unwrap();
        drop(remote);
        // A server that is left resets the connection where it has not read the last of it, and nobody asks why any more.
        let _ = forwarder.join().await;
    };
    tokio::join!(asked, forwarded);
    nothing_listens_on_another_port(&pods, &pod).await;
}

async fn nothing_listens_on_another_port(pods: &Api<Pod>, pod: &str) {
    let mut forwarder = pods.portforward(pod, &[4711]).await.unwrap();
    let (error, mut stream) = (forwarder.take_error(4711).unwrap(), forwarder.take_stream(4711).unwrap());
    let why = error.await.unwrap_or_default();
    assert!(why.starts_with("error forwarding port 4711 to pod drills/acid-outside-0"), "{why}");
    let mut nothing = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut nothing).await.unwrap();
    assert_eq!(nothing, b"");
}

/// One that this machine has.
fn postgres_major() -> String {
    let output = Command::new(BINARY).args(["tools", "--format", "json"]).output().unwrap();
    let programs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let postgres = programs.iter().find(|program| program["program"] == "postgres").unwrap();
    postgres["version"].as_str().unwrap().split('.').next().unwrap().to_owned()
}
