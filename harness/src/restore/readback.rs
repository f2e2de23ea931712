//! What the operator really wrote, held against what the manifest asked for: its configuration may override any of it.

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::clone::PlannedClone;
use super::source::Source;
use super::target::in_manifest;
use crate::report::Finding;
use crate::spilo::EnvItem;
use crate::spilo::Pod;

/// The first thing that the clone's pods would get otherwise. One that would archive elsewhere comes first: it could do harm.
pub(super) fn finding(source: &Source, clone: &PlannedClone, variables: &[EnvItem]) -> Option<Finding> {
    let pod = Pod::of_items(variables, &clone.namespace);
    let wanted =
        clone.variable("WALG_AZ_PREFIX").and_then(|variable| variable["value"].as_str()).unwrap_or_default();
    let archives = match pod.own() {
        Some(azure) => azure.prefix.clone(),
        None if pod.archives() => "another store".to_owned(),
        None => String::new(),
    };
    if archives != wanted.trim_end_matches('/') {
        let none = |text: &str| if text.is_empty() { "nowhere".to_owned() } else { text.to_owned() };
        return Some(differs(
            "archive",
            &none(wanted),
            &none(&archives),
            "the operator's configuration decides it, against the manifest; the clone was removed before it could write",
        ));
    }
    let overridden = clone.env.iter().find_map(|variable| {
        let name = variable["name"].as_str()?;
        let item = pod.item(name)?;
        let same = item.get("valueFrom") == variable.get("valueFrom").filter(|from| !from.is_null())
            && text(item) == text(variable);
        (!same).then(|| (name.to_owned(), shown(variable), shown(item)))
    });
    if let Some((name, wanted, found)) = overridden {
        let help = "the operator's own configuration overrides what a manifest says; the clone would have read there \
                    (`clonedrill check --explain overridden`)";
        return Some(differs(&name, &wanted, &found, help));
    }
    let target = in_manifest(clone.target);
    let said = |name: &str| pod.value(name).unwrap_or("(nothing)").to_owned();
    [
        ("CLONE_METHOD", "CLONE_WITH_WALE".to_owned()),
        ("CLONE_TARGET_TIME", target),
        ("CLONE_SCOPE", source.name.clone()),
    ]
    .into_iter()
    .find(|(name, wanted)| said(name) != *wanted)
    .map(|(name, wanted)| {
        differs(name, &wanted, &said(name), "this operator reads the clone section otherwise")
    })
}

/// An operator that calls clusters by another label than its source's does: what looks for the clone's pods by the
/// source's would find none, and the fence would hold none of them.
pub(super) fn label(source: &Source, clone: &PlannedClone, set: &StatefulSet) -> Option<Finding> {
    let label = &source.cluster_label;
    let labels = set.spec.as_ref()?.selector.match_labels.clone().unwrap_or_default();
    (labels.get(label) != Some(&clone.name)).then(|| Finding {
        subject: "clone: labels".to_owned(),
        expected: format!("{label}={} on its pods, as its source's have it", clone.name),
        seen: labels.iter().map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(", "),
        evidence: Vec::new(),
        help:
            "the operator of the clone's namespace has another cluster_name_label than that of the source's"
                .to_owned(),
    })
}

fn text(item: &Value) -> &str {
    item.get("value").and_then(Value::as_str).unwrap_or_default()
}

/// References are shown as they are, and no value that may be a secret.
fn shown(item: &Value) -> String {
    match item.get("valueFrom").filter(|from| !from.is_null()) {
        Some(from) => from.to_string(),
        None if item["name"].as_str().is_some_and(crate::secret::is_told_by_name) => {
            "a plain value".to_owned()
        }
        None => text(item).to_owned(),
    }
}

fn differs(name: &str, wanted: &str, found: &str, help: &str) -> Finding {
    Finding {
        subject: format!("clone: env {name}"),
        expected: wanted.to_owned(),
        seen: format!("its pods get {found}"),
        evidence: Vec::new(),
        help: help.to_owned(),
    }
}
