//! Whose a cluster is: a Docker volume that holds nothing but labels, made before the cluster and removed after it. What
//! its process left behind is known by it, however that ended.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::CLUSTER_LABEL;
use super::docker;
use super::error::KindError;
use crate::poll::{Limit, PollError, Seen, poll};

const MACHINE: &str = "clonedrill.machine";
const BOOT: &str = "clonedrill.boot";
const PID_NAMESPACE: &str = "clonedrill.pid-namespace";
const PROCESS: &str = "clonedrill.process";
const STARTED: &str = "clonedrill.started";

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

const COMING: Limit = Limit::seconds(60);
/// Docker makes a container in about a second.
const SETTLED: Duration = Duration::from_secs(3);

/// Where kind's own kubeconfig of a cluster stands while the cluster does.
pub(super) fn folder(cluster: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{cluster}-{}", nix::unistd::geteuid()))
}

fn volume(cluster: &str) -> String {
    format!("{cluster}-owner")
}

/// Makes the name ours.
///
/// # Errors
/// When there is a cluster of that name already that is not ours to remove.
pub(super) async fn take(cluster: &str) -> Result<(), KindError> {
    sweep().await?;
    let nodes = nodes(cluster).await?;
    match docker::volume_label(&volume(cluster), PROCESS).await? {
        Some(process) => {
            let process = process.parse().unwrap_or_default();
            return Err(KindError::InUse { name: cluster.to_owned(), process });
        }
        None if !nodes.is_empty() => return Err(KindError::NotOurs { name: cluster.to_owned() }),
        None => {}
    }
    let us = i32::try_from(std::process::id()).unwrap_or_default();
    let labels = [
        (CLUSTER_LABEL, cluster.to_owned()),
        (MACHINE, read("/etc/machine-id")),
        (BOOT, read(BOOT_ID)),
        (PID_NAMESPACE, pid_namespace()),
        (PROCESS, us.to_string()),
        (STARTED, started(us).unwrap_or_default()),
    ];
    docker::make_volume(&volume(cluster), &labels).await
}

/// Removes a cluster of ours with everything that belongs to it; its mark last, so that a second try finds the rest.
///
/// # Errors
/// What is still there.
pub(super) async fn remove(cluster: &str) -> Result<(), KindError> {
    remove_parts(cluster).await?;
    let folder = folder(cluster);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(KindError::Left { what: folder.display().to_string(), why: error.to_string() });
        }
        _ => {}
    }
    docker::remove_volume(&volume(cluster)).await
}

async fn remove_parts(cluster: &str) -> Result<(), KindError> {
    docker::remove_containers(&of_kind(cluster)).await?;
    docker::remove_containers(&format!("{CLUSTER_LABEL}={cluster}")).await
}

/// Docker may have been asked for a container by who was killed a moment ago.
async fn nothing_more_comes(cluster: &str) -> Result<(), KindError> {
    let mut since = Instant::now();
    let settled = poll(format!("nothing more to come of the kind cluster {cluster}"), COMING, async || {
        let mut found = nodes(cluster).await?;
        found.extend(docker::containers(&format!("{CLUSTER_LABEL}={cluster}")).await?);
        if !found.is_empty() {
            remove_parts(cluster).await?;
            since = Instant::now();
        }
        Ok::<_, KindError>(match since.elapsed() >= SETTLED {
            true => Seen::Done(()),
            false => Seen::NotYet(format!("containers {found:?}")),
        })
    });
    settled.await.map_err(|error| match error {
        PollError::TimedOut(late) => KindError::Left { what: cluster.to_owned(), why: late.to_string() },
        PollError::Failed(error) => error,
    })
}

/// Removes clusters whose process has ended without doing so.
///
/// # Errors
/// When Docker does not answer, or does not remove one.
pub(super) async fn sweep() -> Result<(), KindError> {
    for volume in docker::volumes(CLUSTER_LABEL).await? {
        let label =
            async |name| Ok::<_, KindError>(docker::volume_label(&volume, name).await?.unwrap_or_default());
        let cluster = label(CLUSTER_LABEL).await?;
        let process = label(PROCESS).await?.parse().unwrap_or_default();
        // Of another machine's processes, or of another container's, nothing can be known from here.
        let (here, since) = (read("/etc/machine-id"), label(STARTED).await?);
        let same_boot = label(BOOT).await? == read(BOOT_ID);
        let same_machine = !here.is_empty() && label(MACHINE).await? == here;
        let ended = match same_boot {
            true if label(PID_NAMESPACE).await? == pid_namespace() => {
                started(process).is_none_or(|started| started != since)
            }
            true => false,
            false => same_machine,
        };
        if !ended {
            tracing::info!(cluster, "left alone: it may be in use");
        } else {
            tracing::info!(cluster, process, "removed: its process has ended");
            remove_parts(&cluster).await?;
            nothing_more_comes(&cluster).await?;
            remove(&cluster).await?;
        }
    }
    Ok(())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default()
}

/// When a process began, in the kernel's ticks since its start: a number may be another process's by now.
fn started(process: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let after = stat.rsplit_once(')')?.1;
    let mut fields = after.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned))?
}

/// kind's own label of a cluster's nodes.
fn of_kind(cluster: &str) -> String {
    format!("io.x-k8s.kind.cluster={cluster}")
}

/// The ids of the containers that are a cluster's nodes.
///
/// # Errors
/// When Docker does not answer.
pub(super) async fn nodes(cluster: &str) -> Result<Vec<String>, KindError> {
    docker::containers(&of_kind(cluster)).await
}
