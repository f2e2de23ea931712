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
