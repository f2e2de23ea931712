//! Holding one observation against another: nothing that was observed is passed over.

mod recovered;
mod tables;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::difference::{Comparison, Difference, DifferenceKind};
use super::observation::{DataObservation, Database, Role, SchemaObject, Sequence, Table, TableKind};
use super::spilo::{self, Made};
use super::value::Hide;
use super::{DataError, FIRST};
use recovered::has_recovered;
use tables::same_rows;

/// Characters of a definition that are shown, from where it begins to differ.
const DEFINITION_SHOWN: usize = 120;
/// How many of Spilo's own objects a note names.
const SPILOS_SHOWN: usize = 5;

/// What differs between what was observed and what was expected. The identity is not compared: it only says
/// whether what was observed has recovered from a backup of what was expected, which leaves its marks. What Spilo makes is
/// compared where both have its same image; what it makes at its start in what was observed, and what another image makes
/// otherwise, are noted. `hide` replaces secrets in texts, before they are cut short.
///
/// # Errors
/// When rows that were kept for either cannot be read back.
pub fn compare(
    observed: &DataObservation,
    expected: &DataObservation,
    hide: &dyn Fn(&str) -> String,
) -> Result<Comparison, DataError> {
    let recovered = has_recovered(&observed.identity, &expected.identity);
    let mut compared = Compared {
        recovered,
        in_spilo: observed.image.is_some(),
        images_differ: spilo::images_differ(observed, expected),
        hide,
        differences: Vec::new(),
        spilos: Vec::new(),
        notes: Vec::new(),
        unknown: Vec::new(),
    };
    for (name, pair) in pairs(&observed.roles, &expected.roles, |role| role.name.clone()) {
        compared.presence(format!("role {name}"), pair, role);
    }
    compared.objects("", &observed.globals, &expected.globals);
    for (name, pair) in pairs(&observed.databases, &expected.databases, |database| database.name.clone()) {
        match pair {
            (Some(observed), Some(expected)) => compared.databases(observed, expected)?,
            pair => {
                compared.presence(format!("database {name}"), pair, |_, _| Vec::new());
                // A database whose rows nobody else has holds other data.
                for (table, pair) in pairs(tables(pair.0), tables(pair.1), |table| table.name.clone()) {
                    compared.table_on_one_side(format!("{name}.{table}"), pair);
                }
            }
        }
    }
    let Compared { mut differences, mut notes, unknown, spilos, images_differ, .. } = compared;
    notes.extend(spilo_note(&spilos, images_differ));
    differences.sort_by_key(|difference| difference.kind);
    Ok(Comparison { equal: differences.is_empty(), differences, notes, unknown })
}

/// What people have granted on an object.
fn granted(object: Option<&SchemaObject>) -> Vec<&str> {
    object.map_or(Vec::new(), |object| spilo::granted_by_people(&object.definition))
}

fn tables(database: Option<&Database>) -> &[Table] {
    database.map_or(&[], |database| &database.tables)
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

/// One line for all of them, which names the first few.
fn spilo_note(spilos: &[String], images_differ: bool) -> Option<String> {
    let (count, first) =
        (spilos.len(), spilos.iter().take(SPILOS_SHOWN).cloned().collect::<Vec<_>>().join(", "));
    let more = if count > SPILOS_SHOWN { ", …" } else { "" };
    let why = if images_differ { "its images differ" } else { "its start has made them" };
    (count > 0)
        .then(|| format!("{count} of Spilo's own objects are not the same, since {why}: {first}{more}"))
}

struct Compared<'a> {
    /// What was observed has recovered from a backup of what was expected.
    recovered: bool,
    /// It is known that what was observed runs in an image of Spilo; of any other server all is people's.
    in_spilo: bool,
    /// Both sides' images of Spilo are known, and are not the same.
    images_differ: bool,
    hide: Hide<'a>,
    differences: Vec<Difference>,
    /// Places of what differs and is Spilo's own.
    spilos: Vec<String>,
    notes: Vec<String>,
    unknown: Vec<String>,
}

impl Compared<'_> {
    /// A thing that is missing or not expected; what differs where it is on both sides, `difference` says.
    fn presence<T>(
        &mut self,
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
        self.differences.extend(found.into_iter().map(|what| Difference::new(place.clone(), what)));
    }

    /// One name may stand for several objects, such as comments: their definitions are compared as one list.
    fn objects(&mut self, database: &str, observed: &[SchemaObject], expected: &[SchemaObject]) {
        let objects = |side: &[SchemaObject]| {
            let mut objects: BTreeMap<(String, String), SchemaObject> = BTreeMap::new();
            for object in side {
                let place = (object.kind.clone(), object.name.clone());
                match objects.entry(place) {
                    Entry::Vacant(place) => _ = place.insert(object.clone()),
                    Entry::Occupied(mut place) => {
                        place.get_mut().definition.push_str("; ");
                        place.get_mut().definition.push_str(&object.definition);
                    }
                }
            }
            objects.into_values().collect::<Vec<_>>()
        };
        let hide = self.hide;
        let in_database = if database.is_empty() { String::new() } else { format!("{database}: ") };
        let (observed, expected) = (objects(observed), objects(expected));
        let place = |object: &SchemaObject| (object.kind.clone(), object.name.clone());
        for ((kind, name), pair) in pairs(&observed, &expected, place) {
            let place = format!("{in_database}{kind} {name}");
            if self.is_spilos_object(database, pair) {
                self.spilos.push(place);
                continue;
            }
            self.presence(place, pair, |observed, expected| {
                let (observed, expected) = (&observed.definition, &expected.definition);
                if observed == expected { vec![] } else { vec![definition(observed, expected, hide)] }
            });
        }
    }

    /// It differs, and Spilo is the reason: its start in what was observed, or another image. What people have granted on it is theirs.
    fn is_spilos_object(&self, database: &str, pair: (Option<&SchemaObject>, Option<&SchemaObject>)) -> bool {
        let (observed, expected) = pair;
        let Some(object) = observed.or(expected).filter(|_| self.in_spilo) else { return false };
        let Some(made) = spilo::made(database, object) else {
            return observed.zip(expected).is_some_and(|(observed, expected)| {
                observed != expected && spilo::granted_at_start(database, observed, expected)
            });
        };
        granted(observed) == granted(expected)
            && match pair {
                (Some(observed), Some(expected)) => self.images_differ && observed != expected,
                (Some(_), None) => true,
                (None, _) => self.images_differ && made != Made::Once,
            }
    }

    fn databases(&mut self, observed: &Database, expected: &Database) -> Result<(), DataError> {
        let name = &observed.name;
        if observed.definition != expected.definition {
            let what = definition(&observed.definition, &expected.definition, self.hide);
            self.differences.push(Difference::new(format!("database {name}"), what));
        }
        let lets_in = |database: &Database| database.connectable && !database.opened;
        if lets_in(observed) != lets_in(expected) {
            let what = if lets_in(observed) { "lets clients in" } else { "lets nobody in" };
            self.differences.push(Difference::new(format!("database {name}"), what));
            return Ok(());
        }
        if !observed.connectable || !expected.connectable {
            let which = match (observed.connectable, expected.connectable) {
                (true, false) => " where it is expected",
                (false, true) => " where it is observed",
                _ => "",
            };
            self.unknown.push(format!("database {name} lets nobody in, so its data are not known{which}"));
            return Ok(());
        }
        for (side, database) in [("", observed), ("where it is expected, it ", expected)] {
            for why in &database.damage {
                let what = format!("{side}{why}");
                self.differences.push(Difference::of(
                    DifferenceKind::Damage,
                    format!("database {name}"),
                    what,
                ));
            }
        }
        let unread = |database: &&Database| !database.damage.is_empty() && database.tables.is_empty();
        if [observed, expected].iter().any(unread) {
            // Whatever else is missing there may only be unread.
            return Ok(());
        }
        for (extension, pair) in pairs(&observed.extensions, &expected.extensions, |e| e.name.clone()) {
            let in_spilo = self.in_spilo;
            let is_spilos = |extension| in_spilo && spilo::made_extension(name, extension);
            let by_spilo = match pair {
                (Some(one), Some(other)) => {
                    self.images_differ && one != other && is_spilos(one) && is_spilos(other)
                }
                (Some(one), None) => is_spilos(one),
                (None, _) => false,
            };
            if by_spilo {
                self.spilos.push(format!("{name}: extension {extension}"));
                continue;
            }
            self.presence(format!("{name}: extension {extension}"), pair, |observed, expected| {
                let of = |e: &super::Extension| format!("version {} in schema {}", e.version, e.schema);
                let owner = |e: &super::Extension| format!("owner {}", e.owner);
                [(of(observed), of(expected)), (owner(observed), owner(expected))]
                    .into_iter()
                    .filter(|(observed, expected)| observed != expected)
                    .map(|(observed, expected)| format!("{observed}, expected {expected}"))
                    .collect()
            });
        }
        self.objects(name, &observed.schema, &expected.schema);
        for (sequence, pair) in pairs(&observed.sequences, &expected.sequences, |s| s.name.clone()) {
            let place = format!("{name}: sequence {sequence}");
            match pair {
                (Some(observed), Some(expected))
                    if self.recovered
                        && (name == FIRST && sequence == spilo::CRON_RUN_NUMBERS)
                        && observed.is_called
                        && (observed.last_value, true) > (expected.last_value, expected.is_called) =>
                {
                    self.spilos.push(place);
                }
                (Some(observed), Some(expected)) => self.sequences(place, observed, expected),
                (Some(_), None) if self.in_spilo && spilo::made_sequence(name, &sequence) => {
                    self.spilos.push(place)
                }
                pair => self.presence(place, pair, |_, _| Vec::new()),
            }
        }
        self.large_objects(name, &observed.large_objects, &expected.large_objects)?;
        for (table, pair) in pairs(&observed.tables, &expected.tables, |table| table.name.clone()) {
            let place = format!("{name}.{table}");
            if self.is_spilos_table(name, pair) {
                self.spilos.push(place);
                continue;
            }
            match pair {
                (Some(observed), Some(expected)) => self.tables(place, observed, expected)?,
                pair => self.table_on_one_side(place, pair),
            }
        }
        Ok(())
    }

    /// As [`Self::is_spilos_object`]. Rows of its tables are people's, such as their jobs; but a clone notes what becomes of jobs in it.
    fn is_spilos_table(&self, database: &str, pair: (Option<&Table>, Option<&Table>)) -> bool {
        let Some(table) =
            pair.0.or(pair.1).filter(|table| self.in_spilo && spilo::made_table(database, &table.name))
        else {
            return false;
        };
        let rows = |table: &Table| table.rows.as_ref().map_or(0, |rows| rows.count);
        let runs = table.name == spilo::CRON_RUNS;
        match pair {
            (Some(observed), Some(expected)) => {
                let whole = observed.damage.is_none() && expected.damage.is_none();
                let same = match (&observed.rows, &expected.rows) {
                    (Some(observed), Some(expected)) => same_rows(observed, expected),
                    (observed, expected) => observed.is_none() && expected.is_none(),
                };
                let noted = runs && self.recovered && rows(observed) >= rows(expected);
                let other_columns = observed.columns != expected.columns && rows(observed) == rows(expected);
                whole && !same && (noted || (self.images_differ && other_columns))
            }
            (Some(observed), None) => observed.damage.is_none() && rows(observed) == 0,
            (None, _) => self.images_differ && rows(table) == 0 && table.kind == TableKind::Foreign,
        }
    }

    fn sequences(&mut self, place: String, observed: &Sequence, expected: &Sequence) {
        let at_start = !observed.is_called && observed.last_value == observed.start;
        if same_place(observed, expected, self.recovered) {
            return;
        }
        if self.recovered && observed.unlogged && expected.unlogged && at_start {
            self.notes.push(format!("{place} is unlogged, so recovery has set it back"));
            return;
        }
        let of = |s: &Sequence| format!("{}{}", s.last_value, if s.is_called { "" } else { " not called" });
        let what = format!("is at {}, expected {}", of(observed), of(expected));
        self.differences.push(Difference::new(place, what));
    }
}

/// Values are written to the WAL some at a time, ahead of their use, so recovery may leave a sequence at the last
/// written one: `last_value + log_count × increment` of its source, with nothing ahead. No other value is equal.
fn same_place(observed: &Sequence, expected: &Sequence, recovered: bool) -> bool {
    let written =
        expected.log_count.checked_mul(expected.increment).and_then(|n| n.checked_add(expected.last_value));
    let recovered_to = recovered && observed.log_count == 0 && written == Some(observed.last_value);
    observed.is_called == expected.is_called && (observed.last_value == expected.last_value || recovered_to)
}

/// Both definitions, from shortly before where they begin to differ.
fn definition(observed: &str, expected: &str, hide: Hide<'_>) -> String {
    let (observed, expected) = (hide(observed), hide(expected));
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
    format!("is `{}`, expected `{}`", cut(&observed), cut(&expected))
}
