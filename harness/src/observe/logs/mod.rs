//! The observation of the logs: what the operator and the pods said, as templates, known or not.

pub mod csvlog;
mod line;
pub mod parts;
mod record;
pub mod recovery;

use std::collections::{BTreeMap, BTreeSet};

use crate::environment::ContainerLog;
use crate::observe::catalogue::{self, Entry, Level, Source, Standing};
use crate::snapshot::redact::Redactor;
use record::Record;

pub(crate) use line::recognise;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The postgres-operator of the drill.
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
    /// The operator, or which cluster.
    pub owner: Owner,
    /// The container's name in its pod, such as `postgres`.
    pub container: String,
    /// The catalogue's; its writer's where the catalogue has nothing of it, or excuses it.
    pub level: Level,
    /// The program that wrote it; one container has several.
    pub source: Source,
    /// The message with all that varies replaced, such as `<time>` or `<lsn>`.
    pub template: String,
    /// Its entry in the catalogue, where it is known.
    pub entry: Option<&'static Entry>,
    /// How often it was seen.
    pub count: usize,
    /// A trouble that passes by itself, and in these pods the last word of it is that it is there.
    pub lasting: BTreeSet<String>,
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
    /// Those that printed anything that is understood: a log that was lost, or has a form that nobody knows, has no
    /// errors either. Owner, pod, container.
    heard: BTreeSet<(Owner, String, String)>,
    /// Pods with a container that was in the middle of a message as its log was read.
    unfinished: BTreeSet<String>,
}

impl LogObservation {
    /// Reads the logs. `owners` says by the pods' names whose they are; the redactor knows this drill's values.
    pub fn new(logs: &[ContainerLog], owners: &BTreeMap<String, Owner>, redactor: &Redactor) -> Self {
        let mut folded: BTreeMap<_, Message> = BTreeMap::new();
        let mut order = Vec::new();
        let (mut containers, mut heard) = (BTreeSet::new(), BTreeSet::new());
        let mut unfinished = BTreeSet::new();
        // By pod and container: troubles of which it is not known yet that they passed.
        let mut troubles: BTreeMap<(&str, &str), BTreeMap<_, &'static str>> = BTreeMap::new();
        for log in logs {
            let owner =
                owners.get(&log.pod).cloned().unwrap_or_else(|| Owner::Pod(redactor.redact(&log.pod)));
            containers.insert((owner.clone(), log.container.clone()));
            if record::unfinished(&log.text) {
                unfinished.insert(log.pod.clone());
            }
            let troubles = troubles.entry((log.pod.as_str(), log.container.as_str())).or_default();
            for record in record::split(&log.text) {
                if record.framed {
                    heard.insert((owner.clone(), log.pod.clone(), log.container.clone()));
                }
                let (level, entry) = classify(&record);
                if !troubles.is_empty() {
                    troubles.retain(|_, name| !catalogue::ends(name, &record.words()));
                }
                // An operator's log has thousands of remarks that nobody asks for.
                if level == Level::Info && entry.is_none() {
                    continue;
                }
                let template = redactor.redact(record.headline().as_ref());
                // The lines after the first may make another message of it.
                let name = entry.map(|entry| entry.name);
                let key = (owner.clone(), log.container.clone(), template.clone(), level, name);
                if let Some(entry) = entry.filter(|entry| matches!(entry.standing, Standing::Passing(_))) {
                    troubles.insert(key.clone(), entry.name);
                }
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
                        lasting: BTreeSet::new(),
                        examples: Vec::new(),
                    }
                });
                message.count += 1;
                if message.examples.len() < EXAMPLES {
                    message.examples.push(redactor.hide(&record.text()));
                }
            }
        }
        for ((pod, _), keys) in &troubles {
            for key in keys.keys() {
                if let Some(message) = folded.get_mut(key) {
                    message.lasting.insert((*pod).to_owned());
                }
            }
        }
        LogObservation {
            messages: order.into_iter().filter_map(|key| folded.remove(&key)).collect(),
            containers,
            heard,
            unfinished,
        }
    }

    /// Takes note of pods that were ended from outside: they had no time for a last word.
    pub fn ended(&mut self, ended: impl Fn(&str) -> bool) {
        self.unfinished.retain(|pod| !ended(pod));
        for message in &mut self.messages {
            message.lasting.retain(|pod| !ended(pod));
        }
    }

    /// What may be otherwise in a moment: a message that is being written, or a trouble that passes by itself and has not
    /// yet. Empty where there is none.
    pub fn pending(&self) -> Vec<&str> {
        let errors = self.messages.iter().filter(|message| message.level == Level::Error);
        let lasting = errors.filter(|message| !message.lasting.is_empty());
        let unfinished = self.unfinished.first().map(|_| "a message that is being written");
        lasting.map(|message| message.template.as_str()).chain(unfinished).collect()
    }

    /// Whether any container of this owner printed anything that is understood; only of this pod and only those called
    /// `container`, where they are given.
    pub fn heard(&self, owner: &Owner, pod: Option<&str>, container: Option<&str>) -> bool {
        let named = |name: &String, wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == name);
        self.heard
            .iter()
            .any(|(of, in_pod, name)| of == owner && named(in_pod, pod) && named(name, container))
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

    /// Errors of this owner that fail a drill: those that nobody knows, those that are known and that
    /// the scenario does not expect, and those that should have passed and did not.
    pub fn unexpected_errors(&self, owner: &Owner, known: &[String]) -> Vec<&Message> {
        let expected = |message: &&Message| match message.entry {
            Some(entry) if entry.standing.excuses() => message.lasting.is_empty(),
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

/// The known messages that stand in a text, which may be a line of a log or what the API server answered.
pub fn names(text: &str) -> Vec<&'static str> {
    record::split(text).iter().filter_map(|record| Some(classify(record).1?.name)).collect()
}

/// What the catalogue makes of a message: it may be worse than its writer says, and never better. Of one that has an
/// exception for its cause, the exception must be known; the same message is another trouble with another cause.
fn classify(record: &Record) -> (Level, Option<&'static Entry>) {
    let find = |words: &str| catalogue::find(record.source, record.level, words);
    let found =
        find(&record.words()).or_else(|| find(record.logged()?).filter(|entry| entry.standing.excuses()));
    match found {
        // A remark that quotes an error's words is no error itself, and needs no excuse.
        Some(entry) if entry.standing.excuses() && record.level == Level::Info => (Level::Info, None),
        Some(entry) if entry.standing.excuses() => (record.level, Some(entry)),
        Some(entry) => (entry.level, Some(entry)),
        None => (record.level, None),
    }
}

fn snapshot_line(message: &Message) -> Option<String> {
    let level = message.level.name();
    let source = message.source.name();
    match message.entry {
        Some(entry) if entry.standing.varies() => None,
        // Of an error that is expected it matters what was said; of the rest, which of a cluster's programs says it, and in
        // what words, is a matter of timing and version.
        Some(entry)
            if matches!(entry.source, Source::Operator | Source::ApiServer)
                || message.level == Level::Error && entry.standing == Standing::Expected =>
        {
            Some(format!("{level:<8} {:<10} [{}] {}", entry.source.name(), entry.name, message.template))
        }
        Some(entry) => Some(format!("{level:<8} {:<10} [{}]", entry.source.name(), entry.name)),
        None => Some(format!("{level:<8} {source:<10} {}", message.template)),
    }
}

#[cfg(test)]
mod tests;
