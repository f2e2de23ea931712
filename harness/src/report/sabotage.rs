//! What would have been noticed of each fault, and when: the table of `clonedrill sabotage`, and its JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::style::{Paint, Style};
use super::text::{WIDTH, count, cut, duration, printable, wrap};
use crate::exit::Verdict;

/// Patroni and Spilo say it, whatever the cause is.
const OF_EVERY_FAILURE: [&str; 3] = ["bootstrap-failed", "backup-fetch-failed", "recovery-failed"];

/// How a fault shows itself to those who restore, without this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noticed {
    /// The cluster says Running and something is wrong, and no log has an error of it.
    Nobody,
    /// The cluster says Running and something is wrong; an error stands in its log.
    OnlyInTheLog,
    /// The clone does not come up.
    NoClone,
    /// The clone came up, and its data are right.
    NothingToNotice,
    /// The drill did not come to its end, or the fault met nothing: nothing is known.
    NotTried,
}

impl Noticed {
    /// All, the worst first.
    pub const ALL: [Noticed; 5] = [
        Noticed::Nobody,
        Noticed::OnlyInTheLog,
        Noticed::NoClone,
        Noticed::NothingToNotice,
        Noticed::NotTried,
    ];

    /// Over the faults that showed themselves so.
    pub fn heading(self) -> &'static str {
        match self {
            Noticed::Nobody => "NOBODY NOTICES: the cluster says Running, and only a drill tells",
            Noticed::OnlyInTheLog => "ONLY A LOG LINE: the cluster says Running",
            Noticed::NoClone => "NO CLONE: the restore itself shows it",
            Noticed::NothingToNotice => "NOTHING TO NOTICE: the restore survives, and the data are right",
            Noticed::NotTried => "NOT TRIED",
        }
    }

    fn paint(self) -> Paint {
        match self {
            Noticed::Nobody => Paint::Bad,
            Noticed::OnlyInTheLog | Noticed::NotTried => Paint::Odd,
            Noticed::NoClone => Paint::Strong,
            Noticed::NothingToNotice => Paint::Good,
        }
    }
}

/// One fault, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SabotageLine {
    /// By which it can be asked for again.
    pub fault: String,
    /// What was broken.
    pub about: String,
    /// It was there before anybody restored.
    pub lies: bool,
    /// How it shows itself.
    pub noticed: Noticed,
    /// What became of the clone, such as `bootstrap-fails`.
    pub outcome: String,
    /// What is wrong, where the cluster says Running; what was in the way, where it was not tried.
    pub wrong: String,
    /// Errors in the clone's logs, by their names in the catalogue.
    pub said: Vec<String>,
    /// Why the storage refused the clone, by its name in the catalogue, where none of its logs says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// From the clone's creation until its outcome was evident, in milliseconds.
    pub milliseconds: u64,
    /// So much longer than without a fault; none where it was no longer.
    pub longer: Option<u64>,
    /// The scenario that does it again.
    pub file: PathBuf,
    /// What was collected.
    pub evidence: PathBuf,
}

/// All faults of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sabotage {
    /// What was sabotaged, as it was given.
    pub what: String,
    /// The clone, by its short name.
    pub clone: String,
    /// The account that it reads backups from.
    pub reads: String,
    /// The account that it writes its own backups to.
    pub writes: Option<String>,
    /// How long the restore took without a fault, in milliseconds.
    pub whole: u64,
    /// What follows from all of it.
    pub verdict: Verdict,
    /// As the program ended with it.
    pub exit_code: u8,
    /// In the order of their names.
    pub faults: Vec<SabotageLine>,
    /// Those that this restore has nothing for: no account of its own to write to, say.
    pub left_out: Vec<String>,
}

impl SabotageLine {
    /// What those who restore see, one line.
    pub fn seen(&self) -> String {
        let names = match self.said.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.said.join(", ")),
        };
        match self.noticed {
            Noticed::Nobody => self.wrong.clone(),
            Noticed::OnlyInTheLog => format!("{}{names}", self.wrong),
            Noticed::NoClone => match (&self.hidden, self.telling().join(", ")) {
                (None, names) if names.is_empty() => format!("{}, and no log says why", self.outcome),
                (None, names) => names,
                (Some(cause), names) if names.is_empty() => format!("no log says why: {cause}"),
                (Some(cause), names) => format!("{names}, which is not the cause: no log says {cause}"),
            },
            Noticed::NothingToNotice if self.said.is_empty() => "nothing".to_owned(),
            Noticed::NothingToNotice => format!("it tried again{names}"),
            Noticed::NotTried => self.wrong.clone(),
        }
    }

    /// Without what is said of every bootstrap that fails, where more is said.
    fn telling(&self) -> Vec<&str> {
        let all: Vec<&str> = self.said.iter().map(String::as_str).collect();
        let telling: Vec<&str> =
            all.iter().copied().filter(|name| !OF_EVERY_FAILURE.contains(name)).collect();
        if telling.is_empty() { all } else { telling }
    }

    /// When they see it.
    pub fn when(&self) -> String {
        match self.noticed {
            Noticed::Nobody | Noticed::OnlyInTheLog => "never by itself".to_owned(),
            Noticed::NoClone => format!("{} into the restore", duration(self.milliseconds)),
            Noticed::NothingToNotice => match self.longer {
                Some(longer) => format!("{} longer", duration(longer)),
                None => "no longer than without".to_owned(),
            },
            Noticed::NotTried => String::new(),
        }
    }
}

impl Sabotage {
    /// Those that showed themselves so.
    pub fn of(&self, noticed: Noticed) -> impl Iterator<Item = &SabotageLine> {
        self.faults.iter().filter(move |line| line.noticed == noticed)
    }

    /// What a reader has to know first, one sentence a line.
    pub fn summary(&self) -> Vec<String> {
        let number = |noticed| self.of(noticed).count();
        let mut lines = vec![format!(
            "{} tried on the restore of {}, which takes {} without one.",
            count(self.faults.len() - number(Noticed::NotTried), "fault"),
            self.clone,
            duration(self.whole)
        )];
        let lying = self.faults.iter().filter(|line| line.lies && line.noticed != Noticed::NothingToNotice);
        let lying = lying.filter(|line| line.noticed != Noticed::NotTried).count();
        if lying > 0 {
            lines.push(format!(
                "{lying} of them lie in the archive already. Until somebody restores, nothing looks: they are noticed on the day \
                 of the restore, or by a nightly `clonedrill drill`."
            ));
        }
        if number(Noticed::Nobody) > 0 {
            lines.push(
                "Where nobody notices, the cluster says Running, and no program logs an error.".to_owned(),
            );
        }
        lines
    }

    /// For people, at most 100 columns wide.
    pub fn table(&self, stream: &impl std::io::IsTerminal) -> String {
        self.text(Style::of(stream))
    }

    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let widest = |cell: &dyn Fn(&SabotageLine) -> usize| self.faults.iter().map(cell).max().unwrap_or(0);
        let (names, when) = (widest(&|line| line.fault.len()).min(40), widest(&|line| line.when().len()));
        let rest = WIDTH.saturating_sub(2 + names + 2 + when + 2);
        for noticed in Noticed::ALL {
            let number = self.of(noticed).count();
            if number == 0 {
                continue;
            }
            text.push_str(&style.paint(noticed.paint(), &format!("{} ({number})", noticed.heading())));
            text.push('\n');
            for line in self.of(noticed) {
                let seen = wrap(&line.seen(), rest);
                for (index, part) in seen.iter().enumerate() {
                    let (name, time) = match index {
                        0 => (cut(&line.fault, names), line.when()),
                        _ => (String::new(), String::new()),
                    };
                    let row = format!("  {name:<names$}  {:<rest$}  {time}", cut(part, rest));
                    text.push_str(printable(&row).trim_end());
                    text.push('\n');
                }
            }
            text.push('\n');
        }
        if !self.left_out.is_empty() {
            let left = format!(
                "Left out, since this restore has nothing of the kind: {}.",
                self.left_out.join(", ")
            );
            text.push_str(&wrap(&left, WIDTH).join("\n"));
            text.push_str("\n\n");
        }
        for line in self.summary() {
            text.push_str(&wrap(&line, WIDTH).join("\n"));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn line(fault: &str, noticed: Noticed, said: &[&str]) -> SabotageLine {
        SabotageLine {
            fault: fault.to_owned(),
            about: "The parts of the newest base backup are gone.".to_owned(),
            lies: !fault.starts_with("own"),
            noticed,
            outcome: if noticed == Noticed::NoClone { "bootstrap-fails" } else { "running" }.to_owned(),
            wrong: match noticed {
                Noticed::Nobody => "it has no backup of its own".to_owned(),
                Noticed::OnlyInTheLog => "its recovery ended before the time that was asked for".to_owned(),
                _ => String::new(),
            },
            said: said.iter().map(|name| (*name).to_owned()).collect(),
            hidden: None,
            milliseconds: 24_100,
            longer: (noticed == Noticed::NothingToNotice && !said.is_empty()).then_some(5_000),
            file: PathBuf::from("target/clonedrill/x/sabotage/part-deleted.yaml"),
            evidence: PathBuf::from("target/clonedrill/x/sabotage/part-deleted/v1.15.1"),
        }
    }

    pub(in crate::report) fn sample() -> Sabotage {
        Sabotage {
            what: "scenarios/clone/into-another-account.yaml".to_owned(),
            clone: "clone".to_owned(),
            reads: "prodbackups".to_owned(),
            writes: Some("clonebackups".to_owned()),
            whole: 18_300,
            verdict: Verdict::Failed,
            exit_code: 1,
            faults: vec![
                line("own-writes-swallowed", Noticed::Nobody, &[]),
                line("needed-wal-deleted", Noticed::OnlyInTheLog, &["recovery-ended-before-target"]),
                line(
                    "sentinel-listed-and-not-there-with-a-name-that-is-very-long",
                    Noticed::NoClone,
                    &["backup-without-parts", "backup-sentinel-missing", "storage-connection-broken"],
                ),
                line("metadata-deleted", Noticed::NothingToNotice, &[]),
                line("too-many-requests-once", Noticed::NothingToNotice, &["storage-busy"]),
            ],
            left_out: Vec::new(),
        }
    }

    #[test]
    fn the_table_fits_and_begins_with_what_nobody_notices() {
        let text = sample().text(Style::plain());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.starts_with("NOBODY NOTICES"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_clone_that_fails_without_a_word_is_said_to() {
        let silent = line("part-deleted", Noticed::NoClone, &[]);
        assert_eq!(silent.seen(), "bootstrap-fails, and no log says why");
        let refused = SabotageLine { hidden: Some("storage-refuses-key".to_owned()), ..silent };
        assert_eq!(refused.seen(), "no log says why: storage-refuses-key");
    }

    #[test]
    fn a_log_that_leads_astray_is_told_to() {
        let said = line("key-rotated", Noticed::NoClone, &["bootstrap-failed", "no-backup-before-target"]);
        let astray = SabotageLine { hidden: Some("storage-refuses-key".to_owned()), ..said };
        let seen = "no-backup-before-target, which is not the cause: no log says storage-refuses-key";
        assert_eq!(astray.seen(), seen);
    }
}
