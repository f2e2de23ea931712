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
        /// For people, one line.
        text: String,
    },
    /// A step of the scenario or of the restore drill begins.
    StepStarted {
        /// From 1.
        index: usize,
        /// How many steps there are.
        of: usize,
        /// What the step does, for people.
        title: String,
    },
    /// It was done; a step that fails has no such event.
    StepFinished {
        /// From 1.
        index: usize,
        /// How many steps there are.
        of: usize,
        /// As when it started.
        title: String,
        /// How long it took.
        milliseconds: u64,
        /// What came of it, in a few words; may be empty.
        note: String,
    },
    /// The drill's last event.
    Finished {
        /// All about it.
        report: Box<DrillReport>,
    },
}

/// All about one drill, as reports show it. Free of secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DrillReport {
    /// What the scenario is called, such as `clone-into-another-account`; of a restore drill what that is called.
    pub scenario: String,
    /// The scenario's file as the user named it.
    pub file: PathBuf,
    /// Its version, or its name in the configuration file; empty of a restore drill.
    pub operator: String,
    /// Its kind, such as `local`; `cluster` of a restore drill.
    pub environment: String,
    /// What came of it all.
    pub verdict: Verdict,
    /// How long it took from its start to its report.
    pub milliseconds: u64,
    /// In the order of time.
    pub phases: Vec<Phase>,
    /// Empty for a drill that broke before anything was observed.
    pub clusters: Vec<ClusterSummary>,
    /// What the pods of its clusters ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PodImage>,
    /// Why it did not pass, most telling first; empty for `passed`.
    pub findings: Vec<Finding>,
    /// What was proved not to hold, one line each (`told-apart-from`).
    pub told_apart: Vec<String>,
    /// The folder with what was collected; may not exist if the drill broke early.
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
    /// What was done, for people.
    pub title: String,
    /// How long it took.
    pub milliseconds: u64,
    /// What came of it, in a few words; may be empty.
    pub note: String,
}

/// What became of one cluster of a drill.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterSummary {
    /// By its short name in the scenario.
    pub cluster: String,
    /// Such as `running` or `wrong-cluster`; `not evident` where nothing shows it.
    pub outcome: String,
    /// For example `equals before-mistake (2 databases, 7 tables, 1204 rows)`.
    pub data: String,
    /// The storage accounts in which it looked for backups that are not its own.
    pub reads: Vec<String>,
    /// The storage accounts that it changed something in.
    pub writes: Vec<String>,
    /// The accounts that refused every request of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Errors that its pods and its server logged, by their names in the catalogue; `unknown` for one that has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
    /// Why the storage itself refused it, by the name in the catalogue, whether a log has that or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Of one that follows another cluster: whom, and how far behind it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<FollowsSummary>,
}

/// How far behind the cluster that it follows another one was, as the drill ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowsSummary {
    /// The short name of the cluster that is followed.
    pub cluster: String,
    /// WAL that was not replayed yet when the drill ended.
    pub bytes: u64,
    /// From then on until it was, or until nobody waited any longer.
    pub seconds: f64,
    /// The timeline that it is on.
    pub timeline: u32,
    /// Whether it came up to where the other one was.
    pub reached: bool,
}

impl FollowsSummary {
    /// In a few words.
    pub fn words(&self) -> String {
        let FollowsSummary { cluster, bytes, seconds, timeline, reached } = self;
        let then = if *reached { "none" } else { "still some" };
        format!("{cluster}, timeline {timeline}: {bytes} bytes behind, {seconds:.1} s later {then}")
    }
}

/// One thing that was not as expected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// For example `clone: outcome`, `snapshot env`, `operator: logs`.
    pub subject: String,
    /// In one line.
    pub expected: String,
    /// In one line, beside what was expected.
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
