//! The command line: one file a subcommand.

mod bench;
mod check;
mod checks;
mod container;
mod doctor;
mod down;
mod drill;
mod environment;
mod inputs;
mod inventory;
mod render;
mod render_worker;
mod rendering;
mod run;
mod schema;
mod tools;
mod up;
mod upgrade;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Verdict;

/// Proves that backups of Postgres clusters on Kubernetes can be cloned back.
#[derive(Debug, Parser)]
#[command(name = "clonedrill", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Render(render::RenderArgs),
    Upgrade(upgrade::UpgradeArgs),
    Check(check::CheckArgs),
    Inventory(inventory::InventoryArgs),
    Validate(validate::ValidateArgs),
    Schema(schema::SchemaArgs),
    Tools(tools::ToolsArgs),
    Doctor(doctor::DoctorArgs),
    Up(up::UpArgs),
    Down(down::DownArgs),
    Bench(bench::BenchArgs),
    #[command(hide = true)]
    Container(container::ContainerArgs),
    #[command(hide = true)]
    Environment(environment::EnvironmentArgs),
    #[command(hide = true)]
    Drill(drill::DrillArgs),
    #[command(hide = true)]
    RenderWorker(render_worker::RenderWorkerArgs),
}

/// Reads the command line and runs the subcommand. No thread exists before a subcommand starts one,
/// so that it can still enter namespaces.
pub fn main() -> ExitCode {
    let verdict = match Cli::parse().command {
        Command::Run(args) => run::main(args),
        Command::Render(args) => render::main(&args),
        Command::Upgrade(args) => upgrade::main(&args),
        Command::Check(args) => check::main(args),
        Command::Inventory(args) => inventory::main(args),
        Command::Validate(args) => validate::main(args),
        Command::Schema(args) => schema::main(args),
        Command::Tools(args) => tools::main(args),
        Command::Doctor(args) => doctor::main(args),
        Command::Up(args) => up::main(args),
        Command::Down(args) => down::main(args),
        Command::Bench(args) => bench::main(args),
        Command::Container(args) => container::main(args),
        Command::Environment(args) => environment::main(args),
        Command::Drill(args) => drill::main(args),
        Command::RenderWorker(args) => render_worker::main(&args),
    };
    match verdict {
        Ok(verdict) => ExitCode::from(verdict.code()),
        Err(failure) => {
            eprintln!("{:?}", failure.report);
            ExitCode::from(failure.verdict.code())
        }
    }
}

/// A subcommand that could not give its result: what to print, and the exit code to leave with.
pub struct Failure {
    pub verdict: Verdict,
    pub report: miette::Report,
}

impl Failure {
    /// A person's file or argument is at fault.
    pub fn invalid(report: impl Into<miette::Report>) -> Self {
        Failure { verdict: Verdict::Invalid, report: report.into() }
    }

    /// The machine or a part of the environment is at fault.
    pub fn broken(report: impl Into<miette::Report>) -> Self {
        Failure { verdict: Verdict::Broken, report: report.into() }
    }
}
