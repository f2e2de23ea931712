//! What the operator makes of clusters: as a table for people, and as records for machines.

use std::collections::BTreeMap;

use base64::Engine;
use serde::Serialize;
use serde_json::Value;

use super::style::{Paint, Style};
use super::text::{WIDTH, printable, wrap};
use crate::observe::env::{Written, shown, written};
use crate::render::{InputObject, Origin, Refused, RefusedBy, RenderInput, RenderedVariable, Rendering};
use crate::secret::{Secret, is_told_by_form};
use crate::snapshot::redact::Redactor;
use crate::yaml;

/// Where the objects of an input are in what a person gave.
pub trait Sources {
    /// `file:line` of a value.
    fn place(&self, object: InputObject, pointer: &str) -> Option<String>;
}

/// One input, rendered by one operator version.
#[derive(Debug, Serialize)]
pub struct RenderingRecord {
    /// The file of a scenario, or `manifests`.
    pub input: String,
    /// Its version, or its name in the configuration file.
    pub operator: String,
    /// In the input's order.
    pub clusters: Vec<ClusterRecord>,
    /// What the operator said of no cluster.
    pub log: Vec<String>,
    /// Objects other than clusters that the API server refused.
    pub refused: Vec<RefusedRecord>,
}

#[derive(Debug, Serialize)]
pub struct ClusterRecord {
    /// `namespace/name`.
    pub cluster: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub env: Vec<VariableRecord>,
    pub log: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins_unknown: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedRecord>,
}

/// One entry of the list. Secrets are fingerprints.
#[derive(Debug, Serialize)]
pub struct VariableRecord {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Such as `secret backup-keys/prod`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What the reference leads to, where the input has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred: Option<String>,
    /// The container gets this entry's value.
    pub wins: bool,
    /// The name stands more than once.
    pub repeated: bool,
    pub from: Vec<OriginRecord>,
    /// Made from the input in a way that hides from what.
    pub derived: bool,
}

#[derive(Debug, Serialize)]
pub struct OriginRecord {
    /// `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Such as `Secret backup-keys`.
    pub object: String,
    /// Such as `spec.env[3].value`.
    pub path: String,
    pub release_default: bool,
}

#[derive(Debug, Serialize)]
pub struct RefusedRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    pub by: RefusedBy,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl RenderingRecord {
    /// `secrets` are values to hide wherever they stand, beside those of the input's Secrets.
    pub fn new(
        name: &str,
        input: &RenderInput,
        rendering: &Rendering,
        secrets: &[Secret],
        sources: &dyn Sources,
    ) -> Self {
        let of = Of { input, hider: hider(input, secrets), sources };
        RenderingRecord {
            input: name.to_owned(),
            operator: rendering.operator.clone(),
            clusters: rendering
                .clusters
                .iter()
                .map(|rendered| {
                    let object = InputObject::Cluster(rendered.cluster);
                    let mut record = ClusterRecord {
                        cluster: full_name(&input.clusters[rendered.cluster]),
                        place: sources.place(object, "/metadata/name"),
                        env: Vec::new(),
                        log: Vec::new(),
                        origins_unknown: None,
                        refused: None,
                    };
                    match &rendered.result {
                        Ok(set) => {
                            record.env = of.variables(&set.env);
                            record.log.clone_from(&set.log);
                            record.origins_unknown.clone_from(&set.origins_unknown);
                        }
                        Err(refused) => record.refused = Some(of.refused(object, refused, false)),
                    }
                    record
                })
                .collect(),
            log: rendering.log.clone(),
            refused: rendering
                .refused
                .iter()
                .map(|(object, refused)| of.refused(*object, refused, true))
                .collect(),
        }
    }
}

/// A Secret's value that is shorter may be a user's name or another word, and stands everywhere.
const TELLING: usize = 12;

/// Hides the values of the input's Secrets, and of these.
pub(super) fn hider(input: &RenderInput, secrets: &[Secret]) -> Redactor {
    let own = input.objects.iter().filter(|object| object["kind"] == "Secret").flat_map(secret_values);
    let own = own.filter(|(_, value)| value.len() >= TELLING).map(|(_, value)| Secret::new(value));
    own.chain(secrets.iter().cloned()).fold(Redactor::new(), |redactor, secret| redactor.password(&secret))
}

/// The keys and values of a Secret; what is no text nobody can show.
fn secret_values(object: &Value) -> BTreeMap<String, String> {
    let texts = |field: &str| {
        let fields = object[field].as_object().into_iter().flatten();
        fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
    };
    let decoded = texts("data").filter_map(|(key, value)| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(value.trim()).ok()?;
        Some((key, String::from_utf8(bytes).ok()?))
    });
    // Kubernetes lays `stringData` over `data`. A word such as `true` is no secret, and stands everywhere.
    let all: BTreeMap<String, String> = decoded.chain(texts("stringData")).collect();
    all.into_iter().filter(|(_, value)| !crate::secret::is_a_word(value)).collect()
}

pub(super) fn full_name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let namespace = Some(text("/metadata/namespace")).filter(|text| !text.is_empty()).unwrap_or("default");
    format!("{namespace}/{}", text("/metadata/name"))
}

struct Of<'a> {
    input: &'a RenderInput,
    hider: Redactor,
    sources: &'a dyn Sources,
}

impl Of<'_> {
    fn variables(&self, env: &[RenderedVariable]) -> Vec<VariableRecord> {
        let repeated = |name: &str| env.iter().filter(|variable| variable.name == name).count() > 1;
        env.iter()
            .map(|variable| {
                let (value, reference) = match said(&variable.item, &variable.name, &self.hider) {
                    Written::Value(value) => (Some(value), None),
                    Written::Reference(reference) => (None, Some(reference)),
                };
                VariableRecord {
                    value,
                    reference,
                    referred: variable.origins.iter().find_map(|origin| self.referred(variable, origin)),
                    wins: !variable.hidden,
                    repeated: repeated(&variable.name),
                    from: variable.origins.iter().map(|origin| self.origin(origin)).collect(),
                    derived: variable.derived,
                    name: variable.name.clone(),
                }
            })
            .collect()
    }

    /// The value that a reference leads to: a Secret's as a fingerprint.
    fn referred(&self, variable: &RenderedVariable, origin: &Origin) -> Option<String> {
        variable.item.get("valueFrom")?;
        let InputObject::Object(index) = origin.object else { return None };
        let object = &self.input.objects[index];
        let key = yaml::step(origin.pointer.rsplit('/').next()?);
        match object["kind"].as_str()? {
            "Secret" => {
                let value = object.pointer(&origin.pointer)?.as_str()?;
                Some(match secret_values(object).get(&key) {
                    Some(value) => Secret::new(value.clone()).fingerprint(),
                    // A switch or a number, which is shown; or bytes, which are not.
                    None if origin.pointer.starts_with("/stringData") => value.to_owned(),
                    None => Secret::new(value).fingerprint(),
                })
            }
            _ => object
                .pointer(&origin.pointer)?
                .as_str()
                .map(|value| shown(&variable.name, value, &self.hider)),
        }
    }

    fn origin(&self, origin: &Origin) -> OriginRecord {
        let place = (!origin.release_default).then(|| self.sources.place(origin.object, &origin.pointer));
        OriginRecord {
            place: place.flatten(),
            object: self.object(origin.object),
            path: path(&origin.pointer),
            release_default: origin.release_default,
        }
    }

    fn object(&self, object: InputObject) -> String {
        let named = |object: &Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            format!("{} {name}", object["kind"].as_str().unwrap_or_default())
        };
        match object {
            InputObject::Settings => match &self.input.settings {
                crate::render::Settings::ConfigMap(object) => named(object),
                _ => "OperatorConfiguration".to_owned(),
            },
            InputObject::Object(index) => self.input.objects.get(index).map(named).unwrap_or_default(),
            InputObject::Cluster(index) => self.input.clusters.get(index).map(named).unwrap_or_default(),
        }
    }

    fn refused(&self, object: InputObject, refused: &Refused, named: bool) -> RefusedRecord {
        let pointer = refused.field.as_deref().map(pointer_of_field).unwrap_or_default();
        RefusedRecord {
            object: named.then(|| self.object(object)),
            by: refused.by,
            message: refused.message.clone(),
            field: refused.field.clone(),
            place: self.sources.place(object, &pointer),
        }
    }
}

/// What an item says, a text of a secret's form as a fingerprint too, whatever its name.
pub(super) fn said(item: &Value, name: &str, hider: &Redactor) -> Written {
    match written(item, name, &|name, value| shown(name, value, hider)) {
        Written::Value(value) if is_told_by_form(&value) => Written::Value(Secret::new(value).fingerprint()),
        written => written,
    }
}

fn pointer_of_field(field: &str) -> String {
    crate::yaml::pointer_of_field(field)
}

/// `/spec/env/3/value` as `spec.env[3].value`.
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let step = yaml::step(step);
        match step.parse::<usize>() {
            Ok(index) => path.push_str(&format!("[{index}]")),
            Err(_) if path.is_empty() => path.push_str(&step),
            Err(_) => path.push_str(&format!(".{step}")),
        }
    }
    path
}

/// Values that take more lines than this are cut; the records have all of them.
const LINES: usize = 4;
const GAP: usize = 2;
const NAMES: usize = 34;
const ORIGINS: usize = 34;

/// The table of each cluster, no line wider than 100 columns.
pub fn table(record: &RenderingRecord, coloured: bool) -> String {
    let style = if coloured { Style::of(&std::io::stdout()) } else { Style::plain() };
    let mut text = String::new();
    for cluster in &record.clusters {
        let place = cluster.place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
        let title = format!("{}  operator {}", style.paint(Paint::Strong, &cluster.cluster), record.operator);
        text.push_str(&format!("{title}{}\n", style.paint(Paint::Faint, &place)));
        if let Some(refused) = &cluster.refused {
            text.push_str(&block("  ", &format!("{} refuses it: {}", who(refused.by), refused.message)));
        } else {
            text.push_str(&rows(&cluster.env, cluster.origins_unknown.is_some(), style));
        }
        if let Some(why) = &cluster.origins_unknown {
            text.push_str(&block("  ", &format!("where values came from is not known: {why}")));
        }
        for line in &cluster.log {
            text.push_str(&style.paint(Paint::Odd, &block("  log  ", line)));
        }
        text.push('\n');
    }
    for refused in &record.refused {
        let object = refused.object.as_deref().unwrap_or_default();
        text.push_str(&block("", &format!("{} refuses {object}: {}", who(refused.by), refused.message)));
    }
    for line in &record.log {
        text.push_str(&style.paint(Paint::Faint, &block("log  ", line)));
    }
    text
}

pub(super) fn who(by: RefusedBy) -> &'static str {
    match by {
        RefusedBy::ApiServer => "the API server",
        RefusedBy::Operator => "the operator",
    }
}

/// A text on lines of its own, further ones below the first.
pub(super) fn block(head: &str, text: &str) -> String {
    let indent = " ".repeat(head.chars().count());
    let lines = wrap(text, WIDTH - head.chars().count()).into_iter().enumerate();
    lines.map(|(index, line)| format!("{}{line}\n", if index == 0 { head } else { &indent })).collect()
}

fn rows(env: &[VariableRecord], unknown: bool, style: Style) -> String {
    let rows: Vec<[Vec<String>; 3]> = env
        .iter()
        .map(|variable| {
            let origins = origins(variable, unknown);
            [vec![variable.name.clone()], vec![value(variable)], origins]
        })
        .collect();
    let widest = |column: usize, most: usize| {
        let cells = rows.iter().flat_map(|row| &row[column]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(most)
    };
    let (names, origins) = (widest(0, NAMES), widest(2, ORIGINS));
    let values = WIDTH - 2 - names - origins - 2 * GAP;
    let mut text = String::new();
    for (row, variable) in rows.iter().zip(env) {
        let name = broken(&row[0][0], names);
        let mut value = broken(&row[1][0], values);
        if value.len() > LINES {
            let length = row[1][0].chars().count();
            value.truncate(LINES - 1);
            value.push(format!("… ({length} characters)"));
        }
        let from: Vec<String> = row[2].iter().flat_map(|origin| broken(origin, origins)).collect();
        for line in 0..name.len().max(value.len()).max(from.len()) {
            let cell = |cells: &[String]| cells.get(line).cloned().unwrap_or_default();
            let left = format!("{:<names$}  {:<values$}", cell(&name), cell(&value));
            let left = if variable.wins { left } else { style.paint(Paint::Faint, &left) };
            let from = style.paint(Paint::Faint, &cell(&from));
            let line = format!("  {left}  {from}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

fn value(variable: &VariableRecord) -> String {
    let mut text = match (&variable.value, &variable.reference) {
        (Some(value), _) if value.is_empty() => "\"\"".to_owned(),
        (Some(value), _) => value.replace('\n', "\\n"),
        (None, reference) => reference.clone().unwrap_or_default(),
    };
    if let Some(referred) = &variable.referred {
        text.push_str(&format!(" = {referred}"));
    }
    if variable.repeated {
        text.push_str(if variable.wins { " (this one wins)" } else { " (hidden by a later one)" });
    }
    printable(&text)
}

fn origins(variable: &VariableRecord, unknown: bool) -> Vec<String> {
    if variable.from.is_empty() {
        return vec![match (unknown, variable.derived) {
            (true, _) => "not known".to_owned(),
            (false, true) => "derived".to_owned(),
            (false, false) => "the operator".to_owned(),
        }];
    }
    let mut origins: Vec<String> = Vec::new();
    for origin in &variable.from {
        let said = match &origin.place {
            Some(place) => short(place),
            None if origin.release_default => {
                let path = origin.path.strip_prefix("configuration.").unwrap_or(&origin.path);
                format!("default {path}")
            }
            None => format!("{} {}", origin.object, origin.path),
        };
        if !origins.contains(&said) {
            origins.push(said);
        }
    }
    origins
}

/// The file's name and the line; the folders are those that were given.
fn short(place: &str) -> String {
    place.rsplit('/').next().unwrap_or(place).to_owned()
}

/// Breaks at blanks where that fills a line well, and anywhere else.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let blank = rest[..=width].iter().rposition(|symbol| *symbol == ' ').filter(|at| *at > width / 2);
        let at = blank.unwrap_or(width);
        lines.push(rest[..at].iter().collect());
        rest.drain(..if blank.is_some() { at + 1 } else { at });
    }
    lines.push(rest.into_iter().collect());
    lines
}

#[cfg(test)]
mod tests;
