//! Copies of a cluster: equal where they are, recognised for what they are.

use std::process::Stdio;

use clonedrill::observe::data::scratch::Origin;
use clonedrill::observe::data::{Options, compare, identify, observe};

use super::{SHOP, Shop, differences, start};

const EVERYTHING: &str = "
    CREATE TABLE parted (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE parted_2025 PARTITION OF parted FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
    INSERT INTO parted SELECT n, date '2025-06-01' + n FROM generate_series(1, 500) n;
    CREATE TABLE parent (a int);
    CREATE TABLE child (b int) INHERITS (parent);
    INSERT INTO child VALUES (1, 2);
    CREATE SCHEMA \"Odd Name\";
    CREATE TABLE \"Odd Name\".\"T\"\"x\" (\"C c\" serial PRIMARY KEY, nothing text GENERATED ALWAYS AS ('x') STORED);
    INSERT INTO \"Odd Name\".\"T\"\"x\" DEFAULT VALUES;
    CREATE TABLE no_columns ();
    INSERT INTO no_columns DEFAULT VALUES;
    CREATE TABLE dropped (a int, b int, c int);
    INSERT INTO dropped VALUES (1, 2, 3);
    ALTER TABLE dropped DROP COLUMN b;
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders;
    CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int);
    SELECT lo_from_bytea(4242, 'large');
    SELECT nextval('numbers');
";

/// The sequence of such a table is unlogged too since PostgreSQL 15.
const UNLOGGED: &str = "
    CREATE UNLOGGED TABLE short (a serial);
    INSERT INTO short DEFAULT VALUES;
";

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_and_restore_is_equal() {
    let shop = Shop::open(&format!("{SHOP}{EVERYTHING}")).await;
    let other = start(Origin::Initdb, &[]).await;
    let mut dump =
        shop.server.client("pg_dump").args(["--create", "shop"]).stdout(Stdio::piped()).spawn().unwrap();
    let restored = other
        .client("psql")
        .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "postgres"])
        .stdin(dump.stdout.take().unwrap())
        .stdout(Stdio::null())
        .status();
    assert!(restored.unwrap().success() && dump.wait().unwrap().success());
    assert_eq!(differences(&other, &shop.mark, shop.kept.path(), &shop.options).await, [""; 0]);
    let copy = observe(&other.connect(), &shop.options, None).await.unwrap();
    assert_eq!(copy.to_text(), shop.mark.to_text());
    assert_ne!(copy.identity.system_identifier, shop.mark.identity.system_identifier);
    assert!(compare(&copy, &shop.mark, &str::to_owned).unwrap().equal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_recovered_is_equal_and_keeps_its_origin() {
    let mut shop = Shop::open_with(
        &format!("{SHOP}{EVERYTHING} {UNLOGGED}"),
        &[("track_commit_timestamp", "on")],
        Options::default(),
    )
    .await;
    // The source crashes, and its copy recovers: the sequence goes as far as the WAL does.
    shop.server.crash().unwrap();
    std::fs::write(shop.server.data().join("recovery.signal"), "").unwrap();
    let settings = [("track_commit_timestamp", "on"), ("restore_command", "false")];
    let copy = start(Origin::CopyOf(&shop.server), &settings).await;
    super::recovered(&copy).await;
    let recovered = observe(&copy.connect(), &shop.options, None).await.unwrap();
    let comparison = compare(&recovered, &shop.mark, &str::to_owned).unwrap();
    assert_eq!(comparison.differences, []);
    assert_eq!(
        comparison.notes,
        [
            "shop: sequence public.short_a_seq is unlogged, so recovery has set it back",
            "shop.public.short is unlogged, so recovery has emptied it (1 rows)"
        ]
    );
    // The other way round nothing excuses a lost row or a sequence that has moved.
    let backwards = compare(&shop.mark, &recovered, &str::to_owned).unwrap();
    let backwards: Vec<_> = backwards.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        backwards,
        [
            "shop: sequence \"Odd Name\".\"T\"\"x_C c_seq\": is at 1, expected 33",
            "shop: sequence public.numbers: is at 1, expected 33",
            "shop: sequence public.short_a_seq: is at 1, expected 1 not called",
            "shop.public.short: 1 rows, expected 0; it is unlogged, so no backup holds its rows",
        ]
    );
    let identity = identify(&copy.connect()).await.unwrap();
    let source = &shop.mark.identity;
    assert_eq!(identity.system_identifier, source.system_identifier);
    assert_eq!((source.timeline, identity.timeline, identity.in_recovery), (1, 2, false));
    assert!(identity.last_commit.is_some());
    assert_eq!((identity.last_commit, identity.last_replayed), (source.last_commit, source.last_commit));
    assert_eq!(source.last_replayed, None);
}
