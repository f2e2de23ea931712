//! A drill's place in a kind cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::logs::NamespaceLogs;
use super::places::InKind;
use super::storage::KindStorage;
use super::{AUTHORITY, CERTIFICATES};
use crate::environment::cluster::Forward;
use crate::environment::protocol::{Place, Request, Response};
use crate::environment::{
    ContainerLog, Description, Environment, EnvironmentError, ExecOutput, StorageError, StorageWanted,
    api_client, shared,
};
use crate::poll::within;
use crate::toolchain::Tools;

/// A namespace in a cluster that stands.
const PLACE: Duration = Duration::from_secs(120);
/// What a shell says of a program that was killed for its time.
const KILLED: i32 = 137;

/// A namespace of a kind cluster. It is removed when this is dropped.
pub struct KindEnvironment {
    place: Place,
    in_kind: InKind,
    client: Client,
    streams: Client,
    logs: NamespaceLogs,
    /// By the pod's UID and its port.
    forwards: Mutex<BTreeMap<(String, u16), Forward>>,
    _lease: BufReader<UnixStream>,
}

impl Environment for KindEnvironment {
    type Storage = KindStorage;

    const DESCRIPTION: &'static Description = &super::DESCRIPTION;

    async fn take_place(name: &str, tools: &Tools) -> Result<Self, EnvironmentError> {
        let request = Request::Join { namespaces: Vec::new(), tools: Box::new(tools.clone()) };
        let joined = within("a place in the kind cluster", PLACE, shared::talk(name, &request)).await??;
        let (lease, place) = match joined {
            (lease, Some(Response::Joined(place))) => (lease, *place),
            (_, Some(Response::Failed { why })) => return Err(EnvironmentError::Failed(why)),
            _ => return Err(EnvironmentError::Connection("it has not answered".to_owned())),
        };
        let in_kind = serde_json::from_value(place.own.clone());
        let in_kind: InKind = in_kind
            .map_err(|_| EnvironmentError::Connection(format!("join {name}: it is no kind cluster")))?;
        let streams = api_client::unlimited(place.kubeconfig.reveal()).await?;
        let client = api_client::client(place.kubeconfig.reveal()).await?;
        let logs = NamespaceLogs::follow(client.clone(), streams.clone(), &place.namespace);
        let forwards = Mutex::default();
        Ok(KindEnvironment { place, in_kind, client, streams, logs, forwards, _lease: lease })
    }

    fn client(&self) -> Client {
        self.client.clone()
    }

    fn namespace(&self) -> &str {
        &self.place.namespace
    }

    fn operator_settings(&self) -> Map<String, Value> {
        let mount = json!({
            "additional_secret_mount": AUTHORITY,
            "additional_secret_mount_path": CERTIFICATES,
        });
        Map::from_iter([("aws_or_gcp".to_owned(), mount)])
    }

    fn postgres_majors(&self) -> Option<Vec<u16>> {
        // Where nothing tells, an image has every major that its release's manifests may name.
        Some(self.in_kind.postgres_majors.clone().unwrap_or_else(|| (10..=40).collect()))
    }

    async fn storage(&self, wanted: StorageWanted<'_>) -> Result<KindStorage, StorageError> {
        let clients = (self.client.clone(), self.streams.clone());
        KindStorage::make(wanted, &self.place, &self.in_kind, clients).await
    }

    async fn reach(&self, pod: &Pod, port: u16) -> Result<Option<SocketAddr>, EnvironmentError> {
        let key = (pod.uid().unwrap_or_default(), port);
        let mut forwards = self.forwards.lock().await;
        if let Some(forward) = forwards.get(&key) {
            return Ok(Some(forward.address()));
        }
        let forward = Forward::to(self.streams.clone(), self.namespace(), &pod.name_any(), port).await;
        let forward = forward.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
        let address = forward.address();
        forwards.insert(key, forward);
        Ok(Some(address))
    }

    async fn container_logs(&self) -> Result<Vec<ContainerLog>, EnvironmentError> {
        self.logs.all().await
    }

    async fn exec(
        &self,
        pod: &str,
        container: &str,
        argv: &[&str],
        limit: Duration,
    ) -> Result<ExecOutput, EnvironmentError> {
        let what = format!("the end of {} in {pod}", argv.first().unwrap_or(&"a program"));
        // Nothing in the container ends with the connection; what hangs is killed there, a moment before we give up.
        let seconds = limit.as_secs().max(1).to_string();
        let argv = ["timeout", "--signal=KILL", seconds.as_str()].into_iter().chain(argv.iter().copied());
        let params = AttachParams::default().container(container).stdin(false).stdout(true).stderr(true);
        let pods: Api<Pod> = Api::namespaced(self.streams.clone(), self.namespace());
        let ran = async {
            let mut process = pods.exec(pod, argv, &params).await?;
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let status = process.take_status();
            let (out, err) = (process.stdout(), process.stderr());
            let read_out = async {
                if let Some(mut out) = out {
                    let _ = out.read_to_end(&mut stdout).await;
                }
            };
            let read_err = async {
                if let Some(mut err) = err {
                    let _ = err.read_to_end(&mut stderr).await;
                }
            };
            tokio::join!(read_out, read_err);
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            let Some(code) = status.and_then(|status| exit_code(&status)) else {
                return Err(EnvironmentError::Connection(format!(
                    "run a program in {pod}: nobody says how it ended"
                )));
            };
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Ok(ExecOutput { code, stdout: text(stdout), stderr: text(stderr) })
        };
        let output = within(what.clone(), limit + Duration::from_secs(10), ran).await??;
        if output.code == KILLED {
            let last = "it was killed".to_owned();
            return Err(crate::poll::TimedOut { what, after: limit, last }.into());
        }
        Ok(output)
    }
}

/// As the API server's `exec` tells it: `Success`, or a failure with the code as one of its causes.
fn exit_code(status: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    code.and_then(|cause| cause.message.as_ref()?.parse().ok())
}
