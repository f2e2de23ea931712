//! The quiet moment: never one in which somebody is under way, and never by changing anything.

use std::sync::Arc;
use std::time::Duration;

use clonedrill::observe::data::{DataError, Session, compare};
use clonedrill::restore::quiet::{QuietError, archived, default_archived_within, quiet_moment};

use super::wire::{Fate, Valve, Wire};
use super::{READ_ONLY, observed, run, shop, until};

const TABLE: &str = "CREATE TABLE t (a int)";
const SOON: Duration = Duration::from_millis(300);

async fn never_quiet(server: &clonedrill::observe::data::scratch::ScratchPostgres) -> String {
    let Err(error) = quiet_moment(&server.connect(), SOON, READ_ONLY).await else {
        panic!("it was called quiet")
    };
    assert!(matches!(error, QuietError::TimedOut(_)), "{error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_newer_than_all_that_have_ended_is_under_way() {
    let server = shop(TABLE, &[("autovacuum", "off")]).await;
    let writer = server.connect().open("shop").await.unwrap();
    writer
        .batch_execute("SET application_name = 'a job'; BEGIN; INSERT INTO public.t VALUES (1)")
        .await
        .unwrap();
    // No snapshot lists it.
    let client = server.connect().open("postgres").await.unwrap();
    let listed = "SELECT txid_snapshot_xmin(s) < txid_snapshot_xmax(s) FROM txid_current_snapshot() s";
    assert!(!client.query_one(listed, &[]).await.unwrap().get::<_, bool>(0));
    let said = never_quiet(&server).await;
    assert!(said.contains("last seen: 1 under way, the oldest for "), "{said}");
    assert!(said.contains(" of a job"), "{said}");
    // One that is listed is under way too.
    run(&server, "shop", "INSERT INTO t VALUES (2)").await;
    never_quiet(&server).await;
    writer.batch_execute("COMMIT").await.unwrap();
    let (moment, held) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    assert!(moment.from < moment.target && moment.target < moment.until, "{moment:?}");
    assert_eq!(held.observe(None, &[]).await.unwrap().rows(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_written_but_not_over_is_under_way() {
    let server = shop(TABLE, &[("autovacuum", "off")]).await;
    let writer = server.connect().open("shop").await.unwrap();
    run(&server, "postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    run(&server, "postgres", "SELECT pg_reload_conf()").await;
    until(&server, "the setting", "SELECT current_setting('synchronous_standby_names') = 'nobody'").await;
    // Its commit record is in the WAL, and recovery to any time from now on replays it. It waits for a replica.
    let waiting = tokio::spawn(async move { writer.batch_execute("INSERT INTO public.t VALUES (1)").await });
    until(
        &server,
        "the commit to wait",
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')",
    )
    .await;
    never_quiet(&server).await;
    run(&server, "postgres", "SET synchronous_commit = local;\nALTER SYSTEM RESET synchronous_standby_names")
        .await;
    run(&server, "postgres", "SELECT pg_reload_conf()").await;
    waiting.await.unwrap().unwrap();
    let (_, held) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    assert_eq!(held.observe(None, &[]).await.unwrap().rows(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_is_under_way_and_named() {
    let server = shop(TABLE, &[("autovacuum", "off"), ("max_prepared_transactions", "1")]).await;
    run(&server, "shop", "BEGIN; INSERT INTO public.t VALUES (1); PREPARE TRANSACTION 'forgotten'").await;
    let said = never_quiet(&server).await;
    assert!(said.ends_with(": prepared transaction 'forgotten'"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_the_moment_is_not_observed_and_a_rewritten_table_is_told() {
    let server = shop(&format!("{TABLE}; INSERT INTO t VALUES (1); CREATE TABLE cut AS SELECT 1"), &[]).await;
    let (_, held) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    run(&server, "shop", "INSERT INTO t VALUES (2);\nCREATE TABLE later (a int);\nALTER TABLE t ADD b text")
        .await;
    let seen = held.observe(None, &[]).await.unwrap();
    let shop = seen.databases.iter().find(|database| database.name == "shop").unwrap();
    let names: Vec<_> = shop.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!((names, seen.rows()), (vec!["public.cut", "public.t"], 2));

    let (_, held) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    run(&server, "shop", "TRUNCATE cut").await;
    let error = held.observe(None, &[]).await.unwrap_err();
    assert!(matches!(&error, DataError::Rewritten { tables, .. } if tables == "public.cut"), "{error}");

    // Unless somebody asked for it to be left out: it is refreshed or truncated all the time.
    let (_, held) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    run(&server, "shop", "TRUNCATE cut").await;
    let seen = held.observe(None, &["shop.public.cut".to_owned()]).await.unwrap();
    let shop = seen.databases.iter().find(|database| database.name == "shop").unwrap();
    let cut = shop.tables.iter().find(|table| table.name == "public.cut").unwrap();
    assert!(cut.left_out && cut.rows.is_none(), "{cut:?}");
    let clone = observed(&server).await;
    let compared = compare(&clone, &seen, &str::to_owned).unwrap();
    assert!(compared.equal, "{compared}");
    assert_eq!(compared.notes, ["rows of shop.public.cut are left out, as it was asked for"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_is_held_to_be_read_only_and_nothing_of_it_changes() {
    // Without replicas the server writes no WAL by itself.
    let settings = [("autovacuum", "off"), ("wal_level", "minimal"), ("max_wal_senders", "0")];
    let server = shop(&format!("{TABLE}; CREATE SEQUENCE s"), &settings).await;
    let client = server.connect().open_as("shop", &READ_ONLY).await.unwrap();
    for refused in
        ["INSERT INTO public.t VALUES (1)", "SELECT nextval('public.s')", "CREATE TABLE public.u ()"]
    {
        let error = client.batch_execute(refused).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "25006", "{refused}");
    }
    let short = Session::ReadOnly {
        statement: Duration::from_millis(50),
        idle_in_transaction: Duration::from_millis(50),
    };
    let client = server.connect().open_as("shop", &short).await.unwrap();
    let error = client.batch_execute("SELECT pg_sleep(30)").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");

    let client = server.connect().open("postgres").await.unwrap();
    let state = "SELECT pg_current_wal_insert_lsn()::text, txid_snapshot_xmax(txid_current_snapshot())";
    let state = async || {
        let row = client.query_one(state, &[]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, i64>(1))
    };
    run(&server, "postgres", "CHECKPOINT").await;
    // Pages that are read for the first time may be tidied up, which the WAL holds.
    super::observed(&server).await;
    let before = state().await;
    let (_, held) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    held.observe(None, &[]).await.unwrap();
    assert_eq!(state().await, before);
    let log = std::fs::read_to_string(server.data().parent().unwrap().join("log")).unwrap();
    assert!(!log.contains("in the future"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_does_not_grow_is_told_with_its_failures() {
    let settings = [("archive_mode", "on"), ("archive_command", "false"), ("archive_timeout", "7min")];
    let server = shop(TABLE, &settings).await;
    let connect = server.connect();
    assert_eq!(default_archived_within(&connect, READ_ONLY).await.unwrap(), Duration::from_secs(720));
    run(&server, "postgres", "SELECT pg_switch_wal()").await;
    until(&server, "a failure", "SELECT failed_count > 0 FROM pg_stat_archiver").await;
    let (moment, _) = quiet_moment(&connect, Duration::from_secs(10), READ_ONLY).await.unwrap();
    let error = archived(&connect, &moment, SOON, READ_ONLY).await.unwrap_err().to_string();
    assert!(error.contains("last seen: archived last: nothing, archiving fails, "), "{error}");
    assert!(error.contains(" times so far, last of 0000000100000000000000"), "{error}");

    let other = clonedrill::restore::quiet::QuietMoment { timeline: 7, ..moment.clone() };
    let error = archived(&connect, &other, SOON, READ_ONLY).await.unwrap_err();
    assert!(matches!(error, QuietError::OtherTimeline { then: 7, now: 1 }), "{error}");
    // What Spilo has where no archive is configured.
    let server = shop(TABLE, &[("archive_mode", "on"), ("archive_command", "/bin/true")]).await;
    let error = archived(&server.connect(), &moment, SOON, READ_ONLY).await.unwrap_err();
    assert!(matches!(error, QuietError::NotArchiving(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_commits_nothing_more_is_not_waited_for() {
    let settings = [("autovacuum", "off"), ("archive_mode", "on"), ("archive_command", "test -f %p")];
    let server = shop(TABLE, &settings).await;
    let (moment, _) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    let error = archived(&server.connect(), &moment, SOON, READ_ONLY).await.unwrap_err().to_string();
    assert!(error.ends_with("archived last: nothing; nothing was committed since"), "{error}");
    run(&server, "postgres", "SELECT pg_switch_wal()").await;
    let done = archived(&server.connect(), &moment, Duration::from_secs(30), READ_ONLY).await.unwrap();
    assert!(!done.commit_after && done.file == moment.wal_file, "{done:?}");
    // Once somebody has, that commit has to be archived too.
    run(&server, "shop", "INSERT INTO t VALUES (1)").await;
    let error = archived(&server.connect(), &moment, SOON, READ_ONLY).await.unwrap_err().to_string();
    assert!(error.contains("; the first commit after the moment is in 0000000100000000000000"), "{error}");
    run(&server, "postgres", "SELECT pg_switch_wal()").await;
    let done = archived(&server.connect(), &moment, Duration::from_secs(30), READ_ONLY).await.unwrap();
    assert!(done.commit_after && done.file > moment.wal_file, "{done:?}");
    // Nobody will end the file that is begun now, and a checkpoint shows that no commit is in it.
    let begin = "INSERT INTO t VALUES (2);\nCHECKPOINT;\nSELECT pg_switch_wal();\nSELECT pg_create_restore_point('not a commit')";
    run(&server, "shop", begin).await;
    let (moment, _) = quiet_moment(&server.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
    let idle = archived(&server.connect(), &moment, Duration::from_secs(30), READ_ONLY).await.unwrap();
    assert!(
        !idle.commit_after && idle.file < moment.wal_file && idle.file >= done.file,
        "{idle:?} {moment:?}"
    );
}

/// One row in each block, in four times what is read at once.
const BIG: &str = "
    DROP TABLE IF EXISTS big, other;
    CREATE TABLE big (id int, v text) WITH (fillfactor = 10, autovacuum_enabled = off);
    INSERT INTO big SELECT n, repeat('x', 1500) FROM generate_series(1, 8192) n";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_a_table_waits_for_a_part_of_its_reading_only() {
    let server = shop("", &[("autovacuum", "off")]).await;
    for (change, gone) in [
        ("ALTER TABLE public.big ADD more int", None),
        ("TRUNCATE public.big", Some("public.big")),
        (
            "ALTER TABLE public.big RENAME TO other; CREATE TABLE public.big (id int, v text)",
            Some("public.other"),
        ),
        ("DROP TABLE public.big", Some("one that is gone")),
    ] {
        run(&server, "shop", BIG).await;
        let client = server.connect().open("shop").await.unwrap();
        let row = client.query_one("SELECT 'public.big'::regclass::oid", &[]).await.unwrap();
        let big: u32 = row.get(0);
        let locks = async |what: &str, number: u32, mode: &str| {
            let of = format!("FROM pg_locks WHERE relation = {big} AND {mode}");
            until(&server, what, &format!("SELECT count(*) = {number} {of}")).await;
        };
        let valve = Arc::new(Valve::default());
        let fate = Fate::StopsAfter(1 << 20, valve.clone());
        let wire = Wire::to(&server, move |_| fate.clone());
        let (_, held) = quiet_moment(&wire.connect(), Duration::from_secs(10), READ_ONLY).await.unwrap();
        let reading = tokio::spawn(held.observe(None, &[]));
        locks("both readers to be within a part", 2, "mode = 'AccessShareLock' AND granted").await;
        let changing = tokio::spawn(async move {
            client.batch_execute("BEGIN; LOCK TABLE public.big IN ACCESS EXCLUSIVE MODE").await.unwrap();
            client
        });
        locks("the change to wait", 1, "mode = 'AccessExclusiveLock' AND NOT granted").await;
        valve.open();
        let client = changing.await.unwrap();
        // The other half is still to be read.
        locks("both readers to wait", 2, "mode = 'AccessShareLock' AND NOT granted").await;
        client.batch_execute(&format!("{change}; COMMIT")).await.unwrap();
        match (reading.await.unwrap(), gone) {
            (Ok(seen), None) => assert_eq!(seen.rows(), 8192),
            (Err(DataError::Rewritten { tables, .. }), Some(gone)) => assert_eq!(tables, gone),
            (found, _) => panic!("{change}: {found:?}"),
        }
    }
}
