//! The clone's data against the source's, as of the quiet moment that the clone was recovered to.

use super::{EVIDENCE_LINES, Hide, count, first_lines};
use crate::observe::data::{Comparison, DataError, DataObservation, Difference, Sequence, compare};
use crate::report::{Proof, Unchecked};
use crate::restore::quiet::{QuietMoment, SequenceName};

/// The kind of a prepared transaction among what all databases share.
const PREPARED: &str = "prepared transaction";

/// What came of a comparison.
pub struct Compared {
    /// For everybody who may know that a drill took place.
    pub proof: Proof,
    /// The whole text, for [`Compared::FILE`]: it shows rows.
    pub text: String,
}

impl Compared {
    /// Where in the evidence folder the proof says that the text is.
    pub const FILE: &'static str = FILE;
}

const FILE: &str = "data/clone-against-source.txt";

/// Everything is equal, but for what recovery replays beyond its target, until the next commit: what was drawn from sequences,
/// which then are ahead of where they stood and never behind, and transactions that were prepared. Both are said.
/// The proof names each difference and how many rows differ, but shows none of them: reports go to more people than rows may.
///
/// # Errors
/// When rows that were kept for either cannot be read back.
pub fn compared(
    clone: &DataObservation,
    source: &DataObservation,
    moment: &QuietMoment,
    hide: Hide<'_>,
) -> Result<Compared, DataError> {
    let mut expected = source.clone();
    let mut notes = allow_ahead(clone, &mut expected, moment);
    notes.extend(allow_prepared(clone, &mut expected));
    let comparison = compare(clone, &expected, hide)?;
    notes.extend(comparison.notes.clone());
    let proof = |holds: bool, seen: String| Proof {
        expected: format!("equal to the source at {}", moment.target),
        ..Proof::new("data equal to the source's", holds, seen)
    };
    let text = Comparison { notes: notes.clone(), ..comparison.clone() }.to_string();
    let compared = |proof| Ok(Compared { proof, text });
    if !comparison.equal {
        let lines: Vec<_> = comparison.differences.iter().map(Difference::without_rows).collect();
        return compared(Proof {
            evidence: first_lines(lines, EVIDENCE_LINES),
            help: format!("{FILE} in the evidence folder shows them, rows too"),
            ..proof(false, count(comparison.differences.len() as u64, "difference"))
        });
    }
    if !comparison.unknown.is_empty() {
        let seen = format!("equal as far as it is known: {}", comparison.unknown.join("; "));
        let gap = |line: String| match line.split_once(" lets nobody in") {
            Some((what, _)) => Unchecked {
                what: what.to_owned(),
                why: "it lets nobody in at the source, where a drill changes nothing".to_owned(),
            },
            None => Unchecked { what: line, why: "it is not known at the source".to_owned() },
        };
        let help =
            "`ALTER DATABASE … ALLOW_CONNECTIONS true` on the source lets a drill compare it".to_owned();
        let partly = proof(true, seen).without(comparison.unknown.into_iter().map(gap).collect());
        return compared(Proof { help, ..partly });
    }
    let size = match clone.rows() {
        0 => "equal: neither has a single row".to_owned(),
        rows => format!("equal in all of {}", count(rows, "row")),
    };
    let but = if notes.is_empty() { "" } else { ", but for what recovery or Spilo makes otherwise" };
    compared(Proof { evidence: first_lines(notes, EVIDENCE_LINES), ..proof(true, format!("{size}{but}")) })
}

/// Where the clone's sequence is at or ahead of where the source's stood before the moment, that is what is expected.
fn allow_ahead(clone: &DataObservation, expected: &mut DataObservation, moment: &QuietMoment) -> Vec<String> {
    let mut notes = Vec::new();
    for database in &mut expected.databases {
        let Some(here) = clone.databases.iter().find(|here| here.name == database.name) else { continue };
        for sequence in &mut database.sequences {
            let name = SequenceName { database: database.name.clone(), name: sequence.name.clone() };
            let seen = here.sequences.iter().find(|here| here.name == sequence.name);
            let (Some(before), Some(seen)) = (moment.sequences.get(&name), seen) else { continue };
            if same_place(seen, sequence) || !is_ahead(seen, *before) {
                continue;
            }
            let stood = before.map_or("not called yet".to_owned(), |value| value.to_string());
            notes.push(format!(
                "{}: sequence {} is at {}, was at {stood}",
                name.database, name.name, seen.last_value
            ));
            (sequence.last_value, sequence.is_called, sequence.log_count) =
                (seen.last_value, seen.is_called, seen.log_count);
        }
    }
    notes
}

fn same_place(one: &Sequence, another: &Sequence) -> bool {
    (one.last_value, one.is_called) == (another.last_value, another.is_called)
}

/// In the direction in which it goes. Unlogged ones are set back by recovery, which the comparison knows.
fn is_ahead(seen: &Sequence, before: Option<i64>) -> bool {
    match before {
        Some(_) if !seen.is_called => false,
        Some(before) if seen.increment > 0 => seen.last_value >= before,
        Some(before) => seen.last_value <= before,
        None if seen.increment > 0 => seen.last_value >= seen.start,
        None => seen.last_value <= seen.start,
    }
}

/// At the moment none was under way, so what the clone has was prepared after it, and is not committed.
fn allow_prepared(clone: &DataObservation, expected: &mut DataObservation) -> Vec<String> {
    let prepared: Vec<_> = clone.globals.iter().filter(|object| object.kind == PREPARED).cloned().collect();
    expected.globals.retain(|object| object.kind != PREPARED);
    expected.globals.extend(prepared.iter().cloned());
    prepared.iter().map(|object| format!("{PREPARED} {} is not committed yet", object.name)).collect()
}
