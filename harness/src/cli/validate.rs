//! `clonedrill validate`: Check scenario files without starting anything.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use miette::{GraphicalReportHandler, GraphicalTheme};

use super::checks::with_checks;
use super::output::{WIDTH, say};
use super::{Failure, programs};
use crate::diagnosis::DiagnosisRecord;
use crate::exit::Verdict;
use crate::restore;
use crate::scenario::{self, Checks};

/// Check scenario files without starting anything.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill validate                                     all below the folder scenarios
  clonedrill validate scenarios/clone/same-account.yaml
  clonedrill validate --format json | jq -r '.[] | \"\\(.file):\\(.line): \\(.message)\"'

Exit code: 0 all are sound, 2 one is not.")]
pub(super) struct ValidateArgs {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,

    /// How problems are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line a file, and what is wrong below it.
    Text,
    /// One array of `{file, line, column, code, message, help}`, for editors and CI.
    Json,
}

pub(super) fn main(args: ValidateArgs) -> Result<Verdict, Failure> {
    let files = match scenario::find_files(&args.paths) {
        Err(error) if args.format == Format::Json => {
            print_json(&error.problems().map(|problem| problem.record()).collect::<Vec<_>>())?;
            return Ok(Verdict::Invalid);
        }
        files => files.map_err(Failure::invalid)?,
    };
    if files.is_empty() {
        return Err(Failure::invalid(miette::miette!(
            "failed to find scenarios: there is no `*.yaml` below the given folders"
        )));
    }
    let configuration = programs::configuration()?;
    with_checks(&configuration, |checks| validate(&files, args.format, checks))
}

fn validate(files: &[PathBuf], format: Format, checks: &Checks<'_>) -> Result<Verdict, Failure> {
    let mut records: Vec<DiagnosisRecord> = Vec::new();
    for file in files {
        let result = match restore::is_drill(file) {
            true => restore::load(file).map(|_| ()),
            false => scenario::load(file, checks).map(|_| ()),
        };
        if format == Format::Text {
            match &result {
                Ok(_) => say(format!("ok       {}", file.display())),
                Err(error) => {
                    say(format!("invalid  {}", file.display()));
                    eprintln!("{}", rendered(error));
                }
            }
        }
        if let Err(error) = result {
            records.extend(error.problems().map(|problem| problem.record()));
        }
    }
    if format == Format::Json {
        print_json(&records)?;
    }
    Ok(if records.is_empty() { Verdict::Passed } else { Verdict::Invalid })
}

fn print_json(records: &[DiagnosisRecord]) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(records)
        .map_err(|error| Failure::broken(miette::miette!("failed to write the problems as JSON: {error}")))?;
    say(text);
    Ok(())
}

fn rendered(error: &scenario::ScenarioError) -> String {
    let mut text = String::new();
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    // Formatting into a String cannot fail.
    let _ = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).render_report(&mut text, error);
    text
}
