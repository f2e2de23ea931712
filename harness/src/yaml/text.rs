//! A value as people read it.

use serde_json::Value;

/// YAML; JSON, which is YAML too, where it cannot be written as such.
pub fn text(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}"))
}
