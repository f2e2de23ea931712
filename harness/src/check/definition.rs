//! What definitions of findings have in common: their pages, and how a variable is shown.

use serde_json::Value;

use crate::render::RenderedVariable;
use crate::secret::{is_told_by_form, is_told_by_name};

/// The page of a finding, built into the program.
macro_rules! page {
    ($code:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings/", $code, ".md"))
    };
}
pub(super) use page;

/// A variable's value as people may see it: what refers to a Secret by its name, what is secret not at all.
pub(super) fn shown(variable: &RenderedVariable, value: Option<&str>) -> String {
    for (kind, key) in [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")] {
        if let Some(reference) = variable.item.pointer(&format!("/valueFrom/{key}")) {
            let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
            return format!("the key `{}` of the {kind} {}", text("key"), text("name"));
        }
    }
    match value {
        Some(value) if is_told_by_name(&variable.name) || is_told_by_form(value) => "another".to_owned(),
        value => value.unwrap_or_default().to_owned(),
    }
}
