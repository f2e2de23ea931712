//! A manifest as people read it.

use serde_json::Value;

/// YAML; JSON, which is YAML too, where it cannot be written as such.
pub fn yaml(manifest: &Value) -> String {
    serde_saphyr::to_string(manifest).unwrap_or_else(|_| format!("{manifest:#}"))
}
