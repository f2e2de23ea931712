//! Manifests through the engine, the same for every subcommand that asks what the operator makes of them.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;
use miette::IntoDiagnostic;

use super::Failure;
use crate::manifests::{Index, Kind, Manifests};
use crate::render::{self, RenderInput, Rendering};
use crate::toolchain::{self, Configuration};

/// The operator that is asked where none is named.
pub(super) const NEWEST: &str = "v1.15.1";

/// What the operator made of manifests, and which of them each part is.
pub(super) struct Rendered {
    pub rendering: Rendering,
    pub index: Index,
}

/// Renders manifests with one operator version. Where no cluster is left to render, nothing is started.
///
/// # Errors
/// When that version cannot be had, or the environment does not do its work.
pub(super) fn of(
    configuration: &Configuration,
    operator: &str,
    manifests: &Manifests,
) -> Result<Rendered, Failure> {
    let (input, index) = manifests.to_render_input();
    if manifests.of_kind(Kind::Postgresql).next().is_none() {
        let operator = operator.to_owned();
        let rendering = Rendering { operator, clusters: Vec::new(), log: Vec::new(), refused: Vec::new() };
        return Ok(Rendered { rendering, index });
    }
    let rendering = rendered(configuration, operator, &input)?;
    Ok(Rendered { rendering, index })
}

fn rendered(
    configuration: &Configuration,
    operator: &str,
    input: &RenderInput,
) -> Result<Rendering, Failure> {
    let operators = [operator.to_owned()];
    let tools = toolchain::ensure(configuration, &operators, &toolchain::Terminal::new())
        .map_err(|error| Failure { verdict: error.verdict(), report: error.into() })?;
    let on_terminal = std::io::stderr().is_terminal();
    let bar = if on_terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(100));
    let told =
        |doing: &str| if on_terminal { bar.set_message(doing.to_owned()) } else { eprintln!("{doing}") };
    // One thread: children are told to end with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.into_diagnostic().map_err(Failure::broken)?;
    let rendering = runtime.block_on(render::render(&tools, operator, input, None, &told));
    bar.finish_and_clear();
    rendering.map_err(|error| Failure::broken(miette::miette!("failed to {error}")))
}
