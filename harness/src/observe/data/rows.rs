//! Which rows differ between two kept tables: part by part, in the memory of one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::DataError;
use super::difference::{ColumnDifference, RowDifference};
use super::digest::RowHash;
use super::spool::{KeptRows, ROW_TEXT, Record};
use super::value::{self, Hide};

/// Rows that are shown for one table.
const SHOWN: usize = 5;

/// How the rows of a table are called and shown.
pub(super) struct Naming<'a> {
    pub columns: &'a [String],
    /// Columns of the key; empty where there is none.
    pub key: &'a [String],
    pub hide: Hide<'a>,
}

/// The first rows that differ, and how many more there are.
pub(super) fn differing_rows(
    observed: &KeptRows,
    expected: &KeptRows,
    naming: &Naming<'_>,
) -> Result<(Vec<RowDifference>, u64), DataError> {
    let mut total = 0;
    let mut first: BTreeMap<Position, Pair> = BTreeMap::new();
    let (parts, of) = differing_parts(observed, expected);
    for part in parts {
        let found = Differing::of_part(observed, expected, part, of, naming)?;
        total += found.total;
        for (place, pair) in found.first {
            first.insert(place, pair);
            if first.len() > SHOWN {
                first.pop_last();
            }
        }
    }
    let shown: Vec<_> = first.into_values().filter_map(|pair| pair.shown(naming)).collect();
    let more = total.saturating_sub(shown.len() as u64);
    Ok((shown, more))
}

/// Which parts differ, and how many there are.
pub(super) fn differing_parts(observed: &KeptRows, expected: &KeptRows) -> (Vec<usize>, usize) {
    let of = observed.parts().min(expected.parts());
    let differs = |part: &usize| observed.digest(*part, of) != expected.digest(*part, of);
    ((0..of).filter(differs).collect(), of)
}

/// The differing rows of one part: how many, and the first few by key.
#[derive(Default)]
struct Differing {
    total: u64,
    first: BTreeMap<Position, Pair>,
}

/// A row as it is on both sides, or on one.
#[derive(Default)]
struct Pair {
    extra: Option<Record>,
    missing: Option<Record>,
}

impl Differing {
    fn of_part(
        observed: &KeptRows,
        expected: &KeptRows,
        part: usize,
        of: usize,
        naming: &Naming<'_>,
    ) -> Result<Differing, DataError> {
        let mut balance: HashMap<RowHash, i64> = HashMap::new();
        observed.read(part, of, |row| *balance.entry(row.hash).or_default() += 1)?;
        expected.read(part, of, |row| *balance.entry(row.hash).or_default() -= 1)?;
        balance.retain(|_, count| *count != 0);

        let keyed = !naming.key.is_empty();
        let mut extra = Side::read(observed, part, of, &balance, Surplus::Extra, keyed)?;
        let mut missing = Side::read(expected, part, of, &balance, Surplus::Missing, keyed)?;
        let changed: u64 = extra
            .keys
            .iter()
            .map(|(key, rows)| u64::from(*rows.min(missing.keys.get(key).unwrap_or(&0))))
            .sum();
        let total = extra.rows + missing.rows - changed;

        // Beyond the last key that a cut-off side still holds, its partner may be among what was cut off.
        let horizon = [&extra, &missing].into_iter().filter_map(Side::horizon).min().cloned();
        let mut first: BTreeMap<Position, Pair> = BTreeMap::new();
        for (place, row) in std::mem::take(&mut extra.first) {
            first.entry(place).or_default().extra = Some(row);
        }
        for (place, row) in std::mem::take(&mut missing.first) {
            first.entry(place).or_default().missing = Some(row);
        }
        first.retain(|place, _| horizon.as_ref().is_none_or(|horizon| place <= horizon));
        Ok(Differing { total, first })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Surplus {
    Extra,
    Missing,
}

/// The differing rows of one side: how many, how many of which key, and the first few by key.
#[derive(Default)]
struct Side {
    rows: u64,
    keys: HashMap<Vec<u8>, u32>,
    first: BTreeMap<Position, Record>,
    cut_off: bool,
}

impl Side {
    fn read(
        kept: &KeptRows,
        part: usize,
        of: usize,
        balance: &HashMap<RowHash, i64>,
        surplus: Surplus,
        keyed: bool,
    ) -> Result<Side, DataError> {
        let sign = if surplus == Surplus::Extra { 1 } else { -1 };
        let mut left: HashMap<&RowHash, i64> = balance
            .iter()
            .map(|(hash, count)| (hash, count * sign))
            .filter(|(_, count)| *count > 0)
            .collect();
        let mut side = Side::default();
        kept.read(part, of, |row| {
            let Some(surplus_left) = left.get_mut(&row.hash).filter(|count| **count > 0) else { return };
            *surplus_left -= 1;
            side.rows += 1;
            let place = if keyed {
                // A damaged table may hold a key twice.
                let number = side.keys.entry(row.key.clone()).or_default();
                *number += 1;
                Position { text: row.key.clone(), number: u64::from(*number), apart: None }
            } else {
                let text = row.text.clone().unwrap_or_else(|| row.hash.to_vec());
                Position { text, number: side.rows, apart: Some((surplus, row.hash)) }
            };
            side.first.insert(place, row.clone());
            if side.first.len() > SHOWN {
                side.first.pop_last();
                side.cut_off = true;
            }
        })?;
        Ok(side)
    }

    fn horizon(&self) -> Option<&Position> {
        if self.cut_off { self.first.keys().next_back() } else { None }
    }
}

/// A row's place in the order in which rows are shown: by key, numbers as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    text: Vec<u8>,
    /// Tells rows of one text or key apart.
    number: u64,
    /// Rows without a key are never the same row on both sides, even where their kept texts are equal.
    apart: Option<(Surplus, RowHash)>,
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = |place: &'_ Position| -> Vec<(Option<i128>, Vec<u8>)> {
            place.text.split(|&byte| byte == b'\t').map(|part| (value::number(part), part.to_vec())).collect()
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
        by_part
            .unwrap_or_else(|| self.text.cmp(&other.text))
            .then_with(|| self.apart.cmp(&other.apart))
            .then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Pair {
    fn shown(&self, naming: &Naming<'_>) -> Option<RowDifference> {
        Some(match (&self.extra, &self.missing) {
            (Some(extra), Some(missing)) => {
                RowDifference::Changed { row: named(extra, naming), columns: changes(naming, extra, missing) }
            }
            (Some(extra), None) => RowDifference::Extra { row: named(extra, naming) },
            (None, Some(missing)) => RowDifference::Missing { row: named(missing, naming) },
            (None, None) => return None,
        })
    }
}

/// `(id)=(7)`, or all values where there is no key.
fn named(row: &Record, naming: &Naming<'_>) -> String {
    let values = |text: &[u8], quote: bool, whole: bool| -> String {
        let mut values: Vec<_> = text.split(|&byte| byte == b'\t').map(|text| (text, true)).collect();
        if let Some(last) = values.last_mut() {
            last.1 = whole;
        }
        let shown = values.into_iter().map(|(text, whole)| value::shown(text, whole, quote, naming.hide));
        shown.collect::<Vec<_>>().join(", ")
    };
    match (naming.key, &row.text) {
        ([], Some(text)) => format!("({})", values(text, true, whole(text))),
        ([], None) => {
            format!("of SHA-256 {}", row.hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        (key, _) => format!("({})=({})", key.join(", "), values(&row.key, false, true)),
    }
}

/// A text of this length may have been cut there.
fn whole(text: &[u8]) -> bool {
    text.len() < ROW_TEXT
}

/// Columns whose values differ, as far as they were kept.
fn changes(naming: &Naming<'_>, observed: &Record, expected: &Record) -> Vec<ColumnDifference> {
    let (Some(observed), Some(expected)) = (&observed.text, &expected.text) else { return Vec::new() };
    let values =
        |text: &'_ [u8]| -> Vec<Vec<u8>> { text.split(|&byte| byte == b'\t').map(<[u8]>::to_vec).collect() };
    let (seen, wanted) = (values(observed), values(expected));
    // The last value that a cut text holds may be cut itself.
    let is_whole = |text: &[u8], values: &[Vec<u8>], index: usize| whole(text) || index + 1 < values.len();
    let pairs = seen.iter().zip(&wanted).zip(naming.columns).enumerate();
    pairs
        .filter_map(|(index, ((seen_value, wanted_value), column))| {
            let whole = (is_whole(observed, &seen, index), is_whole(expected, &wanted, index));
            let (observed, expected) =
                value::beside((seen_value, whole.0), (wanted_value, whole.1), naming.hide)?;
            Some(ColumnDifference { column: column.clone(), observed, expected })
        })
        .collect()
}
