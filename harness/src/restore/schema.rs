//! The JSON Schema of restore drills' files, generated from the types.

use super::file::RestoreDrill;
use crate::scenario::titled;

/// The schema as text, the same on every machine, ending in a newline.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json_schema() -> Result<String, serde_json::Error> {
    titled(schemars::schema_for!(RestoreDrill), "clonedrill restore drill")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/restore.schema.json");
        let committed = std::fs::read_to_string(committed).unwrap();
        let generated = super::json_schema().unwrap();
        assert!(committed == generated, "`clonedrill schema --of restore --write` brings it up to date");
    }
}
