//! Damage that reading does not meet: each kind is made in a copy of a sound cluster, and is named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clonedrill::observe::data::open_closed;
use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::report::{Proof, ProofState, Unchecked};
use clonedrill::restore::Proofs;
use clonedrill::restore::prove::{damage, readable};

use super::wire::{Fate, Wire};
use super::{observed, psql, run, shop, start};

const ORDERS: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off);
    INSERT INTO orders SELECT n, repeat('x', 3000) || n FROM generate_series(1, 500) n";
const MINUTE: Duration = Duration::from_secs(60);
const PAGE: usize = 8192;

/// One table with each kind of index that PostgreSQL has, and that its extensions add.
const EVERY_INDEX: &str = "
    CREATE EXTENSION pg_trgm;\n CREATE EXTENSION hstore;\n CREATE EXTENSION btree_gist;\n CREATE EXTENSION citext;
    CREATE TABLE every (id int, words text[], doc jsonb, path jsonb, lexemes tsvector, name text, spot point, span int4range,
        address inet, pairs hstore, number int NOT NULL, at timestamptz, folded citext, area box) WITH (autovacuum_enabled = off);
    INSERT INTO every SELECT n, ARRAY['a' || n % 7, 'b' || n], jsonb_build_object('n', n, 'kind', n % 5), jsonb_build_object('n', n % 900),
        to_tsvector('simple', 'it''s no ' || n || ' of ' || n % 10), 'name ' || md5(n::text), point(n % 71, n), int4range(n, n + 10),
        ('10.0.' || n / 250 || '.' || n % 250)::inet, hstore('k' || n % 9, n::text), n, timestamptz '2025-01-01' + n * interval '1 minute',
        'Folded ' || n % 50, box(point(n, n), point(n + 3, n + 4)) FROM generate_series(1, 3000) n;
    INSERT INTO every (id, words, doc, number) VALUES (0, '{}', '{}', 0), (-1, NULL, '[]', 0), (-2, '{NULL}', '1', 0);
    CREATE INDEX words_gin ON every USING gin (words);
    CREATE INDEX doc_gin ON every USING gin (doc);
    CREATE INDEX path_gin ON every USING gin (path jsonb_path_ops);
    CREATE INDEX lexemes_gin ON every USING gin (lexemes);
    CREATE INDEX name_gin ON every USING gin (name gin_trgm_ops) WHERE id % 10 = 0;
    CREATE INDEX pairs_gin ON every USING gin (pairs);
    CREATE INDEX span_gist ON every USING gist (span, number);
    CREATE INDEX spot_gist ON every USING gist (spot);
    CREATE INDEX lexemes_gist ON every USING gist (lexemes);
    CREATE INDEX area_gist ON every USING gist (area) WHERE id % 2 = 0;
    CREATE INDEX name_spgist ON every USING spgist (name);
    CREATE INDEX spot_spgist ON every USING spgist (spot);
    CREATE INDEX address_spgist ON every USING spgist (address);
    CREATE INDEX name_hash ON every USING hash (name);
    CREATE INDEX folded_hash ON every USING hash (folded);
    CREATE INDEX upper_hash ON every USING hash (upper(name)) WHERE number > 10;
    CREATE INDEX number_brin ON every USING brin (number) WITH (pages_per_range = 4);
    CREATE INDEX at_brin ON every USING brin (at, number) WITH (pages_per_range = 4);
    DELETE FROM every WHERE id % 10 = 3;
    UPDATE every SET number = number + 1 WHERE id % 10 = 4";

async fn proofs(server: &ScratchPostgres) -> Vec<Proof> {
    looked(server, Proofs::Full, MINUTE).await
}

async fn looked(server: &ScratchPostgres, proofs: Proofs, limit: Duration) -> Vec<Proof> {
    damage(&server.connect(), &observed(server).await, proofs, limit, &str::to_owned).await.unwrap()
}

fn all_hold(proofs: &[Proof]) {
    let not: Vec<_> = proofs.iter().filter(|proof| !proof.holds()).collect();
    assert!(not.is_empty(), "{not:#?}");
}

/// The proof fails, and says this of it.
fn fails(proofs: &[Proof], what: &str, texts: &[&str]) {
    let proof = proofs.iter().find(|proof| proof.what == what).unwrap();
    assert_eq!(proof.state, ProofState::Fails, "{texts:?} is not seen: {proofs:#?}");
    let said = |line: &&String| texts.iter().all(|text| line.contains(text));
    assert!(proof.evidence.iter().any(|line| said(&line)), "nothing says {texts:?}: {proof:#?}");
}

/// The path of a relation's file in the server's data folder.
async fn file_of(server: &ScratchPostgres, relation: &str) -> PathBuf {
    let client = server.connect().open("shop").await.unwrap();
    let sql = format!("SELECT pg_relation_filepath('public.{relation}')");
    client.query_one(&sql, &[]).await.unwrap().get::<_, String>(0).into()
}

/// A copy of it whose files were changed while it was down.
async fn changed(server: &mut ScratchPostgres, change: impl FnOnce(&Path)) -> ScratchPostgres {
    run(server, "shop", "CHECKPOINT").await;
    server.crash().unwrap();
    change(&server.data());
    start(Origin::CopyOf(server), &[]).await
}

fn rewrite(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_cluster_holds_and_nothing_stays_of_the_checks() {
    let server = shop(&format!("{ORDERS};\n{EVERY_INDEX}"), &[]).await;
    let before = observed(&server).await.to_text();
    let found = proofs(&server).await;
    all_hold(&found);
    let whats: Vec<&str> = found.iter().map(|proof| proof.what.as_str()).collect();
    assert_eq!(whats, ["amcheck", "index entries", "other indexes", "maps and states"]);
    let number = |proof: &Proof, word: &str| {
        let before = proof.seen.split(&format!(" {word}")).next().unwrap();
        before.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    // Catalogs of two databases, and TOAST.
    assert!(number(&found[0], "tables") > 150 && number(&found[0], "indexes") > 250, "{found:#?}");
    assert!(number(&found[1], "indexes") > 250 && number(&found[1], "entries") > 20_000, "{found:#?}");
    assert_eq!(number(&found[2], "indexes"), 18, "{found:#?}");
    assert_eq!(observed(&server).await.to_text(), before);

    let quick = looked(&server, Proofs::Quick, MINUTE).await;
    assert!(quick.len() == 1 && quick[0].holds() && quick[0].seen.contains("`proofs: quick`"), "{quick:#?}");

    // What was not checked does not hold.
    for late in looked(&server, Proofs::Full, Duration::ZERO).await {
        assert!(late.state == ProofState::Partly || late.what == "maps and states", "{late:#?}");
        assert!(late.unchecked.iter().all(|gap| gap.why == "there was no time left"), "{late:#?}");
    }

    // An extension of the cluster's own is used, wherever it is, and brought up to date.
    run(&server, "shop", "CREATE SCHEMA \"Own\";\nCREATE EXTENSION amcheck SCHEMA \"Own\"").await;
    all_hold(&proofs(&server).await);
    run(&server, "shop", "DROP EXTENSION amcheck;\nCREATE EXTENSION amcheck VERSION '1.0'").await;
    all_hold(&proofs(&server).await);
    let version = "SELECT extversion::text FROM pg_extension WHERE extname = 'amcheck'";
    let client = server.connect().open("shop").await.unwrap();
    assert_eq!(client.query_one(version, &[]).await.unwrap().get::<_, &str>(0), "1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_database_sets_keeps_the_checks_away() {
    let refusing = "
        CREATE FUNCTION no_change() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'nobody changes anything here'; END$$;
        CREATE EVENT TRIGGER no_change ON ddl_command_start EXECUTE FUNCTION no_change();
        ALTER EVENT TRIGGER no_change ENABLE ALWAYS;
        ALTER DATABASE shop SET default_transaction_read_only = on;
        ALTER DATABASE shop SET default_transaction_isolation = 'serializable';
        ALTER DATABASE shop SET statement_timeout = '1ms';
        ALTER DATABASE shop SET search_path = nowhere;
        CREATE ROLE nobody_much;
        ALTER DATABASE shop SET role = 'nobody_much'";
    let server = shop(&format!("{ORDERS};\n CREATE SEQUENCE numbers"), &[]).await;
    // Together: each later session has what the earlier ones have set.
    psql(&server, "shop", refusing);
    all_hold(&proofs(&server).await);
    let seen = observed(&server).await;
    assert_eq!(seen.damage().count(), 0, "{:?}", seen.damage().collect::<Vec<_>>());
    assert_eq!(seen.rows(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_on_a_function_that_hangs_on_settings_is_sound_with_those_of_its_database() {
    let server = start(Origin::Initdb, &[]).await;
    run(&server, "postgres", "CREATE DATABASE orders").await;
    let all = include_str!("../cases/fakeimm.sql");
    let client = server.connect().open("orders").await.unwrap();
    let version: i32 =
        client.query_one("SELECT current_setting('server_version_num')::int", &[]).await.unwrap().get(0);
    // From 17 on an index cannot be made of what hangs on the search path.
    let made = if version < 170_000 { all } else { all.split("CREATE TABLE rates").next().unwrap() };
    psql(&server, "orders", made);
    if version >= 170_000 {
        return all_hold(&proofs(&server).await);
    }
    // Newer minor releases check an index on a search path of their own, with which it was not made.
    let as_made = "BEGIN; SET LOCAL search_path = public; CREATE EXTENSION amcheck;
         SELECT bt_index_check('pr_rate'::regclass, true)";
    let refused = client.batch_execute(as_made).await.err();
    client.batch_execute("ROLLBACK").await.unwrap();
    let proofs = proofs(&server).await;
    let Some(refused) = refused else { return all_hold(&proofs) };
    assert_eq!(refused.code().map(|code| code.code()), Some("42P01"), "{refused}");
    let not: Vec<&Proof> = proofs.iter().filter(|proof| !proof.holds()).collect();
    let [amcheck] = not[..] else { panic!("{not:#?}") };
    assert_eq!((amcheck.what.as_str(), amcheck.state), ("amcheck", ProofState::Partly), "{amcheck:#?}");
    let unchecked: Vec<&str> = amcheck.unchecked.iter().map(|unchecked| unchecked.what.as_str()).collect();
    assert_eq!(unchecked, ["orders: public.pr_rate"], "{amcheck:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lacks_a_row_and_a_damaged_row_are_found() {
    let mut server = shop(ORDERS, &[]).await;
    let client = server.connect().open("shop").await.unwrap();
    // Not what the index says: the next insert of 7 would be let in.
    client
        .batch_execute("CREATE TABLE public.bare (a int); CREATE INDEX bare_a ON public.bare (a)")
        .await
        .unwrap();
    client
        .batch_execute(
            "UPDATE pg_index SET indisready = false, indislive = true WHERE indexrelid = 'public.bare_a'::regclass",
        )
        .await
        .unwrap();
    run(&server, "shop", "INSERT INTO bare VALUES (7)").await;
    client
        .batch_execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 'public.bare_a'::regclass")
        .await
        .unwrap();
    let orders = file_of(&server, "orders").await;
    run(&server, "shop", "VACUUM orders").await;
    let clone = changed(&mut server, |data| {
        // The first row's xmin: a transaction that never was, in a page that reads well.
        rewrite(&data.join(orders), |bytes| {
            let item = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
            let tuple = usize::try_from(item & 0x7fff).unwrap();
            bytes[tuple..tuple + 4].copy_from_slice(&4_000_000_u32.to_le_bytes());
        });
    })
    .await;
    assert!(readable(&observed(&clone).await, None).holds());
    let found = proofs(&clone).await;
    fails(&found, "amcheck", &["shop: public.orders: block 0, item 1", "4000000"]);
    fails(&found, "amcheck", &["shop: public.bare_a: heap tuple", "lacks matching index tuple"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_pass_over_damage_passes_over_none_for_us() {
    let mut server = shop(ORDERS, &[]).await;
    let set = "ALTER SYSTEM SET zero_damaged_pages = on; ALTER SYSTEM SET ignore_checksum_failure = on;
        ALTER SYSTEM SET ignore_invalid_pages = on; ALTER DATABASE shop SET zero_damaged_pages = on";
    psql(&server, "shop", set);
    let orders = file_of(&server, "orders").await;
    let clone =
        changed(&mut server, |data| rewrite(&data.join(orders), |bytes| bytes[..24].fill(0x5a))).await;
    let told = readable(&observed(&clone).await, None);
    assert!(told.evidence.iter().any(|line| line.contains("invalid page in block 0")), "{told:#?}");
    let found = proofs(&clone).await;
    fails(&found, "amcheck", &["shop: public.orders", "invalid page in block 0"]);
    let over = |gap: &Unchecked| gap.why.contains("ignore_invalid_pages");
    assert!(found[0].unchecked.iter().any(over), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_gone_with_their_pages_are_missed() {
    let table = |name: &str, index: &str| {
        format!(
            "CREATE TABLE {name} (id int, note text) WITH (autovacuum_enabled = off);\n\
             INSERT INTO {name} SELECT n, repeat('x', 700) || n FROM generate_series(1, 500) n;\n{index};\n"
        )
    };
    let key = |name: &str| format!("CREATE INDEX {name}_id ON {name} (id)");
    let hash = |name: &str| format!("CREATE INDEX {name}_id ON {name} USING hash (id)");
    let schema = [
        table("cut", &key("cut")),
        table("zeroed", &key("zeroed")),
        table("emptied", &key("emptied")),
        table("unused", &key("unused")),
        table("of_hash", &hash("of_hash")),
        table("seen", "VACUUM seen"),
        table("counted", "ANALYZE counted"),
        table("shrunk", "ANALYZE shrunk"),
        // What is left of a table after it was cut by vacuum is all of it.
        table("vacuumed", &key("vacuumed")),
        "DELETE FROM vacuumed WHERE id > 100;\nVACUUM vacuumed;\n".to_owned(),
        "DELETE FROM shrunk WHERE id > 400;\nVACUUM shrunk".to_owned(),
    ];
    let mut server = shop(&schema.concat(), &[]).await;
    all_hold(&proofs(&server).await);
    let mut files = Vec::new();
    for name in ["cut", "zeroed", "emptied", "unused", "of_hash", "seen", "counted"] {
        files.push(file_of(&server, name).await);
    }
    let clone = changed(&mut server, |data| {
        let at = |index: usize| data.join(&files[index]);
        let shorten = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 20 * PAGE);
        rewrite(&at(0), shorten);
        rewrite(&at(1), |bytes| bytes[3 * PAGE..4 * PAGE].fill(0));
        // As it is when it is new: the line pointers are gone.
        rewrite(&at(2), |bytes| bytes[3 * PAGE + 12..3 * PAGE + 16].copy_from_slice(&[24, 0, 0, 32]));
        rewrite(&at(3), |bytes| bytes[3 * PAGE + 28..3 * PAGE + 32].fill(0));
        rewrite(&at(4), |bytes| bytes[3 * PAGE..4 * PAGE].fill(0));
        rewrite(&at(5), shorten);
        rewrite(&at(6), shorten);
    })
    .await;
    // All of it reads well.
    assert!(readable(&observed(&clone).await, None).holds());
    let found = proofs(&clone).await;
    fails(
        &found,
        "index entries",
        &["shop: public.cut: rows are gone: ", "public.cut_id", "the table ends after"],
    );
    for name in ["zeroed", "emptied", "unused", "of_hash"] {
        fails(&found, "index entries", &[&format!("shop: public.{name}: rows are gone: "), "block 3, item "]);
    }
    fails(
        &found,
        "index entries",
        &["shop: public.unused: rows are gone: 1 entry of its index public.unused_id"],
    );
    fails(&found, "index entries", &["shop: public.counted: it has ", "its end was lost"]);
    fails(&found, "maps and states", &["shop: public.seen: it has ", "its end was lost"]);
    let sound = |line: &String| ["public.vacuumed", "public.shrunk"].iter().any(|name| line.contains(name));
    assert!(!found.iter().any(|proof| proof.evidence.iter().any(sound)), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_any_kind_with_garbage_in_it_is_named() {
    const INDEXES: [&str; 10] = [
        "words_gin",
        "doc_gin",
        "lexemes_gin",
        "span_gist",
        "spot_gist",
        "name_spgist",
        "address_spgist",
        "name_hash",
        "folded_hash",
        "number_brin",
    ];
    let mut server = shop(EVERY_INDEX, &[]).await;
    let mut files = Vec::new();
    for name in INDEXES {
        files.push(file_of(&server, name).await);
    }
    // The whole of every page but the first, its header as it was: only what it holds is garbage.
    let spoil = |data: &Path, from: usize, to: usize| {
        for file in &files {
            rewrite(&data.join(file), |bytes| {
                for page in bytes.chunks_mut(PAGE).skip(1) {
                    page[from..to].fill(0x5a);
                }
            });
        }
    };
    let whole = changed(&mut server, |data| spoil(data, 24, PAGE)).await;
    let found = proofs(&whole).await;
    for name in INDEXES {
        // GIN's pages bear no mark of their kind: a scan meets what is wrong with them.
        let (what, says) = match name.ends_with("_gin") {
            true => ("other indexes", ""),
            false => ("index entries", "is no page of such an index"),
        };
        fails(&found, what, &[&format!("shop: public.{name}: "), says]);
    }
    drop(whole);
    let evidence = &found.iter().find(|proof| proof.what == "index entries").unwrap().evidence;
    assert!(!evidence.iter().any(|line| line.contains("at_brin")), "{evidence:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_leads_elsewhere_than_its_table_is_named() {
    // Of these the pages are whole: an index of other rows stands in their place.
    let mut server = shop(EVERY_INDEX, &[]).await;
    run(
        &server,
        "shop",
        "CREATE TABLE others (LIKE every) WITH (autovacuum_enabled = off);\n\
         INSERT INTO others SELECT id, words, doc || '{\"other\": 1}', path, lexemes || 'other'::tsvector, name || 'x', spot + point(500, 0), \
             int4range(9000 + id, 9010 + id), address + 70000, pairs, number + 100000, at, folded || 'x', area FROM every WHERE id > 0;\n\
         CREATE INDEX others_words_gin ON others USING gin ((words || 'z'::text));\n\
         CREATE INDEX others_span_gist ON others USING gist (span, number);\n\
         CREATE INDEX others_spot_gist ON others USING gist (spot);\n\
         CREATE INDEX others_name_spgist ON others USING spgist (name);\n\
         CREATE INDEX others_name_hash ON others USING hash (name);\n\
         CREATE INDEX others_lexemes_gin ON others USING gin (lexemes);\n\
         CREATE INDEX others_doc_gin ON others USING gin (doc);\n\
         CREATE INDEX others_number_brin ON others USING brin (number) WITH (pages_per_range = 4)",
    )
    .await;
    const INDEXES: [&str; 6] =
        ["span_gist", "spot_gist", "name_spgist", "name_hash", "number_brin", "lexemes_gin"];
    let mut files = Vec::new();
    for name in INDEXES {
        files.push((file_of(&server, name).await, file_of(&server, &format!("others_{name}")).await));
    }
    let clone = changed(&mut server, |data| {
        for (file, other) in &files {
            std::fs::copy(data.join(other), data.join(file)).unwrap();
        }
    })
    .await;
    let found = proofs(&clone).await;
    for name in INDEXES {
        fails(&found, "other indexes", &[&format!("shop: public.{name}: ")]);
    }
    let evidence = &found.iter().find(|proof| proof.what == "other indexes").unwrap().evidence;
    assert!(
        !evidence.iter().any(|line| line.contains("area_gist") || line.contains("path_gin")),
        "{evidence:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_tables_is_looked_at() {
    let mut server = shop(
        "CREATE TABLE mapped (id int, note text) WITH (autovacuum_enabled = off);\n\
         INSERT INTO mapped SELECT n, repeat('x', 700) || n FROM generate_series(1, 500) n;\n\
         VACUUM mapped;\n\
         UPDATE mapped SET note = 'other' WHERE id < 100;\n\
         CREATE UNLOGGED TABLE short (a int);\n\
         CREATE TABLE plain AS SELECT n FROM generate_series(1, 100) n;\n\
         SELECT count(*) FROM plain",
        &[],
    )
    .await;
    all_hold(&proofs(&server).await);
    let (mapped, short) = (file_of(&server, "mapped").await, file_of(&server, "short").await);
    let beside = |file: &Path, end: &str| PathBuf::from(format!("{}_{end}", file.display()));
    let clone = changed(&mut server, |data| {
        // All pages: all see, and all is frozen.
        rewrite(&beside(&data.join(&mapped), "vm"), |bytes| bytes[24..34].fill(0xff));
        std::fs::remove_file(beside(&data.join(&short), "init")).unwrap();
        std::fs::remove_file(beside(&data.join(&mapped), "fsm")).unwrap();
        rewrite(&data.join("pg_xact/0000"), |bytes| bytes.fill(0));
    })
    .await;
    let found = proofs(&clone).await;
    fails(&found, "maps and states", &["shop: public.mapped: its visibility map says that all see"]);
    fails(&found, "maps and states", &["shop: public.short: it is unlogged, and its init fork is missing"]);
    fails(&found, "maps and states", &["the state of transaction ", "is lost (pg_xact)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_lets_nobody_in_is_opened_and_read() {
    let server = start(Origin::Initdb, &[]).await;
    run(&server, "postgres", "CREATE DATABASE closed").await;
    run(&server, "closed", "CREATE TABLE t AS SELECT generate_series(1, 3) AS a").await;
    run(&server, "postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false").await;
    assert_eq!(open_closed(&server.connect()).await.unwrap(), ["closed"]);
    let proof = readable(&observed(&server).await, None);
    assert!(proof.holds() && proof.seen == "2 databases, 1 table, 3 rows", "{proof:#?}");
    assert!(open_closed(&server.connect()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_no_proof_and_the_relation_is_named() {
    let server = shop(ORDERS, &[]).await;
    let seen = observed(&server).await;
    // The list of relations has come, and not the answer to every check.
    let wire = Wire::to(&server, |_| Fate::BreaksAfter(20_000));
    let checked = damage(&wire.connect(), &seen, Proofs::Quick, MINUTE, &str::to_owned).await;
    let error = checked.unwrap_err().to_string();
    assert!(error.starts_with("check pg_") && error.contains(" in database postgres: "), "{error}");
}
