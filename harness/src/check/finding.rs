//! One thing that will go wrong, and where it is written.

use std::fmt;

use serde::Serialize;

use super::world::World;
pub use crate::diagnosis::Severity;
use crate::diagnosis::{Beside, Diagnosis, Place};

/// A kind of finding. Its code never changes.
pub struct Definition {
    /// Such as `another-store-wins`; acceptances, baselines and its page go by it.
    pub code: &'static str,
    /// How bad it is if nothing speaks against it.
    pub severity: Severity,
    /// What it is, in one line.
    pub title: &'static str,
    /// Its page of the docs, in Markdown.
    pub page: &'static str,
    /// How it is known that it is true.
    pub shown: Shown,
    pub(super) find: fn(&World<'_>, &mut Found),
}

/// What shows on real parts that a finding is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Scenarios, from `scenarios/`, without `.yaml`.
    By(&'static [&'static str]),
    /// A test with the real programs, where a drill would take too long: its name, and why.
    Test {
        /// The name of its function.
        name: &'static str,
        /// Why no scenario shows it.
        why: &'static str,
    },
    /// Nothing can; why.
    Not(&'static str),
}

impl Shown {
    /// The scenarios.
    pub fn scenarios(self) -> &'static [&'static str] {
        match self {
            Shown::By(scenarios) => scenarios,
            Shown::Test { .. } | Shown::Not(_) => &[],
        }
    }

    /// Why there is none.
    pub fn why_no_scenario(self) -> Option<&'static str> {
        match self {
            Shown::By(_) => None,
            Shown::Test { why, .. } | Shown::Not(why) => Some(why),
        }
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which kind of finding it is.
    pub definition: &'static Definition,
    /// The definition's own, or less: where it hangs on something that is not known.
    pub severity: Severity,
    /// Why somebody lives with it, where somebody said so.
    pub accepted: Option<String>,
    /// It was there already when the baseline was taken.
    pub known: bool,
    /// The cluster that it befalls, as `namespace/name` outside `default`; empty for what concerns no single one.
    pub cluster: String,
    /// What will happen.
    pub message: String,
    /// What to write instead.
    pub repair: String,
    /// The value that is to be changed.
    pub place: Place,
    label: String,
    /// Places that explain it, each with words of its own.
    pub related: Vec<Beside>,
    /// Other clusters that the same line befalls.
    pub also: Vec<String>,
    /// The object that the place is in, such as `Secret billing/keys`.
    pub object: Option<String>,
}

/// Findings as they are found, all of one definition at a time.
pub struct Found {
    definition: &'static Definition,
    pub(super) findings: Vec<Finding>,
}

impl Found {
    pub(super) fn new(definition: &'static Definition) -> Self {
        Found { definition, findings: Vec::new() }
    }

    /// Adds a finding; `label` stands beside the caret.
    pub fn add(
        &mut self,
        cluster: String,
        place: Place,
        label: impl Into<String>,
        message: String,
        repair: impl Into<String>,
    ) -> &mut Finding {
        self.findings.push(Finding {
            definition: self.definition,
            severity: self.definition.severity,
            accepted: None,
            known: false,
            cluster,
            message,
            repair: repair.into(),
            place,
            label: label.into(),
            related: Vec::new(),
            also: Vec::new(),
            object: None,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

impl Finding {
    /// As bad as this, and not as its kind usually is.
    pub fn as_bad_as(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// It befalls nobody where one of these objects brings the variable: so it is a warning at most, or a note.
    pub fn unless(&mut self, open: &[String], brings: &str, severity: Severity) -> &mut Self {
        if !open.is_empty() {
            // A ConfigMap for all pods is where settings belong; where one clone's source is, it cannot well say.
            let likely =
                open.iter().any(|object| object.starts_with("ConfigMap")) && brings != "CLONE_WALG_AZ_PREFIX";
            self.severity = self.severity.max(if likely { Severity::Note } else { severity });
            self.message.push_str(&format!("; unless {} brings {brings}", open.join(" or ")));
        }
        self
    }

    /// Whether it counts: it was not accepted, and is no old one of a baseline.
    pub fn counts(&self) -> bool {
        self.accepted.is_none() && !self.known
    }

    /// Shows a second place beside the first.
    pub fn beside(&mut self, place: Place, words: impl Into<String>) {
        self.related.push(Beside { words: words.into(), place });
    }

    /// As it is shown at its place.
    pub fn diagnosis(&self) -> Diagnosis {
        Diagnosis::found(self.definition.code, self.severity, &self.message, &self.place, &self.label)
            .with_help(self.repair.clone())
            .beside(self.related.iter().cloned())
    }

    /// For editors, CI and programs.
    pub fn record(&self) -> FindingRecord {
        let (line, column) = self.place.start();
        FindingRecord {
            code: self.definition.code,
            severity: self.severity,
            accepted: self.accepted.clone(),
            known: self.known,
            cluster: Some(self.cluster.clone()).filter(|cluster| !cluster.is_empty()),
            also: self.also.clone(),
            message: self.message.clone(),
            repair: self.repair.clone(),
            object: self.object.clone(),
            file: self.place.file().display().to_string(),
            line,
            column,
        }
    }
}

/// One finding as `--format json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct FindingRecord {
    /// That of its [`Definition`].
    pub code: &'static str,
    /// The finding's own, which may be less than its definition's.
    pub severity: Severity,
    /// The reason, where somebody accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// It stands in the baseline.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// None for what concerns no single cluster.
    pub cluster: Option<String>,
    /// Other clusters that the same line befalls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// What will happen.
    pub message: String,
    /// What to write instead.
    pub repair: String,
    /// The object that the place is in, such as `Secret billing/keys`.
    pub object: Option<String>,
    /// As the user named it, or found in a folder that the user named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}
