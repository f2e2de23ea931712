//! What is proved of a restored clone. Nothing that was not seen counts as proved.

mod amcheck;
mod assertion;
mod compared;
mod damage;
mod ended;
mod entries;
mod files;
mod identity;
mod inspected;
mod newest;
mod own;
mod pages;
mod query;
mod readable;
mod states;
mod walk;

pub use assertion::assertions;
pub use compared::{Compared, compared};
pub use damage::damage;
pub(in crate::restore) use ended::{Why, backup, taken_by, timelines, wal};
pub use identity::{Recovered, Wanted, identity};
pub use newest::newest;
pub use readable::{counts, readable, readable_after};

/// Replaces every secret in a text by its fingerprint.
pub type Hide<'a> = &'a dyn Fn(&str) -> String;

/// Lines of evidence that a report shows of one proof.
const EVIDENCE_LINES: usize = 40;
/// Characters of a value or a query that are shown.
const SHOWN: usize = 160;

/// The first lines, and how many more there are.
fn first_lines(mut lines: Vec<String>, at_most: usize) -> Vec<String> {
    let more = lines.len().saturating_sub(at_most);
    lines.truncate(at_most);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A text on one line, without secrets, cut to what a report has room for.
fn one_line(text: &str, hide: Hide<'_>) -> String {
    // A secret that was cut in two would not be known for one.
    let text = hide(text).split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `1 table`, `2 tables`.
fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// `1 index`, `2 indexes`.
fn indexes_counted(indexes: u64) -> String {
    if indexes == 1 { "1 index".to_owned() } else { format!("{indexes} indexes") }
}
