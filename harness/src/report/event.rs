//! What a drill tells while it runs and at its end: JSON lines from the drill's process to the one that asked for it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::image::PodImage;
use super::restore::Restore;
use crate::exit::Verdict;

/// What a drill tells whoever runs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// What the drill waits for now, and what was last seen of it. Replaces the line before.
    Progress {
        text: String,
    },
    StepStarted {
        index: usize,
        of: usize,
        title: String,
    },
    StepFinished {
        index: usize,
        of: usize,
        title: String,
        milliseconds: u64,
        note: String,
    },
    /// The drill's last event.
    Finished {
        report: Box<DrillReport>,
    },
}

/// All about one drill, as reports show it. Free of secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DrillReport {
    pub scenario: String,
    /// The scenario's file as the user named it.
    pub file: PathBuf,
    pub operator: String,
    pub environment: String,
    pub verdict: Verdict,
    pub milliseconds: u64,
    pub phases: Vec<Phase>,
    pub clusters: Vec<ClusterSummary>,
    /// What the pods of its clusters ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PodImage>,
    /// Why it did not pass, most telling first; empty for `passed`.
    pub findings: Vec<Finding>,
    /// What was proved not to hold, one line each (`told-apart-from`).
    pub told_apart: Vec<String>,
    pub evidence: PathBuf,
    /// Of a drill that cloned a cluster which exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Box<Restore>>,
}

impl DrillReport {
    /// Of a scenario's drill. It is broken until something says otherwise.
    pub fn of_scenario(name: &str, file: &Path, operator: &str, environment: &str, evidence: &Path) -> Self {
        DrillReport {
            scenario: name.to_owned(),
            file: file.to_owned(),
            operator: operator.to_owned(),
            environment: environment.to_owned(),
            verdict: Verdict::Broken,
            milliseconds: 0,
            phases: Vec::new(),
            clusters: Vec::new(),
            images: Vec::new(),
            findings: Vec::new(),
            told_apart: Vec::new(),
            evidence: evidence.to_owned(),
            restore: None,
        }
    }

    /// Of a drill of a cluster that exists. It is broken until something says otherwise.
    pub fn of_restore(name: &str, file: &Path, evidence: &Path, restore: Restore) -> Self {
        let report = DrillReport::of_scenario(name, file, "", "cluster", evidence);
        DrillReport { restore: Some(Box::new(restore)), ..report }
    }
}

/// A part of the drill's time: bringing up the environment, each step, observing, comparing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Phase {
    pub title: String,
    pub milliseconds: u64,
    pub note: String,
}

/// What became of one cluster of a drill.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterSummary {
    pub cluster: String,
    pub outcome: String,
    /// For example `equals before-mistake (2 databases, 7 tables, 1204 rows)`.
    pub data: String,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
    /// The accounts that refused every request of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// One thing that was not as expected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// For example `clone: outcome`, `snapshot env`, `operator: logs`.
    pub subject: String,
    pub expected: String,
    pub seen: String,
    /// Lines that show it: log lines, differing rows, a diff.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// What a person can do about it, where something is known.
    #[serde(default)]
    pub help: String,
}

impl Finding {
    /// Without lines that show it, and without help.
    pub fn new(subject: impl Into<String>, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Finding {
            subject: subject.into(),
            expected: expected.into(),
            seen: seen.into(),
            evidence: Vec::new(),
            help: String::new(),
        }
    }

    /// The same with lines that show it.
    #[must_use]
    pub fn with_evidence(self, evidence: Vec<String>) -> Self {
        Finding { evidence, ..self }
    }

    /// The same with what a person can do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Finding { help: help.into(), ..self }
    }
}
