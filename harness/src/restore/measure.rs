//! How much would have been lost, and how long it took, held against the budgets.

use super::file::Budgets;
use super::moment::Moment;
use super::recovery::Recovery;
use super::verify::{Proved, Restored};
use crate::report::{Finding, Measure, Proof};

pub struct Measured {
    pub rpo: Option<Measure>,
    pub rto: Option<Measure>,
    pub findings: Vec<Finding>,
}

pub fn of(proved: &Proved, recovery: &Recovery, restored: &Restored<'_>) -> Measured {
    let Budgets { rto: rto_budget, rpo: rpo_budget } = restored.drill.within;
    let budget = |span: Option<super::Span>| span.and_then(|span| u64::try_from(span.0.as_millis()).ok());
    let rto = Measure { milliseconds: recovery.milliseconds(), at_most: false, budget: budget(rto_budget) };
    let rpo = lost(proved, recovery, restored).map(|(milliseconds, at_most)| Measure {
        milliseconds,
        at_most,
        budget: budget(rpo_budget),
    });
    let mut findings = Vec::new();
    if !rto.within_budget() {
        findings.push(over("rto", &rto, &format!("the largest part was {}", recovery.largest_cause)));
    }
    match &rpo {
        Some(rpo) if !rpo.within_budget() => findings.push(over("rpo", rpo, RPO_HELP)),
        None if rpo_budget.is_some() => findings.push(Finding {
            subject: "rpo".to_owned(),
            expected: "to be measured".to_owned(),
            seen: "nothing tells which transaction was recovered last, nor when the base backup was begun"
                .to_owned(),
            evidence: Vec::new(),
            help: String::new(),
        }),
        _ => {}
    }
    Measured { rpo, rto: Some(rto), findings }
}

const RPO_HELP: &str = "commits that are not archived are lost: `archive_timeout` of the source bounds how long that takes. \
                        Where nobody has committed anything since, nothing was lost: `compare` tells these apart";

/// Milliseconds of commits that did not come back, and whether it may be less.
fn lost(proved: &Proved, recovery: &Recovery, restored: &Restored<'_>) -> Option<(u64, bool)> {
    // A commit after the target was seen, so that none before it is missing.
    if recovery.stopped_at_target {
        return Some((0, false));
    }
    if let Some(moment) = restored.moment {
        let reached = lsn(&proved.identity.lsn) >= lsn(&moment.moment.lsn);
        return reached.then_some((0, false)).or_else(|| before(proved, recovery, restored));
    }
    before(proved, recovery, restored)
}

/// The last commit that came back may have been the last one that there was.
fn before(proved: &Proved, recovery: &Recovery, restored: &Restored<'_>) -> Option<(u64, bool)> {
    let last = recovery.recovered_to.or(proved.identity.last_replayed).or(proved.backup_begun)?;
    let lost = restored.clone.target.duration_since(last).as_millis();
    Some((u64::try_from(lost).unwrap_or_default(), true))
}

/// `16/B374D848` as a number.
fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

fn over(what: &str, measure: &Measure, help: &str) -> Finding {
    let seconds = |milliseconds: u64| format!("{:.1} s", milliseconds as f64 / 1000.0);
    Finding {
        subject: what.to_owned(),
        expected: format!("within {}", seconds(measure.budget.unwrap_or_default())),
        seen: format!("{}{}", if measure.at_most { "at most " } else { "" }, seconds(measure.milliseconds)),
        evidence: Vec::new(),
        help: help.to_owned(),
    }
}

/// What is committed is safe only once it is archived.
pub fn archived(moment: &Moment) -> Proof {
    let after =
        if moment.archived.commit_after { "" } else { "; no commit after it is known to be archived" };
    Proof {
        what: "the moment is archived".to_owned(),
        holds: true,
        expected: String::new(),
        seen: format!("{} after {:.1?}{after}", moment.archived.file, moment.archived_after),
        evidence: Vec::new(),
        help: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::lsn;

    #[test]
    fn places_in_the_wal_are_ordered() {
        assert!(lsn("16/B374D848") > lsn("16/0"));
        assert!(lsn("1/0") > lsn("0/FFFFFFFF"));
        assert_eq!(lsn("nowhere"), None);
    }
}
