//! Manifests through the engine, the same for every subcommand that asks what the operator makes of them.

use super::inputs::{self, Doing};
use super::{Failure, sharing};
use crate::manifests::{Index, Kind, Manifests};
use crate::render::{self, RenderInput, Rendering};

/// What the operator made of manifests, and which of them each part is.
pub(super) struct Rendered {
    pub rendering: Rendering,
    pub index: Index,
}

/// Renders manifests with one operator version; without one, with the newest release that is built in. Where no cluster is left to render, nothing is started.
///
/// # Errors
/// When that version cannot be had, or the environment does not do its work.
pub(super) fn of(operator: Option<&str>, manifests: &Manifests) -> Result<Rendered, Failure> {
    let operator = operator.map_or_else(inputs::newest_operator, ToOwned::to_owned);
    let (input, index) = manifests.to_render_input();
    if manifests.of_kind(Kind::Postgresql).next().is_none() {
        let rendering = Rendering { operator, clusters: Vec::new(), log: Vec::new(), refused: Vec::new() };
        return Ok(Rendered { rendering, index });
    }
    let rendering = rendered(&operator, &input)?;
    Ok(Rendered { rendering, index })
}

fn rendered(operator: &str, input: &RenderInput) -> Result<Rendering, Failure> {
    let tools = inputs::tools(&[operator.to_owned()])?;
    let share = sharing::asked_for()?;
    let doing = Doing::new();
    let told = |text: &str| doing.tell(text);
    let rendering =
        inputs::until_interrupted(render::render(&tools, operator, input, share.as_ref(), &told))?;
    rendering.map_err(|error| Failure::broken(miette::miette!("failed to {error}")))
}
