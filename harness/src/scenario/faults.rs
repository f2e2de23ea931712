//! Every fault of a file at once. The parser stops at the first: what is at fault is told, a value of the right form takes
//! its place, and the parser is asked again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ScenarioError, problem};
use super::form::Form;
use super::load::{Parsed, parsed, read};
use super::problem::ProblemKind;
use super::syntax::{self, Fault};
use crate::diagnosis::Diagnosis;
use crate::yaml::{Places, child, step};

/// Nobody reads more.
const MOST: usize = 50;

/// Reads a file and checks it. `check` gives what is wrong with a value, each with its JSON pointer.
///
/// # Errors
/// Every problem that was found, of the form and of the value, in the order of the file.
pub(crate) fn parse_in_full<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    check: impl Fn(&T) -> Vec<(String, String)>,
) -> Result<Parsed<T>, ScenarioError> {
    let source = read(path)?;
    match parsed::<T>(path, source.clone()) {
        Ok(parsed) => match ScenarioError::from_all(parsed.contradictions(check(&parsed.value))) {
            Some(error) => Err(error),
            None => Ok(parsed),
        },
        Err(first) => Err(all(path, &source, check).unwrap_or(first)),
    }
}

/// None where the text is no YAML, or its faults cannot be told apart.
fn all<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    source: &Arc<str>,
    check: impl Fn(&T) -> Vec<(String, String)>,
) -> Option<ScenarioError> {
    let mut document: Value = serde_saphyr::from_str(source).ok()?;
    let (places, schema) = (Places::of(source), schemars::schema_for!(T).to_value());
    let (mut mended, mut problems) = (BTreeSet::<String>::new(), Vec::new());
    while mended.len() < MOST {
        // JSON is YAML too.
        let text = document.to_string();
        let error = match serde_saphyr::from_str::<T>(&text) {
            Ok(value) => {
                let untouched = |at: &str| !mended.iter().any(|one| is_within(at, one) || is_within(one, at));
                let others = check(&value).into_iter().filter(|(at, _)| untouched(at));
                problems.extend(others.map(|(at, what)| {
                    let kind = ProblemKind::Contradiction(what);
                    problem(&kind, None, path, source, places.locate(&at))
                }));
                break;
            }
            Err(error) => error,
        };
        let Some(Fault { kind, help, at }) = syntax::fault(&error, &text) else { break };
        let (field, span) = match &kind {
            ProblemKind::MissingField(name) => (child(&at, name), places.locate(&at)),
            ProblemKind::UnknownField(_) => (at.clone(), places.locate_key(&at)),
            _ => (at.clone(), places.value_span(&at).or_else(|| places.locate(&at))),
        };
        let form = Form::at(&schema, &field);
        if !mended.insert(field.clone()) || !put(&mut document, &field, form.map(Form::shortest)) {
            break;
        }
        let help = help.or_else(|| form.map(Form::words));
        problems.push(problem(&kind, help, path, source, span.or_else(|| places.locate(""))));
    }
    problems.sort_by_key(Diagnosis::offset);
    ScenarioError::from_all(problems)
}

fn is_within(pointer: &str, outer: &str) -> bool {
    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Puts a value at a place, or takes away what stands there; false where there is no such place.
fn put(document: &mut Value, pointer: &str, value: Option<Value>) -> bool {
    let Some((above, name)) = pointer.rsplit_once('/') else { return false };
    let name = step(name);
    match (document.pointer_mut(above), value) {
        (Some(Value::Object(map)), Some(value)) => {
            map.insert(name, value);
        }
        (Some(Value::Object(map)), None) => {
            map.shift_remove(&name);
        }
        (Some(Value::Array(list)), Some(value)) => {
            match name.parse().ok().and_then(|at: usize| list.get_mut(at)) {
                Some(item) => *item = value,
                None => return false,
            }
        }
        _ => return false,
    }
    true
}
