//! Every table was read end to end, and how much there is.

use super::{EVIDENCE_LINES, count, first_lines};
use crate::observe::data::{DataObservation, TableKind};
use crate::report::{Proof, Unchecked};

/// Lines of row counts that a report shows.
const COUNTS: usize = 200;

/// Every table of every database that lets clients in was read end to end, as the observation did. A clone without a single
/// row is not called proved, unless `source`, where it was observed too, has none either: an initialised but empty cluster
/// looks the same. One with a database that lets nobody in is proved in part, unless the source's lets nobody in either: a drill
/// opens what can be opened.
pub fn readable(clone: &DataObservation, source: Option<&DataObservation>) -> Proof {
    readable_after(clone, source, false)
}

/// The same of a clone whose recovery may have replayed no commit after the base backup (`nothing_after`).
pub fn readable_after(
    clone: &DataObservation,
    source: Option<&DataObservation>,
    nothing_after: bool,
) -> Proof {
    let proof = |holds: bool, seen: String| Proof {
        expected: "every table of every database is read end to end, and there are rows".to_owned(),
        ..Proof::new("tables readable", holds, seen)
    };
    let closed = |data: &DataObservation| -> Vec<String> {
        let closed = data.databases.iter().filter(|database| !database.connectable);
        closed.map(|database| database.name.clone()).collect()
    };
    let closed_there = source.map(closed).unwrap_or_default();
    let (as_there, unknown): (Vec<_>, Vec<_>) =
        closed(clone).into_iter().partition(|name| closed_there.contains(name));
    let elsewhere = tables(clone).filter(|(_, table)| table.kind == TableKind::Foreign).count() as u64;
    let mut seen = size(clone);
    for (names, why) in [(&unknown, ""), (&as_there, ", there and at the source")] {
        if !names.is_empty() {
            seen.push_str(&format!("; not known, since it lets nobody in{why}: {}", names.join(", ")));
        }
    }
    if elsewhere > 0 {
        seen.push_str(&format!("; {} with rows elsewhere", count(elsewhere, "foreign table")));
    }
    let damage: Vec<_> = clone.damage().collect();
    if !damage.is_empty() {
        let unreadable = count(damage.len() as u64, "thing");
        return Proof {
            evidence: first_lines(damage, EVIDENCE_LINES),
            help: match clone.damage().all(|line| line.contains("encoding")) {
                true => "bytes that are no text in their database's encoding cannot be shown in another: look for the same on the source",
                false => {
                    "the backup or the WAL is damaged, or the source was when they were taken: look for the same \
                     there, with pg_amcheck"
                }
            }
            .to_owned(),
            ..proof(false, format!("{unreadable} cannot be read; {seen}"))
        };
    }
    // The observation reads what it lists; a table without rows of its own is foreign or a view that was never filled.
    let empty_too = |source: &DataObservation| source.rows() == 0 && source.damage().next().is_none();
    if clone.rows() == 0 && !source.is_some_and(empty_too) {
        let why = match tables(clone).next() {
            None => "it is empty: there is no table in it",
            Some(_) => "it is empty: no table has a row",
        };
        if nothing_after {
            return Proof {
                help: "the source has archived nothing since that backup: what it commits comes into the archive after its \
                       archive_timeout, and into the next base backup; do the drill again then. If the source itself is empty, only \
                       a comparison with it can tell (`compare`)"
                    .to_owned(),
                ..proof(
                    false,
                    format!(
                        "the base backup is there, from before there was any row, and nothing that was committed after it is in the \
                         archive ({seen})"
                    ),
                )
            };
        }
        return Proof {
            help: "a cluster that was initialised instead of restored looks like this; if the source itself is empty, \
                   only a comparison with it can tell (`compare`)"
                .to_owned(),
            ..proof(false, format!("{why} ({seen})"))
        };
    }
    let gap = |name: String| Unchecked {
        what: format!("database {name}"),
        why: "nobody can connect to it, as after a DROP that was interrupted; it can only be dropped"
            .to_owned(),
    };
    proof(true, seen).without(unknown.into_iter().map(gap).collect())
}

/// Row counts for the report, biggest first. It always holds.
pub fn counts(clone: &DataObservation) -> Proof {
    let mut rows: Vec<(u64, String)> = tables(clone)
        .filter_map(|(database, table)| {
            Some((table.rows.as_ref()?.count, format!("{database}.{}", table.name)))
        })
        .collect();
    rows.sort_by(|one, another| another.0.cmp(&one.0).then_with(|| one.1.cmp(&another.1)));
    let lines = rows.into_iter().map(|(rows, table)| format!("{table}: {}", count(rows, "row"))).collect();
    Proof { evidence: first_lines(lines, COUNTS), ..Proof::new("row counts", true, size(clone)) }
}

/// How much data that is.
fn size(data: &DataObservation) -> String {
    format!(
        "{}, {}, {}",
        count(data.databases.len() as u64, "database"),
        count(tables(data).count() as u64, "table"),
        count(data.rows(), "row")
    )
}

fn tables(data: &DataObservation) -> impl Iterator<Item = (&str, &crate::observe::data::Table)> {
    data.databases
        .iter()
        .flat_map(|database| database.tables.iter().map(|table| (database.name.as_str(), table)))
}
