//! One attempt of a container: made, started, watched, ended.

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::LifecycleHandler;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::super::process::{Running, StartError};
use super::super::spec;
use super::super::status::State;
use super::super::{exec, probes};
use super::container::Task;
use super::{Place, Stop};
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
}

impl AttemptError {
    /// The reason that stands in the container's status.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            AttemptError::Stopped | AttemptError::Log(_) => "CreateContainerError",
            AttemptError::Start(_) => "RunContainerError",
        }
    }
}

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
    let run = &task.run;
    let log = run
        .shared
        .logs
        .begin(&run.namespace, &run.name, &run.uid, &task.container.name, number)
        .map_err(AttemptError::Log)?;
    let place = (spec.env.clone(), spec.working_dir.clone());
    let running = run.shared.spawner.start(spec, log).await?;
    let key = (run.namespace.clone(), run.name.clone(), task.container.name.clone());
    let place = Place { init: running.init, env: place.0, working_dir: place.1 };
    run.shared.places().insert(key.clone(), place.clone());
    task.update(|view| {
        view.state = State::Running { since: Timestamp::now() };
        view.id = Some(format!("clonedrill://{}-{}-{number}", run.uid, task.container.name));
    });
    let code = attend(task, running, &place).await;
    run.shared.places().remove(&key);
    Ok(code)
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
async fn attend(task: &Task, mut running: Running, place: &Place) -> i32 {
    let (sender, mut verdicts) = mpsc::channel(4);
    let exec = exec::InContainer { spawner: &task.run.shared.spawner, place };
    // Boxed, since the compiler cannot see otherwise that it may move between threads.
    let mut probing = probes::run(&task.container, IpAddr::V4(task.run.address), &exec, sender).boxed();
    let mut probing_ended = false;
    let mut stop = task.stop.clone();
    let grace = loop {
        tokio::select! {
            code = running.wait() => return code,
            () = &mut probing, if !probing_ended => probing_ended = true,
            Some(verdict) = verdicts.recv() => match verdict {
                probes::Verdict::Started => task.update(|view| view.started = true),
                probes::Verdict::Ready(ready) => task.update(|view| view.ready = ready),
                probes::Verdict::Restart(why) => {
                    tracing::debug!(container = task.container.name, why, "restart a container");
                    break pod_grace(task);
                }
            },
            stop = wait_for_stop(&mut stop) => break match stop {
                Stop::Within(grace) => grace,
                Stop::No => pod_grace(task),
            },
        }
    };
    end(task, running, place, grace).await
}

/// A node that is stopping ends the task anyhow, so a closed channel is waited on for ever.
async fn wait_for_stop(stop: &mut watch::Receiver<Stop>) -> Stop {
    let stopped = stop.wait_for(|stop| *stop != Stop::No).await.map(|stop| *stop);
    match stopped {
        Ok(stop) => stop,
        Err(_) => std::future::pending().await,
    }
}

fn pod_grace(task: &Task) -> Duration {
    let grace = task.run.pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    Duration::from_secs(u64::try_from(grace.unwrap_or(30)).unwrap_or(0))
}

/// The hook, SIGTERM, and SIGKILL when the grace is over, or when a second deletion has made it shorter.
async fn end(task: &Task, mut running: Running, place: &Place, grace: Duration) -> i32 {
    let hook = task.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    let gently = async {
        if let Some(hook) = hook
            && let Err(error) = run_hook(task, hook, place).await
        {
            tracing::debug!(container = task.container.name, error, "a preStop hook failed");
        }
        running.ask_to_end();
        running.wait().await
    };
    let mut stop = task.stop.clone();
    let hurried = stop.wait_for(|stop| matches!(stop, Stop::Within(shorter) if *shorter < grace));
    let ended = tokio::select! {
        ended = timeout(grace, gently) => ended.ok(),
        _ = hurried => None,
    };
    match ended {
        Some(code) => code,
        None => {
            running.kill();
            running.wait().await
        }
    }
}

async fn run_hook(task: &Task, hook: &LifecycleHandler, place: &Place) -> Result<(), String> {
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
    }
    Ok(())
}
