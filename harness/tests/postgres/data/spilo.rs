//! Spilo's own objects beside people's: what it makes is told apart from what they changed or added.

use std::io::Write as _;
use std::process::Stdio;

use clonedrill::observe::data::scratch::ScratchPostgres;
use clonedrill::observe::data::{Comparison, DataObservation, Options, compare, observe};

use super::{Shop, run};

const FIRST: &str = include_str!("../../../src/environment/local/images/spilo/objects/first.sql");
const EVERY: &str = include_str!("../../../src/environment/local/images/spilo/objects/every.sql");
const ROLES: &str = "CREATE ROLE admin; CREATE ROLE cron_admin; CREATE ROLE robot_zmon; CREATE ROLE people; CREATE ROLE grafana";

/// As at a start of a primary.
fn start(server: &ScratchPostgres) {
    let script = format!("{FIRST}\n{EVERY}\n\\c shop\n{EVERY}");
    let mut psql = server.client("psql");
    psql.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-v", "human=people", "-d", "postgres"]);
    psql.env("PGOPTIONS", "-c client_min_messages=warning -c search_path=pg_catalog");
    let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(psql.wait().unwrap().success());
}

async fn seen(shop: &Shop, image: &str) -> DataObservation {
    let mut seen =
        observe(&shop.server.connect(), &Options::default(), Some(shop.kept.path())).await.unwrap();
    seen.image = Some(image.to_owned());
    seen
}

fn compared(observed: &DataObservation, expected: &DataObservation) -> Comparison {
    compare(observed, expected, &str::to_owned).unwrap()
}

fn lines(comparison: &Comparison) -> Vec<String> {
    comparison.differences.iter().map(ToString::to_string).collect()
}

async fn with_roles() -> Shop {
    let shop = Shop::open("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)").await;
    run(&shop.server, "postgres", ROLES).await;
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_start_of_spilo_makes_is_no_difference_and_one_line() {
    let shop = with_roles().await;
    let before = seen(&shop, "spilo:1").await;
    start(&shop.server);
    let after = seen(&shop, "spilo:1").await;
    let comparison = compared(&after, &before);
    assert_eq!(lines(&comparison), [""; 0]);
    assert_eq!(comparison.notes.len(), 1, "{comparison}");
    assert!(comparison.notes[0].contains("of Spilo's own objects"), "{comparison}");
    // Once more is the same, in every word.
    start(&shop.server);
    let again = compared(&seen(&shop, "spilo:1").await, &after);
    assert!(again.equal && again.notes.is_empty(), "{again}");

    let text = after.to_text();
    let made: Vec<&str> = text.lines().filter(|line| line.contains("made by Spilo")).collect();
    assert_eq!(
        made,
        [
            "  made by Spilo: metric_helpers, postgres_log, user_management, zmon_utils",
            "  made by Spilo: metric_helpers, user_management"
        ]
    );
    let others =
        ["failed_authentication", "table_bloat", "create_user", "pglog", "file_fdw", "pg_stat_statements"];
    assert!(others.iter().all(|name| !text.contains(name)), "{text}");
    // What is lost of it is a difference: a clone has whatever its source's backup has.
    let lost = lines(&compared(&before, &after));
    assert!(lost.iter().any(|line| line == "shop: schema metric_helpers: is missing"), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_start_grants_on_peoples_things_in_spilos_schemas_is_no_difference() {
    let shop = with_roles().await;
    start(&shop.server);
    let mine = "CREATE TABLE metric_helpers.mine (id int);
        CREATE FUNCTION metric_helpers.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    run(&shop.server, "shop", mine).await;
    let source = seen(&shop, "spilo:1").await;
    start(&shop.server);
    let clone = seen(&shop, "spilo:1").await;
    let comparison = compared(&clone, &source);
    assert_eq!(lines(&comparison), [""; 0]);
    assert!(comparison.notes[0].contains("shop: table metric_helpers.mine"), "{comparison}");
    run(&shop.server, "shop", "GRANT SELECT ON metric_helpers.mine TO grafana").await;
    let told = lines(&compared(&seen(&shop, "spilo:1").await, &source));
    assert!(told.len() == 1 && told[0].starts_with("shop: table metric_helpers.mine: "), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_changed_or_added_among_spilos_objects_is_told() {
    let shop = with_roles().await;
    start(&shop.server);
    let source = seen(&shop, "registry/spilo:1@sha256:aa").await;
    let clone = |observed: &DataObservation, image: &str| DataObservation {
        image: Some(image.to_owned()),
        ..observed.clone()
    };
    for (database, change, undo, place, with_another_image) in [
        (
            "shop",
            "CREATE TABLE metric_helpers.mine (id int)",
            "DROP TABLE metric_helpers.mine",
            "table metric_helpers.mine",
            true,
        ),
        (
            "shop",
            "CREATE FUNCTION user_management.create_user(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION user_management.create_user(int)",
            "function user_management.create_user(integer)",
            true,
        ),
        (
            "postgres",
            "CREATE TABLE public.postgres_log_archive (line text)",
            "DROP TABLE public.postgres_log_archive",
            "table public.postgres_log_archive",
            true,
        ),
        (
            "postgres",
            "ALTER TABLE public.postgres_log ADD mine int",
            "ALTER TABLE public.postgres_log DROP mine",
            "column public.postgres_log.mine",
            true,
        ),
        (
            "shop",
            "GRANT SELECT ON metric_helpers.table_bloat TO grafana",
            "REVOKE SELECT ON metric_helpers.table_bloat FROM grafana",
            "view metric_helpers.table_bloat",
            true,
        ),
        (
            "shop",
            "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO grafana",
            "REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM grafana",
            "access function pg_catalog.pg_switch_wal()",
            true,
        ),
        ("shop", "CREATE EXTENSION citext", "DROP EXTENSION citext", "extension citext", true),
        ("shop", "CREATE EXTENSION file_fdw", "DROP EXTENSION file_fdw", "extension file_fdw", true),
        // A body that people changed, or another image of Spilo: nobody can tell these two apart.
        (
            "shop",
            "CREATE OR REPLACE FUNCTION user_management.drop_user(username text) RETURNS void LANGUAGE sql AS ''",
            "",
            "function user_management.drop_user(username text)",
            false,
        ),
    ] {
        run(&shop.server, database, change).await;
        let changed = seen(&shop, "registry/spilo:1@sha256:aa").await;
        let place = format!("{database}: {place}: ");
        // Lost in a clone, and only in a clone.
        for (observed, expected) in [(&source, &changed), (&changed, &source)] {
            let same = lines(&compared(&clone(observed, "mirror/spilo:1@sha256:aa"), expected));
            assert!(same.iter().any(|line| line.starts_with(&place)), "after {change}: {same:?}");
            let comparison = compared(&clone(observed, "registry/spilo:2@sha256:bb"), expected);
            let told = lines(&comparison).iter().any(|line| line.starts_with(&place));
            assert_eq!(told, with_another_image, "after {change}: {comparison}");
            assert_eq!(
                comparison.notes.iter().any(|note| note.contains("its images differ")),
                !with_another_image
            );
        }
        run(&shop.server, database, undo).await;
    }
}

/// What pg_cron has, as members of an extension that is everywhere: its own is not on every machine.
const CRON: &str = "CREATE SCHEMA cron;
    CREATE SEQUENCE cron.jobid_seq;
    CREATE SEQUENCE cron.runid_seq;
    CREATE TABLE cron.job (jobid bigint PRIMARY KEY DEFAULT nextval('cron.jobid_seq'), schedule text, command text);
    CREATE TABLE cron.job_run_details (runid bigint PRIMARY KEY DEFAULT nextval('cron.runid_seq'), jobid bigint, status text);
    ALTER EXTENSION plpgsql ADD SEQUENCE cron.jobid_seq;
    ALTER EXTENSION plpgsql ADD SEQUENCE cron.runid_seq;
    ALTER EXTENSION plpgsql ADD TABLE cron.job;
    ALTER EXTENSION plpgsql ADD TABLE cron.job_run_details";
const RUN: &str = "INSERT INTO cron.job_run_details (jobid, status) VALUES (1, 'succeeded')";

/// As after a recovery from a backup of the other.
fn recovered(observed: &DataObservation) -> DataObservation {
    let mut observed = observed.clone();
    observed.identity.timeline += 1;
    observed
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_peoples_and_what_became_of_them_in_a_clone_is_not() {
    let shop = with_roles().await;
    let without = seen(&shop, "spilo:1").await;
    run(&shop.server, "postgres", CRON).await;
    let made = seen(&shop, "spilo:1").await;
    assert_eq!(lines(&compared(&made, &without)), [""; 0]);

    let job = "INSERT INTO cron.job (schedule, command) VALUES ('* * * * *', 'VACUUM')";
    run(&shop.server, "postgres", job).await;
    let before_its_first_run = seen(&shop, "spilo:1").await;
    run(&shop.server, "postgres", RUN).await;
    let first_run = compared(&recovered(&seen(&shop, "spilo:1").await), &before_its_first_run);
    assert_eq!(lines(&first_run), [""; 0]);
    run(&shop.server, "postgres", RUN).await;
    let source = seen(&shop, "spilo:1").await;
    // Jobs that nobody made there are no work of a start.
    let told = lines(&compared(&recovered(&source), &made));
    assert!(told.iter().any(|line| line.starts_with("postgres.cron.job: 1 rows, expected 0")), "{told:?}");
    let told = lines(&compared(&recovered(&source), &without));
    assert!(told.iter().any(|line| line.starts_with("postgres.cron.job: is not expected")), "{told:?}");

    run(&shop.server, "postgres", RUN).await;
    let later = seen(&shop, "spilo:1").await;
    let comparison = compared(&recovered(&later), &source);
    assert_eq!(lines(&comparison), [""; 0]);
    assert!(comparison.notes[0].contains("postgres.cron.job_run_details"), "{comparison}");
    // Where nothing was recovered, nobody but people can have changed it; runs that are gone are lost.
    assert!(!compared(&later, &source).equal);
    let told = lines(&compared(&recovered(&source), &later));
    let lost = "postgres.cron.job_run_details: 2 rows, expected 3";
    assert!(told.iter().any(|line| line.starts_with(lost)), "{told:?}");

    for (change, undo) in [
        ("UPDATE cron.job SET command = 'VACUUM FULL'", "UPDATE cron.job SET command = 'VACUUM'"),
        ("DELETE FROM cron.job", "INSERT INTO cron.job VALUES (1, '* * * * *', 'VACUUM')"),
        ("SELECT setval('cron.jobid_seq', 7)", "SELECT setval('cron.jobid_seq', 1)"),
    ] {
        run(&shop.server, "postgres", change).await;
        let changed = seen(&shop, "spilo:2").await;
        assert!(!compared(&recovered(&changed), &later).equal, "after {change}");
        assert!(!compared(&recovered(&later), &changed).equal, "after {change}");
        run(&shop.server, "postgres", undo).await;
        assert!(compared(&recovered(&seen(&shop, "spilo:2").await), &later).equal, "after {undo}");
    }

    // Spilo has pg_cron in one database; tables of that name elsewhere are people's.
    run(&shop.server, "shop", CRON).await;
    let others = seen(&shop, "spilo:1").await;
    run(&shop.server, "shop", RUN).await;
    let told = lines(&compared(&recovered(&seen(&shop, "spilo:1").await), &others));
    assert!(told.iter().any(|line| line.starts_with("shop.cron.job_run_details: ")), "{told:?}");
}
