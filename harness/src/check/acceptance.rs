//! Findings that somebody lives with: said beside the object, or in `clonedrill.yaml`.

use std::path::Path;

use super::definition;
use super::finding::{Definition, Finding, Found, Severity, Shown};
use super::world::World;
use super::{by_code, definitions};
use crate::diagnosis::Place;
use crate::manifests::{Document, Kind};
use crate::toolchain::Acceptance;
use crate::yaml;

/// On a cluster, or on the object where a finding points: a line each, `<code>: <reason>`.
const ANNOTATION: &str = "clonedrill.io/accept";

pub(super) static WITHOUT_FINDING: Definition = Definition {
    code: "acceptance-without-finding",
    severity: Severity::Warning,
    title: "a finding is accepted that is not there",
    page: definition::page!("acceptance-without-finding"),
    shown: Shown::Not("it is about what people say to `check`, and no cluster behaves otherwise for it"),
    // Known only when all others were looked for.
    find: |_, _| {},
};

/// One acceptance, and where it stands.
struct Accepted<'w> {
    code: String,
    reason: String,
    /// The object that it stands at.
    document: Option<&'w Document>,
    /// Of one from `clonedrill.yaml`; none accepts for every cluster.
    cluster: Option<String>,
    place: Option<Place>,
}

/// Marks what is accepted, and tells of what accepts nothing.
pub(super) fn apply(world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut untrue = Found::new(&WITHOUT_FINDING);
    for accepted in all(world) {
        let mut used = false;
        for finding in findings.iter_mut().filter(|finding| finding.definition.code == accepted.code) {
            if concerns(&accepted, finding) {
                finding.accepted = Some(accepted.reason.clone());
                used = true;
            }
        }
        if used && !accepted.reason.is_empty() {
            continue;
        }
        tell(&accepted, used, &mut untrue);
    }
    findings.append(&mut untrue.findings);
}

fn tell(accepted: &Accepted<'_>, used: bool, found: &mut Found) {
    let code = &accepted.code;
    let codes: Vec<&str> = definitions().iter().map(|definition| definition.code).collect();
    let (why, repair) = if used {
        (format!("`{code}` is accepted without a reason"), format!("say why: `{code}: <reason>`"))
    } else if by_code(code).is_none() {
        (format!("`{code}` is accepted, and there is no such finding"), crate::yaml::help(code, &codes))
    } else {
        (
            format!("`{code}` is accepted, and nothing of it is found"),
            "take the acceptance away: it would hide the next one".to_owned(),
        )
    };
    let cluster = match accepted.document.filter(|document| document.kind == Kind::Postgresql) {
        Some(document) => document.full_name(),
        None => accepted.cluster.clone().unwrap_or_default(),
    };
    let Some(place) = accepted.place.clone() else { return };
    let who = if cluster.is_empty() { String::new() } else { format!("{cluster}: ") };
    found.add(cluster, place, "accepts nothing", format!("{who}{why}"), repair);
}

fn concerns(accepted: &Accepted<'_>, finding: &Finding) -> bool {
    match accepted.document {
        Some(document) if document.kind == Kind::Postgresql => finding.cluster == document.full_name(),
        Some(document) => document.holds(&finding.place),
        None => accepted.cluster.as_ref().is_none_or(|cluster| {
            finding.cluster == *cluster || finding.cluster.rsplit('/').next() == Some(cluster.as_str())
        }),
    }
}

fn all<'w>(world: &World<'w>) -> Vec<Accepted<'w>> {
    let mut all = Vec::new();
    for document in &world.manifests.documents {
        let pointer = yaml::child("/metadata/annotations", ANNOTATION);
        let Some(text) = document.text(&pointer) else { continue };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (code, reason) = line.split_once(':').unwrap_or((line, ""));
            all.push(Accepted {
                code: code.trim().to_owned(),
                reason: reason.trim().to_owned(),
                document: Some(document),
                cluster: None,
                place: Some(document.place(&pointer)),
            });
        }
    }
    let file = world.settings.file.as_deref();
    all.extend(world.settings.accept.iter().map(|acceptance| {
        let Acceptance { code, cluster, reason } = acceptance;
        Accepted {
            code: code.clone(),
            reason: reason.clone(),
            document: None,
            cluster: cluster.clone(),
            place: file.and_then(|file| place_in(file, code)),
        }
    }));
    all
}

/// Where a code stands in `clonedrill.yaml`.
fn place_in(file: &Path, code: &str) -> Option<Place> {
    Place::of_text(file, &std::fs::read_to_string(file).ok()?, code)
}
