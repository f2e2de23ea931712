//! Tests that need processes of this very binary: those of an environment, the one inside of it that asks the API server
//! by itself, and one that trusts other authorities.
#![allow(clippy::unwrap_used)]

mod copied;
mod render;
mod webhook;

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use clonedrill::environment::shared::{self, Share};
use clonedrill::toolchain::{Configuration, Silent, ensure};
use libtest_mimic::{Arguments, Failed, Trial};

/// The subcommands of `clonedrill` that it starts itself as.
const OF_CLONEDRILL: [&str; 3] = ["environment", "container", "drill-worker"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [one, ..] if OF_CLONEDRILL.contains(&one) => return clonedrill::cli::main(),
        [render::INSIDE, environment, version] => return render::inside(environment, version),
        [copied::INSIDE, environment, version] => return copied::inside(environment, version),
        [webhook::TELLS, address] => return webhook::tells(Path::new(address)),
        _ => {}
    }
    let mut trials = vec![
        Trial::test("copied::manifests_are_taken_and_their_rights_suffice_for_events", copied::copied),
        Trial::test(
            "webhook::servers_are_trusted_that_the_systems_authorities_vouch_for_and_no_others",
            webhook::trusted,
        ),
    ];
    trials.extend(render::VERSIONS.map(|version| {
        Trial::test(format!("render::rendered_is_what_the_operator_wrote::{version}"), move || {
            render::property(version)
        })
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Starts an environment of this test's own, and in it this binary as `inside`.
fn in_environment(of: &str, inside: &str, version: &str) -> Result<(), Failed> {
    let configuration = Configuration::load(&std::env::current_dir()?)?;
    let tools = ensure(&configuration, &[version.to_owned()], &Silent)?;
    let own = std::process::id();
    let share = Share { id: format!("{of}-{own}"), owner: Some(own) };
    let name = shared::name(&share, version);
    let log = shared::UnnamedLog::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let environment = runtime.block_on(shared::obtain(&tools, &name, share.owner, log.path(), &|_| {}))?;
    let mut process = Command::new(std::env::current_exe()?)
        .args([inside, &name, version])
        .stdin(Stdio::piped())
        .spawn()?;
    process.stdin.take().unwrap().write_all(&serde_json::to_vec(&tools)?)?;
    let status = process.wait()?;
    drop(environment);
    runtime.block_on(shared::end(&name))?;
    if status.success() { Ok(()) } else { Err(format!("what it looked at does not hold: {status}").into()) }
}
