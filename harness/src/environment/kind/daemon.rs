//! The environment's own process: makes the cluster, gives drills their places, and removes everything at its end,
//! whatever that comes from.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::cluster::Cluster;
use super::description::DESCRIPTION;
use super::order::Order;
use super::places::Places;
use super::provided::{Provided, majors};
use super::{dns, docker, owner};
use crate::environment::EnvironmentError;
use crate::environment::door::{Door, State, listener};
use crate::poll::{Limit, Patience};
use crate::storage::Authority;

/// For what Docker refuses for a while.
const REMOVAL: Limit = Limit::seconds(60);

/// Serves a kind environment until it is asked to end, its owner ends (a process by its pidfd, unless it was told to
/// keep going), or a part of it fails. Then the cluster is removed.
///
/// # Errors
/// The part that did not come up, or that ended by itself; what could not be removed.
pub async fn serve(order: Order, outer: StdListener, owner: Option<OwnedFd>) -> Result<(), EnvironmentError> {
    let kept = Arc::new(Notify::new());
    let keep = kept.clone();
    let (door, asked) = Door::<Places>::new(&DESCRIPTION, "Docker", move || {
        keep.notify_one();
        Ok(())
    });
    // The name is free again only when everything is gone: whoever waits for the end waits for that.
    let held = outer.try_clone();
    let outer = listener(outer)?;
    let mut ours = false;
    let served = tokio::select! {
        error = door.accept(outer) => Err(error),
        error = run(&order, &door, &mut ours) => error,
        () = asked.down() => Ok(()),
        () = ended(owner, &kept) => Ok(()),
        () = told_to_end() => Ok(()),
    };
    if let Err(error) = &served {
        door.failed(error).await;
    }
    // Before that, a cluster of this name is somebody else's.
    let removed = if ours { remove(&order.cluster).await } else { Ok(()) };
    drop(held);
    served.and(removed)
}

async fn run(order: &Order, door: &Door<Places>, ours: &mut bool) -> Result<(), EnvironmentError> {
    let doing = |what: &str| drop(door.state().send_replace(State::starting(what)));
    docker::reach().await?;
    doing("what earlier runs left");
    owner::take(&order.cluster).await?;
    *ours = true;
    for archive in &order.archives {
        doing(&format!("the images of {}", archive.display()));
        docker::load(archive).await?;
    }
    let provided = Provided::prepare(&order.images, &order.tools, &doing).await?;
    doing("the kind cluster");
    let cluster = Cluster::make(order).await?;
    let rest = async {
        doing("the images in the kind cluster");
        let prepared = async {
            cluster.ready().await?;
            dns::set_up(&cluster.client).await
        };
        tokio::try_join!(prepared, provided.load(&cluster, &order.tools))?;
        Ok::<_, EnvironmentError>((Authority::new()?, majors(&order.images, &order.tools).await?))
    };
    let (authority, majors) = tokio::select! {
        ended = cluster.end() => return Err(ended.into()),
        done = rest => done?,
    };
    let places = Arc::new(Places::new(cluster, order.clone(), authority, provided, majors));
    door.ready(places.clone());
    Err(places.cluster().end().await.into())
}

/// Waits for the owner's end; for ever once the environment is to be kept.
async fn ended(owner: Option<OwnedFd>, kept: &Notify) {
    let Some(owner) = owner else { return std::future::pending().await };
    let ended = async {
        // In a thread of its own, which goes with the process.
        let waited = tokio::task::spawn_blocking(move || {
            let mut watched = [PollFd::new(owner.as_fd(), PollFlags::POLLIN)];
            while matches!(poll(&mut watched, PollTimeout::NONE), Err(Errno::EINTR)) {}
        });
        if let Err(error) = waited.await {
            tracing::warn!(%error, "the owner is no longer watched");
        }
    };
    tokio::select! {
        biased;
        () = kept.notified() => std::future::pending().await,
        () = ended => {}
    }
}

async fn told_to_end() {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    let waits = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures::future::select_all(waits).await;
}

async fn remove(cluster: &str) -> Result<(), EnvironmentError> {
    let mut patience = Patience::new(format!("the removal of the kind cluster {cluster}"), REMOVAL);
    while let Err(error) = owner::remove(cluster).await {
        patience.pause(error.to_string()).await?;
    }
    Ok(())
}
