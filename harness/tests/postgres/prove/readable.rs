//! Read end to end, or not; how much there is.

use clonedrill::observe::data::scratch::Origin;
use clonedrill::report::ProofState;
use clonedrill::restore::prove::{counts, readable, readable_after};

use super::{observed, run, shop, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_counted_and_what_holds_nothing_is_not_proved() {
    let server = start(Origin::Initdb, &[]).await;
    let nothing = observed(&server).await;
    let proof = readable(&nothing, None);
    assert!(!proof.holds() && proof.seen.starts_with("it is empty: there is no table in it"), "{proof:#?}");
    // Where recovery found nothing to replay, that is the reason.
    let proof = readable_after(&nothing, None, true);
    assert!(!proof.holds() && proof.seen.starts_with("the base backup is there"), "{proof:#?}");
    // Only where its source is seen to hold nothing either.
    assert!(readable(&nothing, Some(&nothing)).holds());

    run(&server, "postgres", "CREATE DATABASE shop;\nCREATE DATABASE closed ALLOW_CONNECTIONS false").await;
    run(&server, "shop", "CREATE TABLE orders (a int);\nCREATE TABLE log (a int)").await;
    let proof = readable(&observed(&server).await, None);
    assert!(!proof.holds() && proof.seen.starts_with("it is empty: no table has a row"), "{proof:#?}");

    run(&server, "shop", "INSERT INTO orders SELECT generate_series(1, 7);\nINSERT INTO log VALUES (1)")
        .await;
    let seen = observed(&server).await;
    assert!(!readable(&nothing, Some(&seen)).holds());
    // What nobody can read is proved in part, but where the source's is closed in the same way. A drill opens it before.
    let proof = readable(&seen, None);
    assert!(proof.state == ProofState::Partly && proof.unchecked[0].what == "database closed", "{proof:#?}");
    assert_eq!(proof.seen, "3 databases, 2 tables, 8 rows; not known, since it lets nobody in: closed");
    let proof = readable(&seen, Some(&seen));
    assert!(
        proof.holds() && proof.seen.ends_with("it lets nobody in, there and at the source: closed"),
        "{proof:#?}"
    );
    run(&server, "postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS true").await;
    let open = observed(&server).await;
    assert!(!readable(&seen, Some(&open)).holds() && readable(&open, Some(&seen)).holds());
    assert!(readable(&open, None).holds());
    let proof = counts(&seen);
    assert_eq!(proof.evidence, ["shop.public.orders: 7 rows", "shop.public.log: 1 row"]);
    assert_eq!((proof.holds(), proof.seen.as_str()), (true, "3 databases, 2 tables, 8 rows"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_read_is_named() {
    let mut server =
        shop("CREATE TABLE orders AS SELECT 1 AS a;\nCREATE TABLE log AS SELECT 2 AS a", &[]).await;
    let client = server.connect().open("shop").await.unwrap();
    let row = client.query_one("SELECT pg_relation_filepath('public.orders')", &[]).await.unwrap();
    let file = server.data().join(row.get::<_, String>(0));
    run(&server, "shop", "CHECKPOINT").await;
    server.crash().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..64].fill(0x55);
    std::fs::write(&file, bytes).unwrap();
    let clone = start(Origin::CopyOf(&server), &[]).await;
    let proof = readable(&observed(&clone).await, None);
    assert!(!proof.holds() && proof.seen.starts_with("1 thing cannot be read; "), "{proof:#?}");
    assert!(proof.evidence[0].starts_with("shop.public.orders: cannot be read: invalid page"), "{proof:#?}");
}
