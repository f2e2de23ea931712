//! One attempt of a container: made, started, watched, ended.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::LifecycleHandler;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::super::exec::RunningContainer;
use super::super::process::{Running, StartError};
use super::super::spec;
use super::super::status::State;
use super::super::{exec, probes};
use super::Stop;
use super::container::Task;
use crate::environment::local::container::ContainerSpec;
use crate::poll::{Limit, Patience};

/// Why an attempt did not come to run.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error("the pod is being stopped")]
    Stopped,
    #[error("{0}")]
    Log(std::io::Error),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("run the postStart hook: {0}")]
    PostStart(String),
}

impl AttemptError {
    /// The reason that stands in the container's status.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            AttemptError::Stopped | AttemptError::Log(_) => "CreateContainerError",
            AttemptError::Start(_) => "RunContainerError",
            AttemptError::PostStart(_) => "PostStartHookError",
        }
    }
}

/// What kubelet leaves to every container between SIGTERM and SIGKILL.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// How long missing objects are asked for before the container's reason is written again.
const TRY: Limit = Limit {
    total: Duration::from_secs(1),
    first_interval: Duration::from_millis(50),
    longest_interval: Duration::from_millis(250),
};

/// Gives the exit code.
pub(super) async fn run(task: &Task, number: u32) -> Result<i32, AttemptError> {
    let mut stop = task.stop.clone();
    let spec = tokio::select! {
        spec = make_spec(task) => spec,
        _ = stop.wait_for(|stop| *stop != Stop::No) => return Err(AttemptError::Stopped),
    };
    if let Some(digest) = spec.image.digest() {
        task.update(|view| view.image_id = Some(format!("{}@{digest}", view.image)));
    }
    let run = &task.run;
    let (log, writing) = run
        .shared
        .logs
        .begin(&run.namespace, &run.name, &run.uid, &task.container.name, number)
        .map_err(AttemptError::Log)?;
    let (env, working_dir, identity) = (spec.env.clone(), spec.working_dir.clone(), spec.identity.clone());
    let running = tokio::select! {
        running = run.shared.spawner.start(spec, log) => running?,
        _ = stop.wait_for(|stop| *stop != Stop::No) => return Err(AttemptError::Stopped),
    };
    let key = (run.namespace.clone(), run.name.clone(), task.container.name.clone());
    let place = RunningContainer { init: running.init, env, working_dir, identity };
    run.shared.places().insert(key.clone(), place.clone());
    let code = attend(task, number, running, &place).await;
    writing.end().await;
    // A successor of the pod may have its name and a container by now.
    let mut places = run.shared.places();
    if places.get(&key).is_some_and(|there| there.init == place.init) {
        places.remove(&key);
    }
    code
}

/// Asks again and again for what is missing, and says what it is.
async fn make_spec(task: &Task) -> ContainerSpec {
    loop {
        let mut patience = Patience::new("a container's configuration", TRY);
        loop {
            let error = match spec::make(&task.run.facts(), &task.container).await {
                Ok(spec) => return spec,
                Err(error) => error,
            };
            task.waiting(error.reason(), Some(error.to_string()));
            if patience.pause(error.to_string()).await.is_err() {
                break;
            }
        }
    }
}

/// Watches a running container until it ended, by itself or because it was told to.
async fn attend(
    task: &Task,
    number: u32,
    mut running: Running,
    place: &RunningContainer,
) -> Result<i32, AttemptError> {
    let mut stop = task.stop.clone();
    let hook = task.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
    if let Some(hook) = hook {
        // Until it is done, the container does not count as running.
        let done = tokio::select! {
            done = run_hook(task, hook, place) => done,
            code = running.wait() => return Ok(code),
            _ = wait_for_stop(&mut stop) => Ok(()),
        };
        if let Err(why) = done {
            let probing = &mut Probing::none();
            end(task, running, place, task.run.grace(), probing).await;
            return Err(AttemptError::PostStart(why));
        }
    }
    task.update(|view| {
        view.state = State::Running { since: Timestamp::now() };
        view.id = Some(format!("clonedrill://{}-{}-{number}", task.run.uid, task.container.name));
    });
    let exec = exec::InContainer { spawner: &task.run.shared.spawner, place };
    let (sender, verdicts) = mpsc::channel(4);
    // Boxed, since the compiler cannot see otherwise that it may move between threads.
    let probes = probes::run(&task.container, IpAddr::V4(task.run.address), &exec, sender).boxed();
    let mut probing = Probing { probes, verdicts };
    let grace = loop {
        tokio::select! {
            code = running.wait() => return Ok(code),
            verdict = probing.next() => if let Some((why, grace)) = take(task, verdict) {
                tracing::debug!(container = task.container.name, why, "restart a container");
                break grace.unwrap_or(task.run.grace());
            },
            stop = wait_for_stop(&mut stop) => break match stop {
                Stop::Within(grace) => grace,
                Stop::No => task.run.grace(),
            },
        }
    };
    Ok(end(task, running, place, grace, &mut probing).await)
}

/// The probes of a container, and what they say.
struct Probing<'a> {
    probes: BoxFuture<'a, ()>,
    verdicts: mpsc::Receiver<probes::Verdict>,
}

impl Probing<'_> {
    fn none() -> Self {
        Probing { probes: std::future::pending().boxed(), verdicts: mpsc::channel(1).1 }
    }

    /// Never comes back when nothing more is said.
    async fn next(&mut self) -> probes::Verdict {
        loop {
            tokio::select! {
                biased;
                Some(verdict) = self.verdicts.recv() => return verdict,
                () = self.probes.as_mut() => self.probes = std::future::pending().boxed(),
            }
        }
    }
}

/// Shows what the probes said; why to restart the container, and within which grace, where they said so.
fn take(task: &Task, verdict: probes::Verdict) -> Option<(String, Option<Duration>)> {
    match verdict {
        probes::Verdict::Started => task.update(|view| view.started = true),
        probes::Verdict::Ready => task.update(|view| (view.ready, view.unready) = (true, None)),
        probes::Verdict::NotReady(why) => task.update(|view| (view.ready, view.unready) = (false, Some(why))),
        probes::Verdict::Restart { why, grace } => return Some((why, grace)),
    }
    None
}

/// A node that is stopping ends the task anyhow, so a closed channel is waited on for ever.
async fn wait_for_stop(stop: &mut watch::Receiver<Stop>) -> Stop {
    let stopped = stop.wait_for(|stop| *stop != Stop::No).await.map(|stop| *stop);
    match stopped {
        Ok(stop) => stop,
        Err(_) => std::future::pending().await,
    }
}

/// Comes back when another deletion leaves less time.
async fn hurried(stop: &mut watch::Receiver<Stop>, until: Instant) -> Instant {
    loop {
        if stop.changed().await.is_err() {
            return std::future::pending().await;
        }
        if let Stop::Within(grace) = *stop.borrow_and_update()
            && Instant::now() + grace < until
        {
            return Instant::now() + grace;
        }
    }
}

/// The hook, SIGTERM, and SIGKILL when the grace is over, or when another deletion has made it shorter. As kubelet
/// does, SIGTERM has two seconds whatever the hook left, and readiness is looked at to the end.
async fn end(
    task: &Task,
    mut running: Running,
    place: &RunningContainer,
    grace: Duration,
    probing: &mut Probing<'_>,
) -> i32 {
    let mut stop = task.stop.clone();
    let mut until = Instant::now() + grace;
    let hook = task.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    if let Some(hook) = hook.filter(|_| !grace.is_zero()) {
        let mut hook = pin!(run_hook(task, hook, place));
        loop {
            tokio::select! {
                code = running.wait() => return code,
                done = &mut hook => {
                    if let Err(error) = done {
                        tracing::debug!(container = task.container.name, error, "a preStop hook failed");
                    }
                    break;
                }
                () = sleep_until(until) => break,
                sooner = hurried(&mut stop, until) => until = sooner,
                verdict = probing.next() => drop(take(task, verdict)),
            }
        }
    }
    running.ask_to_end();
    let least = Instant::now() + LEAST_GRACE;
    loop {
        tokio::select! {
            code = running.wait() => return code,
            () = sleep_until(until.max(least)) => break,
            sooner = hurried(&mut stop, until) => until = sooner,
            verdict = probing.next() => drop(take(task, verdict)),
        }
    }
    running.kill();
    running.wait().await
}

async fn run_hook(task: &Task, hook: &LifecycleHandler, place: &RunningContainer) -> Result<(), String> {
    if let Some(action) = &hook.exec {
        let argv = action.command.clone().unwrap_or_default();
        let exec = exec::InContainer { spawner: &task.run.shared.spawner, place };
        return probes::Exec::exec(&exec, argv).await;
    }
    if let Some(action) = &hook.http_get {
        return probes::http_get(&task.container, IpAddr::V4(task.run.address), action).await;
    }
    if let Some(action) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(action.seconds).unwrap_or(0))).await;
        return Ok(());
    }
    // Kubelet knows no other kind either.
    Err("invalid handler".to_owned())
}
