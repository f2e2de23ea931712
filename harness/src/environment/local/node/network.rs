//! Pod networks: a network namespace each, joined to the bridge by a veth pair.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::TryStreamExt;
use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use tokio::net::TcpStream;

/// The bridge's own address: every pod's default route.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const PREFIX: u8 = 16;
/// Locally administered, with 10.244.0.1 in it.
const BRIDGE_ADDRESS: [u8; 6] = [0x02, 0x00, 10, 244, 0, 1];
/// The index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;
/// Within one machine a port answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(10);

/// The kernel's refusal to make a part of a pod's network.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct NetworkError {
    what: String,
    why: String,
}

fn during<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> NetworkError {
    move |error| NetworkError { what: what.to_owned(), why: error.to_string() }
}

/// Makes pod networks on one bridge.
pub(super) struct Networks {
    host: Handle,
    bridge: u32,
}

/// A pod's network. Letting go of it, once no process is in it, removes it with its link.
#[derive(Debug)]
pub(super) struct PodNetwork {
    namespace: File,
}

impl PodNetwork {
    /// Leads to the namespace for as long as this value lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd()).into()
    }

    /// Connects to a port of the pod's `localhost`, as kubelet forwards ports: also what listens nowhere else is reached.
    ///
    /// # Errors
    /// When nothing listens there.
    pub(super) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let namespace = self.namespace.try_clone()?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // A thread of its own, since it does not come back from the pod. A socket stays where it was made.
        std::thread::Builder::new().spawn(move || {
            let entered = setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
            let _ = sender.send(entered.and_then(|()| connect_to_localhost(port)));
        })?;
        let stream = receiver.await.map_err(|_| io::Error::other("the thread that connects has ended"))??;
        stream.set_nonblocking(true)?;
        TcpStream::from_std(stream)
    }
}

fn connect_to_localhost(port: u16) -> io::Result<StdStream> {
    let connect = |address: IpAddr| StdStream::connect_timeout(&SocketAddr::new(address, port), CONNECT);
    connect(Ipv4Addr::LOCALHOST.into())
        .or_else(|error| connect(Ipv6Addr::LOCALHOST.into()).map_err(|_| error))
}

/// The networks of the pods that run, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct PodNetworks(HashMap<(String, String), Weak<PodNetwork>>);

impl PodNetworks {
    /// It is found for as long as somebody else holds it.
    pub(super) fn add(&mut self, namespace: String, pod: String, network: &Arc<PodNetwork>) {
        self.0.retain(|_, network| network.strong_count() > 0);
        self.0.insert((namespace, pod), Arc::downgrade(network));
    }

    pub(super) fn get(&self, namespace: &str, pod: &str) -> Option<Arc<PodNetwork>> {
        self.0.get(&(namespace.to_owned(), pod.to_owned()))?.upgrade()
    }
}

impl Networks {
    pub(super) async fn on(bridge: &str) -> Result<Self, NetworkError> {
        let (connection, host, _) = new_connection().map_err(during("open netlink"))?;
        tokio::spawn(connection);
        let bridge = index(&host, bridge).await.map_err(during("find the bridge"))?;
        // Otherwise the bridge takes the lowest address of its ports: it would change under the pods that talk
        // through it whenever another pod comes or goes.
        let fixed = LinkUnspec::new_with_index(bridge).address(BRIDGE_ADDRESS.to_vec()).build();
        host.link().change(fixed).execute().await.map_err(during("fix the bridge's address"))?;
        Ok(Networks { host, bridge })
    }

    pub(super) async fn create(&self, address: Ipv4Addr) -> Result<PodNetwork, NetworkError> {
        let (namespace, inside) = new_namespace().await?;
        let [_, _, high, low] = address.octets();
        let (outer, inner) = (format!("pod{high}-{low}"), format!("tmp{high}-{low}"));
        let made = self.join(&namespace, &inside, address, (&outer, &inner)).await;
        if made.is_err() {
            // The next try needs the name; its other end goes with it.
            if let Ok(outer) = index(&self.host, &outer).await {
                let _ = self.host.link().del(outer).execute().await;
            }
        }
        made.map(|()| PodNetwork { namespace })
    }

    async fn join(
        &self,
        namespace: &File,
        inside: &Handle,
        address: Ipv4Addr,
        (outer, inner): (&str, &str),
    ) -> Result<(), NetworkError> {
        let links = self.host.link();
        links.add(LinkVeth::new(outer, inner).build()).execute().await.map_err(during("add a veth pair"))?;
        let before = index(&self.host, inner).await.map_err(during("find the pod's link"))?;
        let outer = index(&self.host, outer).await.map_err(during("find the node's link"))?;
        let change = |link| links.change(link).execute();
        let moved = LinkUnspec::new_with_index(before).setns_by_fd(namespace.as_raw_fd()).build();
        change(moved).await.map_err(during("move the link into the pod"))?;
        let joined = LinkUnspec::new_with_index(outer).controller(self.bridge).up().build();
        change(joined).await.map_err(during("join the bridge"))?;
        let links = inside.link();
        let change = |link| links.change(link).execute();
        // Its number is another where the namespace was born with links of its own (`sit0`).
        let inner = index(inside, inner).await.map_err(during("find the pod's link again"))?;
        let link = LinkUnspec::new_with_index(inner).name("eth0").up().build();
        change(link).await.map_err(during("start the pod's link"))?;
        let lo = LinkUnspec::new_with_index(LOOPBACK).up().build();
        change(lo).await.map_err(during("start the pod's loopback"))?;
        let add = inside.address().add(inner, IpAddr::V4(address), PREFIX);
        add.execute().await.map_err(during("set the pod's address"))?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(GATEWAY).build();
        inside.route().add(route).execute().await.map_err(during("set the pod's route"))
    }
}

/// A fresh network namespace, and netlink inside it. A thread enters it, since a namespace is made by being entered.
async fn new_namespace() -> Result<(File, Handle), NetworkError> {
    let runtime = tokio::runtime::Handle::current();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        let _runtime = runtime.enter();
        // Nobody waits any more when the pod is gone already.
        let _ = sender.send(enter_new_namespace());
    });
    thread.map_err(during("start a thread for the pod's network namespace"))?;
    let entered = receiver.await.map_err(during("make the pod's network namespace"))?;
    let (namespace, connection, handle) = entered?;
    tokio::spawn(connection);
    Ok((namespace, handle))
}

type Entered<C> = (File, C, Handle);

fn enter_new_namespace() -> Result<Entered<impl Future<Output = ()> + Send + 'static>, NetworkError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(during("make the pod's network namespace"))?;
    let namespace =
        File::open("/proc/thread-self/ns/net").map_err(during("hold the pod's network namespace"))?;
    let (connection, handle, _) = new_connection().map_err(during("open netlink in the pod"))?;
    Ok((namespace, connection, handle))
}

async fn index(handle: &Handle, name: &str) -> Result<u32, String> {
    let mut found = handle.link().get().match_name(name.to_owned()).execute();
    match found.try_next().await {
        Ok(Some(link)) => Ok(link.header.index),
        Ok(None) => Err(format!("there is no link \"{name}\"")),
        Err(error) => Err(format!("link \"{name}\": {error}")),
    }
}
