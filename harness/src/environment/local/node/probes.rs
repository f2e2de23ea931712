//! Startup, readiness and liveness probes.
//!
//! One deviation from kubelet, so that a drill does not wait for nothing: a readiness probe is also made shortly
//! after the start and at least once a second until the container is ready for the first time; an early
//! failure within the initial delay does not count.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const FIRST_LOOK: Duration = Duration::from_millis(200);
const EAGER_PERIOD: Duration = Duration::from_secs(1);

/// What the probes of a container say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The startup probe succeeded, or there is none.
    Started,
    Ready,
    /// With what the readiness probe saw last, also while the container has never been ready.
    NotReady(String),
    /// The liveness or startup probe failed for good.
    Restart {
        why: String,
        /// The probe's own termination grace.
        grace: Option<Duration>,
    },
}

/// Runs a probe's program in the container; true for exit code 0.
pub(super) trait Exec {
    fn exec(&self, argv: Vec<String>) -> impl Future<Output = Result<(), String>> + Send;
}

/// Counts results up to the thresholds.
#[derive(Debug)]
struct Gate {
    success_threshold: i32,
    failure_threshold: i32,
    in_a_row: i32,
    last: bool,
}

impl Gate {
    fn of(probe: &Probe) -> Self {
        Gate {
            success_threshold: probe.success_threshold.unwrap_or(1).max(1),
            failure_threshold: probe.failure_threshold.unwrap_or(3).max(1),
            in_a_row: 0,
            last: false,
        }
    }

    /// `Some` when the result has come often enough in a row.
    fn count(&mut self, success: bool) -> Option<bool> {
        self.in_a_row = if success == self.last { self.in_a_row + 1 } else { 1 };
        self.last = success;
        let threshold = if success { self.success_threshold } else { self.failure_threshold };
        (self.in_a_row >= threshold).then_some(success)
    }
}

/// Runs all probes of a container until it is dropped.
pub(super) async fn run(
    container: &Container,
    address: IpAddr,
    exec: &(impl Exec + Sync),
    verdicts: mpsc::Sender<Verdict>,
) {
    let prober = Prober { container, address, exec, verdicts: &verdicts, start: Instant::now() };
    if let Some(probe) = &container.startup_probe
        && !prober.startup(probe).await
    {
        return;
    }
    prober.say(Verdict::Started).await;
    let readiness = async {
        match &container.readiness_probe {
            Some(probe) => prober.readiness(probe).await,
            None => prober.say(Verdict::Ready).await,
        }
    };
    let liveness = async {
        if let Some(probe) = &container.liveness_probe {
            prober.liveness(probe).await;
        }
    };
    tokio::join!(readiness, liveness);
}

fn restart(probe: &Probe, which: &str, result: Result<(), String>) -> Verdict {
    let grace = probe.termination_grace_period_seconds.and_then(|grace| u64::try_from(grace).ok());
    Verdict::Restart {
        why: format!("{which} probe failed: {}", result.err().unwrap_or_default()),
        grace: grace.map(Duration::from_secs),
    }
}

struct Prober<'a, E> {
    container: &'a Container,
    address: IpAddr,
    exec: &'a E,
    verdicts: &'a mpsc::Sender<Verdict>,
    start: Instant,
}

impl<E: Exec + Sync> Prober<'_, E> {
    async fn say(&self, verdict: Verdict) {
        // Nobody listens when the container has just ended.
        let _ = self.verdicts.send(verdict).await;
    }

    async fn startup(&self, probe: &Probe) -> bool {
        let mut gate = Gate::of(probe);
        sleep(seconds(probe.initial_delay_seconds, 0).max(FIRST_LOOK)).await;
        loop {
            let result = self.look(probe).await;
            match gate.count(result.is_ok()) {
                Some(true) => return true,
                Some(false) => {
                    self.say(restart(probe, "startup", result)).await;
                    return false;
                }
                None => sleep(period(probe)).await,
            }
        }
    }

    async fn readiness(&self, probe: &Probe) {
        let mut gate = Gate::of(probe);
        let mut ready = false;
        let mut was_ready = false;
        sleep(FIRST_LOOK).await;
        loop {
            let result = self.look(probe).await;
            let early = self.start.elapsed() < seconds(probe.initial_delay_seconds, 0);
            if result.is_ok() || !early {
                let now = gate.count(result.is_ok());
                ready = now.unwrap_or(ready);
                was_ready |= ready;
                match result {
                    Err(why) if !ready => self.say(Verdict::NotReady(why)).await,
                    Ok(()) if ready => self.say(Verdict::Ready).await,
                    // On its way to the other state, which it has not reached yet.
                    _ => {}
                }
            }
            sleep(if was_ready { period(probe) } else { period(probe).min(EAGER_PERIOD) }).await;
        }
    }

    async fn liveness(&self, probe: &Probe) {
        let mut gate = Gate::of(probe);
        sleep(seconds(probe.initial_delay_seconds, 0)).await;
        loop {
            sleep(period(probe)).await;
            let result = self.look(probe).await;
            if gate.count(result.is_ok()) == Some(false) {
                self.say(restart(probe, "liveness", result)).await;
                return;
            }
        }
    }

    async fn look(&self, probe: &Probe) -> Result<(), String> {
        let limit = seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1));
        match timeout(limit, self.look_once(probe)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }

    async fn look_once(&self, probe: &Probe) -> Result<(), String> {
        if let Some(action) = &probe.exec {
            return self.exec.exec(action.command.clone().unwrap_or_default()).await;
        }
        if let Some(action) = &probe.http_get {
            return http_get(self.container, self.address, action).await;
        }
        if let Some(action) = &probe.tcp_socket {
            let to = socket_address(self.container, action.host.as_deref(), self.address, &action.port)?;
            return TcpStream::connect(to)
                .await
                .map(drop)
                .map_err(|error| format!("connect to {to}: {error}"));
        }
        Err("this kind of probe is not supported by the local environment".to_owned())
    }
}

/// A GET that any status from 200 to 399 answers well. Also for lifecycle hooks.
pub(super) async fn http_get(
    container: &Container,
    pod: IpAddr,
    action: &HTTPGetAction,
) -> Result<(), String> {
    if action.scheme.as_deref().is_some_and(|scheme| scheme != "HTTP") {
        return Err("https probes are not supported by the local environment".to_owned());
    }
    let to = socket_address(container, action.host.as_deref(), pod, &action.port)?;
    let stream = TcpStream::connect(to).await.map_err(|error| format!("connect to {to}: {error}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("talk to {to}: {error}"))?;
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request = hyper::Request::get(action.path.as_deref().unwrap_or("/"))
        .header("Host", to.to_string())
        .header("User-Agent", "kube-probe/clonedrill");
    for header in action.http_headers.iter().flatten() {
        request = request.header(&header.name, &header.value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| format!("ask {to}: {error}"))?;
    drop(connection);
    let status = answer.status();
    if (200..400).contains(&status.as_u16()) { Ok(()) } else { Err(format!("status {status}")) }
}

fn socket_address(
    container: &Container,
    host: Option<&str>,
    pod: IpAddr,
    port: &IntOrString,
) -> Result<SocketAddr, String> {
    let address = match host.filter(|host| !host.is_empty()) {
        Some(host) => host.parse().map_err(|_| format!("the host \"{host}\" is no address"))?,
        None => pod,
    };
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => name.parse().ok().or_else(|| {
            let mut ports = container.ports.iter().flatten();
            ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
        }),
    };
    let number = number.and_then(|number| u16::try_from(number).ok());
    Ok(SocketAddr::new(
        address,
        number.ok_or_else(|| "the probe's port is not a port of the container".to_owned())?,
    ))
}

fn period(probe: &Probe) -> Duration {
    seconds(probe.period_seconds, 10).max(Duration::from_secs(1))
}

fn seconds(given: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(given.and_then(|given| u64::try_from(given).ok()).unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counted(probe: serde_json::Value, results: &str) -> Vec<Option<bool>> {
        let mut gate = Gate::of(&serde_json::from_value(probe).unwrap());
        results.chars().map(|result| gate.count(result == '+')).collect()
    }

    #[test]
    fn only_results_in_a_row_reach_a_threshold() {
        let failure = json!({ "failureThreshold": 2 });
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(counted(failure, "+-+--+"), [yes, None, yes, None, no, yes]);
        assert_eq!(counted(json!({}), "---+"), [None, None, no, yes]);
        assert_eq!(counted(json!({ "successThreshold": 2 }), "+-++"), [None, None, None, yes]);
    }

    #[test]
    fn a_port_may_be_named() {
        let container = json!({ "name": "c", "ports": [{ "name": "api", "containerPort": 8008 }] });
        let container = serde_json::from_value(container).unwrap();
        let pod = IpAddr::from([10, 244, 1, 1]);
        let address = |port| socket_address(&container, None, pod, &port);
        assert_eq!(address(IntOrString::String("api".into())).unwrap().to_string(), "10.244.1.1:8008");
        assert_eq!(address(IntOrString::Int(80)).unwrap().port(), 80);
        assert!(address(IntOrString::String("nope".into())).is_err());
    }
}
