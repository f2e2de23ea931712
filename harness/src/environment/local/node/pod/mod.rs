//! One pod, from its binding to the end of its object.

mod attempt;
mod container;
mod publish;
mod sidecars;
mod termination;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::network::PodNetwork;
use super::restart::RestartPolicy;
use super::shared::Shared;
use super::spec::PodFacts;
use super::status::{ContainerView, PodView};
use super::volumes::{Access, Maker, Volumes, keep_fresh};
use crate::poll::{Limit, Patience};

use self::sidecars::Sidecars;
pub(super) use self::termination::Known;
use self::termination::{Stop, follow_deletion};

/// What all containers of a running pod share.
struct PodRun {
    shared: Arc<Shared>,
    /// A container that starts again meets the pod as it is by then.
    known: watch::Receiver<Known>,
    namespace: String,
    name: String,
    uid: String,
    policy: RestartPolicy,
    address: Ipv4Addr,
    network: Arc<PodNetwork>,
    volumes: Volumes,
    view: watch::Sender<PodView>,
}

impl PodRun {
    fn facts(&self) -> PodFacts<'_> {
        PodFacts {
            shared: &self.shared,
            pod: self.pod(),
            address: self.address,
            network: self.network.path(),
            volumes: &self.volumes.folders,
        }
    }

    fn pod(&self) -> Arc<Pod> {
        self.known.borrow().pod.clone()
    }

    fn grace(&self) -> Duration {
        let pod = self.pod();
        let grace = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        Duration::from_secs(u64::try_from(grace.unwrap_or(30)).unwrap_or(0))
    }
}

/// How long a pod's network and volumes are tried for before what is missing is shown.
const TRY: Limit = Limit {
    total: Duration::from_secs(2),
    first_interval: Duration::from_millis(20),
    longest_interval: Duration::from_millis(250),
};

/// Runs a pod until its object is gone. `known` gives what the API server last said of it.
pub(super) async fn run(shared: Arc<Shared>, pod: Arc<Pod>, known: watch::Receiver<Known>) {
    // From the first moment on: of a pod that is going already no container may start.
    let (stop_sender, stop) = watch::channel(termination::stop_for(&known.borrow()));
    let (view, views) = watch::channel(first_view(&pod));
    // All in this one task, so that a panic in any is heard of: the API server would go on saying what it said last.
    let others = async {
        tokio::join!(
            follow_deletion(known.clone(), stop_sender),
            publish::publish(shared.client.clone(), known.clone(), views)
        );
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = run_to_its_end(&shared, &pod, known.clone(), view, stop) => {}
        () = others => {}
    }
}

async fn run_to_its_end(
    shared: &Arc<Shared>,
    pod: &Arc<Pod>,
    known: watch::Receiver<Known>,
    view: watch::Sender<PodView>,
    stop: watch::Receiver<Stop>,
) {
    let folder = shared.state.join("pods").join(pod.metadata.uid.as_deref().unwrap_or_default());
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let (name, uid) = (pod.metadata.name.as_deref(), pod.metadata.uid.as_deref());
    shared.logs.begin_pod(&namespace, name.unwrap_or_default(), uid.unwrap_or_default());
    let address = shared.addresses.take(&namespace);
    match address {
        Some(address) => {
            let mut stopped = stop.clone();
            let prepared = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop != Stop::No) => None,
                run = prepare(shared, pod, address, &folder, view, known.clone()) => Some(run),
            };
            if let Some(run) = prepared {
                run_containers(run, stop.clone()).await;
            }
        }
        None => show(&view, "every pod address is in use".to_owned()),
    }
    termination::finish(&shared.client, known, pod).await;
    if let Some(address) = address {
        shared.addresses.give_back(address);
    }
    // What cannot be removed goes with the tmpfs.
    let _ = std::fs::remove_dir_all(&folder);
}

fn first_view(pod: &Pod) -> PodView {
    let spec = pod.spec.as_ref();
    let views = |containers: &[Container], waits_because: &str| {
        containers
            .iter()
            .map(|one| ContainerView::new(&one.name, one.image.as_deref().unwrap_or_default(), waits_because))
            .collect::<Vec<_>>()
    };
    let inits = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let waits_because = if inits.is_empty() { "ContainerCreating" } else { "PodInitializing" };
    PodView {
        since: Timestamp::now(),
        address: None,
        policy: RestartPolicy::of_pod(spec.and_then(|spec| spec.restart_policy.as_deref())),
        inits: views(inits, "PodInitializing"),
        containers: views(spec.map(|spec| spec.containers.as_slice()).unwrap_or_default(), waits_because),
        trouble: None,
    }
}

/// Binds the pod and makes its network and volumes. Tries until all is there; what stands in the way is shown in the
/// status.
async fn prepare(
    shared: &Arc<Shared>,
    pod: &Arc<Pod>,
    address: Ipv4Addr,
    folder: &std::path::Path,
    view: watch::Sender<PodView>,
    known: watch::Receiver<Known>,
) -> PodRun {
    let mut patience = Patience::new("a pod's binding", TRY);
    while let Err(error) = super::binding::bind(&shared.client, pod).await {
        if known.borrow().pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
            // The answer was lost, and it is bound.
            break;
        }
        show_and_pause(&view, &mut patience, error.to_string()).await;
    }
    let ip = address.to_string();
    let many_users = super::spec::has_many_users(shared, pod);
    let access = Access::of(pod, super::spec::is_root(shared, pod), many_users);
    let maker = Maker { client: &shared.client, claims: &shared.claims, pod, pod_ip: &ip, folder, access };
    let network = async {
        let mut patience = Patience::new("a pod's network", TRY);
        loop {
            match shared.networks.create(address).await {
                Ok(network) => return network,
                Err(error) => show_and_pause(&view, &mut patience, error.to_string()).await,
            }
        }
    };
    let volumes = async {
        let mut patience = Patience::new("a pod's volumes", TRY);
        loop {
            match maker.make_all().await {
                Ok(volumes) => return volumes,
                Err(error) => show_and_pause(&view, &mut patience, error.to_string()).await,
            }
        }
    };
    let (network, volumes) = tokio::join!(network, volumes);
    view.send_modify(|view| {
        view.address = Some(ip.clone());
        view.trouble = None;
    });
    let metadata = &pod.metadata;
    let network = Arc::new(network);
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    shared.pod_networks().add(namespace.unwrap_or_default(), name.unwrap_or_default(), &network);
    let policy = view.borrow().policy;
    PodRun {
        shared: shared.clone(),
        known,
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        policy,
        address,
        network,
        volumes,
        view,
    }
}

/// Says what stands in the way once it has stood there for a while: most is there a moment later.
async fn show_and_pause(view: &watch::Sender<PodView>, patience: &mut Patience, why: String) {
    if let Err(error) = patience.pause(why).await {
        show(view, error.last);
        *patience = Patience::new(&error.what, TRY);
    }
}

fn show(view: &watch::Sender<PodView>, trouble: String) {
    view.send_if_modified(|view| view.trouble.replace(trouble.clone()).as_ref() != Some(&trouble));
}

/// Runs init containers one after the other, then all others; comes back when the last one ended for good.
async fn run_containers(run: PodRun, mut stop: watch::Receiver<Stop>) {
    let run = Arc::new(run);
    let pod = run.pod();
    let Some(spec) = pod.spec.as_ref() else { return };
    let mut background = JoinSet::new();
    for file in run.volumes.tokens.clone() {
        background.spawn(keep_fresh(run.shared.client.clone(), (*pod).clone(), file));
    }
    let mut sidecars = Sidecars::default();
    let mut go_on = true;
    for (index, init) in spec.init_containers.iter().flatten().enumerate() {
        if init.restart_policy.as_deref() == Some("Always") {
            let mut view = run.view.subscribe();
            sidecars.start(|stop| container::Task::init(run.clone(), index, init.clone(), stop));
            let started = view.wait_for(|view| view.inits.get(index).is_some_and(|view| view.started));
            go_on = tokio::select! {
                started = started => started.is_ok(),
                _ = stop.wait_for(|stop| *stop != Stop::No) => false,
            };
        } else {
            go_on = container::Task::init(run.clone(), index, init.clone(), stop.clone()).run().await;
        }
        if !go_on {
            break;
        }
    }
    let mut main = JoinSet::new();
    if go_on {
        for (index, container) in spec.containers.iter().enumerate() {
            main.spawn(container::Task::main(run.clone(), index, container.clone(), stop.clone()).run());
        }
    }
    let mut until = None;
    loop {
        tokio::select! {
            ended = main.join_next() => match ended {
                Some(ended) => sidecars::go_on_panicking(ended),
                None => break,
            },
            stop = wait_for_stop(&mut stop), if until.is_none() => until = Some(Instant::now() + stop),
        }
    }
    sidecars.end(stop, until.unwrap_or_else(|| Instant::now() + run.grace())).await;
}

/// How long the pod may take to stop, once it has to. Never comes back when the node stops, and this with it.
async fn wait_for_stop(stop: &mut watch::Receiver<Stop>) -> Duration {
    let stopped = stop.wait_for(|stop| *stop != Stop::No).await.map(|stop| *stop);
    match stopped {
        Ok(Stop::Within(grace)) => grace,
        Ok(Stop::No) | Err(_) => std::future::pending().await,
    }
}
