//! `/launch.sh`: the container's main process.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::certificate::{self, CertificateError};
use super::clean;
use super::container::of_this_container;
use super::first_backup;
use super::log::Voice;
use super::patroni::{self, Locales, Machine, PatroniError, text_at};
use super::processors;
use super::programs::{Programs, ProgramsError};
use super::restart::{Next, Restarts};
use super::schedule;
use super::{account, clone_with_basebackup, env_dir};
use crate::spilo::archive::{self, Scope};
use crate::spilo::log_tags;
use crate::spilo::{CloneMethod, Settings, Variables};
use crate::tie::tie;

/// Runit's name of the service, as its log lines show it.
const SERVICE: &str = "/etc/runit/runsvdir/default/patroni";

/// The node enforces no limit; the operator's default limit stands in, as a Spilo pod would see it. In MiB.
const MEMORY_LIMIT: u64 = 500;

#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    #[error(transparent)]
    Configuration(#[from] PatroniError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("configure log: {0}")]
    LogTags(String),
    #[error("prepare {what}: {source}")]
    Prepare { what: String, source: io::Error },
    #[error("start Patroni: {0}")]
    Patroni(io::Error),
}

fn prepare(what: impl AsRef<Path>) -> impl FnOnce(io::Error) -> LaunchError {
    let what = what.as_ref().display().to_string();
    |source| LaunchError::Prepare { what, source }
}

/// Configures the container, then runs Patroni, the first base backup and the schedule until it is stopped.
pub(super) fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    Voice::Bootstrapping.error(format_args!("failed to {error}"));
    ExitCode::FAILURE
}

async fn run() -> Result<(), LaunchError> {
    let stopped = stop_signal().map_err(prepare("the signals"))?;
    let programs = Programs::of_this_container()?;
    let processors = processors::of_the_machine();
    let settings = Settings::of(of_this_container(), processors);
    let start = configure(&settings, &programs)?;

    let beside = async {
        back_up(&settings, &programs).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = keep_patroni(&start, Restarts::default(), stopped) => result,
        () = beside => Ok(()),
    }
}

/// Takes the first base backup and those of the schedule, for ever; where nothing is archived, none.
async fn back_up(settings: &Settings, programs: &Programs) {
    if settings.archiving {
        let first = first_backup::run(settings, programs.spilos_first_backup);
        tokio::join!(first, schedule::run(settings));
    }
}

/// Becomes `true` once the container is to stop.
fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                sender.send_replace(true);
            }
        });
    }
    Ok(receiver)
}

/// How Patroni is started.
struct PatroniStart {
    python: std::path::PathBuf,
    config: std::path::PathBuf,
    variables: Variables,
}

/// Writes everything that Patroni and the scripts read.
fn configure(settings: &Settings, programs: &Programs) -> Result<PatroniStart, LaunchError> {
    make_folders(settings)?;
    account::name_current_user(Path::new(account::PASSWD)).map_err(prepare(account::PASSWD))?;
    Voice::Bootstrapping.info("Figuring out my environment (Google? AWS? Openstack? Local?)");
    for warning in &settings.warnings {
        Voice::Bootstrapping.warning(warning);
    }
    Voice::Bootstrapping.info("No meta-data available for this provider");
    Voice::Bootstrapping.info("Looks like you are running unsupported");

    let machine = this_machine(settings);
    let config = patroni::configuration(settings, &machine, programs)?;

    // From here on the version is that of the programs which run, not the one that was asked for.
    let running = programs.in_folder(&text_at(&config, "/postgresql/bin_dir"));
    let mut variables = settings.variables.clone();
    if let Some(tool) = running {
        variables.put("PGVERSION", tool.major.to_string());
    }

    if settings.is_set("LOG_S3_BUCKET") {
        Voice::Bootstrapping.info("Configuring log");
        match log_tags::of(&settings.variables, programs.release) {
            log_tags::Tags::Sound => {}
            log_tags::Tags::Warned(warning) => Voice::Bootstrapping.warning(warning),
            log_tags::Tags::End(why) => return Err(LaunchError::LogTags(why)),
        }
    }
    Voice::Bootstrapping.info("Configuring certificate");
    certificate::write(settings)?;
    if settings.archiving {
        Voice::Bootstrapping.info("Configuring wal-e");
        write_env_dir(&variables, Scope::Own.prefix(), settings.text("WALE_ENV_DIR"))?;
    }
    Voice::Bootstrapping.info("Configuring bootstrap");
    match &settings.clone {
        CloneMethod::Nothing => {}
        CloneMethod::Backups { env_dir } => write_env_dir(&variables, Scope::Clone.prefix(), env_dir)?,
        CloneMethod::RunningCluster { pgpass } => {
            let line = clone_with_basebackup::pgpass_line(settings);
            env_dir::write_new(Path::new(pgpass), &line, 0o600).map_err(prepare(pgpass))?;
        }
    }
    if let Some(env_dir) = &settings.standby_env_dir {
        Voice::Bootstrapping.info("Configuring standby-cluster");
        write_env_dir(&variables, archive::STANDBY, env_dir)?;
    }
    Voice::Bootstrapping.info("Configuring patroni");
    let file = Path::new(settings.text("RW_DIR")).join(patroni::FILE_NAME);
    // JSON is YAML, and the scripts read it back.
    let text = format!("{config:#}\n");
    env_dir::write_new(&file, &text, 0o600).map_err(prepare(&file))?;

    let variables = clean::of_patroni(&settings.variables, &machine.locales);
    Ok(PatroniStart { python: programs.python.clone(), config: file, variables })
}

fn write_env_dir(variables: &Variables, prefix: &str, folder: &str) -> Result<(), LaunchError> {
    let Some(content) = archive::env_dir_of(variables, prefix) else { return Ok(()) };
    let temporary = variables.text("WALE_TMPDIR");
    fs::create_dir_all(temporary).map_err(prepare(temporary))?;
    fs::set_permissions(temporary, fs::Permissions::from_mode(0o1777)).map_err(prepare(temporary))?;
    env_dir::write(Path::new(folder), &content).map_err(prepare(folder))
}

fn make_folders(settings: &Settings) -> Result<(), LaunchError> {
    let rw = settings.text("RW_DIR");
    let log = settings.text("PGLOG");
    let data = settings.text("PGDATA");
    let below_rw = ["postgresql", "tmp", "certs"].map(|name| format!("{rw}/{name}"));
    for folder in below_rw.iter().map(String::as_str).chain([log, data, "/var/run/postgresql"]) {
        fs::create_dir_all(folder).map_err(prepare(folder))?;
    }
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(prepare(data))?;
    for day in 0..=7 {
        let file = format!("{log}/postgresql-{day}.csv");
        fs::OpenOptions::new().create(true).append(true).open(&file).map_err(prepare(&file))?;
    }
    Ok(())
}

fn this_machine(settings: &Settings) -> Machine {
    let hostname = settings.variables.set("HOSTNAME").map(str::to_owned).unwrap_or_else(|| {
        nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    });
    let total = nix::sys::sysinfo::sysinfo().map_or(u64::MAX, |info| info.ram_total() >> 20);
    let locales = Command::new("locale").arg("-a").output().map(|output| output.stdout).unwrap_or_default();
    let locales = Locales::new(String::from_utf8_lossy(&locales).lines());
    Machine { hostname, memory: total.min(MEMORY_LIMIT), locales }
}

/// Runs Patroni, again and again where it fails, until the container is stopped.
async fn keep_patroni(
    start: &PatroniStart,
    mut restarts: Restarts,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), LaunchError> {
    loop {
        let mut patroni = start_patroni(start).map_err(LaunchError::Patroni)?;
        let status = tokio::select! {
            status = patroni.wait() => status.map_err(LaunchError::Patroni)?,
            _ = stopped.wait_for(|stop| *stop) => {
                stop_patroni(&mut patroni).await;
                return Ok(());
            }
        };
        let next = restarts.after(SERVICE, status.code().unwrap_or(-1), status.signal().unwrap_or(0));
        let wait = match next {
            Next::StartAfter(wait) => Some(wait),
            Next::StayDown => None,
        };
        if stop_within(&mut stopped, wait).await {
            return Ok(());
        }
    }
}

/// Whether the container is stopped before the wait is over; without a wait, it is waited for.
async fn stop_within(stopped: &mut watch::Receiver<bool>, wait: Option<Duration>) -> bool {
    let stop = stopped.wait_for(|stop| *stop);
    match wait {
        Some(wait) => tokio::time::timeout(wait, stop).await.is_ok(),
        None => stop.await.is_ok(),
    }
}

fn start_patroni(start: &PatroniStart) -> io::Result<Child> {
    let mut command = Command::new(&start.python);
    // Frozen modules start sooner; urllib3's advice to programmers is no line that Spilo's log has.
    command
        .args(["-X", "frozen_modules=on", "-W", "ignore::FutureWarning", "-m", "patroni"])
        .arg(&start.config);
    command.env_clear().envs(start.variables.iter()).current_dir("/");
    tie(&mut command);
    tokio::process::Command::from(command).spawn()
}

/// Patroni ends PostgreSQL cleanly; the kubelet's grace time is the limit.
async fn stop_patroni(patroni: &mut Child) {
    if let Some(pid) = patroni.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended by itself meanwhile.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if let Err(error) = patroni.wait().await {
        Voice::Bootstrapping.error(format_args!("failed to wait for Patroni: {error}"));
    }
}

#[cfg(test)]
mod tests;
