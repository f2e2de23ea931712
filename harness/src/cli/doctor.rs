//! `clonedrill doctor`: Say what this machine can run, and the remedy for what it cannot.

use clap::{Args, ValueEnum};

use super::output::{hanging, say};
use super::{Failure, programs};
use crate::exit::Verdict;
use crate::toolchain::DEFAULT_OPERATORS;
use crate::toolchain::doctor::{self, Check, CheckState};

/// Say what this machine can run, and the remedy for what it cannot.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill doctor
  clonedrill doctor --operator v1.15.1            only what drills with this version need
  clonedrill doctor --format json | jq '.[] | select(.state == \"bad\")'

Exit code: 0 drills can run here, 3 something is in their way.")]
pub(super) struct DoctorArgs {
    /// Versions of the operator, or names from clonedrill.yaml; without it those of the shipped scenarios and all names
    #[arg(long, value_name = "VERSION", num_args = 1..)]
    operator: Vec<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(super) fn main(args: DoctorArgs) -> Result<Verdict, Failure> {
    let configuration = programs::configuration()?;
    let given = configuration.operators();
    let operators = match args.operator.is_empty() {
        true => DEFAULT_OPERATORS.into_iter().chain(given).map(str::to_owned).collect(),
        false => args.operator,
    };
    let checks = doctor::examine(&configuration, &operators).map_err(Failure::programs)?;
    match args.format {
        Format::Table => checks.iter().for_each(print),
        Format::Json => {
            let json = serde_json::to_string_pretty(&checks)
                .map_err(|error| Failure::broken(miette::miette!("{error}")))?;
            say(json);
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
    say(hanging(&format!("{sign} {:12} ", check.name), &check.seen));
    if let Some(remedy) = &check.remedy {
        say(hanging(&format!("  {:12} remedy: ", ""), remedy));
    }
}
