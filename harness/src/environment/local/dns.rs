//! The sandbox's DNS: services by their endpoints, storage accounts by the gateway of the asking pod's drill.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hickory_proto::op::{Metadata, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
#[allow(deprecated, reason = "Patroni writes Endpoints, and slices mirror them late")]
use k8s_openapi::api::core::v1::Endpoints;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::net::{TcpListener, UdpSocket};

use super::network::DNS;
use crate::environment::EnvironmentError;

const CLUSTER: &str = "svc.cluster.local";
const STORAGE: &str = "blob.core.windows.net";
/// Seconds. Endpoints move when a leader does, so nobody may keep an answer.
const TTL: u32 = 0;

/// Tells which namespace a source address belongs to: a pod's by its address.
pub(super) type NamespaceOf = Arc<dyn Fn(IpAddr) -> Option<String> + Send + Sync>;

/// Which namespace reaches the storage through which gateway, and which hosts it can no longer resolve.
#[derive(Debug, Default)]
pub(super) struct StorageHosts {
    drills: RwLock<HashMap<String, Hosts>>,
}

#[derive(Debug)]
struct Hosts {
    gateway: Ipv4Addr,
    /// How often each was asked for since.
    forgotten: HashMap<String, AtomicU64>,
    /// How often those were that are remembered again.
    asked: HashMap<String, u64>,
}

impl StorageHosts {
    pub(super) fn add(&self, namespace: &str, gateway: Ipv4Addr) {
        let mut drills = self.drills.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        drills.insert(
            namespace.to_owned(),
            Hosts { gateway, forgotten: HashMap::new(), asked: HashMap::new() },
        );
    }

    pub(super) fn remove(&self, namespace: &str) {
        self.drills.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(namespace);
    }

    /// Whether `host` resolves in `namespace` from now on, as every account's does at first.
    pub(super) fn set(&self, namespace: &str, host: &str, resolves: bool) {
        let mut drills = self.drills.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(hosts) = drills.get_mut(namespace) {
            let host = host.to_ascii_lowercase();
            if !resolves {
                hosts.forgotten.entry(host).or_default();
            } else if let Some(asked) = hosts.forgotten.remove(&host) {
                *hosts.asked.entry(host).or_default() += asked.into_inner();
            }
        }
    }

    /// How often pods of `namespace` asked for `host` while it did not resolve.
    pub(super) fn asked_in_vain(&self, namespace: &str, host: &str) -> u64 {
        let drills = self.drills.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(hosts) = drills.get(namespace) else { return 0 };
        let host = host.to_ascii_lowercase();
        let now = hosts.forgotten.get(&host).map_or(0, |asked| asked.load(Ordering::Relaxed));
        now + hosts.asked.get(&host).copied().unwrap_or_default()
    }

    fn resolve(&self, namespace: &str, host: &str) -> Option<Ipv4Addr> {
        let drills = self.drills.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hosts = drills.get(namespace)?;
        match hosts.forgotten.get(host) {
            None => Some(hosts.gateway),
            Some(asked) => {
                asked.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// What the server answers from.
#[derive(Clone)]
pub(super) struct Zones {
    #[allow(deprecated, reason = "see the import")]
    pub endpoints: Store<Endpoints>,
    pub storage: Arc<StorageHosts>,
    pub namespace_of: NamespaceOf,
}

impl Zones {
    /// The addresses of a lower-case name without its last dot; nothing where the name does not exist.
    fn addresses(&self, name: &str, source: IpAddr) -> Option<Vec<Ipv4Addr>> {
        if let Some(service) = name.strip_suffix(CLUSTER).and_then(|rest| rest.strip_suffix('.')) {
            let (service, namespace) = service.rsplit_once('.')?;
            return self.service(service, namespace);
        }
        if name.strip_suffix(STORAGE).is_some_and(|account| account.ends_with('.')) {
            let namespace = (self.namespace_of)(source)?;
            return self.storage.resolve(&namespace, name).map(|address| vec![address]);
        }
        None
    }

    /// The ready endpoints of a service, or of one pod of a headless one (`<pod>.<service>`).
    fn service(&self, service: &str, namespace: &str) -> Option<Vec<Ipv4Addr>> {
        let (pod, service) = match service.rsplit_once('.') {
            Some((pod, service)) => (Some(pod), service),
            None => (None, service),
        };
        let endpoints = self.endpoints.get(&ObjectRef::new(service).within(namespace))?;
        let subsets = endpoints.subsets.iter().flatten();
        let addresses = subsets.flat_map(|subset| subset.addresses.iter().flatten());
        let wanted = addresses.filter(|address| pod.is_none() || address.hostname.as_deref() == pod);
        Some(wanted.filter_map(|address| address.ip.parse().ok()).collect())
    }
}

#[async_trait::async_trait]
impl RequestHandler for Zones {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response: R,
    ) -> ResponseInfo {
        let builder = MessageResponseBuilder::from_message_request(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        let Ok(info) = request.request_info() else {
            return send_error(&mut response, builder, &metadata, ResponseCode::FormErr).await;
        };
        let name = info.query.name().to_string();
        let name = name.trim_end_matches('.');
        let Some(addresses) = self.addresses(name, request.src().ip()) else {
            return send_error(&mut response, builder, &metadata, ResponseCode::NXDomain).await;
        };
        let records: Vec<Record> = match info.query.query_type() {
            RecordType::A => addresses
                .into_iter()
                .map(|address| Record::from_rdata(info.query.name().into(), TTL, RData::A(A(address))))
                .collect(),
            // The name exists, with addresses of the other kind only.
            _ => Vec::new(),
        };
        let message = builder.build(metadata, records.iter(), [], [], []);
        sent(response.send_response(message).await, metadata)
    }
}

async fn send_error<R: ResponseHandler>(
    response: &mut R,
    builder: MessageResponseBuilder<'_>,
    metadata: &Metadata,
    code: ResponseCode,
) -> ResponseInfo {
    let mut metadata = *metadata;
    metadata.response_code = code;
    sent(response.send_response(builder.build_no_records(metadata)).await, metadata)
}

fn sent<E>(result: Result<ResponseInfo, E>, metadata: Metadata) -> ResponseInfo {
    result.unwrap_or_else(|_| {
        // The asker has gone; the server only wants something for its statistics.
        hickory_proto::op::Header { metadata, counts: Default::default() }.into()
    })
}

/// Serves until it is dropped.
///
/// # Errors
/// When port 53 cannot be bound.
pub(super) async fn serve(zones: Zones) -> Result<[Server<Zones>; 2], EnvironmentError> {
    let bind = |source| EnvironmentError::Sandbox { what: "serve DNS".to_owned(), source };
    // One for each kind of socket, since a server has ended only when all of its sockets have.
    let (mut udp, mut tcp) = (Server::new(zones.clone()), Server::new(zones));
    udp.register_socket(UdpSocket::bind((DNS, 53)).await.map_err(bind)?);
    let listener = TcpListener::bind((DNS, 53)).await.map_err(bind)?;
    tcp.register_listener(listener, Duration::from_secs(5), 4096);
    Ok([udp, tcp])
}

/// Waits as long as both serve; why one no longer does.
pub(super) async fn end([mut udp, mut tcp]: [Server<Zones>; 2]) -> String {
    let (kind, ended) = tokio::select! {
        ended = udp.block_until_done() => ("UDP", ended),
        ended = tcp.block_until_done() => ("TCP", ended),
    };
    let why = ended.err().map(|error| error.to_string()).unwrap_or_default();
    format!("it no longer serves {kind}: {why}")
}

#[cfg(test)]
mod tests;
