//! How `SPILO_CONFIGURATION` goes over what Spilo generates.

use serde_json::Value;

/// Why a user's configuration cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It is neither JSON nor YAML.
    #[error("read {name}: {source}")]
    Unreadable {
        /// The variable that holds it.
        name: &'static str,
        /// What the YAML parser says; without the lines around the place, which may hold passwords.
        source: Box<serde_saphyr::Error>,
    },
    /// It is JSON or YAML, but not a dictionary.
    #[error("merge {name}: it should contain a dict, yet it is {found}")]
    NotADictionary {
        /// The variable that holds it.
        name: &'static str,
        /// What it is instead, such as `a list`.
        found: &'static str,
    },
}

/// A user's JSON or YAML; nothing or `null` is an empty dictionary.
///
/// # Errors
/// When the text is neither, or is not a dictionary.
pub fn parse(name: &'static str, text: &str) -> Result<Value, ConfigurationError> {
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    // The operator writes JSON; that way its numbers and texts stay exactly what they are.
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        // The message goes to the pod's log: without the lines around the place, which may hold passwords.
        Err(_) => {
            let options = serde_saphyr::options! { with_snippet: false };
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|source| ConfigurationError::Unreadable { name, source: Box::new(source) })?
        }
    };
    let found = match value {
        Value::Object(_) => return Ok(value),
        Value::Null => return Ok(Value::Object(serde_json::Map::new())),
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Bool(_) | Value::Number(_) => "a scalar",
    };
    Err(ConfigurationError::NotADictionary { name, found })
}

/// Dictionaries merge, key by key; of anything else the user's value wins unless it is `null`.
pub fn over(user: Value, generated: Value) -> Value {
    match (user, generated) {
        (Value::Object(mut user), Value::Object(generated)) => {
            for (key, below) in generated {
                let merged = match user.remove(&key) {
                    Some(above) => over(above, below),
                    None => below,
                };
                user.insert(key, merged);
            }
            Value::Object(user)
        }
        (Value::Null, generated) => generated,
        (user, _) => user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dictionaries_merge_and_the_user_wins() {
        let user = json!({"postgresql": {"parameters": {"work_mem": "8MB", "ssl": null}}, "extra": 1});
        let generated =
            json!({"postgresql": {"listen": "*:5432", "parameters": {"ssl": "on", "work_mem": "4MB"}}});
        assert_eq!(
            over(user, generated),
            json!({"postgresql": {"listen": "*:5432", "parameters": {"work_mem": "8MB", "ssl": "on"}}, "extra": 1})
        );
    }

    #[test]
    fn a_users_list_replaces_the_generated_one() {
        let user = json!({"initdb": [{"auth-host": "md5"}], "pg_hba": {}});
        let generated = json!({"initdb": ["data-checksums"], "pg_hba": ["local all all trust"]});
        assert_eq!(over(user, generated), json!({"initdb": [{"auth-host": "md5"}], "pg_hba": {}}));
    }

    #[test]
    fn json_and_yaml_are_read_and_anything_but_a_dictionary_is_refused() {
        let expected = json!({"bootstrap": {"dcs": {"ttl": 60}}});
        assert_eq!(parse("X", r#"{"bootstrap":{"dcs":{"ttl":60}}}"#).unwrap(), expected);
        assert_eq!(parse("X", "bootstrap:\n  dcs:\n    ttl: 60\n").unwrap(), expected);
        assert_eq!(parse("X", " ").unwrap(), json!({}));
        assert!(
            parse("X", "[1]").unwrap_err().to_string().contains("should contain a dict, yet it is a list")
        );
        assert!(parse("X", "a: [").is_err());
    }

    #[test]
    fn what_is_said_of_an_unreadable_one_has_its_place_and_none_of_its_text() {
        let text = "postgresql:\n  authentication:\n    superuser: {password: hunter2}\n  parameters: [\n";
        let error = parse("SPILO_CONFIGURATION", text).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(error.to_string().contains("line"), "{error}");
        assert!(!said.contains("hunter2") && !said.contains("superuser"), "{said}");
    }
}
