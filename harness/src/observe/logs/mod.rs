//! The observation of the logs: what the operator and the pods said, as templates, known or not.

mod line;
mod record;

use std::collections::{BTreeMap, BTreeSet};

use crate::environment::ContainerLog;
use crate::observe::catalogue::{self, Entry, Level, Source, Standing};
use crate::snapshot::redact::Redactor;
use record::Record;

pub(crate) use line::recognise;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Operator,
    /// A cluster by the short name that the scenario gives it.
    Cluster(String),
    /// A pod that belongs to neither.
    Pod(String),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Operator => f.write_str("operator"),
            Owner::Cluster(name) => write!(f, "cluster {name}"),
            Owner::Pod(name) => write!(f, "pod {name}"),
        }
    }
}

/// Messages of one kind from one container, folded into one.
#[derive(Debug, Clone)]
pub struct Message {
    pub owner: Owner,
    pub container: String,
    pub level: Level,
    pub source: Source,
    /// The message with all that varies replaced, such as `<time>` or `<lsn>`.
    pub template: String,
    /// Its entry in the catalogue, where it is known.
    pub entry: Option<&'static Entry>,
    /// How often it was seen.
    pub count: usize,
    /// The first of them as they were printed, secrets as fingerprints.
    pub examples: Vec<String>,
}

/// Evidence shows the first lines of a kind; more of the same says nothing new.
const EXAMPLES: usize = 3;

/// What the operator and the pods of a drill said.
#[derive(Debug, Clone, Default)]
pub struct LogObservation {
    messages: Vec<Message>,
    /// Every container that ran, whether it said anything of note or not.
    containers: BTreeSet<(Owner, String)>,
    /// Those that printed anything at all: a log that was lost has no errors either.
    heard: BTreeSet<(Owner, String)>,
}

impl LogObservation {
    /// Reads the logs. `owners` says by the pods' names whose they are; the redactor knows this drill's values.
    pub fn new(logs: &[ContainerLog], owners: &BTreeMap<String, Owner>, redactor: &Redactor) -> Self {
        let mut folded: BTreeMap<_, Message> = BTreeMap::new();
        let mut order = Vec::new();
        let (mut containers, mut heard) = (BTreeSet::new(), BTreeSet::new());
        for log in logs {
            let owner =
                owners.get(&log.pod).cloned().unwrap_or_else(|| Owner::Pod(redactor.redact(&log.pod)));
            containers.insert((owner.clone(), log.container.clone()));
            if !log.text.trim().is_empty() {
                heard.insert((owner.clone(), log.container.clone()));
            }
            for record in record::split(&log.text) {
                let (level, entry) = classify(&record);
                // An operator's log has thousands of remarks that nobody asks for.
                if level == Level::Info && entry.is_none() {
                    continue;
                }
                let template = redactor.redact(record.headline().as_ref());
                // The lines after the first may make another message of it.
                let name = entry.map(|entry| entry.name);
                let key = (owner.clone(), log.container.clone(), template.clone(), level, name);
                let message = folded.entry(key.clone()).or_insert_with(|| {
                    order.push(key);
                    Message {
                        owner: owner.clone(),
                        container: log.container.clone(),
                        level,
                        source: record.source,
                        template,
                        entry,
                        count: 0,
                        examples: Vec::new(),
                    }
                });
                message.count += 1;
                if message.examples.len() < EXAMPLES {
                    message.examples.push(redactor.hide(&record.text()));
                }
            }
        }
        LogObservation {
            messages: order.into_iter().filter_map(|key| folded.remove(&key)).collect(),
            containers,
            heard,
        }
    }

    /// Whether any container of this owner printed anything; only those called `container`, where one is given.
    pub fn heard(&self, owner: &Owner, container: Option<&str>) -> bool {
        let named = |name: &String| container.is_none_or(|container| container == name);
        self.heard.iter().any(|(of, name)| of == owner && named(name))
    }

    /// Everybody of whom there is a log.
    pub fn owners(&self) -> BTreeSet<&Owner> {
        self.containers.iter().map(|(owner, _)| owner).collect()
    }

    /// All warnings and errors and the notable remarks, folded, in the order in which each was first seen.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Errors that are not in the catalogue.
    pub fn unknown_errors(&self) -> Vec<&Message> {
        self.messages
            .iter()
            .filter(|message| message.level == Level::Error && message.entry.is_none())
            .collect()
    }

    /// Errors of this owner that fail a drill: those that nobody knows, and those that are known and that
    /// the scenario does not expect.
    pub fn unexpected_errors(&self, owner: &Owner, known: &[String]) -> Vec<&Message> {
        let expected = |message: &&Message| match message.entry {
            Some(entry) => {
                entry.standing != Standing::Expected || known.iter().any(|name| name == entry.name)
            }
            None => false,
        };
        self.messages
            .iter()
            .filter(|message| message.level == Level::Error && message.owner == *owner && !expected(message))
            .collect()
    }

    /// Whether anybody printed the catalogue's message of this name.
    pub fn seen(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// Whether this owner printed the catalogue's message of this name.
    pub fn seen_by(&self, owner: &Owner, name: &str) -> bool {
        self.named(name).any(|message| message.owner == *owner)
    }

    /// How often this owner printed the catalogue's message of this name.
    pub fn count_by(&self, owner: &Owner, name: &str) -> usize {
        self.named(name).filter(|message| message.owner == *owner).map(|message| message.count).sum()
    }

    /// The first lines that show the catalogue's message of this name, secrets as fingerprints.
    pub fn evidence(&self, name: &str) -> Vec<&str> {
        self.named(name)
            .flat_map(|message| message.examples.iter().map(String::as_str))
            .take(EXAMPLES)
            .collect()
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.entry.is_some_and(|entry| entry.name == name))
    }

    /// The observation as it stands in a snapshot: for each container the set of warnings and errors, and
    /// of the informational lines that the catalogue calls notable. The same in every run of a drill.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (owner, container) in &self.containers {
            let said = |message: &&Message| message.owner == *owner && message.container == *container;
            let lines: BTreeSet<String> =
                self.messages.iter().filter(said).filter_map(snapshot_line).collect();
            text.push_str(&format!("{owner}, container {container}\n"));
            if lines.is_empty() {
                text.push_str("  nothing to note\n");
            }
            for line in lines {
                text.push_str(&format!("  {line}\n"));
            }
            text.push('\n');
        }
        text.trim_end().to_owned()
    }
}

/// The catalogue knows better than its writer how bad a message is.
fn classify(record: &Record) -> (Level, Option<&'static Entry>) {
    match catalogue::find_from(record.source, &record.text()) {
        // A remark that quotes an error's words is no error itself.
        Some(entry) if record.level == Level::Info && entry.standing == Standing::TimingDependent => {
            (Level::Info, None)
        }
        Some(entry) => (entry.level, Some(entry)),
        None => (record.level, None),
    }
}

fn snapshot_line(message: &Message) -> Option<String> {
    let level = message.level.name();
    let source = message.source.name();
    match message.entry {
        Some(entry) if entry.standing == Standing::TimingDependent => None,
        // Which of a cluster's programs says it first, and how often, is a matter of timing; that it was said is not.
        Some(entry) if matches!(entry.source, Source::Operator | Source::ApiServer) => {
            Some(format!("{level:<8} {:<10} [{}] {}", entry.source.name(), entry.name, message.template))
        }
        Some(entry) => Some(format!("{level:<8} {:<10} [{}]", entry.source.name(), entry.name)),
        None => Some(format!("{level:<8} {source:<10} {}", message.template)),
    }
}

#[cfg(test)]
mod tests;
