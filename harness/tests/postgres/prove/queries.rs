//! Newest values and assertions: compared exactly, and never held to hold for want of an answer.

use std::time::Duration;

use clonedrill::observe::data::scratch::ScratchPostgres;
use clonedrill::report::{Proof, ProofState};
use clonedrill::restore::prove::{assertions, newest};
use clonedrill::restore::{Assertion, Newest};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::shop;
use super::wire::{Fate, Wire};

const SCHEMA: &str = "
    CREATE TABLE orders (id int, at timestamptz, local timestamp, day date, name text, \"Odd \"\"Name\" timestamptz);
    INSERT INTO orders VALUES
        (1, '2025-11-02 07:00+00', '2025-11-02 07:00', '2025-11-01', 'a', '2025-11-02 08:30+00'),
        (2, '2025-11-02 08:59:50+00', '2025-11-02 08:59', '2025-11-02', 'b', NULL);
    CREATE TABLE nothing (at timestamptz);
    CREATE TABLE endless (at timestamptz);
    INSERT INTO endless VALUES ('infinity');
    CREATE SCHEMA \"Big One\";
    CREATE TABLE \"Big One\".\"T\" (at timestamptz);
    INSERT INTO \"Big One\".\"T\" VALUES ('2025-11-02 10:00+01')";

fn target() -> Timestamp {
    "2025-11-02T09:00:00Z".parse().unwrap()
}

const LONG: Duration = Duration::from_secs(20);

async fn asked(server: &ScratchPostgres, said: Value) -> Proof {
    let mut assertion: Assertion = serde_json::from_value(said).unwrap();
    assertion.database.get_or_insert("shop".to_owned());
    assertions(&server.connect(), &[assertion], target(), Duration::from_millis(500), &str::to_owned)
        .await
        .unwrap()
        .pop()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn assertions_hold_exactly_where_they_are_true() {
    let server = shop(SCHEMA, &[]).await;
    for (query, wanted, holds) in [
        ("SELECT count(*) FROM orders", json!({"equals": 2}), true),
        ("SELECT count(*) FROM orders;", json!({"equals": 3}), false),
        ("SELECT 1.0", json!({"equals": 1}), true),
        ("SELECT 1", json!({"equals": 1.0}), true),
        ("SELECT 0.1::float8", json!({"equals": 0.1}), true),
        ("SELECT 9007199254740993", json!({"equals": 9007199254740993_u64}), true),
        ("SELECT 9007199254740993", json!({"equals": 9007199254740992_u64}), false),
        ("SELECT 9007199254740992", json!({"at_least": 9007199254740993_u64}), false),
        ("SELECT 1.00000000000000000000001", json!({"equals": 1}), false),
        ("SELECT 0.99999999999999999999999", json!({"at_least": 1}), false),
        ("SELECT 1::numeric(20,10)", json!({"at_least": 1}), true),
        ("SELECT -5", json!({"at_least": -5}), true),
        ("SELECT 'NaN'::float8", json!({"at_least": 1}), false),
        ("SELECT NULL::int", json!({"at_least": 0}), false),
        ("SELECT NULL::int", json!({"equals": null}), true),
        ("SELECT 0", json!({"equals": null}), false),
        ("SELECT NULL::text", json!({"equals": ""}), false),
        ("SELECT true", json!({"equals": true}), true),
        ("SELECT false", json!({"equals": true}), false),
        ("SELECT name FROM orders WHERE id = 1", json!({"equals": "a"}), true),
        ("SELECT name FROM orders WHERE id = 1", json!({"equals": "A"}), false),
        ("SELECT 'a'::char(4)", json!({"equals": "a"}), true),
        ("SHOW server_encoding", json!({"equals": "UTF8"}), true),
        ("SELECT max(at) FROM orders", json!({"newer_than": "10s"}), true),
        ("SELECT max(at) FROM orders", json!({"newer_than": "9s"}), false),
        ("SELECT max(local) FROM orders", json!({"newer_than": "1m"}), true),
        ("SELECT max(day) FROM orders", json!({"newer_than": "9h"}), true),
        ("SELECT max(day) FROM orders", json!({"newer_than": "8h"}), false),
        ("SELECT timestamptz '2025-11-02 09:00:05+00'", json!({"newer_than": "1s"}), true),
        ("SELECT max(at) FROM nothing", json!({"newer_than": "1000h"}), false),
    ] {
        let mut said = wanted.clone();
        said["query"] = json!(query);
        let proof = asked(&server, said).await;
        assert_eq!(proof.holds(), holds, "{query} {wanted}: {proof:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_dated_ahead_does_not_prove_how_new_the_data_are() {
    let server =
        shop("CREATE TABLE due (at timestamptz);\n INSERT INTO due VALUES ('2099-01-01')", &[]).await;
    let due = || Newest {
        database: "shop".to_owned(),
        table: "public.due".to_owned(),
        column: "at".to_owned(),
        within: Some("1h".parse().unwrap()),
    };
    let found = newest(&server.connect(), &[due()], target(), LONG, &str::to_owned).await.unwrap();
    let said = asked(&server, json!({"query": "SELECT max(at) FROM due", "newer_than": "1h"})).await;
    for proof in [&found[0], &said] {
        assert_eq!(proof.state, ProofState::Partly, "{proof:#?}");
        assert!(proof.unchecked[0].why.starts_with("2099-01-01T00:00:00Z is after the target"), "{proof:#?}");
    }
    // Whoever asks for no limit is told the value, and that holds.
    let told = Newest { within: None, ..due() };
    let found = newest(&server.connect(), &[told], target(), LONG, &str::to_owned).await.unwrap();
    assert!(found[0].holds(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gives_no_value_to_compare_says_so_and_does_not_hold() {
    let server = shop(SCHEMA, &[]).await;
    for (said, seen) in [
        (json!({"query": "SELECT id FROM orders", "equals": 1}), "it gives more than one row"),
        (json!({"query": "SELECT id FROM nothing, orders", "equals": null}), "it gives no row"),
        (json!({"query": "SELECT 1, 2", "equals": 1}), "it gives 2 columns, not one row with one column"),
        (json!({"query": "SELECT FROM orders", "equals": 1}), "it gives 0 columns"),
        (
            json!({"query": "SELECT 1; SELECT 1", "equals": 1}),
            "it was refused: cannot insert multiple commands",
        ),
        (
            json!({"query": "SELECT nowhere", "equals": 1}),
            "it was refused: column \"nowhere\" does not exist",
        ),
        (json!({"query": "", "equals": 1}), "it gives 0 columns"),
        (
            json!({"query": "SELECT pg_sleep(30)", "equals": ""}),
            "it was refused: canceling statement due to statement timeout",
        ),
        (
            json!({"query": "INSERT INTO orders VALUES (3) RETURNING id", "equals": 3}),
            "it was refused: cannot execute INSERT in a read-only transaction",
        ),
        (json!({"query": "SELECT 1/0", "equals": 1}), "it was refused: division by zero"),
        (json!({"query": "SELECT 1", "database": "nowhere", "equals": 1}), "failed to connect to "),
        (json!({"query": "SELECT '1'", "equals": 1}), "1, of type text, which is not compared with a number"),
        (json!({"query": "SELECT 1", "equals": "1"}), "1, of type int4, which is not compared with a text"),
        (
            json!({"query": "SELECT 't'::text", "equals": true}),
            "t, of type text, which is not compared with a truth value",
        ),
        (
            json!({"query": "SELECT date '2025-01-01'", "equals": "2025-01-01"}),
            "2025-01-01, of type date, which is not compared with a text",
        ),
        (
            json!({"query": "SELECT name FROM orders LIMIT 1", "newer_than": "1h"}),
            "a, of type text, which is not compared with a time",
        ),
        (json!({"query": "SELECT at FROM endless", "newer_than": "1h"}), "infinity, which is no time"),
        (json!({"query": "SELECT 1", "equals": [1]}), "1, of type int4, which is not compared with a list"),
        (
            json!({"query": "SELECT 1e30::numeric", "equals": 1e30}),
            "1000000000000000000000000000000; 1e+30 may have lost digits",
        ),
        (json!({"query": "SELECT 1", "equals": 1, "at_least": 1}), "it was not asked"),
        (json!({"query": "SELECT 1"}), "it was not asked"),
    ] {
        let proof = asked(&server, said).await;
        assert!(!proof.holds() && proof.seen.starts_with(seen), "expected {seen}: {proof:#?}");
    }
    let client = server.connect().open("shop").await.unwrap();
    let rows = client.query_one("SELECT count(*) FROM public.orders", &[]).await.unwrap();
    assert_eq!(rows.get::<_, i64>(0), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_values_and_queries_are_hidden_before_they_are_cut() {
    let server = shop(SCHEMA, &[]).await;
    let query = format!("SELECT '{}' || 'hunter2-hunter2'", "x ".repeat(75));
    let assertion: Assertion =
        serde_json::from_value(json!({"query": query, "equals": "y hunter2-hunter2"})).unwrap();
    let hide = |text: &str| text.replace("hunter2-hunter2", "secret:0badcafe");
    let proof =
        assertions(&server.connect(), &[assertion], target(), LONG, &hide).await.unwrap().pop().unwrap();
    assert!(!proof.holds() && !format!("{proof:?}").contains("hunter2"), "{proof:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_value_is_told_and_held_against_its_limit() {
    let server = shop(SCHEMA, &[]).await;
    for (table, column, within, holds, seen) in [
        ("public.orders", "at", None, true, "2025-11-02 08:59:50+00, 10s before the target"),
        ("public.orders", "at", Some("10s"), true, "2025-11-02 08:59:50+00, 10s before the target"),
        ("public.orders", "at", Some("9s"), false, "2025-11-02 08:59:50+00, 10s before the target"),
        ("public.orders", "local", Some("1m"), true, "2025-11-02 08:59:00, 1m before the target"),
        ("public.orders", "day", Some("8h"), false, "2025-11-02, 9h before the target"),
        ("public.orders", "Odd \"Name", Some("1h"), true, "2025-11-02 08:30:00+00, 30m before the target"),
        ("\"Big One\".\"T\"", "at", Some("0s"), true, "2025-11-02 09:00:00+00, 0s before the target"),
        ("public.orders", "id", None, true, "2"),
        ("public.orders", "id", Some("1h"), false, "2, of type int4, which is no time"),
        ("public.nothing", "at", None, true, "no value: the table has no row, or only NULL"),
        ("public.nothing", "at", Some("1h"), false, "no value: the table has no row, or only NULL"),
        ("public.endless", "at", Some("1h"), false, "infinity, which is no time"),
        ("public.nowhere", "at", None, false, "there is no such table"),
        ("public.orders", "nowhere", None, false, "the table has no such column"),
        ("public.orders; DROP TABLE public.orders", "at", None, false, ""),
        (
            "public.orders",
            "at) FROM public.orders; DROP TABLE public.orders --",
            None,
            false,
            "the table has no such column",
        ),
        ("no.such.database.orders", "at", None, false, "it was refused: "),
    ] {
        let asked = Newest {
            database: "shop".to_owned(),
            table: table.to_owned(),
            column: column.to_owned(),
            within: within.map(|within| within.parse().unwrap()),
        };
        let proof =
            newest(&server.connect(), &[asked], target(), LONG, &str::to_owned).await.unwrap().pop().unwrap();
        assert!(
            proof.holds() == holds && proof.seen.starts_with(seen),
            "{table} {column} {within:?}: {proof:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_asked_once_more_and_is_no_verdict() {
    let server = shop(SCHEMA, &[]).await;
    let assertion: Assertion = serde_json::from_value(
        json!({"query": "SELECT repeat('x', 100000)", "database": "shop", "equals": "y"}),
    )
    .unwrap();
    let column: Newest =
        serde_json::from_value(json!({"database": "shop", "table": "public.orders", "column": "at"}))
            .unwrap();
    // More than it takes to be let in, and less than the answer.
    let asked = async |fate: fn(usize) -> Fate| {
        let wire = Wire::to(&server, fate);
        assertions(&wire.connect(), std::slice::from_ref(&assertion), target(), LONG, &str::to_owned).await
    };
    let error = asked(|_| Fate::BreaksAfter(20_000)).await.unwrap_err().to_string();
    assert!(error.starts_with("ask for `SELECT repeat('x', 100000)` in database shop: "), "{error}");
    let found =
        asked(|number| if number == 0 { Fate::BreaksAfter(20_000) } else { Fate::Whole }).await.unwrap();
    assert!(!found[0].holds() && found[0].seen.starts_with("xxx"), "{found:#?}");

    // Nor where the server ends the session, or lets nobody in.
    let ended: Assertion = serde_json::from_value(
        json!({"query": "SELECT pg_terminate_backend(pg_backend_pid())", "database": "shop", "equals": true}),
    )
    .unwrap();
    let error = assertions(&server.connect(), &[ended], target(), LONG, &str::to_owned).await.unwrap_err();
    assert!(error.to_string().contains("(SQLSTATE 57P01)"), "{error}");
    let nobody = Wire::to(&server, |_| Fate::BreaksAfter(0));
    let error = newest(&nobody.connect(), &[column], target(), LONG, &str::to_owned).await.unwrap_err();
    assert!(error.to_string().starts_with("connect to "), "{error}");
}
