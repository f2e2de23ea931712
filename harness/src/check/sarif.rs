//! Findings as SARIF 2.1.0, so that code review shows them at the lines they are about.
//!
//! Of the format only what is written. The crate for all of it makes its types from the JSON Schema at build time, with
//! two further versions of the parser that macros use.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::finding::{Finding, Severity};
use super::{Checked, definitions};
use crate::diagnosis::{Diagnosis, Place};

/// The whole document, for one run of `check`.
#[derive(Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
struct Run {
    tool: Tool,
    /// Columns are counted in characters.
    #[serde(rename = "columnKind")]
    column_kind: &'static str,
    results: Vec<Outcome>,
    invocations: [Invocation; 1],
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    help: Help,
    default_configuration: Level,
}

#[derive(Serialize)]
struct Level {
    level: &'static str,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    markdown: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
}

/// Somebody lives with it, and says why.
#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    justification: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

/// An object, for those whose files are not known.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
    descriptor: Descriptor,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
}

#[derive(Serialize)]
struct Descriptor {
    id: String,
}

/// The log of one check. Problems of the input are notifications of the tool: they are no results.
pub fn log(checked: &Checked, problems: &[Diagnosis]) -> Log {
    let rules = definitions()
        .iter()
        .map(|definition| Rule {
            id: definition.code,
            short_description: Text { text: definition.title.to_owned() },
            help: Help { text: definition.title.to_owned(), markdown: definition.page },
            default_configuration: Level { level: level(definition.severity) },
        })
        .collect();
    let problems = problems.iter().chain(&checked.problems);
    let mut notifications: Vec<Notification> = problems
        .map(|problem| Notification {
            level: "error",
            message: Text { text: problem.message.clone() },
            descriptor: Descriptor { id: problem.code.to_owned() },
            locations: problem.place.iter().map(location).collect(),
        })
        .collect();
    let successful = notifications.is_empty();
    notifications.extend(checked.without_configuration.iter().map(|said| Notification {
        level: "warning",
        message: Text { text: said.clone() },
        descriptor: Descriptor { id: "clonedrill::check::no_operator_configuration".to_owned() },
        locations: Vec::new(),
    }));
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver { name: "clonedrill", semantic_version: env!("CARGO_PKG_VERSION"), rules },
            },
            column_kind: "unicodeCodePoints",
            results: checked.findings.iter().map(outcome).collect(),
            invocations: [Invocation {
                execution_successful: successful,
                tool_execution_notifications: notifications,
            }],
        }],
    }
}

fn outcome(finding: &Finding) -> Outcome {
    let code = finding.definition.code;
    // What stays when lines are added above: the kind, the cluster and the file.
    let identity = format!("{code}\n{}\n{}", finding.cluster, uri(finding.place.file()));
    let digest = Sha256::digest(identity.as_bytes());
    let fingerprint = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let related = finding.related.iter().enumerate().map(|(at, related)| Location {
        id: Some(at + 1),
        message: Some(Text { text: related.words.clone() }),
        ..location(&related.place)
    });
    Outcome {
        rule_id: code.to_owned(),
        rule_index: definitions().iter().position(|definition| definition.code == code),
        level: level(finding.severity),
        message: Text { text: format!("{}.\nRepair: {}.", finding.message, finding.repair) },
        locations: vec![located(finding)],
        related_locations: related.collect(),
        partial_fingerprints: BTreeMap::from([("clonedrill/v1", fingerprint)]),
        suppressions: finding
            .accepted
            .iter()
            .map(|reason| Suppression { kind: "inSource", justification: reason.clone() })
            .collect(),
        baseline_state: finding.known.then_some("unchanged"),
    }
}

/// The place of a finding, with its object.
fn located(finding: &Finding) -> Location {
    let mut location = location(&finding.place);
    if let Some(object) = &finding.object {
        location.logical_locations = vec![Logical { fully_qualified_name: object.clone(), kind: "resource" }];
    }
    location
}

fn location(place: &Place) -> Location {
    let ((start_line, start_column), (end_line, end_column)) = (place.start(), place.end());
    Location {
        id: None,
        message: None,
        physical_location: Physical {
            artifact_location: Artifact { uri: uri(place.file()) },
            region: Region { start_line, start_column, end_line, end_column },
        },
        logical_locations: Vec::new(),
    }
}

/// Relative to where the check runs, as code review wants it: what is not a plain path is percent-encoded.
fn uri(file: &Path) -> String {
    let text = file.display().to_string();
    let text = text.strip_prefix("./").unwrap_or(&text);
    percent_encoding::utf8_percent_encode(text, URI).to_string()
}

const URI: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`');

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
