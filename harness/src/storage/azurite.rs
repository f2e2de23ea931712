//! Azurite, the emulator of Azure's storage: one process for each drill.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio_util::task::AbortOnDropHandle;

use super::account::Account;
use super::blobs::Blobs;
use crate::poll::{Limit, PollError, Seen, TimedOut, poll};
use crate::tie::tie;
use crate::toolchain::AzuriteTool;

const START_LIMIT: Limit = Limit::seconds(90);
const END_LIMIT: Limit = Limit::seconds(60);
/// One look; another program on the port may accept and never answer.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
const LOG_LINES: usize = 20;

/// A running Azurite. Dropping this ends the process.
pub struct Azurite {
    address: SocketAddr,
    process: Option<u32>,
    failure: Arc<OnceLock<String>>,
    _watcher: AbortOnDropHandle<()>,
}

/// Why Azurite does not run.
#[derive(Debug, thiserror::Error)]
pub enum AzuriteError {
    // Azurite would fall back to its well-known account and key.
    /// Azurite was to run with no account at all.
    #[error("run Azurite: there is no storage account for it")]
    NoAccount,
    /// The file for what it prints could not be made.
    #[error("write Azurite's log {}: {source}", path.display())]
    Log {
        /// In the storage's own folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Node.js could not be started.
    #[error("run Azurite with {}: {source}", node.display())]
    Spawn {
        /// The program `node`.
        node: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It ended by itself: how, and its last lines.
    #[error("run Azurite: {0}")]
    Ended(String),
    /// It runs, and did not answer in time.
    #[error("run Azurite: {timed_out}; its last lines:\n  {}", log.join("\n  "))]
    TimedOut {
        /// What was waited for.
        timed_out: TimedOut,
        /// The last lines that it printed; may be empty.
        log: Vec<String>,
    },
}

impl Azurite {
    /// Starts Azurite's blob service with these accounts and waits until it answers to the first one's key.
    ///
    /// `folder` exists already and takes the log. `kept` is a folder whose blobs it begins with and that has all of them once
    /// it has ended; without one they are in its memory only. To be called from a thread that lives as long as Azurite shall:
    /// the kernel ends the process together with the thread that started it.
    ///
    /// # Errors
    /// When there is no account, or the process does not start, ends, or does not answer in 30 seconds.
    pub async fn start(
        tool: &AzuriteTool,
        address: Ipv4Addr,
        port: u16,
        accounts: &[Account],
        folder: &Path,
        kept: Option<&Path>,
    ) -> Result<Azurite, AzuriteError> {
        let Some(first) = accounts.first() else { return Err(AzuriteError::NoAccount) };
        let address = SocketAddr::from((address, port));
        let log = folder.join("azurite.log");
        let child = spawn(tool, address, accounts, (folder, kept), &log)?;
        let (process, failure) = (child.id(), Arc::new(OnceLock::new()));
        let watcher = AbortOnDropHandle::new(tokio::spawn(watch(child, failure.clone(), log.clone())));
        let azurite = Azurite { address, process, failure, _watcher: watcher };
        azurite.answers(first, &log).await?;
        Ok(azurite)
    }

    /// Where it listens, plain HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process's id, for measuring what it uses.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    /// Asks it to end, and waits until it has written what it keeps.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn end(&self) -> Result<(), AzuriteError> {
        let process = self.process.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        if let Some(process) = process {
            // It fails only where it has ended already.
            let _ = kill(process, Signal::SIGTERM);
        }
        let ended = poll("Azurite to end", END_LIMIT, async || {
            Ok::<_, std::convert::Infallible>(match self.failed() {
                Some(_) => Seen::Done(()),
                None => Seen::NotYet("it runs".to_owned()),
            })
        });
        match ended.await {
            Ok(()) => Ok(()),
            Err(PollError::TimedOut(timed_out)) => Err(AzuriteError::TimedOut { timed_out, log: Vec::new() }),
            Err(PollError::Failed(never)) => match never {},
        }
    }

    /// Why Azurite ended by itself, with its last lines; `None` while it runs.
    pub fn failed(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    async fn answers(&self, account: &Account, log: &Path) -> Result<(), AzuriteError> {
        let blobs = Blobs::new(account, self.address);
        let probe = async || look(&blobs, || self.failed()).await.map_err(AzuriteError::Ended);
        match poll(format!("Azurite on {}", self.address), START_LIMIT, probe).await {
            Ok(()) => Ok(()),
            Err(PollError::Failed(error)) => Err(error),
            Err(PollError::TimedOut(timed_out)) => {
                Err(AzuriteError::TimedOut { timed_out, log: last_lines(log) })
            }
        }
    }
}

/// Looks whether Azurite answers. Only it knows its accounts' fresh keys, so another program on the port is not taken for it.
///
/// # Errors
/// Why it has ended, by what `failed` says then.
pub(crate) async fn look(blobs: &Blobs, failed: impl Fn() -> Option<String>) -> Result<Seen<()>, String> {
    let answer = tokio::time::timeout(PROBE_LIMIT, blobs.containers()).await;
    match (failed(), answer) {
        (Some(failure), _) => Err(failure),
        (None, Ok(Ok(_))) => Ok(Seen::Done(())),
        (None, Ok(Err(error))) => Ok(Seen::NotYet(error.to_string())),
        (None, Err(_)) => Ok(Seen::NotYet(format!("no answer in {PROBE_LIMIT:?}"))),
    }
}

fn spawn(
    tool: &AzuriteTool,
    address: SocketAddr,
    accounts: &[Account],
    (folder, kept): (&Path, Option<&Path>),
    log: &Path,
) -> Result<Child, AzuriteError> {
    let log_error = |source| AzuriteError::Log { path: log.to_owned(), source };
    let output = File::create(log).map_err(log_error)?;
    let errors = output.try_clone().map_err(log_error)?;
    let keys: Vec<String> = accounts.iter().map(Account::for_azurite).collect();
    let mut command = Command::new(&tool.node);
    command
        // Blobs lie outside Node's own heap, so a small nursery costs no speed and saves 20 MB.
        .arg("--max-semi-space-size=1")
        .arg(&tool.script)
        .args(["--blobHost", &address.ip().to_string(), "--blobPort", &address.port().to_string()])
        // Silent: its access log would hold the signatures of SAS tokens.
        .args(["--skipApiVersionCheck", "--disableTelemetry", "--silent"])
        .env_clear()
        .env("HOME", folder)
        .env("AZURITE_ACCOUNTS", keys.join(";"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true);
    match kept {
        Some(kept) => command.arg("--location").arg(kept),
        None => command.arg("--inMemoryPersistence"),
    };
    tie(&mut command);
    command.spawn().map_err(|source| AzuriteError::Spawn { node: tool.node.clone(), source })
}

async fn watch(mut child: Child, failure: Arc<OnceLock<String>>, log: PathBuf) {
    let ended = match child.wait().await {
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("lost sight of it: {error}"),
    };
    let lines = last_lines(&log).join("\n  ");
    failure.get_or_init(|| format!("{ended}; its last lines:\n  {lines}"));
}

fn last_lines(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_else(|error| format!("no log: {error}"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}
