//! Holding one observation against another: nothing that was observed is passed over.

use std::collections::BTreeMap;

use super::database::LARGE_OBJECT_COLUMNS;
use super::difference::{Comparison, Difference};
use super::observation::{
    DataObservation, Database, Kept, LargeObjects, Role, SchemaObject, Sequence, Table, TableKind, TableRows,
};
use super::rows::differing_rows;
use super::spool::read_buckets;
use super::{DataError, MultisetDigest};

/// Characters of a definition that are shown, from where it begins to differ.
const DEFINITION_SHOWN: usize = 120;

/// What differs between what was observed and what was expected. The identity is not compared.
///
/// # Errors
/// When rows that were kept for either cannot be read back.
pub fn compare(observed: &DataObservation, expected: &DataObservation) -> Result<Comparison, DataError> {
    let mut differences = Vec::new();
    for (name, pair) in pairs(&observed.roles, &expected.roles, |role| role.name.clone()) {
        presence(&mut differences, format!("role {name}"), pair, role);
    }
    let context = Context { observed, expected };
    for (name, pair) in pairs(&observed.databases, &expected.databases, |database| database.name.clone()) {
        match pair {
            (Some(observed), Some(expected)) => context.databases(&mut differences, observed, expected)?,
            pair => presence(&mut differences, format!("database {name}"), pair, |_, _| Vec::new()),
        }
    }
    Ok(Comparison { equal: differences.is_empty(), differences })
}

/// Things of one or of both sides, by name.
fn pairs<'a, T, K: Ord>(
    observed: &'a [T],
    expected: &'a [T],
    name: impl Fn(&T) -> K,
) -> BTreeMap<K, (Option<&'a T>, Option<&'a T>)> {
    let mut pairs: BTreeMap<K, (Option<&T>, Option<&T>)> = BTreeMap::new();
    observed.iter().for_each(|thing| pairs.entry(name(thing)).or_default().0 = Some(thing));
    expected.iter().for_each(|thing| pairs.entry(name(thing)).or_default().1 = Some(thing));
    pairs
}

/// A thing that is missing or not expected; what differs where it is on both sides, `difference` says.
fn presence<T>(
    differences: &mut Vec<Difference>,
    place: String,
    pair: (Option<&T>, Option<&T>),
    difference: impl FnOnce(&T, &T) -> Vec<String>,
) {
    let found = match pair {
        (Some(observed), Some(expected)) => difference(observed, expected),
        (None, Some(_)) => vec!["is missing".to_owned()],
        (Some(_), None) => vec!["is not expected".to_owned()],
        (None, None) => Vec::new(),
    };
    differences.extend(found.into_iter().map(|what| Difference::new(place.clone(), what)));
}

fn role(observed: &Role, expected: &Role) -> Vec<String> {
    let mut found = Vec::new();
    for (what, observed, expected) in [
        ("attributes", &observed.attributes, &expected.attributes),
        ("member of", &observed.member_of, &expected.member_of),
    ] {
        if observed != expected {
            found.push(format!("{what} [{}], expected [{}]", observed.join(", "), expected.join(", ")));
        }
    }
    found
}

struct Context<'a> {
    observed: &'a DataObservation,
    expected: &'a DataObservation,
}

impl Context<'_> {
    fn databases(
        &self,
        differences: &mut Vec<Difference>,
        observed: &Database,
        expected: &Database,
    ) -> Result<(), DataError> {
        let name = &observed.name;
        if observed.definition != expected.definition {
            let what = definition(&observed.definition, &expected.definition);
            differences.push(Difference::new(format!("database {name}"), what));
        }
        if observed.connectable != expected.connectable {
            let what = if observed.connectable { "lets clients in" } else { "lets nobody in" };
            differences.push(Difference::new(format!("database {name}"), what));
            return Ok(());
        }
        for (extension, pair) in pairs(&observed.extensions, &expected.extensions, |e| e.name.clone()) {
            presence(differences, format!("{name}: extension {extension}"), pair, |observed, expected| {
                let of = |e: &super::Extension| format!("version {} in schema {}", e.version, e.schema);
                if observed == expected {
                    vec![]
                } else {
                    vec![format!("{}, expected {}", of(observed), of(expected))]
                }
            });
        }
        // One name may stand for several objects, such as comments: their definitions are compared as one list.
        let objects = |side: &Database| {
            let mut objects: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for SchemaObject { kind, name, definition } in &side.schema {
                objects.entry(format!("{kind} {name}")).or_default().push(definition.clone());
            }
            objects.into_iter().collect::<Vec<_>>()
        };
        for (object, pair) in pairs(&objects(observed), &objects(expected), |(name, _)| name.clone()) {
            presence(differences, format!("{name}: {object}"), pair, |(_, observed), (_, expected)| {
                let (observed, expected) = (observed.join("; "), expected.join("; "));
                if observed == expected { vec![] } else { vec![definition(&observed, &expected)] }
            });
        }
        for (sequence, pair) in pairs(&observed.sequences, &expected.sequences, |s| s.name.clone()) {
            presence(differences, format!("{name}: sequence {sequence}"), pair, |observed, expected| {
                let of = |s: &Sequence| {
                    format!("{}{}", s.last_value, if s.is_called { "" } else { " not called" })
                };
                if same_place(observed, expected) {
                    return Vec::new();
                }
                vec![format!("is at {}, expected {}", of(observed), of(expected))]
            });
        }
        self.large_objects(differences, name, &observed.large_objects, &expected.large_objects)?;
        for (table, pair) in pairs(&observed.tables, &expected.tables, |table| table.name.clone()) {
            match pair {
                (Some(observed), Some(expected)) => {
                    differences.extend(self.tables(format!("{name}.{table}"), observed, expected)?);
                }
                pair => presence(differences, format!("{name}.{table}"), pair, |_, _| Vec::new()),
            }
        }
        Ok(())
    }

    fn large_objects(
        &self,
        differences: &mut Vec<Difference>,
        database: &str,
        observed: &LargeObjects,
        expected: &LargeObjects,
    ) -> Result<(), DataError> {
        let place = format!("{database}: large objects");
        if observed.count != expected.count {
            let what = format!("{}, expected {}", observed.count, expected.count);
            differences.push(Difference::new(place.clone(), what));
        } else if observed.owners != expected.owners {
            differences.push(Difference::new(place.clone(), "numbers, owners or access rights differ"));
        }
        if !same_rows(&observed.data, &expected.data) {
            let columns = LARGE_OBJECT_COLUMNS.map(str::to_owned);
            differences.push(self.rows(
                place,
                &observed.data,
                &expected.data,
                &columns,
                &columns[..2],
                "pages",
            )?);
        }
        Ok(())
    }

    fn tables(
        &self,
        place: String,
        observed: &Table,
        expected: &Table,
    ) -> Result<Option<Difference>, DataError> {
        let (seen, wanted) = match (&observed.rows, &expected.rows) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Ok(Some(Difference::new(place, "has rows, expected none of its own"))),
            (None, Some(_)) => {
                return Ok(Some(Difference::new(place, "has no rows of its own, expected some")));
            }
            (Some(observed), Some(expected)) => (observed, expected),
        };
        if same_rows(seen, wanted) {
            return Ok(None);
        }
        // Rows of tables with different columns differ in all of their texts; the columns are shown as such.
        let comparable = observed.columns == expected.columns;
        let (columns, key): (&[_], &[_]) = match comparable {
            true if observed.key == expected.key => (&observed.columns, &observed.key),
            true => (&observed.columns, &[]),
            false => (&[], &[]),
        };
        let mut difference = self.rows(place, seen, wanted, columns, key, "rows")?;
        if !comparable {
            difference.what.push_str("; its columns differ");
        }
        if TableKind::Unlogged == expected.kind {
            difference.what.push_str("; it is unlogged: recovery empties it");
        }
        Ok(Some(difference))
    }

    /// Rows that differ, from what both sides have kept. Without `columns` none are shown.
    fn rows(
        &self,
        place: String,
        observed: &TableRows,
        expected: &TableRows,
        columns: &[String],
        key: &[String],
        unit: &str,
    ) -> Result<Difference, DataError> {
        let mut difference = Difference::new(
            place,
            match (observed.count, expected.count) {
                (seen, wanted) if seen == wanted => format!("{seen} {unit} as expected, with other content"),
                (seen, wanted) => format!("{seen} {unit}, expected {wanted}"),
            },
        );
        let (Some(here), Some(there)) = (&self.observed.spool, &self.expected.spool) else {
            return Ok(difference);
        };
        match (&observed.kept, &expected.kept) {
            (_, _) if columns.is_empty() => {}
            (Kept::Rows(seen), Kept::Rows(wanted)) => {
                (difference.rows, difference.more) =
                    differing_rows(&here.join(seen), &there.join(wanted), columns, key)?;
            }
            (seen, wanted) => {
                if let (Some(seen), Some(wanted)) = (read_buckets(here, seen)?, read_buckets(there, wanted)?)
                {
                    let parts = differing_parts(&seen, &wanted);
                    let text =
                        format!(" ({parts} of {} parts differ; too many {unit} to keep each)", seen.len());
                    difference.what.push_str(&text);
                }
            }
        }
        Ok(difference)
    }
}

fn differing_parts(observed: &[MultisetDigest], expected: &[MultisetDigest]) -> usize {
    observed.iter().zip(expected).filter(|(observed, expected)| observed != expected).count()
}

fn same_rows(observed: &TableRows, expected: &TableRows) -> bool {
    observed.count == expected.count && observed.digest == expected.digest
}

/// Values are written to the WAL some at a time, ahead of their use, so recovery may leave a sequence at the last
/// written one: `last_value + log_count × increment` of its source, with nothing ahead. No other value is equal.
fn same_place(one: &Sequence, other: &Sequence) -> bool {
    let recovered = |here: &Sequence, source: &Sequence| {
        let written =
            source.log_count.checked_mul(source.increment).and_then(|n| n.checked_add(source.last_value));
        here.log_count == 0 && written == Some(here.last_value)
    };
    one.is_called == other.is_called
        && (one.last_value == other.last_value || recovered(one, other) || recovered(other, one))
}

/// Both definitions, from shortly before where they begin to differ.
fn definition(observed: &str, expected: &str) -> String {
    let same = observed.chars().zip(expected.chars()).take_while(|(one, another)| one == another).count();
    let from = same.saturating_sub(20);
    let cut = |text: &str| -> String {
        let start = if from > 0 { "…" } else { "" };
        let end = if text.chars().count() > from + DEFINITION_SHOWN { "…" } else { "" };
        format!(
            "{start}{}{end}",
            text.chars().skip(from).take(DEFINITION_SHOWN).collect::<String>().replace('\n', "\\n")
        )
    };
    format!("is `{}`, expected `{}`", cut(observed), cut(expected))
}
