//! `clonedrill environment`: the process behind a local environment. Hidden; `run` and `up` start it.

use std::io::Read;
use std::os::unix::net::UnixListener;

use clap::Args;
use miette::IntoDiagnostic;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Failure;
use crate::environment::local::{daemon, sandbox};
use crate::environment::protocol;
use crate::exit::Verdict;
use crate::toolchain::Tools;

/// Serve a local environment. The programs are read from stdin.
#[derive(Debug, Args)]
pub struct EnvironmentArgs {
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

pub fn main(args: EnvironmentArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    // Ctrl-C in the terminal of one drill is nothing to those who share the environment.
    let _ = nix::unistd::setsid();
    let mut tools = String::new();
    std::io::stdin().read_to_string(&mut tools).into_diagnostic().map_err(Failure::broken)?;
    let tools: Tools = serde_json::from_str(&tools).into_diagnostic().map_err(Failure::invalid)?;

    let address = protocol::outer(&args.name).into_diagnostic().map_err(Failure::broken)?;
    // The name is bound before the network namespace changes, so that those outside find it. Who is second leaves.
    let listener = match UnixListener::bind_addr(&address) {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Ok(Verdict::Passed),
        Err(error) => return Err(Failure::broken(miette::miette!("failed to listen: {error}"))),
    };
    listener.set_nonblocking(true).into_diagnostic().map_err(Failure::broken)?;
    let published = args.publish.map(daemon::Published::listen).transpose();
    let published = published.into_diagnostic().map_err(Failure::broken)?;
    let owner = match args.owner.and_then(Pid::from_raw) {
        // Its number means another process in the new PID namespace; the descriptor stays.
        Some(pid) => match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(owner) => Some(owner),
            Err(_) => return Ok(Verdict::Passed),
        },
        None => None,
    };
    let keep = sandbox::enter(owner).into_diagnostic().map_err(Failure::broken)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.into_diagnostic().map_err(Failure::broken)?;
    let served = runtime.block_on(daemon::serve(tools, listener, published, keep));
    // The PID namespace takes the rest with it; waiting for what still runs would only delay that.
    runtime.shutdown_background();
    served.into_diagnostic().map_err(Failure::broken)?;
    Ok(Verdict::Passed)
}
