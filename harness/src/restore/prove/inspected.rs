//! What one kind of check has seen in all databases, until it is a proof.

use std::time::{Duration, Instant};

use super::{EVIDENCE_LINES, Hide, count, first_lines, one_line};
use crate::observe::data::DataError;
use crate::report::{Proof, Unchecked};

/// Relations that are named of all that were not checked for the same reason.
const NAMED: usize = 3;

#[derive(Default)]
pub(super) struct Inspected {
    pub damage: Vec<String>,
    gaps: Vec<Unchecked>,
    took: Duration,
}

/// How long there is for a check.
#[derive(Clone, Copy)]
pub(super) struct Until(pub Instant);

impl Until {
    /// Milliseconds, as a `statement_timeout`; none where it is over.
    pub(super) fn left(self) -> Option<i32> {
        let left = self.0.saturating_duration_since(Instant::now());
        i32::try_from(left.as_millis()).ok().filter(|left| *left > 0)
    }

    pub(super) fn duration(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

impl Inspected {
    pub(super) fn gap(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.gaps.push(Unchecked { what: what.into(), why: why.into() });
    }

    pub(super) fn took(&mut self, since: Instant) {
        self.took += since.elapsed();
    }

    /// Damage, or a gap: an error that says that the server does not answer is neither.
    pub(super) fn error(&mut self, what: String, error: DataError) -> Result<(), DataError> {
        if error.is_unanswered() {
            return Err(error);
        }
        match error.damage() {
            Some(why) => self.damage.push(format!("{what}: {why}")),
            None => self.gap(what, format!("it was refused: failed to {error}")),
        }
        Ok(())
    }

    /// `seen` is what was checked. Gaps of one reason are one, with some of their names.
    pub(super) fn proof(self, name: &str, seen: &str, help: &str, hide: Hide<'_>) -> Proof {
        let gaps = joined(self.gaps, hide);
        let mut seen = format!("{seen}, in {:.1?}", self.took);
        if let Some(first) = gaps.first() {
            let more = if gaps.len() > 1 { format!(" and {} more", gaps.len() - 1) } else { String::new() };
            seen.push_str(&format!("; not checked: {}, since {}{more}", first.what, first.why));
        }
        let holds = self.damage.is_empty();
        if !holds {
            seen = format!("{} wrong; {seen}", count(self.damage.len() as u64, "thing"));
        }
        let not = gaps.iter().map(|gap| format!("not checked: {}, since {}", gap.what, gap.why));
        let lines = self.damage.into_iter().map(|line| one_line(&line, hide)).chain(not);
        let evidence = first_lines(lines.collect(), EVIDENCE_LINES);
        let help = if holds { String::new() } else { help.to_owned() };
        Proof { evidence, help, ..Proof::new(name, holds, one_line(&seen, hide)) }.without(gaps)
    }
}

fn joined(gaps: Vec<Unchecked>, hide: Hide<'_>) -> Vec<Unchecked> {
    let mut joined: Vec<(String, Vec<String>)> = Vec::new();
    for Unchecked { what, why } in gaps {
        match joined.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(what),
            None => joined.push((why, vec![what])),
        }
    }
    let named = |(why, names): (String, Vec<String>)| {
        let more = names.len().saturating_sub(NAMED);
        let mut what = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            what.push_str(&format!(" and {more} more"));
        }
        Unchecked { what: one_line(&what, hide), why: one_line(&why, hide) }
    };
    joined.into_iter().map(named).collect()
}
