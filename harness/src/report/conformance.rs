//! How the scenarios fared on one image of Spilo: a line each, and what differs, by kinds. As JSON it can be kept as a record.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::style::{Paint, Style};
use super::text::{WIDTH, count, cut, printable, wrap};
use super::{DrillReport, Finding, PodImage};
use crate::exit::Verdict;

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What became of a cluster.
    Outcome,
    /// Rows, definitions, roles.
    Data,
    /// What the operator wrote for a pod, and what its container got.
    Env,
    /// What was logged, or was not.
    Log,
    /// Requests to the storage, and what it holds.
    Storage,
    /// Something did not come within its limit.
    Time,
    /// None of the above.
    Other,
}

impl Kind {
    /// By what a drill's finding is about.
    pub fn of(finding: &Finding) -> Kind {
        // `snapshot logs`, `clone: data`, `clone: env WALG_AZ_PREFIX`, `operator: logs`, `step 3: backup source`
        let subject = finding.subject.strip_prefix("snapshot ").unwrap_or(&finding.subject);
        let about = subject.split_once(": ").map_or(subject, |(_, about)| about);
        if finding.seen.contains(": gave up after ") {
            return Kind::Time;
        }
        match about.split_whitespace().next().unwrap_or_default() {
            "outcome" => Kind::Outcome,
            "data" => Kind::Data,
            "env" => Kind::Env,
            "logs" | "log" | "reason" => Kind::Log,
            "storage" | "reads" | "writes" | "backups" => Kind::Storage,
            _ => Kind::Other,
        }
    }

    /// As the record writes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Outcome => "outcome",
            Kind::Data => "data",
            Kind::Env => "env",
            Kind::Log => "log",
            Kind::Storage => "storage",
            Kind::Time => "time",
            Kind::Other => "other",
        }
    }
}

/// How one scenario fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// Expectations and snapshots hold.
    Held,
    Differs,
    /// The drill did not come to its end, so that nothing was proved.
    NotProved,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub scenario: String,
    pub file: PathBuf,
    pub result: Result,
    pub differs: Vec<Difference>,
}

/// One thing that an image does otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Difference {
    /// By which records are grouped.
    pub kind: Kind,
    /// What was expected and what was seen.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The record of an image. Without times and places of this machine, so that two records can be compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conformance {
    /// As it was asked for.
    pub image: String,
    /// Its version, or its name in the configuration file.
    pub operator: String,
    /// The version of this program.
    pub clonedrill: String,
    /// What ran, as the pods said.
    pub ran: Vec<PodImage>,
    /// Over all scenarios.
    pub verdict: Verdict,
    /// What follows from the verdict, as the program ended with it.
    pub exit_code: u8,
    /// One for each scenario that was run.
    pub scenarios: Vec<Line>,
}

impl Conformance {
    /// The record of these drills on an image.
    pub fn of(image: &str, operator: &str, verdict: Verdict, drills: &[DrillReport]) -> Self {
        let mut ran: Vec<PodImage> = Vec::new();
        for image in drills.iter().flat_map(|drill| &drill.images) {
            if !ran.contains(image) {
                ran.push(image.clone());
            }
        }
        Conformance {
            image: image.to_owned(),
            operator: operator.to_owned(),
            clonedrill: env!("CARGO_PKG_VERSION").to_owned(),
            ran,
            verdict,
            exit_code: verdict.code(),
            scenarios: drills.iter().map(line).collect(),
        }
    }

    /// For people: the table, then each difference; coloured where this stream is a terminal.
    pub fn render(&self, stream: &impl IsTerminal) -> String {
        self.to_text(Style::of(stream))
    }

    fn to_text(&self, style: Style) -> String {
        let mut text = format!(
            "{} with operator {}\n",
            style.paint(Paint::Strong, &format!("Conformance of {}", self.image)),
            self.operator
        );
        for image in &self.ran {
            text.push_str(&format!("  ran  {}\n", image.to_text()));
        }
        if self.ran.iter().any(|image| image.stand_in) {
            text.push_str("  This is clonedrill's own stand-in, not Spilo's image.\n");
        }
        text.push('\n');
        let widest =
            self.scenarios.iter().map(|line| line.scenario.chars().count()).max().unwrap_or(0).min(50);
        for line in &self.scenarios {
            let (word, paint) = match line.result {
                Result::Held => ("held", Paint::Good),
                Result::Differs => ("differs", Paint::Bad),
                Result::NotProved => ("not proved", Paint::Bad),
            };
            let kinds: BTreeSet<Kind> = line.differs.iter().map(|difference| difference.kind).collect();
            let kinds = kinds.into_iter().map(Kind::name).collect::<Vec<_>>().join(", ");
            let row = format!(
                "{}  {:<widest$}  {kinds}",
                style.paint(paint, &format!("{word:<10}")),
                cut(&line.scenario, widest)
            );
            text.push_str(row.trim_end());
            text.push('\n');
        }
        for line in self.scenarios.iter().filter(|line| !line.differs.is_empty()) {
            text.push_str(&format!("\n{}\n", style.paint(Paint::Strong, &line.scenario)));
            for Difference { kind, finding } in &line.differs {
                let seen = wrap(&format!("{}: {}", finding.subject, finding.seen), WIDTH - MARGIN);
                for (at, line) in seen.iter().enumerate() {
                    let kind = if at == 0 { kind.name() } else { "" };
                    text.push_str(&format!("  {}\n", format!("{kind:<8} {line}").trim_end()));
                }
                for shown in finding.evidence.iter().flat_map(|line| line.lines()).take(EVIDENCE) {
                    text.push_str(&format!("           │ {}\n", printable(shown)));
                }
            }
        }
        let held = self.scenarios.iter().filter(|line| line.result == Result::Held).count();
        text.push_str(&format!("\n{held} of {} held\n", count(self.scenarios.len(), "scenario")));
        text
    }
}

/// Before what was seen: the kind of the difference.
const MARGIN: usize = 11;
/// Lines of evidence for each difference; all of them are in the record and in the drills' evidence folders.
const EVIDENCE: usize = 8;

fn line(drill: &DrillReport) -> Line {
    let differs: Vec<Difference> = drill
        .findings
        .iter()
        .map(|finding| Difference { kind: Kind::of(finding), finding: finding.clone() })
        .collect();
    let result = match drill.verdict {
        Verdict::Passed => Result::Held,
        Verdict::Failed => Result::Differs,
        // Something that Spilo is slower at than we waited for is a difference, and not a fault of the machine.
        Verdict::Broken if differs.iter().any(|difference| difference.kind == Kind::Time) => Result::Differs,
        Verdict::Invalid | Verdict::Broken | Verdict::Interrupted => Result::NotProved,
    };
    Line { scenario: drill.scenario.clone(), file: drill.file.clone(), result, differs }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn finding(subject: &str, seen: &str) -> Finding {
        Finding::new(subject.to_owned(), String::new(), seen.to_owned())
            .with_evidence(vec!["-accepted".to_owned(), "+seen".to_owned()])
    }

    #[test]
    fn every_finding_is_of_a_kind() {
        for (subject, seen, kind) in [
            ("snapshot data", "something else", Kind::Data),
            ("clone: data", "8 differences", Kind::Data),
            ("snapshot env", "something else", Kind::Env),
            ("clone: env WALG_AZ_PREFIX", "value (absent)", Kind::Env),
            ("snapshot logs", "something else", Kind::Log),
            ("cluster source: logs", "an error that is not in the catalogue", Kind::Log),
            ("clone: reason", "no line of its log says so", Kind::Log),
            ("snapshot storage", "something else", Kind::Storage),
            ("clone: writes", "clonebackups", Kind::Storage),
            ("clone: writes into archives of", "source", Kind::Storage),
            ("source: backups", "none was complete", Kind::Storage),
            ("clone: outcome", "empty: it was initialised from nothing", Kind::Outcome),
            (
                "step 3: backup source",
                "failed to wait for the first base backup: gave up after 60.0s, last seen: 0 base backups",
                Kind::Time,
            ),
            ("told apart", "nothing that was seen speaks against that one", Kind::Other),
        ] {
            assert_eq!(Kind::of(&finding(subject, seen)), kind, "{subject}: {seen}");
        }
    }

    fn conformance() -> Conformance {
        let late = finding(
            "step 3: backup source",
            "failed to wait for the first base backup of cluster source: gave up after 60.0s, last seen: 0 base backups in the storage",
        );
        let drills = [
            samples::passed(),
            samples::failed(),
            DrillReport { scenario: "slow".to_owned(), findings: vec![late], ..samples::broken() },
            samples::broken(),
        ];
        Conformance::of("mirror.example/spilo:4.0-p4", "v1.15.1", Verdict::Broken, &drills)
    }

    #[test]
    fn a_table_says_what_held_and_what_differs() {
        let text = conformance().to_text(Style::plain());
        for words in [
            "held        clone-into-another-account",
            "differs     slow                                 time",
            "not proved",
            "This is clonedrill's own stand-in",
            // What was waited for in vain is told to its end.
            "last seen: 0 base backups in the storage",
            "1 of 4 scenarios held",
        ] {
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(squeezed(&text).contains(&squeezed(words)), "{words:?} in:\n{text}");
        }
        let wide =
            |line: &&str| !line.contains('│') && !line.contains("ran ") && line.chars().count() > WIDTH;
        assert_eq!(text.lines().filter(wide).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn a_record_can_be_read_again_and_has_nothing_of_this_machine() {
        let text = serde_json::to_string_pretty(&conformance()).unwrap();
        assert!(!text.contains("milliseconds") && !text.contains("evidence\": \"/"), "{text}");
        let again: Conformance = serde_json::from_str(&text).unwrap();
        assert_eq!(again.scenarios[2].result, Result::Differs);
        assert_eq!(again.scenarios[2].differs[0].kind, Kind::Time);
        assert_eq!((again.exit_code, again.ran.len()), (3, 1));
    }
}
