//! Putting values in the place of `${…}`.

use serde_json::Value;

use super::variable::{Piece, Variable, VariableError, pieces};

/// Why a text could not be filled. [`super::load`] rules both out for a scenario that it accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// Something in braces is no variable.
    #[error("fill in `{text}`: {source}")]
    Variable {
        /// The whole text, with its braces.
        text: String,
        /// What is wrong, and what to do.
        source: VariableError,
    },
    /// Nothing has given it a value until now.
    #[error("fill in `{0}`: its value is not known yet")]
    Unknown(Variable),
}

/// A copy of a manifest with every `${…}` in its texts filled in. Keys of maps stay as they are.
///
/// The result may hold keys of storage accounts: it goes to the API server and nowhere else.
///
/// # Errors
/// Where a text is malformed, or `lookup` knows no value.
pub fn fill(value: &Value, lookup: &dyn Fn(&Variable) -> Option<String>) -> Result<Value, FillError> {
    Ok(match value {
        Value::String(text) => Value::String(fill_text(text, lookup)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, lookup)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), fill(field, lookup)?)))
                .collect::<Result<_, FillError>>()?,
        ),
        other => other.clone(),
    })
}

/// A copy of a text with every `${…}` filled in; `$${` becomes `${`.
///
/// # Errors
/// As [`fill`].
pub fn fill_text(text: &str, lookup: &dyn Fn(&Variable) -> Option<String>) -> Result<String, FillError> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Variable { range, variable } => {
                let variable = variable
                    .map_err(|source| FillError::Variable { text: text[range].to_owned(), source })?;
                filled.push_str(&lookup(&variable).ok_or(FillError::Unknown(variable))?);
            }
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lookup(variable: &Variable) -> Option<String> {
        match variable {
            Variable::ClusterUid(cluster) => Some(format!("uid-of-{cluster}")),
            Variable::PostgresVersion => Some("15".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn texts_inside_a_manifest_are_filled_and_all_else_stays() {
        let manifest = json!({"spec": {"env": [{"value": "a/${clusters.source.uid}/b"}], "n": 1, "${postgres.version}": null}});
        let filled = fill(&manifest, &lookup).unwrap();
        let expected =
            json!({"spec": {"env": [{"value": "a/uid-of-source/b"}], "n": 1, "${postgres.version}": null}});
        assert_eq!(filled, expected);
    }

    #[test]
    fn kubernetes_own_and_escaped_forms_stay() {
        let text = "$(SCOPE) $$ $1 $${postgres.version} $$${x} ${postgres.version}$";
        assert_eq!(fill_text(text, &lookup).unwrap(), "$(SCOPE) $$ $1 ${postgres.version} $${x} 15$");
    }

    #[test]
    fn a_value_that_is_not_known_is_an_error_that_names_the_variable() {
        let error = fill_text("${marks.m.time}", &lookup).unwrap_err();
        assert_eq!(error, FillError::Unknown(Variable::MarkTime("m".to_owned())));
    }

    #[test]
    fn what_is_no_variable_is_an_error_with_the_nearest_form() {
        let help = |text: &str| match fill_text(text, &lookup).unwrap_err() {
            FillError::Variable { source, .. } => source.help(),
            other => panic!("{other}"),
        };
        assert_eq!(help("${cluster.source.uuid}"), "did you mean `${clusters.source.uid}`?");
        assert_eq!(help("${postgres.versoin}"), "did you mean `${postgres.version}`?");
        assert!(help("${HOME}").starts_with("there are `clusters."));
        assert!(help("${open").contains("$${"));
    }
}
