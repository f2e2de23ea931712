//! The storage gateway of a drill as a pod: only inside of the cluster can one see which pod asks. It is this very program
//! (`clonedrill storage-gateway`), and is asked through a port that only the API server's way in reaches.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

use super::PART_LABEL;
use crate::environment::cluster::Forward;
use crate::environment::protocol::{read, write};
use crate::environment::{EnvironmentError, Requests, has_room, trouble};
use crate::operator::{apply, is_ready};
use crate::poll::{Limit, Seen, poll, within};
use crate::storage::{
    Access, Authority, AuthorityError, AuthorityPem, Gateway, GatewayError, GatewaySettings, Who, WhoIs,
};

/// The pod, its Service and its Secret.
pub const SERVICE: &str = "clonedrill-storage-gateway";
/// Where the pod finds what it is to be.
pub const SETTINGS: &str = "/etc/clonedrill/gateway/settings.json";
/// Above those that only root may take.
const PORT: u16 = 8443;
/// On the pod's loopback: other pods do not reach it.
const ASKED: u16 = 8444;
const ANSWER: Duration = Duration::from_secs(60);
const READY: Limit = Limit::seconds(120);

/// What the pod is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Azurite.
    pub upstream: SocketAddr,
    /// The storage accounts that there are.
    pub accounts: BTreeSet<String>,
    pub authority: AuthorityPem,
}

/// What a drill asks its gateway, one request a connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Ask {
    Requests,
    /// Whether a name resolves in this pod.
    Resolve {
        host: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
enum Answer {
    Requests { requests: Requests },
    Resolved { addresses: Vec<IpAddr> },
}

/// Why the gateway's pod does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("read {SETTINGS}: {0}")]
    Read(std::io::Error),
    #[error("understand {SETTINGS}: {0}")]
    Understand(#[from] serde_json::Error),
    #[error("use the authority: {0}")]
    Authority(#[from] AuthorityError),
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    #[error("listen for the drill: {0}")]
    Listen(std::io::Error),
}

/// Runs in the pod, until it is killed.
///
/// # Errors
/// When the settings are not there, or a port is not free.
pub async fn serve() -> Result<(), ServeError> {
    let settings: Settings =
        serde_json::from_str(&std::fs::read_to_string(SETTINGS).map_err(ServeError::Read)?)?;
    let authority = Authority::from_pem(settings.authority)?;
    let gateway = Gateway::start(GatewaySettings {
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
        upstream: settings.upstream,
        authority: &authority,
        accounts: settings.accounts,
        // The drill knows whose an address is.
        who_is: Arc::new(|_| Who::Unknown),
    })
    .await?;
    let gateway = Arc::new(gateway);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ASKED)).await.map_err(ServeError::Listen)?;
    loop {
        let (stream, _) = listener.accept().await.map_err(ServeError::Listen)?;
        let gateway = gateway.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &gateway).await {
                tracing::debug!(%error, "an answer did not reach the drill");
            }
        });
    }
}

async fn answer(stream: TcpStream, gateway: &Gateway) -> Result<(), EnvironmentError> {
    let mut stream = BufReader::new(stream);
    let answer = match read(&mut stream).await? {
        None => return Ok(()),
        Some(Ask::Requests) => Answer::Requests { requests: gateway.requests() },
        Some(Ask::Resolve { host }) => {
            let found = tokio::net::lookup_host((host, 443)).await;
            let addresses = found.map(|found| found.map(|address| address.ip()).collect());
            Answer::Resolved { addresses: addresses.unwrap_or_default() }
        }
    };
    write(&mut stream, &answer).await
}

/// The gateway of a drill, asked from outside of the cluster.
pub struct RemoteGateway {
    address: IpAddr,
    forward: Forward,
    who_is: WhoIs,
    /// Who asked, of those requests of which that is known: an address may become another pod's.
    known: Mutex<Vec<Option<Who>>>,
}

impl RemoteGateway {
    /// Makes the pod and waits until it serves.
    ///
    /// # Errors
    /// When the API server refuses, or the pod does not come up.
    pub async fn start(
        client: &Client,
        streams: Client,
        namespace: &str,
        image: &str,
        settings: &Settings,
        who_is: WhoIs,
    ) -> Result<Self, EnvironmentError> {
        let settings = serde_json::to_string(settings)
            .map_err(|error| EnvironmentError::Connection(format!("tell the storage gateway: {error}")))?;
        for object in [secret(&settings), service(), pod(image)] {
            let applied = apply(client, namespace, &object).await;
            applied.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
        }
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let ready = poll("the storage gateway's pod", READY, async || {
            let pod = pods.get(SERVICE).await?;
            has_room(std::slice::from_ref(&pod))?;
            Ok::<_, EnvironmentError>(match is_ready(&pod) {
                true => Seen::Done(()),
                false => Seen::NotYet(trouble(&pod).unwrap_or_else(|| "it is not ready".to_owned())),
            })
        });
        ready.await?;
        let services: Api<Service> = Api::namespaced(client.clone(), namespace);
        let address = services.get(SERVICE).await?.spec.and_then(|spec| spec.cluster_ip?.parse().ok());
        let address = address.ok_or_else(|| {
            EnvironmentError::Connection("find the storage gateway: its Service has no address".to_owned())
        })?;
        let forward = Forward::to(streams, namespace, SERVICE, ASKED).await;
        let forward = forward.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
        Ok(RemoteGateway { address, forward, who_is, known: Mutex::default() })
    }

    /// What pods resolve the accounts' names to.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// All requests so far.
    ///
    /// # Errors
    /// When the pod does not answer, or has forgotten some.
    pub async fn requests(&self) -> Result<Requests, EnvironmentError> {
        match self.ask(&Ask::Requests).await? {
            Answer::Requests { mut requests } => {
                self.name(&mut requests.accesses)?;
                Ok(requests)
            }
            Answer::Resolved { .. } => Err(unexpected()),
        }
    }

    /// The addresses that pods of the drill's namespace get for a name; none where it does not exist.
    ///
    /// # Errors
    /// When the pod does not answer.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, EnvironmentError> {
        match self.ask(&Ask::Resolve { host: host.to_owned() }).await? {
            Answer::Resolved { addresses } => Ok(addresses),
            Answer::Requests { .. } => Err(unexpected()),
        }
    }

    fn name(&self, accesses: &mut [Access]) -> Result<(), EnvironmentError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if accesses.len() < known.len() {
            let why =
                format!("it knows {} requests, and knew {}: it was restarted", accesses.len(), known.len());
            return Err(EnvironmentError::Part {
                part: "the storage gateway".to_owned(),
                why,
                log: Vec::new(),
            });
        }
        known.resize(accesses.len(), None);
        for (access, who) in accesses.iter_mut().zip(known.iter_mut()) {
            if who.is_none() {
                *who = Some((self.who_is)(access.source)).filter(|who| *who != Who::Unknown);
            }
            access.who = who.clone().unwrap_or(Who::Unknown);
        }
        Ok(())
    }

    async fn ask(&self, ask: &Ask) -> Result<Answer, EnvironmentError> {
        let asked = async {
            let connected = TcpStream::connect(self.forward.address()).await;
            let connected = connected.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
            let mut stream = BufReader::new(connected);
            write(&mut stream, ask).await?;
            read(&mut stream).await
        };
        within("the storage gateway's answer", ANSWER, asked).await??.ok_or_else(unexpected)
    }
}

fn unexpected() -> EnvironmentError {
    EnvironmentError::Connection("ask the storage gateway: it has not answered".to_owned())
}

fn secret(settings: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": SERVICE, "labels": { PART_LABEL: SERVICE } },
        "stringData": { "settings.json": settings },
    })
}

fn service() -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": SERVICE, "labels": { PART_LABEL: SERVICE } },
        "spec": { "selector": { PART_LABEL: SERVICE }, "ports": [{ "port": 443, "targetPort": PORT }] },
    })
}

fn pod(image: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": SERVICE, "labels": { PART_LABEL: SERVICE } },
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "gateway",
                "image": image,
                "imagePullPolicy": "Never",
                "args": ["storage-gateway"],
                "readinessProbe": { "tcpSocket": { "port": PORT }, "periodSeconds": 1 },
                "volumeMounts": [{ "name": "settings", "mountPath": "/etc/clonedrill/gateway", "readOnly": true }],
            }],
            "volumes": [{ "name": "settings", "secret": { "secretName": SERVICE } }],
        },
    })
}
