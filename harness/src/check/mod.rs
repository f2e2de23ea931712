//! What will go wrong with people's manifests: found in what the operator makes of them, and in what Spilo makes of that.

mod acceptance;
mod baseline;
mod definition;
mod finding;
mod findings;
mod missing;
mod operator;
mod prefix;
pub mod sarif;
mod world;

use jiff::Timestamp;

pub use baseline::{Baseline, BaselineError};
pub use finding::{Definition, Finding, FindingRecord, Found, Severity, Shown};
pub use world::{Cluster, Rendered, There, World};

use crate::diagnosis::Diagnosis;
use crate::manifests::{self, Index, Manifests};
use crate::render::{InputObject, Rendering};
pub use crate::toolchain::{Acceptance, CheckSettings, Retention};

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
    pub problems: Vec<Diagnosis>,
    /// Clusters that take no backups of the kind that can be cloned.
    pub without_backups: Vec<String>,
    /// What is said first where no configuration of the operator was given.
    pub without_configuration: Option<String>,
}

impl Checked {
    /// The worst of what counts: what was accepted, and what was there before the baseline, does not.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().filter(|finding| finding.counts()).map(|finding| finding.severity).min()
    }
}

/// Looks for findings in what was rendered from these manifests. `now` is what target times are held against.
pub fn check(
    manifests: &Manifests,
    index: &Index,
    rendering: &Rendering,
    settings: &CheckSettings,
    now: Timestamp,
    there: &There,
) -> Checked {
    let world = World::new(manifests, index, rendering, settings, now, there);
    let mut checked = Checked::default();
    for definition in definitions() {
        let mut found = Found::new(definition);
        (definition.find)(&world, &mut found);
        checked.findings.append(&mut found.findings);
    }
    checked.problems = refusals(&world, index, rendering, &checked.findings);
    once(&mut checked.findings);
    acceptance::apply(&world, &mut checked.findings);
    checked.findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.place.file().to_owned(), finding.place.span.offset());
        key(a).cmp(&key(b))
    });
    checked.without_configuration = findings::no_backups::without_configuration(&world);
    for finding in &mut checked.findings {
        let object = manifests.documents.iter().find(|document| document.holds(&finding.place));
        finding.object = object.map(ToString::to_string);
    }
    checked.without_backups = world
        .rendered()
        .filter(|(_, rendered)| findings::no_backups::is_without(rendered))
        .map(|(cluster, _)| cluster.name())
        .collect();
    checked
}

/// One fault is told once: a line that reaches many clusters, such as that of a ConfigMap, with the names of all of them.
fn once(findings: &mut Vec<Finding>) {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings.drain(..) {
        let same = kept.iter_mut().find(|first| {
            first.definition.code == finding.definition.code
                && first.severity == finding.severity
                && first.cluster != finding.cluster
                && std::sync::Arc::ptr_eq(&first.place.source, &finding.place.source)
                && first.place.span == finding.place.span
                && bare(first) == bare(&finding)
        });
        match same {
            Some(first) => first.also.push(finding.cluster),
            None => kept.push(finding),
        }
    }
    for finding in &mut kept {
        let also = std::mem::take(&mut finding.also);
        if !also.is_empty() {
            finding.message.push_str(&format!(". The same for {}", also.join(", ")));
        }
        finding.also = also;
    }
    *findings = kept;
}

/// A message without the name of its cluster, wherever that stands in it.
fn bare(finding: &Finding) -> String {
    let name = finding.cluster.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { finding.message.clone() } else { finding.message.replace(name, "") }
}

/// What was refused, where no finding says why.
pub(crate) fn refusals(
    world: &World<'_>,
    index: &Index,
    rendering: &Rendering,
    findings: &[Finding],
) -> Vec<Diagnosis> {
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
        .map(|(document, refused)| manifests::refused(Some(document), refused, &world.manifests.secrets))
        .collect()
}

#[cfg(test)]
mod tests;
