//! What will go wrong with people's manifests: found in what the operator makes of them, and in what Spilo makes of that.

mod definition;
mod finding;
mod findings;
mod missing;
mod pod;
mod prefix;
pub mod sarif;
mod world;

use jiff::Timestamp;

pub use crate::environment::local::images::spilo::archive::Scope;
pub use crate::environment::local::images::spilo::settings::CloneMethod;
pub use finding::{Definition, Finding, FindingRecord, Found, Severity};
pub use pod::{Azure, CredentialKind, Pod, entries_of, is_known};
pub use world::{Cluster, Rendered, World};

use crate::manifests::{Index, Manifests, Problem};
use crate::render::{InputObject, Rendering};
pub use crate::toolchain::{CheckSettings, Retention};

/// All kinds of findings.
pub fn definitions() -> &'static [&'static Definition] {
    findings::ALL
}

/// The kind of finding with this code.
pub fn by_code(code: &str) -> Option<&'static Definition> {
    definitions().iter().find(|definition| definition.code == code).copied()
}

/// What was found, and what could not be checked.
#[derive(Debug, Default)]
pub struct Checked {
    /// By file and place.
    pub findings: Vec<Finding>,
    /// Objects that were refused, so that nothing more can be said of them.
    pub problems: Vec<Problem>,
}

/// Looks for findings in what was rendered from these manifests. `now` is what target times are held against.
pub fn check(
    manifests: &Manifests,
    index: &Index,
    rendering: &Rendering,
    settings: &CheckSettings,
    now: Timestamp,
) -> Checked {
    let world = World::new(manifests, index, rendering, settings, now);
    let mut checked = Checked::default();
    for definition in definitions() {
        let mut found = Found::new(definition);
        (definition.find)(&world, &mut found);
        checked.findings.append(&mut found.findings);
    }
    checked.problems = refusals(&world, index, rendering, &checked.findings);
    checked.findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.place.file().to_owned(), finding.place.span.offset());
        key(a).cmp(&key(b))
    });
    checked
}

/// What was refused, where no finding says why.
pub(crate) fn refusals(
    world: &World<'_>,
    index: &Index,
    rendering: &Rendering,
    findings: &[Finding],
) -> Vec<Problem> {
    // Without settings no cluster is rendered; that is told once.
    let without_settings = rendering.refused.iter().any(|(object, _)| *object == InputObject::Settings);
    let clusters = world.clusters.iter().filter(|_| !without_settings).filter_map(|cluster| {
        let refused = cluster.rendered.as_ref().err()?;
        let place = refused.field.as_deref().map(|field| cluster.document.place_of_field(field));
        let explained = findings.iter().any(|finding| {
            finding.cluster == cluster.name()
                && place.as_ref().is_some_and(|place| place.span == finding.place.span)
        });
        (!explained).then_some((cluster.document, *refused))
    });
    let others = rendering.refused.iter().filter_map(|(object, refused)| {
        Some((world.manifests.documents.get(index.document(*object)?)?, refused))
    });
    let refused = clusters.chain(others);
    refused
        .map(|(document, refused)| Problem::refused(Some(document), refused, &world.manifests.secrets))
        .collect()
}

#[cfg(test)]
mod tests;
