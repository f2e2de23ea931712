//! The form of a text: whether something reads more in it than a text.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::yaml;

/// Switches, numbers, durations, quantities and texts of several lines: a marker would make something else of them.
static PARSED: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        r"(?i:true|false|yes|no|on|off)",
        r"[+-]?\d+(?:\.\d+)?(?:e\d+)?(?:[numkKMGTPE]i?)?",
        r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+",
        r"(?s:.*\n.*)",
    ];
    Regex::new(&format!("^(?:{})$", forms.join("|"))).expect("a constant, and tested")
});

/// Whether the operator may parse the text, by its looks.
pub(super) fn is_parsed(text: &str) -> bool {
    // A template begins as JSON does: `{cluster}.{namespace}`.
    let json = text.starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok();
    json || PARSED.is_match(text)
}

/// Whether the text may be a label, a name or a part of one, whose length is limited.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 63 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// The schema of the field at a JSON pointer inside of what `schema` describes.
pub(super) fn schema_at<'s>(schema: &'s Value, pointer: &str) -> Option<&'s Value> {
    pointer.split('/').skip(1).try_fold(schema, |schema, step| {
        let step = yaml::step(step);
        schema
            .get("properties")
            .and_then(|properties| properties.get(&step))
            .or_else(|| schema.get("items"))
            .or_else(|| schema.get("additionalProperties"))
    })
}

/// Whether the schema lets not any text stand here.
pub(super) fn is_restricted(schema: &Value) -> bool {
    ["enum", "pattern", "format", "maxLength"].iter().any(|word| schema.get(word).is_some())
        || schema.get("type").is_some_and(|kind| kind != "string")
}

/// The schema of the first field of this name, however deep.
pub(super) fn schema_of_key<'s>(schema: &'s Value, key: &str) -> Option<&'s Value> {
    let properties = schema.get("properties")?.as_object()?;
    properties.get(key).or_else(|| properties.values().find_map(|schema| schema_of_key(schema, key)))
}

/// Fills in the defaults of a definition, as the API server does: for each field that is missing, and in what is there. A
/// field that `known`, another release's schema of the same, does not have is left out.
pub(super) fn complete(value: &mut Value, schema: &Value, known: &Value) {
    let Some(fields) = value.as_object_mut() else { return };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let Some(known) = known.get("properties").and_then(|properties| properties.get(name)) else {
            continue;
        };
        if let (false, Some(default)) = (fields.contains_key(name), schema.get("default")) {
            fields.insert(name.clone(), default.clone());
        }
        if let Some(field) = fields.get_mut(name) {
            complete(field, schema, known);
        }
    }
}

/// Every text of `value` with its JSON pointer, in order.
pub(super) fn texts(value: &Value) -> Vec<(String, &str)> {
    fn walk<'v>(value: &'v Value, pointer: &str, into: &mut Vec<(String, &'v str)>) {
        match value {
            Value::String(text) => into.push((pointer.to_owned(), text)),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{pointer}/{index}"), into);
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    walk(field, &yaml::child(pointer, key), into);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_parsed_is_told_from_free_text_by_its_looks() {
        for parsed in
            ["true", "Off", "5432", "-1", "0.5", "100Mi", "250m", "1h30m", "{}", "[1]", "a: b\nc: d"]
        {
            assert!(is_parsed(parsed), "{parsed}");
        }
        for free in ["postgres", "10.0.0.1", "s3", "s3://bucket", "1a", "30 00 * * *", "{cluster}.x", ""] {
            assert!(!is_parsed(free), "{free}");
        }
    }

    #[test]
    fn a_schema_is_found_by_pointer_and_by_key() {
        let schema = json!({ "properties": { "kubernetes": { "properties": {
            "mode": { "type": "string", "enum": ["a"] },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
        } } } });
        assert!(is_restricted(schema_at(&schema, "/kubernetes/mode").unwrap()));
        assert!(!is_restricted(schema_at(&schema, "/kubernetes/labels/x").unwrap()));
        assert!(schema_at(&schema, "/kubernetes/none").is_none());
        assert!(is_restricted(schema_of_key(&schema, "mode").unwrap()));
    }

    #[test]
    fn defaults_are_filled_in_where_a_section_is_there_and_others_know_the_field() {
        let older = json!({ "properties": {
            "workers": { "type": "integer", "default": 8 },
            "gone": { "type": "string", "default": "x" },
            "teams_api": { "type": "object", "properties": { "enable_teams_api": { "default": true } } },
            "users": { "type": "object", "default": {}, "properties": { "super_username": { "default": "postgres" } } },
        } });
        let mut newer = older.clone();
        newer["properties"].as_object_mut().unwrap().remove("gone");
        let filled = |mut value: Value, known: &Value| {
            complete(&mut value, &older, known);
            value
        };
        assert_eq!(
            filled(json!({ "workers": 2, "teams_api": {} }), &newer),
            json!({ "workers": 2, "teams_api": { "enable_teams_api": true }, "users": { "super_username": "postgres" } })
        );
        assert_eq!(
            filled(json!({}), &older),
            json!({ "workers": 8, "gone": "x", "users": { "super_username": "postgres" } })
        );
    }

    #[test]
    fn texts_come_with_pointers_that_lead_back() {
        let value = json!({ "a/b": ["x", { "c": "y" }], "n": 1 });
        for (pointer, text) in texts(&value) {
            assert_eq!(value.pointer(&pointer).unwrap(), text);
        }
        assert_eq!(texts(&value).len(), 2);
    }
}
