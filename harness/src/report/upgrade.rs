//! What an upgrade of the operator does: for people, and as records for machines.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::rendering::{block, full_name, hider, said, who};
use super::style::{Paint, Style};
use super::text::{WIDTH, cut};
use crate::observe::env::{Written, shown};
use crate::render::{
    EnvChange, Fate, FieldChange, Outcome, Refused, RenderInput, RenderedVariable, Rendering, SetDifference,
    Takeover, Upgrade, between, only_in,
};
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;

/// One input under two operator versions.
#[derive(Debug, Serialize)]
pub struct UpgradeRecord {
    /// The file of a scenario, or `manifests`.
    pub input: String,
    /// The older operator's version, or its name in the configuration file.
    pub from: String,
    /// The newer operator's version, or its name in the configuration file.
    pub to: String,
    /// Whether anything is another than before.
    pub changed: bool,
    /// In the input's order; those without a difference too.
    pub clusters: Vec<ClusterChange>,
    /// What the operator says of no cluster.
    pub log: LogChange,
}

#[derive(Debug, Default, Serialize)]
pub struct LogChange {
    pub new: Vec<String>,
    pub gone: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ClusterChange {
    pub cluster: String,
    pub changed: bool,
    pub env: Vec<Change>,
    pub log: LogChange,
    /// Of the StatefulSet but its env.
    pub stateful_set: Vec<Change>,
    /// Refusals, of the old and of the new version.
    pub refused: Refusals,
    /// What the new version did to what the old one had made; none where one of them refuses the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takeover: Option<TakeoverRecord>,
}

#[derive(Debug, Default, Serialize)]
pub struct Refusals {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A variable or field. Secrets are fingerprints.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `added`, `removed`, `changed` or `reordered`.
    pub kind: &'static str,
    /// A variable's name or a field's path.
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct TakeoverRecord {
    pub stateful_set: Fate,
    pub pods: usize,
    pub restarted: usize,
    /// The operator's own.
    pub reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the new version finds to change at every sync, in its words; none where it has not looked a second time.
    pub again: Option<Vec<String>>,
    /// Variables that stand twice in the env list, with two values: the operator compares by name, and never finds them equal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub twice: Vec<String>,
}

impl UpgradeRecord {
    /// `secrets` are values to hide wherever they stand, beside those of the input's Secrets.
    pub fn new(name: &str, input: &RenderInput, upgrade: &Upgrade, secrets: &[Secret]) -> Self {
        let hider = hider(input, secrets);
        let taken: BTreeMap<usize, &Takeover> =
            upgrade.taken_over.iter().map(|one| (one.cluster, one)).collect();
        let clusters: Vec<ClusterChange> = between(&upgrade.from, &upgrade.to)
            .into_iter()
            .map(|difference| {
                let takeover = taken.get(&difference.cluster).copied();
                let mut change = ClusterChange {
                    cluster: full_name(&input.clusters[difference.cluster]),
                    changed: difference.outcome.is_change() || takeover.is_some_and(is_change),
                    env: Vec::new(),
                    log: LogChange::default(),
                    stateful_set: Vec::new(),
                    refused: Refusals::default(),
                    takeover: takeover.map(|takeover| record(takeover, &upgrade.to)),
                };
                change.fill(difference.outcome, &hider);
                change
            })
            .collect();
        let log = LogChange {
            new: only_in(&upgrade.to.log, &upgrade.from.log),
            gone: only_in(&upgrade.from.log, &upgrade.to.log),
        };
        let others =
            upgrade.from.refused != upgrade.to.refused || !log.new.is_empty() || !log.gone.is_empty();
        UpgradeRecord {
            input: name.to_owned(),
            from: upgrade.from.operator.clone(),
            to: upgrade.to.operator.clone(),
            changed: others || clusters.iter().any(|cluster| cluster.changed),
            clusters,
            log,
        }
    }
}

fn is_change(takeover: &Takeover) -> bool {
    takeover.fate != Fate::Kept
        || takeover.restarted > 0
        || takeover.failure.is_some()
        || takeover.again.as_ref().is_some_and(|reasons| !reasons.is_empty())
}

fn record(takeover: &Takeover, to: &Rendering) -> TakeoverRecord {
    let set = to.clusters.iter().find(|one| one.cluster == takeover.cluster);
    let env = set.and_then(|one| one.result.as_ref().ok()).map(|set| set.env.as_slice());
    TakeoverRecord {
        stateful_set: takeover.fate,
        pods: takeover.pods,
        restarted: takeover.restarted,
        reasons: takeover.reasons.clone(),
        failure: takeover.failure.clone(),
        again: takeover.again.clone(),
        twice: env.map(twice).unwrap_or_default(),
    }
}

/// The names that stand more than once with more than one value.
fn twice(env: &[RenderedVariable]) -> Vec<String> {
    let differs = |entry: &&RenderedVariable| {
        env.iter().any(|other| other.name == entry.name && other.item != entry.item)
    };
    let mut names: Vec<String> = env.iter().filter(differs).map(|entry| entry.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

impl ClusterChange {
    fn fill(&mut self, outcome: Outcome, hider: &Redactor) {
        let why = |refused: &Refused| Some(format!("{} refuses it: {}", who(refused.by), refused.message));
        match outcome {
            Outcome::Compared(SetDifference { env, log_new, log_gone, stateful_set }) => {
                self.env = env.iter().map(|change| of_env(change, hider)).collect();
                self.log = LogChange { new: log_new, gone: log_gone };
                self.stateful_set = stateful_set.iter().map(|change| of_field(change, hider)).collect();
            }
            Outcome::Refused(refused) => self.refused.to = why(&refused),
            Outcome::Accepted(refused) => self.refused.from = why(&refused),
            Outcome::RefusedByBoth(Some((from, to))) => {
                self.refused = Refusals { from: why(&from), to: why(&to) };
            }
            Outcome::RefusedByBoth(None) => {}
        }
    }
}

fn of_env(change: &EnvChange, hider: &Redactor) -> Change {
    let text = |variable: &RenderedVariable| match said(&variable.item, &variable.name, hider) {
        Written::Value(text) | Written::Reference(text) => Some(text),
    };
    match change {
        EnvChange::Added(to) => Change { kind: "added", what: to.name.clone(), from: None, to: text(to) },
        EnvChange::Removed(from) => {
            Change { kind: "removed", what: from.name.clone(), from: text(from), to: None }
        }
        EnvChange::Changed { from, to } => {
            Change { kind: "changed", what: to.name.clone(), from: text(from), to: text(to) }
        }
        EnvChange::Reordered { name, from, to } => Change {
            kind: "reordered",
            what: name.clone(),
            from: Some(format!("entry {from}")),
            to: Some(format!("entry {to}")),
        },
    }
}

fn of_field(change: &FieldChange, hider: &Redactor) -> Change {
    let name = change.path.rsplit(['[', '.', ']']).find(|part| !part.is_empty()).unwrap_or_default();
    let text = |value: &Option<Value>| {
        value.as_ref().map(|value| match value {
            Value::String(text) => shown(name, text, hider),
            other => hider.hide(&other.to_string()),
        })
    };
    let kind = match (&change.from, &change.to) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    Change { kind, what: change.path.clone(), from: text(&change.from), to: text(&change.to) }
}

/// The report: each cluster that something becomes of, and how many stay as they are.
pub fn text(record: &UpgradeRecord, coloured: bool) -> String {
    let style = if coloured { Style::of(&std::io::stdout()) } else { Style::plain() };
    let title = format!("{}: operator {} → {}", record.input, record.from, record.to);
    let mut text = format!("{}\n", style.paint(Paint::Strong, &title));
    for cluster in record.clusters.iter().filter(|cluster| cluster.changed) {
        text.push_str(&of_cluster(cluster, style));
    }
    text.push_str(&log_lines("", &record.log));
    let same = record.clusters.iter().filter(|cluster| !cluster.changed).count();
    let restarts = record.clusters.iter().filter(|cluster| restarts(cluster)).count();
    let clusters =
        |number: usize| if number == 1 { "1 cluster".to_owned() } else { format!("{number} clusters") };
    let changed = record.clusters.len() - same;
    text.push_str(&format!(
        "\n{} changed, {} the same; pods of {} will be restarted\n",
        clusters(changed),
        clusters(same),
        clusters(restarts)
    ));
    let of = |wanted: &dyn Fn(&TakeoverRecord) -> bool| {
        record.clusters.iter().filter(|cluster| cluster.takeover.as_ref().is_some_and(wanted)).count()
    };
    let without_end = of(&|takeover| again(takeover).is_some());
    if without_end > 0 {
        text.push_str(&format!("{} will be rolled again and again, at every sync\n", clusters(without_end)));
    }
    let unseen = of(&|takeover| takeover.failure.is_none() && takeover.again.is_none());
    if unseen > 0 {
        text.push_str(&format!("whether {} will be rolled again and again was not seen\n", clusters(unseen)));
    }
    text
}

fn restarts(cluster: &ClusterChange) -> bool {
    cluster.takeover.as_ref().is_some_and(|takeover| takeover.restarted > 0)
}

fn of_cluster(cluster: &ClusterChange, style: Style) -> String {
    let mut text = format!("\n{}\n", style.paint(Paint::Strong, &cluster.cluster));
    if let Some(takeover) = &cluster.takeover {
        let paint = if takeover.restarted > 0 { Paint::Bad } else { Paint::Good };
        text.push_str(&style.paint(paint, &block("  pods    ", &pods(takeover))));
        let fate = match takeover.stateful_set {
            Fate::Kept => "is left as it is",
            Fate::Updated => "is changed in place",
            Fate::Replaced => "is deleted without its pods and made anew",
            Fate::Gone => "is deleted and not made anew",
        };
        text.push_str(&format!("  set     the StatefulSet {fate}\n"));
        for reason in &takeover.reasons {
            text.push_str(&block("  why     ", reason));
        }
        if let Some(again) = again(takeover) {
            text.push_str(&style.paint(Paint::Bad, &block("  again   ", &again)));
        }
        if let Some(failure) = &takeover.failure {
            text.push_str(&style.paint(Paint::Bad, &block("  fails   ", failure)));
        }
    }
    for (version, refusal) in [("before", &cluster.refused.from), ("after", &cluster.refused.to)] {
        if let Some(refusal) = refusal {
            text.push_str(&block(&format!("  {version:<8}"), refusal));
        }
    }
    text.push_str(&changes("env", &cluster.env));
    text.push_str(&changes("field", &cluster.stateful_set));
    text.push_str(&log_lines("  ", &cluster.log));
    text
}

/// The question that people have before every upgrade.
fn pods(takeover: &TakeoverRecord) -> String {
    match (takeover.restarted, takeover.pods) {
        (_, 0) => "there are none".to_owned(),
        (0, _) => "will not be restarted".to_owned(),
        (some, all) if some == all => "will be restarted".to_owned(),
        (some, all) => format!("{some} of {all} will be restarted"),
    }
}

/// What a second sync finds to change, it finds at every sync.
fn again(takeover: &TakeoverRecord) -> Option<String> {
    let reasons = takeover.again.as_ref().filter(|reasons| !reasons.is_empty())?;
    let why = match &takeover.twice[..] {
        [] => String::new(),
        names => format!(
            "; {} twice in the env list with two values, which the operator never finds equal to what it wants",
            if let [name] = names { format!("{name} stands") } else { format!("{} stand", names.join(", ")) }
        ),
    };
    Some(format!(
        "will be rolled again and again, at every sync (resync_period): {}{why}",
        reasons.join("; ")
    ))
}

/// A line each; a value that is JSON on both sides shows only what differs in it.
fn changes(head: &str, changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let sign = match change.kind {
            "added" => "+",
            "removed" => "-",
            "changed" => "~",
            _ => "↕",
        };
        let head = format!("  {head:<5} {sign} ");
        let value = match (&change.from, &change.to) {
            (Some(from), Some(to)) if change.kind == "reordered" => format!("{from} → {to}"),
            (Some(from), Some(to)) => inside(from, to),
            (Some(only), None) | (None, Some(only)) => quoted(only),
            (None, None) => String::new(),
        };
        let line = format!("{} {}", change.what, cut(&value, WIDTH * 3));
        text.push_str(&block(&head, &line));
    }
    text
}

fn inside(from: &str, to: &str) -> String {
    let object = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    match (object(from), object(to)) {
        (Some(before), Some(after)) => {
            let parts = crate::render::fields(&before, &after);
            let parts = parts.iter().map(|part| {
                let value =
                    |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
                format!("{}: {} → {}", part.path, value(&part.from), value(&part.to))
            });
            parts.collect::<Vec<_>>().join("; ")
        }
        _ => format!("{} → {}", quoted(from), quoted(to)),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { text.replace('\n', "\\n") }
}

fn log_lines(indent: &str, log: &LogChange) -> String {
    let lines = |sign: &str, lines: &[String]| {
        lines.iter().map(|line| block(&format!("{indent}log   {sign} "), line)).collect::<String>()
    };
    lines("+", &log.new) + &lines("-", &log.gone)
}

/// A line for each input and step from one version to the next.
pub fn matrix(records: &[UpgradeRecord]) -> String {
    let header = ["input", "operator", "env", "fields", "log", "pods restarted"].map(str::to_owned);
    let rows = records.iter().map(|record| {
        let sum = |of: &dyn Fn(&ClusterChange) -> usize| record.clusters.iter().map(of).sum::<usize>();
        let log = sum(&|cluster| cluster.log.new.len() + cluster.log.gone.len());
        let log = log + record.log.new.len() + record.log.gone.len();
        let number = |number: usize| if number == 0 { "same".to_owned() } else { number.to_string() };
        let restarts = record.clusters.iter().filter(|cluster| restarts(cluster)).count();
        let failed = record.clusters.iter().filter(|cluster| {
            cluster.refused.to.is_some()
                || cluster.takeover.as_ref().is_some_and(|takeover| takeover.failure.is_some())
        });
        let mut pods = format!("{restarts} of {}", record.clusters.len());
        let failed = failed.count();
        if failed > 0 {
            pods.push_str(&format!(", {failed} fail"));
        }
        [
            record.input.rsplit('/').next().unwrap_or_default().to_owned(),
            format!("{} → {}", record.from, record.to),
            number(sum(&|cluster| cluster.env.len())),
            number(sum(&|cluster| cluster.stateful_set.len())),
            number(log),
            pods,
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(36);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            (0..6).map(|column| format!("{:<1$}", cut(&row[column], 36), width(column))).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
