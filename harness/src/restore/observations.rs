//! What was observed of a clone, as texts for people: its env, what its logs say, its data.

use std::collections::BTreeMap;

use serde_json::Value;

use super::clone::PlannedClone;
use super::error::RestoreError;
use super::evidence::Evidence;
use super::follow::joined;
use crate::environment::ContainerLog;
use crate::environment::cluster::PodLogs;
use crate::observe::logs::{LogObservation, Owner};
use crate::report::Proof;
use crate::secret::is_told_by_name;
use crate::snapshot::redact::Redactor;
use crate::spilo::EnvItem;

/// What the server's own log is called among the containers' logs.
const SERVER: &str = "postgres-server";
/// Lines of evidence of unknown errors.
const SHOWN: usize = 20;

/// Keeps the env list as the operator wrote it, one variable a line.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn env(evidence: &Evidence, variables: &[EnvItem]) -> Result<(), RestoreError> {
    let lines = variables.iter().enumerate().map(|(index, variable)| {
        let again = variables[index + 1..].iter().any(|later| later.name == variable.name);
        let note = if again { "   (overridden by a later one)" } else { "" };
        format!("{}  {}{note}\n", variable.name, value(&variable.name, &variable.item))
    });
    evidence.text("env/clone.txt", &lines.collect::<String>())
}

fn value(name: &str, item: &Value) -> String {
    match item.get("valueFrom").filter(|from| !from.is_null()) {
        Some(from) => from.to_string(),
        None if is_told_by_name(name) => "(a plain value)".to_owned(),
        None => item["value"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Keeps what the logs say, and tells of errors that nobody knows. They fail no drill: what counts is what came back.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn logs(
    evidence: &Evidence,
    clone: &PlannedClone,
    logs: &PodLogs,
    server: &str,
) -> Result<Proof, RestoreError> {
    let mut all: Vec<ContainerLog> = logs
        .so_far()
        .into_iter()
        .map(|log| ContainerLog {
            pod: log.pod,
            uid: String::new(),
            container: log.container,
            attempt: log.attempt.unsigned_abs(),
            text: joined(&log.lines),
        })
        .collect();
    let pods: Vec<String> = all.iter().map(|log| log.pod.clone()).collect();
    let pod = pods.first().cloned().unwrap_or_else(|| clone.name.clone());
    all.push(ContainerLog {
        pod: pod.clone(),
        uid: String::new(),
        container: SERVER.to_owned(),
        attempt: 0,
        text: server.to_owned(),
    });
    let owners: BTreeMap<String, Owner> =
        pods.into_iter().chain([pod]).map(|pod| (pod, Owner::Cluster("clone".to_owned()))).collect();
    let redactor = evidence.secrets().iter().fold(Redactor::new(), Redactor::literal);
    let observation = LogObservation::new(&all, &owners, &redactor);
    evidence.text("logs.txt", &observation.to_text())?;
    let unknown = observation.unknown_errors();
    let lines = unknown.iter().flat_map(|message| message.examples.first().cloned());
    let seen = match unknown.len() {
        0 => "no error in it that is not known".to_owned(),
        kinds => format!("{kinds} kinds of errors in it that are not known: have a look"),
    };
    Ok(Proof { evidence: lines.take(SHOWN).collect(), ..Proof::new("log of the clone", true, seen) })
}
