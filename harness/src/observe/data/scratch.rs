//! A PostgreSQL of its own in a temporary folder, for `clonedrill bench` and the tests. Gone when dropped.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::{Connect, DataError};
use crate::poll::{Limit, PollError, Seen, TimedOut, poll};
use crate::secret::Secret;
use crate::tie::tie;
use crate::toolchain::PostgresTool;

/// PostgreSQL refuses to run as root. What root becomes for it is root's other name in a user namespace, who may still read
/// what only root may, such as programs in its cache.
const NOBODY_IS_ROOT: &str = "65534 0 1";

/// The superuser of the scratch cluster.
pub const USER: &str = "postgres";

/// Fits after "failed to start a PostgreSQL for this: ".
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// A file, a folder or a program could not be had.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A program of PostgreSQL ended with an error.
    #[error("{program} failed: {last}")]
    Program {
        /// Such as `initdb`.
        program: String,
        /// Its last lines, in one.
        last: String,
    },
    /// The server ended before it took connections: how, and its last lines.
    #[error("the server ended: {0}")]
    Ended(String),
    /// The server did not take connections in time.
    #[error(transparent)]
    NotReady(#[from] TimedOut),
    /// It runs, and a session with it failed.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// How a scratch cluster comes to be.
pub enum Origin<'a> {
    /// New and empty.
    Initdb,
    /// A physical copy of another cluster that has stopped.
    CopyOf(&'a ScratchPostgres),
    /// A base backup of another cluster in a folder, which recovers as the settings say.
    Backup {
        /// Copied before the server starts; stays as it is.
        folder: &'a Path,
        /// Whose password its superuser has.
        of: &'a ScratchPostgres,
    },
}

/// A running cluster.
pub struct ScratchPostgres {
    /// Dropped after the server, which `Drop` ends.
    folder: tempfile::TempDir,
    tool: PostgresTool,
    server: Child,
    port: u16,
    password: Secret,
}

impl ScratchPostgres {
    /// Starts a cluster in a new folder under `parent`, listening on a Unix socket there, with these settings.
    ///
    /// # Errors
    /// When initdb or the server fail, with their own last words, or the server is not ready within a minute.
    pub async fn start(
        tool: &PostgresTool,
        parent: &Path,
        origin: Origin<'_>,
        settings: &[(&str, &str)],
    ) -> Result<Self, ScratchError> {
        let folder = tempfile::Builder::new()
            .prefix("clonedrill-postgres-")
            .tempdir_in(parent)
            .map_err(io(|| format!("make a folder in {}", parent.display())))?;
        let data = folder.path().join("data");
        let password = match origin {
            Origin::Initdb => {
                let password = Secret::new(format!("{:032x}", rand::random::<u128>()));
                initdb(tool, &data, folder.path(), &password)?;
                password
            }
            Origin::CopyOf(source) => {
                copy(&source.data(), &data)?;
                source.password.clone()
            }
            Origin::Backup { folder, of } => {
                copy(folder, &data)?;
                let signal = data.join("recovery.signal");
                std::fs::write(&signal, "").map_err(io(|| format!("write {}", signal.display())))?;
                of.password.clone()
            }
        };
        let log = folder.path().join("log");
        let file =
            || File::options().create(true).append(true).open(&log).map_err(io(|| "open the log".into()));
        let mut command = program(tool, "postgres");
        command.arg("-D").arg(&data);
        let socket = folder.path().display().to_string();
        let always = [
            ("unix_socket_directories", socket.as_str()),
            ("listen_addresses", ""),
            // Files in the cluster's own folder: nothing stays in /dev/shm after a SIGKILL.
            ("dynamic_shared_memory_type", "mmap"),
            ("fsync", "off"),
        ];
        for (name, value) in always.iter().chain(settings) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(file()?).stderr(file()?);
        let server = command.spawn().map_err(io(|| "start the server".into()))?;
        let port = settings.iter().find(|(name, _)| *name == "port").and_then(|(_, port)| port.parse().ok());
        let port = port.unwrap_or(5432);
        let mut this = ScratchPostgres { folder, tool: tool.clone(), server, port, password };
        this.wait_until_ready().await?;
        Ok(this)
    }

    async fn wait_until_ready(&mut self) -> Result<(), ScratchError> {
        let connect = self.connect();
        let log = self.folder.path().join("log");
        let server = &mut self.server;
        let ready = poll("the server to accept connections", Limit::seconds(60), async || {
            if let Some(status) = server.try_wait().map_err(io(|| "wait for the server".into()))? {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(ScratchError::Ended(format!("{status}: {}", last_lines(&log))));
            }
            match connect.open("postgres").await {
                Ok(_) => Ok(Seen::Done(())),
                Err(error) => Ok(Seen::NotYet(error.to_string())),
            }
        });
        ready.await.map_err(|error| match error {
            PollError::TimedOut(error) => error.into(),
            PollError::Failed(error) => error,
        })
    }

    /// How to reach it, over its Unix socket.
    pub fn connect(&self) -> Connect {
        Connect {
            host: self.folder.path().display().to_string(),
            port: self.port,
            user: USER.to_owned(),
            password: self.password.clone(),
            image: None,
        }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command that runs one of PostgreSQL's client programs against this cluster.
    pub fn client(&self, name: &str) -> Command {
        let mut command = program(&self.tool, name);
        command.env("PGHOST", self.folder.path()).env("PGPORT", self.port.to_string()).env("PGUSER", USER);
        command.env("PGPASSWORD", self.password.reveal());
        command
    }

    /// Stops it at once, without a checkpoint, as a crash would: who starts it again has to recover.
    ///
    /// # Errors
    /// When the server cannot be signalled.
    pub fn crash(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGQUIT)?;
        self.server.wait()?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.server.id().cast_signed()), signal)?)
    }
}

impl Drop for ScratchPostgres {
    fn drop(&mut self) {
        // Its shared memory is removed even so. It is waited for, or its folder would not go.
        if let Ok(None) = self.server.try_wait() {
            let _ = self.crash();
        }
    }
}

fn initdb(tool: &PostgresTool, data: &Path, folder: &Path, password: &Secret) -> Result<(), ScratchError> {
    let file = folder.join("password");
    std::fs::write(&file, password.reveal()).map_err(io(|| "write the password".into()))?;
    let mut command = program(tool, "initdb");
    command.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--username", USER]);
    command.arg("--pwfile").arg(&file).arg("-D").arg(data);
    if tool.major >= 18 {
        // As older ones without being told: a page that a test changes is then read, not refused.
        command.arg("--no-data-checksums");
    }
    let result = run(command, "initdb");
    std::fs::remove_file(&file).map_err(io(|| "remove the password's file".into()))?;
    result
}

fn copy(from: &Path, to: &Path) -> Result<(), ScratchError> {
    let mut copy = as_nobody(Path::new("cp"));
    copy.args(["-a", "--reflink=auto"]).arg(from).arg(to);
    run(copy, "cp")
}

fn run(mut command: Command, what: &str) -> Result<(), ScratchError> {
    let output = command.stdin(Stdio::null()).output().map_err(io(|| format!("run {what}")))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let last = last_lines(&String::from_utf8_lossy(&output.stderr));
            Err(ScratchError::Program { program: what.to_owned(), last })
        }
    }
}

fn program(tool: &PostgresTool, name: &str) -> Command {
    as_nobody(&tool.bin.join(name))
}

/// The program ends with us, however we end. As root it runs as nobody.
fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    // A folder that nobody may not enter would be an error at the program's start.
    command.current_dir("/").env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    if Uid::effective().is_root() {
        // SAFETY: system calls only, which are async-signal-safe.
        unsafe { command.pre_exec(become_nobody) };
    }
    // Whoever becomes another user is tied to nobody any more, so this comes last.
    tie(&mut command);
    command
}

fn become_nobody() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", NOBODY_IS_ROOT)?;
    std::fs::write("/proc/self/gid_map", NOBODY_IS_ROOT)
}

fn io(what: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> ScratchError {
    move |source| ScratchError::Io { what: what(), source }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
