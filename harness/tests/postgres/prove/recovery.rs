//! The heart of a comparison: a recovery to a quiet moment of a source whose clients go on writing gives exactly what was observed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::observe::data::{Options, observe};
use clonedrill::restore::prove::{Compared, Recovered, Wanted, compared, identity};
use clonedrill::restore::quiet::{archived, quiet_moment};

use super::{READ_ONLY, observed, run, shop, start, until};

const SCHEMA: &str = "
    CREATE TABLE orders (id serial PRIMARY KEY, n int, at timestamptz DEFAULT clock_timestamp());
    CREATE INDEX ON orders (n);
    CREATE TABLE balance (id int PRIMARY KEY, amount bigint);
    INSERT INTO balance SELECT n, 0 FROM generate_series(1, 10) n;
    CREATE UNLOGGED TABLE scratch AS SELECT 1 AS a";

/// Transactions of several statements, one after the other with short gaps, in two databases.
fn writers(server: &ScratchPostgres, stop: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<u64>> {
    let writer = |database: &'static str, pause: u32| {
        let (connect, stop) = (server.connect(), stop.clone());
        tokio::spawn(async move {
            let client = connect.open(database).await.unwrap();
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                let sql = format!(
                    "BEGIN; INSERT INTO public.orders (n) VALUES ({written});
                     UPDATE public.balance SET amount = amount + 1 WHERE id = 1 + {written} % 10; {};
                     SELECT pg_sleep(0.00{pause})",
                    if written % 5 == 4 { "ROLLBACK" } else { "COMMIT" }
                );
                client.batch_execute(&sql).await.unwrap();
                written += 1;
            }
            written
        })
    };
    vec![writer("shop", 3), writer("other", 5)]
}

/// A folder that the server, which may run as nobody, can write into.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

async fn recovered(source: &ScratchPostgres, backup: &Path, archive: &Path, target: &str) -> ScratchPostgres {
    let restore = format!("cp {}/%f %p", archive.display());
    let settings = [
        ("restore_command", restore.as_str()),
        ("recovery_target_time", target),
        ("recovery_target_action", "promote"),
        ("autovacuum", "off"),
    ];
    let clone = start(Origin::Backup { folder: backup, of: source }, &settings).await;
    until(&clone, "the end of recovery", "SELECT NOT pg_is_in_recovery()").await;
    clone
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_to_the_moment_gives_exactly_what_was_observed() {
    let (archive, backups) = (open_folder(), open_folder());
    let command = format!("cp %p {}/.%f && mv {0}/.%f {0}/%f", archive.path().display());
    let settings = [("archive_mode", "on"), ("archive_command", command.as_str()), ("archive_timeout", "1s")];
    let source = shop(SCHEMA, &settings).await;
    run(&source, "postgres", "CREATE DATABASE other").await;
    run(&source, "other", SCHEMA).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = writers(&source, &stop);
    let backup = backups.path().join("base");
    let mut taking = source.client("pg_basebackup");
    taking.args(["-c", "fast", "-X", "none", "--no-manifest", "-D"]).arg(&backup);
    assert!(taking.stderr(std::process::Stdio::null()).status().unwrap().success());

    let connect = source.connect();
    let (moment, held) = quiet_moment(&connect, Duration::from_secs(20), READ_ONLY).await.unwrap();
    let mark = held.observe(Some(backups.path()), &[]).await.unwrap();
    let archived = archived(&connect, &moment, Duration::from_secs(30), READ_ONLY).await.unwrap();
    assert!(archived.commit_after, "{archived:?}");
    stop.store(true, Ordering::Relaxed);
    for writer in writing {
        assert!(writer.await.unwrap() > 10);
    }

    let clone = recovered(&source, &backup, archive.path(), &moment.recovery_target()).await;
    let seen = observed(&clone).await;
    let proof = compared(&seen, &mark, &moment, &str::to_owned).unwrap().proof;
    assert!(proof.holds(), "{proof:#?}");
    assert!(seen.rows() > 20, "{proof:#?}");
    // What the source went on to is not what the clone has, nor are earlier and later moments.
    let later = compared(&seen, &observed(&source).await, &moment, &str::to_owned).unwrap().proof;
    assert!(!later.holds() && !later.evidence.is_empty(), "{later:#?}");

    let wanted = Wanted {
        system_identifier: Some(&moment.system_identifier),
        timeline: Some(moment.timeline),
        target: moment.target,
    };
    let last = Recovered::To(seen.identity.last_replayed.unwrap());
    for proof in identity(&seen.identity, last, wanted) {
        assert!(proof.holds(), "{proof:#?}");
    }

    // Lost without a word: a row, and where a sequence stood.
    run(&clone, "shop", "DELETE FROM orders WHERE n = 0").await;
    run(&clone, "shop", "SELECT setval('orders_id_seq', 1)").await;
    run(&clone, "shop", "UPDATE balance SET amount = 987654321 WHERE id = 1").await;
    let seen = observe(&clone.connect(), &Options::default(), Some(backups.path())).await.unwrap();
    let found = compared(&seen, &mark, &moment, &str::to_owned).unwrap();
    let proof = &found.proof;
    assert!(!proof.holds(), "{proof:#?}");
    assert_eq!(
        proof.evidence[0],
        "shop.public.balance: 10 rows as expected, with other content; 1 row differs"
    );
    assert!(proof.evidence[1].starts_with("shop.public.orders: "), "{proof:#?}");
    assert!(proof.evidence[1].ends_with("; 1 row differs"), "{proof:#?}");
    // Rows are for the evidence folder.
    assert!(found.text.contains("; row (id)=(1): amount is 987654321, expected "), "{}", found.text);
    assert!(!format!("{proof:?}").contains("987654321") && proof.help.contains(Compared::FILE), "{proof:#?}");
    assert!(proof.evidence.iter().any(|line| line.contains("sequence public.orders_id_seq")), "{proof:#?}");
}
