//! The body of a webhook: JSON, with `${…}` in its texts.

use serde_json::Value;

use super::{Told, line};
use crate::report::details;
use crate::report::style::{Style, word};
use crate::scenario::{Part, split};
use crate::yaml::help;

/// What may stand inside `${…}`.
const NAMES: [&str; 12] = [
    "drill",
    "source",
    "clone",
    "verdict",
    "summary",
    "rpo",
    "rto",
    "target",
    "recovered_to",
    "finding",
    "report",
    "evidence",
];

/// A template that cannot be filled in.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is no JSON before anything is filled in.
    #[error("read the webhook's template as JSON: {0} (`${{…}}` may stand only inside of its texts)")]
    Json(serde_json::Error),
    /// A `${…}` has a name that there is not.
    #[error("fill in `${{{name}}}` of the webhook's template: there is no such name; {help}")]
    Name {
        /// What stands in the braces.
        name: String,
        /// The name that was probably meant, or all that there are.
        help: String,
    },
    /// The text in which the brace is missing.
    #[error("fill in the webhook's template: no `}}` after `${{` in `{0}`; write `$${{` for `${{` itself")]
    Unclosed(String),
}

/// Whether a template can be filled in, whatever comes out of a drill.
///
/// # Errors
/// When it is no JSON, or names something that there is not.
pub fn check_template(template: &str) -> Result<(), TemplateError> {
    fill(template, &|_| String::new()).map(drop)
}

/// The body that `template` gives.
///
/// # Errors
/// As [`check_template`].
pub(super) fn body(template: &str, told: Told<'_>) -> Result<String, TemplateError> {
    fill(template, &|name| value(name, told))
}

fn fill(template: &str, value: &dyn Fn(&str) -> String) -> Result<String, TemplateError> {
    let parsed: Value = serde_json::from_str(template).map_err(TemplateError::Json)?;
    // Values become parts of texts before those are written as JSON, which then escapes them.
    Ok(fill_value(parsed, value)?.to_string())
}

fn fill_value(parsed: Value, value: &dyn Fn(&str) -> String) -> Result<Value, TemplateError> {
    Ok(match parsed {
        Value::String(text) => Value::String(fill_text(&text, value)?),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| fill_value(item, value)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let filled = fields
                .into_iter()
                .map(|(name, field)| Ok((fill_text(&name, value)?, fill_value(field, value)?)));
            Value::Object(filled.collect::<Result<_, TemplateError>>()?)
        }
        other => other,
    })
}

fn fill_text(text: &str, value: &dyn Fn(&str) -> String) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    for part in split(text) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Braces { inside: Some(name), .. } if NAMES.contains(&name) => filled.push_str(&value(name)),
            Part::Braces { inside: Some(name), .. } => {
                return Err(TemplateError::Name { name: name.to_owned(), help: help(name, &NAMES) });
            }
            Part::Braces { inside: None, .. } => return Err(TemplateError::Unclosed(text.to_owned())),
        }
    }
    Ok(filled)
}

/// For people; what is not known says so.
fn value(name: &str, told: Told<'_>) -> String {
    let Told { report, restore, .. } = told;
    let or_unknown = |known: Option<String>| known.unwrap_or_else(|| "unknown".to_owned());
    match name {
        "drill" => report.scenario.clone(),
        "source" => restore.source.clone(),
        "clone" => restore.clone.clone(),
        "verdict" => word(report.verdict).to_lowercase(),
        "summary" => line::line(told),
        "rpo" => or_unknown(restore.rpo.map(line::measure)),
        "rto" => or_unknown(restore.rto.map(line::measure)),
        "target" => or_unknown(restore.target.map(|time| time.to_string())),
        "recovered_to" => or_unknown(restore.recovered_to.map(|time| time.to_string())),
        "finding" => line::finding(told).unwrap_or_default(),
        "evidence" => report.evidence.display().to_string(),
        _ => details::render(report, Style::plain()),
    }
}
