//! `${…}`: the places of a scenario that are filled in while a drill runs.

use std::fmt;
use std::ops::Range;

use super::sas::Sas;
use crate::yaml::nearest;

/// What stands inside `${…}`. There is no expression language: these are all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// `${clusters.<short name>.uid}`: the UID that Kubernetes gave to the cluster's manifest.
    ClusterUid(String),
    /// `${marks.<name>.time}`: RFC 3339 with microseconds and the zone `+00:00`.
    MarkTime(String),
    /// `${marks.<name>.lsn}`: such as `0/3000148`.
    MarkLsn(String),
    /// `${storage.<account>.name}`: the storage account's name during this drill.
    AccountName(String),
    /// `${storage.<account>.key}`: its key, in base64. A secret.
    AccountKey(String),
    /// `${storage.<account>.sas.rl}`: a SAS token with these permissions; with `.ended` behind them, one whose time is over.
    /// A secret.
    AccountSas(String, Sas),
    /// `${postgres.version}`: the major version, such as `15`.
    PostgresVersion,
    /// `${drill.namespace}`: the Kubernetes namespace of this drill.
    DrillNamespace,
}

/// What may follow `${`, for messages.
const FORMS: &str = "`clusters.<cluster>.uid`, `marks.<mark>.time`, `marks.<mark>.lsn`, `storage.<account>.name`, \
                     `storage.<account>.key`, `storage.<account>.sas.<some of racwdl, in this order>`, the same with `.ended`, \
                     `postgres.version` and `drill.namespace`";

/// Why the text inside `${…}` is no variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// It is none of those that there are.
    #[error("no such variable")]
    Unknown {
        /// The nearest form, or all of them.
        help: String,
    },
    /// A `${` without a `}` after it.
    #[error("no `}}` after `${{`")]
    Unclosed,
}

impl VariableError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            VariableError::Unknown { help } => help.clone(),
            VariableError::Unclosed => "write `$${` where `${` itself is meant".to_owned(),
        }
    }
}

impl Variable {
    /// Reads the text between `${` and `}`.
    ///
    /// # Errors
    /// [`VariableError::Unknown`] with the nearest form.
    pub fn parse(text: &str) -> Result<Variable, VariableError> {
        Variable::recognise(text).ok_or_else(|| VariableError::Unknown { help: help_for(text) })
    }

    fn recognise(text: &str) -> Option<Variable> {
        let parts: Vec<&str> = text.split('.').collect();
        let named = |name: &&str| (*name).to_owned();
        Some(match parts.as_slice() {
            ["clusters", name, "uid"] => Variable::ClusterUid(named(name)),
            ["marks", name, "time"] => Variable::MarkTime(named(name)),
            ["marks", name, "lsn"] => Variable::MarkLsn(named(name)),
            ["storage", name, "name"] => Variable::AccountName(named(name)),
            ["storage", name, "key"] => Variable::AccountKey(named(name)),
            ["storage", name, "sas", sas @ ..] => Variable::AccountSas(named(name), Sas::parse(sas)?),
            ["postgres", "version"] => Variable::PostgresVersion,
            ["drill", "namespace"] => Variable::DrillNamespace,
            _ => return None,
        })
    }
}

/// The nearest form of a variable that does not exist, or all forms.
fn help_for(text: &str) -> String {
    let parts: Vec<&str> = text.split('.').collect();
    let near = |found: Option<&str>, given: &str| found.unwrap_or(given).to_owned();
    let guess = match parts.as_slice() {
        [root, last] => format!(
            "{}.{}",
            near(nearest(root, &["postgres", "drill"]), root),
            near(nearest(last, &["version", "namespace"]), last)
        ),
        [root, name, last] => format!(
            "{}.{name}.{}",
            near(nearest(root, &["clusters", "marks", "storage"]), root),
            near(nearest(last, &["uid", "time", "lsn", "name", "key"]), last)
        ),
        _ => String::new(),
    };
    match Variable::recognise(&guess) {
        Some(variable) => format!("did you mean `{variable}`?"),
        None => format!("there are {FORMS}"),
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variable::ClusterUid(name) => write!(f, "${{clusters.{name}.uid}}"),
            Variable::MarkTime(name) => write!(f, "${{marks.{name}.time}}"),
            Variable::MarkLsn(name) => write!(f, "${{marks.{name}.lsn}}"),
            Variable::AccountName(name) => write!(f, "${{storage.{name}.name}}"),
            Variable::AccountKey(name) => write!(f, "${{storage.{name}.key}}"),
            Variable::AccountSas(name, sas) => write!(f, "${{storage.{name}.{sas}}}"),
            Variable::PostgresVersion => f.write_str("${postgres.version}"),
            Variable::DrillNamespace => f.write_str("${drill.namespace}"),
        }
    }
}

/// A stretch of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it is; `$${` has become `${`.
    Text(&'a str),
    /// `${…}`, with its bytes in the text.
    Variable { range: Range<usize>, variable: Result<Variable, VariableError> },
}

/// Splits a text at its `${…}`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let piece = |part| match part {
        Part::Text(text) => Piece::Text(text),
        Part::Braces { range, inside } => Piece::Variable {
            range,
            variable: inside.ok_or(VariableError::Unclosed).and_then(Variable::parse),
        },
    };
    split(text).into_iter().map(piece).collect()
}

/// A stretch of a text, whatever names there are.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// As it is; `$${` has become `${`.
    Text(&'a str),
    /// `${…}`, with its bytes in the text, and what stands inside; nothing where it is not closed.
    Braces {
        /// Bytes of the text, from the `$` on, the closing brace included.
        range: Range<usize>,
        /// None where it is not closed.
        inside: Option<&'a str>,
    },
}

/// Splits a text at its `${…}`, where other names than a scenario's count.
pub fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$').map(|offset| at + offset) {
        let rest = &text[found..];
        if rest.starts_with("$${") {
            parts.push(Part::Text(&text[from..found]));
            from = found + 1;
            at = found + 3;
        } else if let Some(open) = rest.strip_prefix("${") {
            parts.push(Part::Text(&text[from..found]));
            let (length, inside) = match open.find('}') {
                Some(end) => (end + 3, Some(&open[..end])),
                None => (rest.len(), None),
            };
            parts.push(Part::Braces { range: found..found + length, inside });
            from = found + length;
            at = from;
        } else {
            at = found + 1;
        }
    }
    parts.push(Part::Text(&text[from..]));
    parts.retain(|part| *part != Part::Text(""));
    parts
}
