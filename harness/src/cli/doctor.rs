//! `clonedrill doctor`: Say what this machine can run, and the remedy for what it cannot.

use clap::{Args, ValueEnum};

use super::Failure;
use crate::exit::Verdict;
use crate::toolchain::doctor::{self, Check, CheckState};
use crate::toolchain::{Configuration, DEFAULT_OPERATORS, ToolchainError};

/// Say what this machine can run, and the remedy for what it cannot.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn main(args: DoctorArgs) -> Result<Verdict, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::broken(miette::miette!("failed to find the working directory: {error}")))?;
    let configuration = Configuration::load(&here).map_err(Failure::invalid)?;
    let operators = DEFAULT_OPERATORS.map(str::to_owned);
    let wrong = |error: ToolchainError| Failure { verdict: error.verdict(), report: error.into() };
    let checks = doctor::examine(&configuration, &operators).map_err(wrong)?;
    match args.format {
        Format::Table => checks.iter().for_each(print),
        Format::Json => {
            let json = serde_json::to_string_pretty(&checks)
                .map_err(|error| Failure::broken(miette::miette!("{error}")))?;
            println!("{json}");
        }
    }
    let bad = checks.iter().any(|check| check.state == CheckState::Bad);
    Ok(if bad { Verdict::Broken } else { Verdict::Passed })
}

fn print(check: &Check) {
    let sign = match check.state {
        CheckState::Good => "✓",
        CheckState::NotNeeded => "-",
        CheckState::Bad => "✗",
    };
    println!("{sign} {:12} {}", check.name, check.seen);
    if let Some(remedy) = &check.remedy {
        println!("  {:12} remedy: {remedy}", "");
    }
}
