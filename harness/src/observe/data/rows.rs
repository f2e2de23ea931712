//! Which rows differ between two kept tables, in bounded memory: hashes of all, texts of a few.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::DataError;
use super::difference::{ColumnDifference, RowDifference};
use super::digest::{RowHash, hash_row};
use super::spool::{ROW_TEXT, Record, read_rows};

/// Rows that are shown for one table.
const SHOWN: usize = 5;

/// Characters of a value that are shown.
const VALUE_SHOWN: usize = 80;

/// The first rows that differ, and how many more there are.
pub(super) fn differing_rows(
    observed: &Path,
    expected: &Path,
    columns: &[String],
    key: &[String],
) -> Result<(Vec<RowDifference>, u64), DataError> {
    let mut balance: HashMap<RowHash, i64> = HashMap::new();
    read_rows(observed, |row| *balance.entry(row.hash).or_default() += 1)?;
    read_rows(expected, |row| *balance.entry(row.hash).or_default() -= 1)?;
    balance.retain(|_, count| *count != 0);
    balance.shrink_to_fit();

    let extra = Side::read(observed, &balance, 1)?;
    let missing = Side::read(expected, &balance, -1)?;
    let changed = extra.keys.intersection(&missing.keys).count() as u64;
    let total = extra.rows + missing.rows - changed;

    // Beyond the last key that a cut-off side still holds, its partner may be among what was cut off.
    let horizon = [&extra, &missing].into_iter().filter_map(Side::horizon).min().cloned();
    let mut places: Vec<&Place> = extra.first.keys().chain(missing.first.keys()).collect();
    places.sort();
    places.dedup();
    let shown: Vec<_> = places
        .into_iter()
        .take_while(|place| horizon.as_ref().is_none_or(|horizon| *place <= horizon))
        .take(SHOWN)
        .filter_map(|place| match (extra.first.get(place), missing.first.get(place)) {
            (Some(extra), Some(missing)) if !key.is_empty() => Some(RowDifference::Changed {
                row: named(extra, key),
                columns: changes(columns, extra, missing),
            }),
            (_, Some(missing)) => Some(RowDifference::Missing { row: named(missing, key) }),
            (Some(extra), None) => Some(RowDifference::Extra { row: named(extra, key) }),
            (None, None) => None,
        })
        .collect();
    let more = total.saturating_sub(shown.len() as u64);
    Ok((shown, more))
}

/// The differing rows of one side: how many, which keys, and the first few by key.
#[derive(Default)]
struct Side {
    rows: u64,
    /// Hashes of the keys; of nothing for tables without one.
    keys: HashSet<RowHash>,
    first: BTreeMap<Place, Record>,
    cut_off: bool,
}

impl Side {
    /// `sign` is that of this side's surplus in `balance`.
    fn read(path: &Path, balance: &HashMap<RowHash, i64>, sign: i64) -> Result<Side, DataError> {
        let mut left: HashMap<&RowHash, i64> = balance
            .iter()
            .map(|(hash, count)| (hash, count * sign))
            .filter(|(_, count)| *count > 0)
            .collect();
        let mut side = Side::default();
        read_rows(path, |row| {
            let Some(surplus) = left.get_mut(&row.hash) else { return };
            if *surplus == 0 {
                return;
            }
            *surplus -= 1;
            side.rows += 1;
            let number = side.rows * u64::from(row.key.is_empty());
            if !row.key.is_empty() {
                side.keys.insert(hash_row(&row.key));
            }
            let text = if row.key.is_empty() { row.text.clone() } else { row.key.clone() };
            side.first.insert(Place { text, number }, row.clone());
            if side.first.len() > SHOWN {
                side.first.pop_last();
                side.cut_off = true;
            }
        })?;
        Ok(side)
    }

    fn horizon(&self) -> Option<&Place> {
        if self.cut_off { self.first.keys().next_back() } else { None }
    }
}

/// A row's place in the order in which rows are shown: by key, numbers as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    text: Vec<u8>,
    /// Tells equal rows of a table without a key apart.
    number: u64,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = |place: &'_ Place| -> Vec<(Option<i128>, Vec<u8>)> {
            place.text.split(|&byte| byte == b'\t').map(|part| (number(part), part.to_vec())).collect()
        };
        let by_part =
            parts(self).into_iter().zip(parts(other)).find_map(|((number, text), (others, other))| {
                let ordering = match (number, others) {
                    (Some(one), Some(another)) => one.cmp(&another).then_with(|| text.cmp(&other)),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (None, None) => text.cmp(&other),
                };
                ordering.is_ne().then_some(ordering)
            });
        by_part.unwrap_or_else(|| self.text.cmp(&other.text)).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn number(text: &[u8]) -> Option<i128> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `(id)=(7)`, or all values where there is no key.
fn named(row: &Record, key: &[String]) -> String {
    let values = |text: &[u8], quote| -> String {
        let values: Vec<_> = text.split(|&byte| byte == b'\t').map(|value| shown(value, quote)).collect();
        values.join(", ")
    };
    match key {
        [] => format!("({})", values(&row.text, true)),
        key => format!("({})=({})", key.join(", "), values(&row.key, false)),
    }
}

fn changes(columns: &[String], observed: &Record, expected: &Record) -> Vec<ColumnDifference> {
    let complete = |record: &Record| record.text.len() < ROW_TEXT;
    let values = |record: &Record| -> Vec<Vec<u8>> {
        record.text.split(|&byte| byte == b'\t').map(<[u8]>::to_vec).collect()
    };
    let (observed_values, expected_values) = (values(observed), values(expected));
    // The last value that a cut text holds may be cut itself, so it is not held against a whole one.
    let comparable = |record: &Record, values: &[Vec<u8>]| values.len() - usize::from(!complete(record));
    let until = comparable(observed, &observed_values).min(comparable(expected, &expected_values));
    columns
        .iter()
        .zip(observed_values.iter().zip(&expected_values))
        .take(until)
        .filter(|(_, (observed, expected))| observed != expected)
        .map(|(column, (observed, expected))| ColumnDifference {
            column: column.clone(),
            observed: shown_beside(observed, expected),
            expected: shown_beside(expected, observed),
        })
        .collect()
}

/// Long values are shown from shortly before the place where they differ.
fn shown_beside(value: &[u8], other: &[u8]) -> String {
    let same = value.iter().zip(other).take_while(|(one, another)| one == another).count();
    match same {
        0..VALUE_SHOWN => shown(value, true),
        _ => format!("…{} (from byte {} on)", shown(&value[same.saturating_sub(10)..], true), same + 1),
    }
}

/// A value of COPY's text format as SQL would write it.
fn shown(value: &[u8], quote: bool) -> String {
    if value == b"\\N" {
        return "NULL".to_owned();
    }
    let mut text = String::from_utf8_lossy(value).replace("\\\\", "\\");
    if let Some((end, _)) = text.char_indices().nth(VALUE_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    if quote && number(value).is_none() { format!("'{}'", text.replace('\'', "''")) } else { text }
}
