//! Holding the rows of tables and of large objects against each other.

use super::super::DataError;
use super::super::database::LARGE_OBJECT_COLUMNS;
use super::super::difference::{Difference, DifferenceKind};
use super::super::observation::{LargeObjects, Table, TableKind, TableRows};
use super::super::rows::{Naming, differing_parts, differing_rows};
use super::Compared;

impl Compared<'_> {
    /// That there is no such table is a difference of definitions as well, and named there too.
    pub(super) fn table_on_one_side(&mut self, place: String, pair: (Option<&Table>, Option<&Table>)) {
        let (what, table) = match pair {
            (Some(table), _) => ("is not expected", table),
            (None, Some(table)) => ("is missing", table),
            (None, None) => return,
        };
        let rows = table.rows.as_ref().map_or(0, |rows| rows.count);
        let kind = match table.kind {
            TableKind::Table | TableKind::MaterialisedView if rows > 0 => DifferenceKind::Rows,
            _ => DifferenceKind::Other,
        };
        self.differences.push(Difference::of(kind, place, what));
    }

    pub(super) fn large_objects(
        &mut self,
        database: &str,
        observed: &LargeObjects,
        expected: &LargeObjects,
    ) -> Result<(), DataError> {
        let place = format!("{database}: large objects");
        if observed.count != expected.count {
            let what = format!("{}, expected {}", observed.count, expected.count);
            self.differences.push(Difference::of(DifferenceKind::Rows, place.clone(), what));
        } else if observed.owners != expected.owners {
            let what = "numbers, owners or access rights differ";
            self.differences.push(Difference::new(place.clone(), what));
        }
        if !same_rows(&observed.data, &expected.data) {
            let columns = LARGE_OBJECT_COLUMNS.map(str::to_owned);
            let naming = Naming { columns: &columns, key: &columns[..2], hide: self.hide };
            self.differences.push(rows(place, &observed.data, &expected.data, Some(&naming), "pages")?);
        }
        Ok(())
    }

    pub(super) fn tables(
        &mut self,
        place: String,
        observed: &Table,
        expected: &Table,
    ) -> Result<(), DataError> {
        let damage = match (&observed.damage, &expected.damage) {
            (Some(why), _) => Some(format!("cannot be read: {why}")),
            (None, Some(why)) => Some(format!("cannot be read where it is expected: {why}")),
            (None, None) => None,
        };
        if let Some(what) = damage {
            self.differences.push(Difference::of(DifferenceKind::Damage, place, what));
            return Ok(());
        }
        if observed.left_out || expected.left_out {
            self.notes.push(format!("rows of {place} are left out, as it was asked for"));
            return Ok(());
        }
        let what = match (&observed.rows, &expected.rows) {
            (None, None) => return Ok(()),
            (Some(_), None) => "has rows, expected none of its own",
            (None, Some(_)) => "has no rows of its own, expected some",
            (Some(seen), Some(wanted)) => {
                if same_rows(seen, wanted) {
                    return Ok(());
                }
                return self.rows_of_table(place, (observed, seen), (expected, wanted));
            }
        };
        self.differences.push(Difference::of(DifferenceKind::Rows, place, what));
        Ok(())
    }

    fn rows_of_table(
        &mut self,
        place: String,
        (observed, seen): (&Table, &TableRows),
        (expected, wanted): (&Table, &TableRows),
    ) -> Result<(), DataError> {
        let unlogged = observed.kind == TableKind::Unlogged && expected.kind == TableKind::Unlogged;
        if self.recovered && unlogged && seen.count == 0 {
            self.notes
                .push(format!("{place} is unlogged, so recovery has emptied it ({} rows)", wanted.count));
            return Ok(());
        }
        // Rows of tables with different columns differ in all of their texts; the columns are shown as such. Rows of
        // tables with different keys were kept in different parts.
        let (same_columns, same_key) = (observed.columns == expected.columns, observed.key == expected.key);
        let naming = Naming { columns: &observed.columns, key: &observed.key, hide: self.hide };
        let naming = (same_columns && same_key).then_some(&naming);
        let mut difference = rows(place, seen, wanted, naming, "rows")?;
        if !same_columns {
            difference.what.push_str("; its columns differ");
        } else if !same_key {
            difference.what.push_str("; its keys differ");
        }
        if unlogged {
            difference.kind = DifferenceKind::Other;
            difference.what.push_str("; it is unlogged, so no backup holds its rows");
        }
        self.differences.push(difference);
        Ok(())
    }
}

/// Rows that differ, from what both sides have kept. Without `naming` none are shown.
fn rows(
    place: String,
    observed: &TableRows,
    expected: &TableRows,
    naming: Option<&Naming<'_>>,
    unit: &str,
) -> Result<Difference, DataError> {
    let what = match (observed.count, expected.count) {
        (seen, wanted) if seen == wanted => format!("{seen} {unit} as expected, with other content"),
        (seen, wanted) => format!("{seen} {unit}, expected {wanted}"),
    };
    let mut difference = Difference::of(DifferenceKind::Rows, place, what);
    if let (Some(here), Some(there), Some(naming)) = (&observed.kept, &expected.kept, naming) {
        if here.complete() && there.complete() {
            (difference.rows, difference.more) = differing_rows(here, there, naming)?;
        } else {
            let (differ, of) = differing_parts(here, there);
            let differ = differ.len();
            let text = format!(" ({differ} of {of} parts differ; no room to keep each of its {unit})");
            difference.what.push_str(&text);
        }
    }
    Ok(difference)
}

pub(super) fn same_rows(observed: &TableRows, expected: &TableRows) -> bool {
    observed.count == expected.count && observed.digest == expected.digest
}
