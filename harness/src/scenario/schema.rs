//! The JSON Schema of scenario files, generated from the types.

use super::types::Scenario;

/// The schema as text, the same on every machine, ending in a newline.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json_schema() -> Result<String, serde_json::Error> {
    titled(schemars::schema_for!(Scenario), "clonedrill scenario")
}

/// A schema as text under a title.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn titled(mut schema: schemars::Schema, title: &str) -> Result<String, serde_json::Error> {
    schema.insert("title".to_owned(), title.into());
    Ok(format!("{}\n", serde_json::to_string_pretty(&schema)?))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/scenario.schema.json");
        let committed = std::fs::read_to_string(committed).unwrap();
        let generated = super::json_schema().unwrap();
        assert!(committed == generated, "`clonedrill schema --write` brings scenario.schema.json up to date");
    }

    #[test]
    fn editors_find_a_description_for_every_field() {
        let schema: Value = serde_json::from_str(&super::json_schema().unwrap()).unwrap();
        let mut bare = Vec::new();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            for (field, of) in definition["properties"].as_object().into_iter().flatten() {
                let target = of["$ref"].as_str().and_then(|target| target.rsplit('/').next());
                let described = of.get("description").is_some()
                    || target.is_some_and(|target| schema["$defs"][target].get("description").is_some());
                if !described {
                    bare.push(format!("{name}.{field}"));
                }
            }
        }
        assert_eq!(bare, Vec::<String>::new());
    }
}
