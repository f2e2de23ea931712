//! Damage that reading does not meet.

use std::time::Duration;

use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::report::Proof;
use clonedrill::restore::prove::{amcheck, readable};

use crate::wire::{Fate, Wire};
use crate::{observed, run, shop, start};

const ORDERS: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off);
    INSERT INTO orders SELECT n, repeat('x', 3000) || n FROM generate_series(1, 500) n";

async fn checked(server: &ScratchPostgres, limit: Duration) -> Proof {
    amcheck(&server.connect(), &observed(server).await, limit, &str::to_owned).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_cluster_holds_and_nothing_stays_of_the_check() {
    let server = shop(ORDERS, &[]).await;
    let before = observed(&server).await.to_text();
    let proof = checked(&server, Duration::from_secs(60)).await;
    assert!(proof.holds && !proof.seen.contains("not checked"), "{proof:#?}");
    let number = |word: &str| {
        let before = proof.seen.split(&format!(" {word}")).next().unwrap();
        before.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    // Catalogs of two databases, and TOAST.
    assert!(number("tables") > 150 && number("indexes") > 250, "{proof:#?}");
    assert_eq!(observed(&server).await.to_text(), before);

    let late = checked(&server, Duration::ZERO).await;
    assert!(
        late.holds && late.seen.starts_with("0 tables and 0 indexes checked; not checked: "),
        "{late:#?}"
    );
    assert!(late.seen.ends_with(" relations not within 0ns"), "{late:#?}");

    // An extension of the cluster's own is used, wherever it is.
    run(&server, "shop", "CREATE SCHEMA \"Own\";\nCREATE EXTENSION amcheck SCHEMA \"Own\"").await;
    let proof = checked(&server, Duration::from_secs(60)).await;
    assert!(proof.holds && !proof.seen.contains("not checked"), "{proof:#?}");

    // One that is too old checks nothing, which is said.
    run(&server, "shop", "DROP EXTENSION amcheck;\nCREATE EXTENSION amcheck VERSION '1.0'").await;
    let proof = checked(&server, Duration::from_secs(60)).await;
    assert!(
        proof.holds
            && proof
                .seen
                .ends_with("not checked: shop: tables, since its amcheck is older than 1.3 and 1 more"),
        "{proof:#?}"
    );
    assert_eq!(proof.evidence[1], "not checked: shop: indexes, since its amcheck is older than 1.1");
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
    let row = client.query_one("SELECT pg_relation_filepath('public.orders')", &[]).await.unwrap();
    let file = server.data().join(row.get::<_, String>(0));
    run(&server, "shop", "VACUUM orders").await;
    run(&server, "shop", "CHECKPOINT").await;
    server.crash().unwrap();
    // The first row's xmin: a transaction that never was, in a page that reads well.
    let mut bytes = std::fs::read(&file).unwrap();
    let item = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
    let tuple = usize::try_from(item & 0x7fff).unwrap();
    bytes[tuple..tuple + 4].copy_from_slice(&4_000_000_u32.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    let clone = start(Origin::CopyOf(&server), &[]).await;
    assert!(readable(&observed(&clone).await, None).holds);
    let proof = checked(&clone, Duration::from_secs(60)).await;
    assert!(!proof.holds, "{proof:#?}");
    let has = |start: &str, text: &str| {
        proof.evidence.iter().any(|line| line.starts_with(start) && line.contains(text))
    };
    assert!(has("shop: public.orders: block 0, item 1", "4000000"), "{proof:#?}");
    assert!(has("shop: public.bare_a: heap tuple", "lacks matching index tuple"), "{proof:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_no_proof_and_the_relation_is_named() {
    let server = shop(ORDERS, &[]).await;
    let seen = observed(&server).await;
    // The list of relations has come, and not the answer to every check.
    let wire = Wire::to(&server, |_| Fate::BreaksAfter(20_000));
    let checked = amcheck(&wire.connect(), &seen, Duration::from_secs(60), &str::to_owned).await;
    let error = checked.unwrap_err().to_string();
    assert!(error.starts_with("check pg_") && error.contains(" in database postgres: "), "{error}");
}
