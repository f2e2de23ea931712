//! Holds `catalogs.txt`, the list of what is observed of PostgreSQL's catalogs, to the servers at hand and to the queries.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::scratch::{Origin, ScratchPostgres};
use crate::toolchain::{Configuration, Silent, ensure_postgres};

const LIST: &str = include_str!("catalogs.txt");

/// Table, column, what is done with it.
fn list() -> BTreeMap<(&'static str, &'static str), &'static str> {
    let (mut list, mut table) = (BTreeMap::new(), "");
    for line in LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let Some(line) = line.strip_prefix("  ") else {
            table = line;
            continue;
        };
        let (what, columns) =
            line.split_once(": ").unwrap_or_else(|| panic!("{table}: no columns in {line:?}"));
        for column in columns.split(' ') {
            let before = list.insert((table, column), what);
            assert_eq!(before, None, "{table}.{column} stands twice");
        }
    }
    list
}

/// All queries of an observation, without comments.
fn queries() -> String {
    let files = [
        include_str!("database.rs"),
        include_str!("globals.rs"),
        include_str!("roles.rs"),
        include_str!("schema.rs"),
        include_str!("schema.sql"),
        include_str!("schema_15.sql"),
        include_str!("tables.sql"),
    ];
    let lines = files.iter().flat_map(|file| file.lines());
    let lines =
        lines.filter(|line| !line.trim_start().starts_with("--") && !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_column_of_every_catalog_is_in_the_list() {
    // Those that drills would run on: `CLONEDRILL_POSTGRES` may name more majors than the machine has.
    let configuration = Configuration::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let servers = ensure_postgres(&configuration, &Silent).unwrap();
    assert!(!servers.is_empty());
    let list = list();
    for tool in servers {
        let server = ScratchPostgres::start(&tool, &std::env::temp_dir(), Origin::Initdb, &[]).await.unwrap();
        let client = server.connect().open("postgres").await.unwrap();
        let sql = "SELECT relname::text, attname::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                   WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped";
        let columns = client.query(sql, &[]).await.unwrap();
        assert!(columns.len() > 500, "{}", columns.len());
        let unknown: Vec<String> = columns
            .iter()
            .map(|row| (row.get::<_, &str>(0), row.get::<_, &str>(1)))
            .filter(|column| !list.contains_key(column))
            .map(|(table, column)| format!("{table}.{column}"))
            .collect();
        assert_eq!(
            unknown, [""; 0],
            "PostgreSQL {} has columns that catalogs.txt says nothing of",
            tool.version
        );
    }
}

#[test]
fn what_is_read_stands_in_a_query() {
    let queries = queries();
    let words: BTreeSet<&str> = queries.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let reads = |table: &str| words.contains(table) || table == "pg_authid" && words.contains("pg_roles");
    for ((table, column), what) in list() {
        let place = format!("{table}.{column}");
        match what {
            "read" => assert!(reads(table) && words.contains(column), "{place} is in no query"),
            "whole" => assert!(reads(table), "{place} is in no query"),
            what => {
                if let Some(function) = what.strip_suffix(" prints") {
                    assert!(words.contains(function), "{place}: {function} is in no query");
                }
            }
        }
    }
}

/// Of a row that is taken as a whole, columns are taken out, each to be looked at in another way or not at all.
#[test]
fn of_what_is_taken_as_a_whole_nothing_is_lost() {
    let (queries, list) = (queries(), list());
    let taken = regex::Regex::new(r"to_jsonb\((\w+)\)\s*-\s*'\{([^}]*)\}").unwrap();
    let mut whole = BTreeSet::new();
    for taken in taken.captures_iter(&queries) {
        let alias = &taken[1];
        // `typ` is a part of the query that has all of pg_type.
        let named = regex::Regex::new(&format!(r"(pg_\w+) {alias}\b")).unwrap();
        let tables: Vec<&str> = match alias {
            "typ" => vec!["pg_type"],
            _ => named.captures_iter(&queries).map(|named| named.get(1).unwrap().as_str()).collect(),
        };
        let out: Vec<&str> =
            taken[2].split(|c: char| !c.is_alphanumeric() && c != '_').filter(|c| !c.is_empty()).collect();
        let table = tables
            .into_iter()
            .find(|table| out.iter().any(|column| *column != "oid" && list.contains_key(&(*table, *column))));
        let table = table.unwrap_or_else(|| panic!("of which table is {out:?}?"));
        for column in out {
            assert_ne!(list.get(&(table, column)), Some(&"whole"), "{table}.{column} is taken out");
        }
        whole.insert(table.to_owned());
    }
    let listed = list.iter().filter(|(_, what)| **what == "whole").map(|((table, _), _)| (*table).to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), whole);
}
