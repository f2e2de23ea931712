//! `clonedrill render`: what the operator makes of manifests, and where each value came from.

use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;

use super::Failure;
use super::inputs::{self, Doing, Given, Input};
use crate::exit::Verdict;
use crate::render::{InputObject, Rendering, render};
use crate::report::{Format, RenderingRecord, table};

/// Show what the operator makes of manifests: the env of each cluster, and where each value came from
///
/// The real operator writes the StatefulSets to a real API server; no database runs. Entries are in the operator's order,
/// with its duplicates; of these the last one wins. Keys and passwords are fingerprints. Exit code: 0 rendered, 2 a file
/// is at fault or was refused (the rest is rendered), 3 the environment is at fault.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill render manifests/
  clonedrill render scenarios/clone/global-account-overrides.yaml --operator v1.14.0
  kustomize build overlays/production | clonedrill render - --format json")]
pub(super) struct RenderArgs {
    /// Scenarios, or files and folders of manifests; `-` is stdin
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    paths: Vec<PathBuf>,
    /// A version, or a name from clonedrill.yaml; without it the newest that a scenario names
    #[arg(long, value_name = "VERSION")]
    operator: Option<String>,
    /// What is printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn main(args: &RenderArgs) -> Result<Verdict, Failure> {
    let given = Given::read(&args.paths)?;
    let operator = |given: &Given| {
        let named = given.versions().last().cloned();
        args.operator.clone().or(named).unwrap_or_else(inputs::newest_operator)
    };
    let operators: Vec<String> = given.iter().map(operator).collect();
    let tools = inputs::tools(&operators)?;
    let (mut records, mut at_fault) = (Vec::new(), false);
    for (given, operator) in given.into_iter().zip(&operators) {
        let input = Input::new(given, &tools)?;
        let doing = Doing::new();
        let told = |text: &str| doing.tell(text);
        let rendering = inputs::until_interrupted(render(&tools, operator, &input.input, None, &told))?;
        drop(doing);
        let rendering = rendering.map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
        at_fault |= input.is_at_fault() | tell_refusals(&input, &rendering);
        records.push(RenderingRecord::new(&input.name(), &input.input, &rendering, &input.secrets, &input));
    }
    match args.format {
        Format::Text => records.iter().for_each(|record| print!("{}", table(record, true))),
        Format::Json => {
            let text = serde_json::to_string_pretty(&records).into_diagnostic().map_err(Failure::broken)?;
            println!("{text}");
        }
    }
    Ok(if at_fault { Verdict::Invalid } else { Verdict::Passed })
}

/// More refusals than these say nothing new.
const SHOWN: usize = 10;

/// Everything that was refused, each at its place; whether there was anything.
fn tell_refusals(input: &Input, rendering: &Rendering) -> bool {
    let clusters = rendering.clusters.iter().filter_map(|rendered| {
        let refused = rendered.result.as_ref().err()?;
        Some((InputObject::Cluster(rendered.cluster), refused))
    });
    let others = rendering.refused.iter().map(|(object, refused)| (*object, refused));
    let mut told = 0;
    let mut any = 0;
    for (object, refused) in others.chain(clusters) {
        any += 1;
        // Without settings no cluster is rendered; that is told once.
        let settings = rendering.refused.iter().any(|(object, _)| *object == InputObject::Settings);
        if settings && matches!(object, InputObject::Cluster(_)) {
            continue;
        }
        if told < SHOWN {
            eprintln!("{:?}", input.refusal(object, refused));
            told += 1;
        }
    }
    if any > told && told == SHOWN {
        eprintln!("… and {} more that are refused", any - told);
    }
    any > 0
}
