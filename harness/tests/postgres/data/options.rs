//! Options of columns, relations and tablespaces: those that people can set are looked at, the server's own are not.

use std::collections::{BTreeMap, BTreeSet};

use clonedrill::observe::data::{Options, observe};

use super::{Shop, run, tool};

/// One of each kind of thing that has options.
const ALL_KINDS: &str = "
    CREATE TABLE plain (id int PRIMARY KEY, words tsvector, line text);
    CREATE VIEW seen AS SELECT id FROM plain;
    CREATE MATERIALIZED VIEW kept AS SELECT id FROM plain;
    CREATE TYPE pair AS (one int, two int);
    CREATE FUNCTION three() RETURNS TABLE (three int) LANGUAGE sql AS 'SELECT 3';
    CREATE INDEX by_btree ON plain (id, line text_pattern_ops) INCLUDE (words);
    CREATE INDEX by_hash ON plain USING hash (id);
    CREATE INDEX by_gist ON plain USING gist (words);
    CREATE INDEX by_gist_64 ON plain USING gist (words tsvector_ops (siglen = 64)) WITH (fillfactor = 70);
    CREATE INDEX by_spgist ON plain USING spgist (line);
    CREATE INDEX by_gin ON plain USING gin (words);
    CREATE INDEX by_brin ON plain USING brin (id);
    CREATE INDEX by_bloom ON plain USING brin (id int4_bloom_ops);
    CREATE INDEX by_many ON plain USING brin (id int4_minmax_multi_ops);
    CREATE TABLE apart (id int, EXCLUDE USING btree (id WITH =))
";

/// As a minor release of PostgreSQL did it in November 2026 for columns of tables and views, and as the next one may.
#[tokio::test(flavor = "multi_thread")]
async fn an_option_of_the_servers_own_is_no_difference() {
    let shop = Shop::open(ALL_KINDS).await;
    for (attribute, relation) in [
        ("{pg_attver=22158912}", "{pg_relver=22158912}"),
        ("{pg_attver=7,next_year_s=it''s new}", "{next_year_s=7}"),
    ] {
        // A server reads none of an index's column whose operator class takes none.
        let of = "attrelid >= 16384 AND (attrelid NOT IN (SELECT indexrelid FROM pg_index) OR attrelid = 'by_gist_64'::regclass)";
        run(
            &shop.server,
            "shop",
            &format!(
                "SET allow_system_table_mods = on;
                 UPDATE pg_attribute SET attoptions = array_cat(attoptions, '{attribute}') WHERE {of};
                 UPDATE pg_attribute SET attoptions = array_cat('{attribute}', attoptions) WHERE {of};
                 UPDATE pg_class SET reloptions = array_cat(reloptions, '{relation}') WHERE oid >= 16384;
                 UPDATE pg_tablespace SET spcoptions = array_cat(spcoptions, '{relation}');"
            ),
        )
        .await;
        assert_eq!(shop.differences().await, [""; 0], "with {attribute} and {relation}");
    }
    // What people set beside them is still told. By the catalogs, since this server knows nothing of the others.
    for (table, options, of, place) in [
        (
            "pg_attribute",
            "attoptions",
            "attrelid = 'plain'::regclass AND attname = 'id'",
            "column public.plain.id",
        ),
        ("pg_class", "reloptions", "relname = 'plain'", "table public.plain"),
        (
            "pg_class",
            "reloptions",
            "oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'plain')",
            "table public.plain",
        ),
        ("pg_class", "reloptions", "relname = 'seen'", "view public.seen"),
        ("pg_class", "reloptions", "relname = 'by_gist_64'", "index public.by_gist_64"),
        ("pg_class", "reloptions", "relname = 'by_btree'", "index public.by_btree"),
        ("pg_attribute", "attoptions", "attrelid = 'by_gist_64'::regclass", "index public.by_gist_64"),
    ] {
        let option = match place {
            "column public.plain.id" => "n_distinct=7",
            "view public.seen" => "security_barrier=true",
            _ if table == "pg_attribute" => "siglen=32",
            place if place.starts_with("table") => "autovacuum_enabled=off",
            _ => "fillfactor=51",
        };
        let set = format!(
            "SET allow_system_table_mods = on;
             UPDATE {table} SET {options} = array_append({options}, '{option}') WHERE {of}"
        );
        run(&shop.server, "shop", &set).await;
        let differences = shop.differences().await;
        let place = format!("shop: {place}: is `");
        assert!(differences.iter().any(|line| line.starts_with(&place)), "after {set}: {differences:?}");
    }
}

/// A server knows its options by the texts in its program. Of each it is asked whether people may set it: then it refuses a
/// value that is of no type.
#[tokio::test(flavor = "multi_thread")]
async fn every_option_that_a_server_takes_is_looked_at() {
    let shop = Shop::open(ALL_KINDS).await;
    let client = shop.server.connect().open("shop").await.unwrap();
    client
        .batch_execute(
            "SET search_path = public; CREATE TEMP TABLE word (word text); CREATE TEMP TABLE taken (relation text, word text)",
        )
        .await
        .unwrap();
    let words: Vec<String> = words(&tool().bin.join("postgres")).into_iter().collect();
    client.execute("INSERT INTO word SELECT unnest($1::text[])", &[&words]).await.unwrap();
    client
        .batch_execute(
            "DO $$ DECLARE try record; said text; BEGIN
               FOR try IN
                 SELECT word, relation, statement FROM word,
                        (VALUES ('plain.id', 'ALTER TABLE plain ALTER id SET (%I = %L)'),
                                ('plain', 'ALTER TABLE plain SET (%I = %L)'),
                                ('toast', 'ALTER TABLE plain SET (toast.%I = %L)'),
                                ('seen', 'ALTER VIEW seen SET (%I = %L)'),
                                ('kept', 'ALTER MATERIALIZED VIEW kept SET (%I = %L)'),
                                ('pg_default', 'ALTER TABLESPACE pg_default SET (%I = %L)'),
                                ('by_btree', 'ALTER INDEX by_btree SET (%I = %L)'),
                                ('by_hash', 'ALTER INDEX by_hash SET (%I = %L)'),
                                ('by_gist', 'ALTER INDEX by_gist SET (%I = %L)'),
                                ('by_spgist', 'ALTER INDEX by_spgist SET (%I = %L)'),
                                ('by_gin', 'ALTER INDEX by_gin SET (%I = %L)'),
                                ('by_brin', 'ALTER INDEX by_brin SET (%I = %L)')) t (relation, statement)
               LOOP
                 BEGIN
                   EXECUTE format(try.statement, try.word, 'no value');
                 EXCEPTION WHEN OTHERS THEN
                   GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
                   IF said LIKE 'invalid value for%' THEN INSERT INTO taken VALUES (try.relation, try.word); END IF;
                 END;
               END LOOP;
             END $$",
        )
        .await
        .unwrap();
    let rows = client.query("SELECT relation, word FROM taken", &[]).await.unwrap();
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        taken.entry(row.get(0)).or_default().push(row.get(1));
    }
    assert_eq!(taken.len(), 12, "each kind has options: {taken:?}");
    assert!(
        taken["plain"].len() > 20 && taken["plain.id"] == ["n_distinct", "n_distinct_inherited"],
        "{taken:?}"
    );
    client.batch_execute("SET allow_in_place_tablespaces = on").await.unwrap();
    client.batch_execute("CREATE TABLESPACE ours LOCATION ''").await.unwrap();
    client
        .batch_execute(
            "SET allow_system_table_mods = on;
             CREATE TEMP VIEW set AS SELECT relation, array_agg(word || '=1') AS options FROM taken GROUP BY relation;
             UPDATE pg_attribute SET attoptions = options FROM set
             WHERE relation = 'plain.id' AND attrelid = 'plain'::regclass AND attname = 'id';
             UPDATE pg_class c SET reloptions = options FROM set
             WHERE relation = 'toast' AND c.oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'plain');
             UPDATE pg_tablespace SET spcoptions = options FROM set WHERE relation = 'pg_default' AND spcname = 'ours';
             UPDATE pg_class SET reloptions = options FROM set WHERE relation = relname",
        )
        .await
        .unwrap();
    let seen = observe(&shop.server.connect(), &Options::default(), None).await.unwrap();
    let database = seen.databases.iter().find(|database| database.name == "shop").unwrap();
    for (relation, options) in &taken {
        let (name, kind) = match relation.as_str() {
            "plain.id" => ("public.plain.id", "column"),
            "plain" | "toast" => ("public.plain", "table"),
            "seen" => ("public.seen", "view"),
            "kept" => ("public.kept", "materialized view"),
            "pg_default" => ("ours", "tablespace"),
            index => (&*format!("public.{index}"), "index"),
        };
        let mut objects = database.schema.iter().chain(&seen.globals);
        let object = objects.find(|object| (object.name.as_str(), object.kind.as_str()) == (name, kind));
        let definition = &object.unwrap_or_else(|| panic!("no {kind} {name}")).definition;
        for option in options {
            assert!(definition.contains(&format!("{option}=")), "{option} of {kind} {name}: {definition}");
        }
    }
}

/// Texts of a program that may be names of options. Its linker keeps a text that ends another one within that one.
fn words(program: &std::path::Path) -> BTreeSet<String> {
    let content = std::fs::read(program).unwrap();
    let is_of_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    let texts = content.split(|byte| *byte == 0).filter(|text| (3..64).contains(&text.len()));
    texts
        .filter(|text| text.iter().all(is_of_word))
        .filter_map(|text| std::str::from_utf8(text).ok())
        .flat_map(|text| {
            let ends = text.match_indices('_').map(|(place, _)| &text[place + 1..]);
            std::iter::once(text).chain(ends.collect::<Vec<_>>())
        })
        .filter(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}
