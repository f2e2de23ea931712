//! `clonedrill render`: what the operator makes of manifests, and where each value came from.

use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;

use super::Failure;
use super::inputs::{self, Given, Input};
use crate::exit::Verdict;
use crate::render::render;

/// Show what the operator makes of manifests, and where each value came from
#[derive(Debug, Args)]
pub struct RenderArgs {
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    paths: Vec<PathBuf>,
    #[arg(long, value_name = "VERSION")]
    operator: Option<String>,
}

pub fn main(args: &RenderArgs) -> Result<Verdict, Failure> {
    let given = Given::read(&args.paths)?;
    let operator = args.operator.clone().unwrap_or_else(inputs::newest_operator);
    let tools = inputs::tools(&[operator.clone()])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.into_diagnostic().map_err(Failure::broken)?;
    for given in given {
        let input = Input::new(given, &tools)?;
        let told = |text: &str| eprintln!("{text}");
        let rendering = runtime.block_on(render(&tools, &operator, &input.input, None, &told));
        let rendering = rendering.map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
        println!("{}", serde_json::to_string_pretty(&rendering).into_diagnostic().map_err(Failure::broken)?);
    }
    Ok(Verdict::Passed)
}
