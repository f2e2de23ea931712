//! `clonedrill environment`: the process behind a local environment. Hidden; `run` and `up` start it.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use clap::Args;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Failure;
use crate::environment::local::{daemon, sandbox};
use crate::environment::protocol;
use crate::exit::Verdict;
use crate::toolchain::{Tools, images};

/// Serve a local environment. The programs are read from stdin.
#[derive(Debug, Args)]
pub(super) struct EnvironmentArgs {
    /// What others find it by
    #[arg(long)]
    name: String,
    /// The process that it ends with, unless it is told to be kept
    #[arg(long)]
    owner: Option<i32>,
    /// Let clients outside reach the API server, with this namespace as the one that they mean
    #[arg(long, value_name = "NAMESPACE")]
    publish: Option<String>,
}

pub(super) fn main(args: EnvironmentArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    // Ctrl-C in the terminal of one drill is nothing to those who share the environment.
    let _ = nix::unistd::setsid();
    let mut tools = String::new();
    std::io::stdin().read_to_string(&mut tools).map_err(Failure::broken_while("read stdin"))?;
    let tools: Tools =
        serde_json::from_str(&tools).map_err(Failure::invalid_while("understand what came on stdin"))?;

    if let Some(folder) = &tools.images.folder {
        images::hold(folder).map_err(|error| Failure::broken(super::failed(error)))?;
    }
    // The name is bound before the network namespace changes, so that those outside find it.
    let Some(listener) = bind(&args.name)? else { return Ok(Verdict::Passed) };
    let published = args.publish.map(daemon::Published::listen).transpose();
    let published = published.map_err(|error| Failure::broken(super::failed(error)))?;
    // Its number means another process in the new PID namespace; the descriptor stays.
    let Ok(owner) = owner(args.owner) else { return Ok(Verdict::Passed) };
    let keep = sandbox::enter(owner).map_err(|error| Failure::broken(super::failed(error)))?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::broken_while("start"))?;
    let served = runtime.block_on(daemon::serve(tools, listener, published, keep));
    // The PID namespace takes the rest with it; waiting for what still runs would only delay that.
    runtime.shutdown_background();
    served.map_err(|error| Failure::broken(super::failed(error)))?;
    Ok(Verdict::Passed)
}

/// The socket that others find an environment by; nothing where another process has it, and this one is not needed.
pub(super) fn bind(name: &str) -> Result<Option<UnixListener>, Failure> {
    let address = protocol::outer(name).map_err(|error| Failure::broken(super::failed(error)))?;
    let listener = match UnixListener::bind_addr(&address) {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Ok(None),
        Err(error) => return Err(Failure::broken(miette::miette!("failed to listen: {error}"))),
    };
    listener.set_nonblocking(true).map_err(Failure::broken_while("listen"))?;
    Ok(Some(listener))
}

/// The process that an environment ends with; an error where it has ended already.
pub(super) fn owner(process: Option<i32>) -> rustix::io::Result<Option<OwnedFd>> {
    process.and_then(Pid::from_raw).map(|process| pidfd_open(process, PidfdFlags::empty())).transpose()
}
