//! One pod, from its binding to the end of its object.

mod attempt;
mod container;
mod publish;
mod termination;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Shared;
use super::network::PodNetwork;
use super::restart::RestartPolicy;
use super::spec::PodFacts;
use super::status::{ContainerView, PodView};
use super::volumes::{Maker, Volumes, keep_fresh};
use crate::poll::{Limit, Patience};

pub(super) use self::termination::Known;
use self::termination::{Stop, follow_deletion};

/// What all containers of a running pod share.
struct PodRun {
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    namespace: String,
    name: String,
    uid: String,
    policy: RestartPolicy,
    address: Ipv4Addr,
    network: PodNetwork,
    volumes: Volumes,
    view: watch::Sender<PodView>,
}

impl PodRun {
    fn facts(&self) -> PodFacts<'_> {
        PodFacts {
            shared: &self.shared,
            pod: &self.pod,
            address: self.address,
            network: self.network.path(),
            volumes: &self.volumes.folders,
        }
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
    let watching =
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(follow_deletion(known.clone(), stop_sender)));
    let (view, views) = watch::channel(first_view(&pod));
    let publishing = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(publish::publish(
        shared.client.clone(),
        known.clone(),
        views,
    )));
    let folder = shared.state.join("pods").join(pod.metadata.uid.as_deref().unwrap_or_default());
    if let Err(error) = super::binding::bind(&shared.client, &pod).await {
        tracing::debug!(%error, "bind a pod");
    }
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let address = shared.addresses.take(&namespace);
    match address {
        Some(address) => {
            let mut stopped = stop.clone();
            let prepared = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop != Stop::No) => None,
                run = prepare(&shared, &pod, address, &folder, view.clone()) => Some(run),
            };
            if let Some(run) = prepared {
                run_containers(run, stop.clone()).await;
            }
        }
        None => show(&view, "every pod address is in use".to_owned()),
    }
    termination::finish(&shared.client, known, &pod).await;
    drop((watching, publishing));
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

/// Makes the pod's network and volumes. Tries until both are there; what stands in the way is shown in the status.
async fn prepare(
    shared: &Arc<Shared>,
    pod: &Arc<Pod>,
    address: Ipv4Addr,
    folder: &std::path::Path,
    view: watch::Sender<PodView>,
) -> PodRun {
    let ip = address.to_string();
    let maker = Maker { client: &shared.client, claims: &shared.claims, pod, pod_ip: &ip, folder };
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
    let policy = view.borrow().policy;
    PodRun {
        shared: shared.clone(),
        pod: pod.clone(),
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
async fn run_containers(run: PodRun, stop: watch::Receiver<Stop>) {
    let run = Arc::new(run);
    let mut background = JoinSet::new();
    for file in run.volumes.tokens.clone() {
        background.spawn(keep_fresh(run.shared.client.clone(), (*run.pod).clone(), file));
    }
    let Some(spec) = run.pod.spec.as_ref() else { return };
    let mut running = JoinSet::new();
    let mut go_on = true;
    for (index, init) in spec.init_containers.iter().flatten().enumerate() {
        let task = container::Task::init(run.clone(), index, init.clone(), stop.clone());
        if init.restart_policy.as_deref() == Some("Always") {
            let mut view = run.view.subscribe();
            running.spawn(task.run());
            let started = view.wait_for(|view| view.inits.get(index).is_some_and(|view| view.started));
            let mut stopped = stop.clone();
            go_on = tokio::select! {
                started = started => started.is_ok(),
                _ = stopped.wait_for(|stop| *stop != Stop::No) => false,
            };
        } else {
            go_on = task.run().await;
        }
        if !go_on {
            break;
        }
    }
    if go_on {
        // Sidecars end when the last of the others did, so they are kept apart.
        let mut main = JoinSet::new();
        for (index, container) in spec.containers.iter().enumerate() {
            main.spawn(container::Task::main(run.clone(), index, container.clone(), stop.clone()).run());
        }
        while main.join_next().await.is_some() {}
    }
    if *stop.borrow() == Stop::No {
        running.abort_all();
    }
    while running.join_next().await.is_some() {}
}

/// Where `exec` finds a container that runs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub init: i32,
    pub env: Vec<(String, String)>,
    pub working_dir: PathBuf,
}

/// By namespace, pod and container.
pub(super) type Places = HashMap<(String, String, String), Place>;
