//! The storage gateway of a drill as a pod: only inside of the cluster can one see which pod asks. It is this very program
//! (`clonedrill storage-gateway`), and is asked through a port that only the API server's way in reaches.

mod line;
mod objects;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use self::line::{Answer, Ask, Line, unexpected};
use self::objects::{pod, secret, service};
use super::names::Names;
use crate::environment::cluster::{Forward, apply};
use crate::environment::protocol::{read, write};
use crate::environment::{EnvironmentError, has_room, is_ready, trouble};
use crate::poll::{Limit, Retry, Seen, TimedOut, poll};
use crate::storage::{
    Access, Authority, AuthorityError, AuthorityPem, Gateway, GatewayError, GatewaySettings, Requests, Rule,
    RuleError, RuleId, RuleState, Who, WhoIs,
};

/// The pod, its Service and its Secret.
pub const SERVICE: &str = "clonedrill-storage-gateway";
/// Where the pod finds what it is to be.
pub const SETTINGS: &str = "/etc/clonedrill/gateway/settings.json";
/// Above those that only root may take.
const PORT: u16 = 8443;
/// On the pod's loopback: other pods do not reach it.
const ASKED: u16 = 8444;
const READY: Limit = Limit::seconds(120);
/// How long connections of the drill may fail to come: without descriptors, say, none can for a while.
const ACCEPT: Limit = Limit::seconds(30);

/// What the pod is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Azurite.
    pub upstream: SocketAddr,
    /// The storage accounts that there are.
    pub accounts: BTreeSet<String>,
    /// Signs the certificates of the accounts' names; the drill's own, which its pods trust.
    pub authority: AuthorityPem,
}

/// Why the gateway's pod does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings, which the drill puts into the pod, are not there.
    #[error("read {SETTINGS}: {0}")]
    Read(std::io::Error),
    /// The settings are of another form: this program and the drill's are not the same.
    #[error("understand {SETTINGS}: {0}")]
    Understand(#[from] serde_json::Error),
    /// The certificate or the key in the settings is none.
    #[error("use the authority: {0}")]
    Authority(#[from] AuthorityError),
    /// The gateway could not start.
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    /// The port for the drill's questions could not be opened.
    #[error("listen for the drill: {0}")]
    Listen(std::io::Error),
    /// For so long no connection of the drill could be accepted that it gave up.
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
}

/// Runs in the pod, until it is killed.
///
/// # Errors
/// When the settings are not there, or a port is not free.
pub async fn serve() -> Result<(), ServeError> {
    let settings: Settings =
        serde_json::from_str(&std::fs::read_to_string(SETTINGS).map_err(ServeError::Read)?)?;
    let authority = Authority::from_pem(settings.authority)?;
    let names = Names::default();
    let gateway = Gateway::start(GatewaySettings {
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
        upstream: settings.upstream,
        authority: &authority,
        accounts: settings.accounts,
        who_is: names.who_is(),
    })
    .await?;
    let served = Arc::new(Served { gateway, names });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ASKED)).await.map_err(ServeError::Listen)?;
    Err(answer_all(listener, served).await.into())
}

/// The gateway, and what it knows of who asks.
struct Served {
    gateway: Gateway,
    names: Names,
}

async fn answer_all(listener: TcpListener, served: Arc<Served>) -> TimedOut {
    let mut retry = Retry::new("a connection of the drill", ACCEPT);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => match retry.failed(error.to_string()).await {
                Ok(()) => continue,
                Err(late) => return late,
            },
        };
        retry.succeeded();
        let served = served.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &served).await {
                tracing::debug!(%error, "an answer did not reach the drill");
            }
        });
    }
}

async fn answer(stream: TcpStream, served: &Served) -> Result<(), EnvironmentError> {
    let Served { gateway, names } = served;
    let refused = |error: RuleError| Answer::Refused { why: error.to_string() };
    let mut stream = BufReader::new(stream);
    let answer = match read(&mut stream).await? {
        None => return Ok(()),
        Some(Ask::Requests) => Answer::Requests { requests: gateway.requests() },
        Some(Ask::Resolve { host }) => {
            let found = tokio::net::lookup_host((host, 443)).await;
            let addresses = found.map(|found| found.map(|address| address.ip()).collect());
            Answer::Resolved { addresses: addresses.unwrap_or_default() }
        }
        Some(Ask::AddRule { rule }) => {
            gateway.add_rule(*rule).map_or_else(refused, |id| Answer::Added { id })
        }
        Some(Ask::EndRule { id }) => {
            gateway.end_rule(id).map_or_else(refused, |state| Answer::Ended { state: Box::new(state) })
        }
        Some(Ask::Rules) => Answer::Rules { rules: gateway.rules() },
        Some(Ask::Unnamed) => Answer::Unnamed { addresses: names.unnamed().await },
        Some(Ask::Name { named }) => {
            names.learn(named);
            Answer::Named
        }
    };
    write(&mut stream, &answer).await
}

/// The gateway of a drill, asked from outside of the cluster.
pub struct RemoteGateway {
    address: IpAddr,
    line: Line,
    _forward: Forward,
    who_is: WhoIs,
    /// Tells the pod whose addresses are, from the first rule on that wants to know.
    naming: Mutex<Option<AbortOnDropHandle<()>>>,
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
        let line = Line { address: forward.address() };
        Ok(RemoteGateway {
            address,
            line,
            _forward: forward,
            who_is,
            naming: Mutex::default(),
            known: Mutex::default(),
        })
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
        match self.line.ask(&Ask::Requests).await? {
            Answer::Requests { mut requests } => {
                self.name(&mut requests.accesses)?;
                Ok(requests)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The addresses that pods of the drill's namespace get for a name; none where it does not exist.
    ///
    /// # Errors
    /// When the pod does not answer.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, EnvironmentError> {
        match self.line.ask(&Ask::Resolve { host: host.to_owned() }).await? {
            Answer::Resolved { addresses } => Ok(addresses),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`Gateway::add_rule`].
    ///
    /// # Errors
    /// When the rule could never act as it says, or the pod does not answer.
    pub async fn add_rule(&self, rule: Rule) -> Result<RuleId, EnvironmentError> {
        if rule.about.asks_for_names() {
            let mut naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
            naming.get_or_insert_with(|| {
                AbortOnDropHandle::new(tokio::spawn(self.line.name_for_ever(self.who_is.clone())))
            });
        }
        match self.line.ask(&Ask::AddRule { rule: Box::new(rule) }).await? {
            Answer::Added { id } => Ok(id),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`Gateway::end_rule`].
    ///
    /// # Errors
    /// When no such rule acts, or the pod does not answer.
    pub async fn end_rule(&self, id: RuleId) -> Result<RuleState, EnvironmentError> {
        match self.line.ask(&Ask::EndRule { id }).await? {
            Answer::Ended { state } => Ok(*state),
            other => Err(unexpected(&other)),
        }
    }

    /// As [`Gateway::rules`].
    ///
    /// # Errors
    /// When the pod does not answer.
    pub async fn rules(&self) -> Result<Vec<RuleState>, EnvironmentError> {
        match self.line.ask(&Ask::Rules).await? {
            Answer::Rules { rules } => Ok(rules),
            other => Err(unexpected(&other)),
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
                *who = Some((self.who_is)(access.source).who).filter(|who| *who != Who::Unknown);
            }
            access.who = who.clone().unwrap_or(Who::Unknown);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Act, Asker, Asking, Often, Selection};

    #[tokio::test]
    async fn a_gateway_elsewhere_has_its_rules_changed_and_learns_whose_pod_asks() {
        let authority = Authority::new().unwrap();
        let names = Names::default();
        let who_is = names.who_is();
        let settings = GatewaySettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            upstream: "127.0.0.1:1".parse().unwrap(),
            authority: &authority,
            accounts: BTreeSet::from(["prod".to_owned()]),
            who_is: who_is.clone(),
        };
        let gateway = Gateway::start(settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Line { address: listener.local_addr().unwrap() };
        let _served = AbortOnDropHandle::new(tokio::spawn(async move {
            answer_all(listener, Arc::new(Served { gateway, names })).await
        }));

        let about = Selection { who: Some(Asking::Cluster("clone".to_owned())), ..Selection::default() };
        let rule = Rule { name: "hang".to_owned(), about, often: Often::Always, act: Act::Hang };
        let Answer::Added { id } = line.ask(&Ask::AddRule { rule: Box::new(rule) }).await.unwrap() else {
            panic!("it was not added")
        };
        let Answer::Ended { state } = line.ask(&Ask::EndRule { id }).await.unwrap() else {
            panic!("it did not end")
        };
        assert_eq!((state.matched, state.hits, state.active), (0, 0, false));
        let again = line.ask(&Ask::EndRule { id }).await.unwrap();
        assert!(matches!(again, Answer::Refused { why } if why.starts_with("find rule 2")));
        let Answer::Rules { rules } = line.ask(&Ask::Rules).await.unwrap() else { panic!("no rules") };
        assert_eq!(rules.len(), 2);

        let pod = Asker { who: Who::Cluster("clone".to_owned()), pod: Some("acid-clone-0".to_owned()) };
        let known = pod.clone();
        let drill: WhoIs = Arc::new(move |_| known.clone());
        let _naming = AbortOnDropHandle::new(tokio::spawn(line.name_for_ever(drill)));
        let named = poll("the pod's name", Limit::seconds(10), async || {
            let asker = who_is("10.244.0.9".parse().unwrap());
            Ok::<_, std::convert::Infallible>(match asker.is_known() {
                true => Seen::Done(asker),
                false => Seen::NotYet("nobody's".to_owned()),
            })
        });
        assert_eq!(named.await.unwrap(), pod);
    }
}
