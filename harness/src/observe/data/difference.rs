//! What differs between two observations, and how it is said.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of a comparison. Equal only when nothing at all differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Nothing at all differs.
    pub equal: bool,
    /// Of rows first, then of definitions.
    pub differences: Vec<Difference>,
    /// What differs as it must, one line each: what recovery empties in every clone.
    pub notes: Vec<String>,
    /// What neither side could be asked for, one line each.
    pub unknown: Vec<String>,
}

impl Comparison {
    /// The first difference that shows other data: not one of definitions or positions, nor what cannot be read.
    pub fn other_rows(&self) -> Option<&Difference> {
        self.differences.iter().find(|difference| difference.kind == DifferenceKind::Rows)
    }
}

/// What a difference is about. In the order in which differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// Other rows, or a table with or without them.
    Rows,
    /// The server cannot read it on one side, so its rows are not known.
    Damage,
    /// A definition, an access right, the position of a sequence, rows that no backup holds.
    Other,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which part of the cluster the difference is in.
    pub kind: DifferenceKind,
    /// `orders.public.orders`, `role app`, `orders: index public.orders_pkey`.
    pub place: String,
    /// What was seen there and what was expected, in one line.
    pub what: String,
    /// The first rows that differ, by key.
    pub rows: Vec<RowDifference>,
    /// How many more rows differ.
    pub more: u64,
}

/// One row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowDifference {
    /// Expected, and not there. The row by its key, or all of it where the table has none.
    Missing {
        /// By its key, or all of it where the table has none.
        row: String,
    },
    /// There, and not expected.
    Extra {
        /// By its key, or all of it where the table has none.
        row: String,
    },
    /// There, with other values.
    Changed {
        /// By its key.
        row: String,
        /// Those that differ.
        columns: Vec<ColumnDifference>,
    },
}

/// One column of a row that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDifference {
    /// As the table calls it.
    pub column: String,
    /// As SQL would write it: `'open'`, `NULL`.
    pub observed: String,
    /// As SQL would write it.
    pub expected: String,
}

impl Difference {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::of(DifferenceKind::Other, place, what)
    }

    pub(super) fn of(kind: DifferenceKind, place: impl Into<String>, what: impl Into<String>) -> Self {
        Difference { kind, place: place.into(), what: what.into(), rows: Vec::new(), more: 0 }
    }
}

impl Difference {
    /// Where and what, with the number of rows and none of their values.
    pub fn without_rows(&self) -> String {
        let rows = self.rows.len() as u64 + self.more;
        let differ = match rows {
            0 => String::new(),
            1 => "; 1 row differs".to_owned(),
            rows => format!("; {rows} rows differ"),
        };
        format!("{}: {}{differ}", self.place, self.what)
    }
}

impl fmt::Display for Comparison {
    /// One line for each difference, then one for each note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.equal {
            f.write_str("equal")?;
        }
        for (index, difference) in self.differences.iter().enumerate() {
            let line_end = if index > 0 { "\n" } else { "" };
            write!(f, "{line_end}{difference}")?;
        }
        self.notes.iter().chain(&self.unknown).try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        for row in &self.rows {
            write!(f, "; {row}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for RowDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowDifference::Missing { row } => write!(f, "row {row} is missing"),
            RowDifference::Extra { row } => write!(f, "row {row} is not expected"),
            RowDifference::Changed { row, columns } if columns.is_empty() => {
                write!(f, "row {row} differs further on than its kept text goes")
            }
            RowDifference::Changed { row, columns } => {
                write!(f, "row {row}: ")?;
                for (index, ColumnDifference { column, observed, expected }) in columns.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{column} is {observed}, expected {expected}")?;
                }
                Ok(())
            }
        }
    }
}
