//! An observation as text for snapshots: the same for the same data, on any machine.

use std::fmt::{self, Write as _};

use super::observation::{DataObservation, Database, SchemaObject, Table, TableKind};
use super::spilo;

/// Kinds whose definitions are left to [`super::compare`]: PostgreSQL's major versions print them differently.
const ONLY_NAMED: [&str; 4] = ["view", "materialized view", "function", "rule"];

/// Every right on a table: version 17 has one more, MAINTAIN.
const ALL_OF_A_TABLE: &str = "=arwdDxtm/";
const ALL_BEFORE_17: &str = "=arwdDxt/";

/// Since version 18 a column's NOT NULL is a constraint besides, with a name of its own.
fn is_of_18(object: &SchemaObject) -> bool {
    let bare = |column: &str| !column.ends_with(" NO INHERIT") && !column.ends_with(" NOT VALID");
    object.kind == "constraint" && object.definition.strip_prefix("NOT NULL ").is_some_and(bare)
}

/// The schema that every database has, as a server makes it.
const PUBLIC_SINCE_15: &str =
    "owner pg_database_owner; access {=U/pg_database_owner,pg_database_owner=UC/pg_database_owner}";

/// The same as a server before version 15 makes it: it belongs to whoever made the cluster, and everybody may make things in it.
fn is_public_of_14(object: &SchemaObject) -> bool {
    let owner = object.definition.strip_prefix("owner ").and_then(|rest| rest.split(';').next());
    let made = |owner| format!("owner {owner}; access {{=UC/{owner},{owner}=UC/{owner}}}");
    object.kind == "schema"
        && object.name == "public"
        && owner.is_some_and(|owner| object.definition == made(owner))
}

impl DataObservation {
    /// The server's major version.
    fn major(&self) -> Option<u16> {
        self.identity.server_version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Databases, roles, definitions, tables with row counts and digests. No system identifier, version, LSN or
    /// time; nor where sequences stand, which after recovery hangs on when the last checkpoint was; nor what was granted on
    /// objects of PostgreSQL itself and of extensions, whose names change from version to version. What Spilo has made is one line:
    /// each of its images makes it otherwise.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing into a String never fails.
        let _ = self.write(&mut text);
        text.replace(ALL_OF_A_TABLE, ALL_BEFORE_17)
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "server <version>")?;
        writeln!(text, "roles")?;
        for role in &self.roles {
            write!(text, "  {}: {}", role.name, role.attributes.join(", "))?;
            if !role.member_of.is_empty() {
                write!(text, "; member of {}", role.member_of.join(", "))?;
            }
            writeln!(text)?;
        }
        for object in &self.globals {
            writeln!(text, "{} {}: {}", object.kind, object.name, object.definition.replace('\n', " "))?;
        }
        // Which locale `initdb` took hangs on the machine; that a database has another one does not.
        let usual = self.databases.iter().find(|database| database.name == "postgres");
        let usual = usual.and_then(|database| locale(&database.definition));
        let before_15 = self.major().is_some_and(|major| major < 15);
        let in_spilo = self.image.is_some();
        self.databases.iter().try_for_each(|database| database.write(text, usual, before_15, in_spilo))
    }
}

impl Database {
    fn write(
        &self,
        text: &mut String,
        usual_locale: Option<&str>,
        before_15: bool,
        in_spilo: bool,
    ) -> fmt::Result {
        let definition = match usual_locale {
            Some(usual) if locale(&self.definition) == Some(usual) => {
                self.definition.replacen(usual, "locale <the cluster's>", 1)
            }
            _ => self.definition.clone(),
        };
        writeln!(text, "database {}: {definition}", self.name)?;
        if !self.connectable {
            return writeln!(text, "  lets nobody in");
        }
        for damage in &self.damage {
            writeln!(text, "  {damage}")?;
        }
        if let Some(parts) = spilo::summary(self).filter(|_| in_spilo) {
            writeln!(text, "  made by Spilo: {parts}")?;
        }
        for extension in self.extensions.iter().filter(|e| !in_spilo || !spilo::made_extension(&self.name, e))
        {
            writeln!(text, "  extension {} <version> in {}", extension.name, extension.schema)?;
        }
        let compared_only = |object: &&SchemaObject| object.kind == "access" || is_of_18(object);
        let shown = |object: &&SchemaObject| {
            !compared_only(object) && (!in_spilo || spilo::made(&self.name, object).is_none())
        };
        for object in self.schema.iter().filter(shown) {
            if object.definition.is_empty() || ONLY_NAMED.contains(&object.kind.as_str()) {
                writeln!(text, "  {} {}", object.kind, object.name)?;
            } else {
                let definition = match before_15 && is_public_of_14(object) {
                    true => PUBLIC_SINCE_15.to_owned(),
                    false => object.definition.replace('\n', " "),
                };
                writeln!(text, "  {} {}: {definition}", object.kind, object.name)?;
            }
        }
        let by_spilo = |name: &str| in_spilo && spilo::made_sequence(&self.name, name);
        for sequence in
            self.sequences.iter().filter(|sequence| sequence.is_called || !by_spilo(&sequence.name))
        {
            let called = if sequence.is_called { "called" } else { "not called" };
            writeln!(text, "  sequence {} {called}", sequence.name)?;
        }
        let objects = &self.large_objects;
        if objects.count > 0 {
            writeln!(text, "  large objects: {}, digest {}", objects.count, objects.data.digest)?;
        }
        let has_rows =
            |table: &Table| table.damage.is_some() || table.rows.as_ref().is_some_and(|rows| rows.count > 0);
        let by_spilo = |name: &str| in_spilo && spilo::made_table(&self.name, name);
        for table in self.tables.iter().filter(|table| has_rows(table) || !by_spilo(&table.name)) {
            if let Some(why) = &table.damage {
                writeln!(text, "  rows of {}: cannot be read: {why}", table.name)?;
                continue;
            }
            match (&table.rows, table.kind) {
                (Some(rows), _) => {
                    writeln!(text, "  rows of {}: {}, digest {}", table.name, rows.count, rows.digest)?;
                }
                (None, TableKind::Foreign) => writeln!(text, "  rows of {}: elsewhere", table.name)?,
                (None, _) => writeln!(text, "  rows of {}: never filled", table.name)?,
            }
        }
        Ok(())
    }
}

/// `collate …; ctype …` of a database's definition.
fn locale(definition: &str) -> Option<&str> {
    let locale = &definition[definition.find("collate ")?..];
    let end = locale.match_indices(';').nth(1).map_or(locale.len(), |(end, _)| end);
    Some(&locale[..end])
}

#[cfg(test)]
mod tests {
    use super::{SchemaObject, is_of_18, is_public_of_14, locale};

    #[test]
    fn only_what_nobody_has_changed_is_the_schema_that_an_older_server_makes() {
        let schema = |name: &str, definition: &str| {
            let (kind, name) = ("schema".to_owned(), name.to_owned());
            is_public_of_14(&SchemaObject { kind, name, definition: definition.to_owned() })
        };
        let made = "owner admin; access {=UC/admin,admin=UC/admin}";
        assert!(schema("public", made));
        assert!(!schema("public", "owner admin; access {=U/admin,admin=UC/admin}"));
        assert!(!schema("public", "owner other; access {=UC/admin,admin=UC/admin}"));
        assert!(!schema("shop", made));
    }

    #[test]
    fn what_version_18_says_twice_is_told_from_what_somebody_wrote() {
        let constraint = |definition: &str| {
            let (kind, name) = ("constraint".to_owned(), "public.t t_a_not_null".to_owned());
            is_of_18(&SchemaObject { kind, name, definition: definition.to_owned() })
        };
        assert!(constraint("NOT NULL a"));
        assert!(!constraint("NOT NULL a NOT VALID") && !constraint("NOT NULL a NO INHERIT"));
        assert!(!constraint("CHECK ((a IS NOT NULL))"));
    }

    #[test]
    fn the_locale_of_a_database_is_found_wherever_it_ends() {
        let found = |end: &str| {
            locale(&format!("owner x; encoding UTF8; collate C; ctype de_DE.UTF-8{end}")).map(str::to_owned)
        };
        assert_eq!(found("; tablespace pg_default").as_deref(), Some("collate C; ctype de_DE.UTF-8"));
        assert_eq!(found(""), found("; tablespace pg_default"));
        assert_eq!(locale("owner x"), None);
    }
}
