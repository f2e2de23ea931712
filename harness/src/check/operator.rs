//! The operator's own configuration, in both forms that people have.

use serde_json::Value;

use crate::manifests::{Document, Kind};

/// Where a setting stands: below its group in an `OperatorConfiguration`, a flat key in a `ConfigMap`.
pub(super) fn pointer(settings: &Document, group: &str, name: &str) -> String {
    match settings.kind {
        Kind::OperatorConfigMap => format!("/data/{name}"),
        _ => format!("/configuration{group}/{name}"),
    }
}

/// The text of a setting, numbers and truth values too; none where it is missing or empty.
pub(super) fn text(settings: &Document, group: &str, name: &str) -> Option<String> {
    let value = settings.value.pointer(&pointer(settings, group, name))?;
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
