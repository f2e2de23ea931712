//! How much would have been lost, and how long it took, held against the budgets.

use std::time::Duration;

use jiff::Timestamp;

use super::file::Budgets;
use super::moment::Moment;
use super::recovery::Spent;
use super::verify::{Proved, Restored};
use crate::report::{Finding, Measure, Proof};

pub(super) struct Measured {
    pub rpo: Option<Measure>,
    pub rto: Option<Measure>,
    pub findings: Vec<Finding>,
}

pub(super) fn of(proved: &Proved, spent: &Spent, restored: &Restored<'_>) -> Measured {
    let Budgets { rto: rto_budget, rpo: rpo_budget } = restored.drill.within;
    let budget = |span: Option<super::Span>| span.and_then(|span| u64::try_from(span.0.as_millis()).ok());
    let rto = Measure { milliseconds: spent.milliseconds(), at_most: false, budget: budget(rto_budget) };
    let rpo_budget = rpo_budget.unwrap_or(super::Span(DEAD_ARCHIVE));
    let rpo = lost(proved, restored);
    let rpo = rpo.map(|(milliseconds, at_most)| Measure {
        milliseconds,
        at_most,
        budget: budget(Some(rpo_budget)),
    });
    let mut findings = Vec::new();
    if !rto.within_budget() {
        findings.push(over("rto", &rto, &format!("the largest part was {}", spent.largest_cause)));
    }
    match &rpo {
        Some(rpo) if !rpo.within_budget() => findings.push(over("rpo", rpo, RPO_HELP)),
        // Whose data these are is found already.
        None if !proved.ended.own => {}
        None => findings.push(Finding {
            subject: "rpo".to_owned(),
            expected: "to be measured".to_owned(),
            seen: "nothing tells which transaction was recovered last, nor when the base backup was begun"
                .to_owned(),
            evidence: Vec::new(),
            help: String::new(),
        }),
        Some(_) => {}
    }
    Measured { rpo, rto: Some(rto), findings }
}

/// Where no budget is given: an archive that is older is taken to be dead.
const DEAD_ARCHIVE: Duration = Duration::from_secs(24 * 60 * 60);
const RPO_HELP: &str = "commits that are not archived are lost: `archive_timeout` of the source bounds how long that takes; \
                        `within.rpo` says how much may be lost (24h without it)";

/// Milliseconds of commits that would have been lost, and whether it may be less.
fn lost(proved: &Proved, restored: &Restored<'_>) -> Option<(u64, bool)> {
    // How far another cluster's data come says nothing of the source's.
    if proved.ended.at.is_some() && !proved.ended.own && !proved.equal {
        return None;
    }
    // A commit after the target was seen, or all is there: none before the target is missing.
    let nothing = proved.recovery.stopped_at_target || proved.equal;
    // The drill itself waited for the archive: had the source been lost at the moment, this is what had not been in it.
    if let Some(moment) = restored.moment.filter(|_| nothing) {
        return Some((u64::try_from(moment.archived_after.as_millis()).unwrap_or(u64::MAX), true));
    }
    if nothing {
        return Some((0, false));
    }
    let (lost, at_most) = before(proved, restored)?;
    // All came back that the source had written by its leader's last note: what is lost was committed later.
    let course = &restored.plan.source.course;
    let all = course.written.is_some_and(|written| proved.ended.at.is_some_and(|end| end >= written));
    let since = course.noted.filter(|_| all).map(|noted| milliseconds(restored.clone.target, noted));
    Some((since.map_or(lost, |since| lost.min(since)), at_most))
}

/// 0 where the clocks say that it was before.
fn milliseconds(later: Timestamp, earlier: Timestamp) -> u64 {
    u64::try_from(later.duration_since(earlier).as_millis()).unwrap_or_default()
}

/// The last commit that came back may have been the last one that there was.
fn before(proved: &Proved, restored: &Restored<'_>) -> Option<(u64, bool)> {
    let last = proved.recovery.recovered_to.or(proved.identity.last_replayed).or(proved.backup_begun)?;
    let lost = milliseconds(restored.clone.target, last);
    // Where the archive goes on, what is not in it yet is no older than the source's settings let it become.
    let source = &restored.plan.source;
    let bound = source.archive_timeout.filter(|_| proved.ended.took_all && source.course.written.is_some());
    let bound = bound.map(|timeout| u64::try_from((timeout + SWITCHES).as_millis()).unwrap_or(u64::MAX));
    Some((bound.map_or(lost, |bound| lost.min(bound)), true))
}

/// How much later than `archive_timeout` a server may end a file: it looks at the time now and then.
const SWITCHES: Duration = Duration::from_secs(60);

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
pub(super) fn archived(moment: &Moment) -> Proof {
    let after =
        if moment.archived.commit_after { "" } else { "; no commit after it is known to be archived" };
    let seen = format!("{} after {:.1?}{after}", moment.archived.file, moment.archived_after);
    Proof::new("the moment is archived", true, seen)
}
