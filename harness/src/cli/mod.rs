//! The command line: one file a subcommand.

mod bench;
mod catalogue;
mod check;
mod checks;
mod clean;
mod cluster;
mod completions;
mod conform;
mod container;
mod doctor;
mod down;
mod drill;
mod drill_worker;
mod environment;
mod explain;
mod images;
mod init;
mod inputs;
mod inventory;
mod kind_environment;
mod kubeconfig;
mod layers;
mod live;
mod man;
mod output;
mod place;
mod programs;
mod render;
mod render_worker;
mod rendering;
mod run;
mod run_folder;
mod sabotage;
mod schema;
mod sharing;
mod stop;
mod storage_gateway;
mod tools;
mod up;
mod upgrade;
mod validate;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Verdict;
use crate::toolchain::ToolchainError;

/// Proves that backups of Postgres clusters on Kubernetes can be cloned back.
#[derive(Debug, Parser)]
#[command(name = "clonedrill", version, max_term_width = 100)]
#[command(after_help = "Examples:
  clonedrill doctor                                             can this machine run drills?
  clonedrill run scenarios/clone/into-another-account.yaml      does that backup clone back?
  clonedrill drill --source orders/acid-orders --into drills    does that cluster's backup restore?
  clonedrill validate scenarios                                 are these files sound?
  clonedrill up                                                 an environment to look into

Exit code: 0 passed, 1 an expectation failed, 2 a file or argument is at fault, 3 the environment is,
130 interrupted. CLONEDRILL_LOG=debug logs more, to stderr.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Sabotage(sabotage::SabotageArgs),
    Conform(conform::ConformArgs),
    Drill(drill::DrillArgs),
    Clean(clean::CleanArgs),
    Render(render::RenderArgs),
    Upgrade(upgrade::UpgradeArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Inventory(inventory::InventoryArgs),
    Validate(validate::ValidateArgs),
    Catalogue(catalogue::CatalogueArgs),
    Schema(schema::SchemaArgs),
    Tools(tools::ToolsArgs),
    Images(images::ImagesArgs),
    Doctor(doctor::DoctorArgs),
    Up(up::UpArgs),
    Down(down::DownArgs),
    Kubeconfig(kubeconfig::KubeconfigArgs),
    Bench(bench::BenchArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    #[command(hide = true)]
    Container(container::ContainerArgs),
    #[command(hide = true)]
    Environment(environment::EnvironmentArgs),
    #[command(hide = true)]
    Init(init::InitArgs),
    #[command(hide = true)]
    KindEnvironment(kind_environment::KindEnvironmentArgs),
    #[command(hide = true)]
    Layers(layers::LayersArgs),
    #[command(hide = true)]
    StorageGateway(storage_gateway::StorageGatewayArgs),
    #[command(hide = true)]
    DrillWorker(drill_worker::DrillWorkerArgs),
    #[command(hide = true)]
    World(world::WorldArgs),
    #[command(hide = true)]
    RenderWorker(render_worker::RenderWorkerArgs),
}

/// Reads the command line and runs the subcommand. No thread exists before a subcommand starts one,
/// so that it can still enter namespaces.
pub fn main() -> ExitCode {
    let verdict = match Cli::parse().command {
        Command::Run(args) => run::main(args),
        Command::Sabotage(args) => sabotage::main(&args),
        Command::Conform(args) => conform::main(&args),
        Command::Drill(args) => drill::main(&args),
        Command::Clean(args) => clean::main(&args),
        Command::Render(args) => render::main(&args),
        Command::Upgrade(args) => upgrade::main(&args),
        Command::Check(args) => check::main(args),
        Command::Explain(args) => explain::main(args),
        Command::Inventory(args) => inventory::main(args),
        Command::Validate(args) => validate::main(args),
        Command::Catalogue(args) => catalogue::main(&args),
        Command::Schema(args) => schema::main(args),
        Command::Tools(args) => tools::main(args),
        Command::Images(args) => images::main(args),
        Command::Doctor(args) => doctor::main(args),
        Command::Up(args) => up::main(args),
        Command::Down(args) => down::main(args),
        Command::Kubeconfig(args) => kubeconfig::main(&args),
        Command::Bench(args) => bench::main(args),
        Command::Completions(args) => completions::main(&args),
        Command::Man(args) => man::main(&args),
        Command::Container(args) => container::main(args),
        Command::Environment(args) => environment::main(args),
        Command::Init(args) => init::main(&args),
        Command::KindEnvironment(args) => kind_environment::main(args),
        Command::Layers(args) => layers::main(&args),
        Command::StorageGateway(args) => storage_gateway::main(&args),
        Command::DrillWorker(args) => drill_worker::main(args),
        Command::World(args) => world::main(args),
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

/// Of connections that fail, the error that they come to is told.
const UNASKED: &str = "warn,kube_client::client::builder=off";

/// Warnings of the harness itself go to `to`; `CLONEDRILL_LOG` says which (`debug`, `clonedrill=trace`).
fn log<W>(to: impl Fn() -> W + Send + Sync + 'static)
where
    W: std::io::Write + 'static,
{
    let wanted = tracing_subscriber::EnvFilter::try_from_env("CLONEDRILL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(UNASKED));
    // It would tell the tokens that registries give.
    let wanted = match "oci_client=warn".parse() {
        Ok(quiet) => wanted.add_directive(quiet),
        Err(_) => wanted,
    };
    let log = tracing_subscriber::fmt().with_env_filter(wanted).with_ansi(false).with_writer(to);
    // One that is there already will do.
    let _ = log.try_init();
}

/// An error of the library, which is a fragment, as people read it.
fn failed(error: impl std::error::Error) -> miette::Report {
    miette::miette!("failed to {error}")
}

/// A subcommand that could not give its result: what to print, and the exit code to leave with.
pub struct Failure {
    /// What the process exits with.
    pub verdict: Verdict,
    /// What is printed on stderr, with place and help where a person's file is at fault.
    pub report: miette::Report,
}

impl Failure {
    /// A person's file or argument is at fault.
    pub fn invalid(report: impl Into<miette::Report>) -> Self {
        Failure { verdict: Verdict::Invalid, report: report.into() }
    }

    /// For `map_err`: what was being done when a file or argument was found to be at fault.
    pub fn invalid_while<E: std::error::Error>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Failure::invalid(miette::miette!("failed to {doing}: {error}"))
    }

    /// For `map_err`: what was being done when the machine said no.
    pub fn broken_while<E: std::error::Error>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Failure::broken(miette::miette!("failed to {doing}: {error}"))
    }

    /// The programs cannot be had: whose fault that is, the error knows.
    pub fn programs(error: ToolchainError) -> Self {
        let mut report = miette::MietteDiagnostic::new(format!("failed to {error}"));
        report.help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        Failure { verdict: error.verdict(), report: report.into() }
    }

    /// The machine or a part of the environment is at fault.
    pub fn broken(report: impl Into<miette::Report>) -> Self {
        Failure { verdict: Verdict::Broken, report: report.into() }
    }
}
