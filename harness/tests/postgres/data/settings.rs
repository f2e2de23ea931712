//! What a database sets for its clients, encodes as it likes, or keeps in rows of a gigabyte: all of it is read as it is.

use std::io::Write as _;
use std::process::Stdio;

use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::observe::data::{Options, compare, observe, open_closed};

use super::{SHOP, Shop, run, start};

fn psql(server: &ScratchPostgres, database: &str, sql: &[u8]) {
    let mut psql = server.client("psql");
    psql.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut psql = psql.spawn().unwrap();
    psql.stdin.take().unwrap().write_all(sql).unwrap();
    assert!(psql.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_read_as_the_bytes_that_they_are() {
    let shop = Shop::open(SHOP).await;
    run(&shop.server, "postgres", "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII'").await;
    let ascii: &[u8] = include_bytes!("../cases/ascii.sql");
    psql(&shop.server, "bytes", &[b"SET client_encoding = 'SQL_ASCII';\n", ascii].concat());
    psql(&shop.server, "bytes", b"SET client_encoding = 'SQL_ASCII';\nINSERT INTO t VALUES (E'\\xe9');\nALTER DATABASE bytes SET search_path = 'public';\n");
    let before = observe(&shop.server.connect(), &shop.options, Some(shop.kept.path())).await.unwrap();
    assert_eq!(before.damage().collect::<Vec<_>>(), [""; 0]);
    assert!(before.to_text().contains("\\x"), "{}", before.to_text());
    let differ = async || super::differences(&shop.server, &before, shop.kept.path(), &shop.options).await;
    assert_eq!(differ().await, [""; 0]);
    psql(
        &shop.server,
        "bytes",
        b"SET client_encoding = 'SQL_ASCII';\nCOMMENT ON TABLE t IS E'gr\\xf6\\xdf';\n",
    );
    let differences = differ().await;
    assert!(differences.len() == 1 && differences[0].contains("gr\\xf6\\xdf"), "{differences:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_a_database_gives_its_clients_is_none_of_ours() {
    let shop = Shop::open(&format!("{SHOP} CREATE SEQUENCE hidden;")).await;
    run(&shop.server, "postgres", "CREATE ROLE poor;\nALTER DATABASE shop SET role = 'poor'").await;
    let differences = shop.differences().await;
    // The role and the setting themselves, and nothing that could not be read.
    assert_eq!(differences.len(), 2, "{differences:#?}");
    assert!(
        differences.iter().all(|line| line.contains("poor") || line.contains("set role")),
        "{differences:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_text_has_more_than_a_gigabyte_is_read_by_parts() {
    // `bytea` twice as long as text, and texts that are too long together.
    let shop = Shop::open(
        "CREATE TABLE wide (id int PRIMARY KEY, b bytea, t text, u text, tags text[]);
         INSERT INTO wide VALUES (1, convert_to(repeat('x', 540000000), 'UTF8'), NULL, NULL, '{a,b}');
         INSERT INTO wide VALUES (2, NULL, repeat('y', 540000000), NULL, NULL);
         UPDATE wide SET u = repeat('z', 540000000) WHERE id = 2;
         INSERT INTO wide VALUES (3, 'short', 'short', 'short', '{}');
         CREATE TABLE after AS SELECT 1 AS a",
    )
    .await;
    assert_eq!(shop.mark.damage().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(shop.mark.rows(), 4);
    run(&shop.server, "shop", "UPDATE wide SET u = overlay(u PLACING 'a' FROM 500000000) WHERE id = 2").await;
    let differences = shop.differences().await;
    assert!(
        differences.len() == 1
            && differences[0]
                .starts_with("shop.public.wide: 3 rows as expected, with other content; row (id)=(2): u is "),
        "{differences:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_opened_is_not_known_where_nobody_opened_it() {
    let server = start(Origin::Initdb, &[]).await;
    run(&server, "postgres", "CREATE DATABASE closed").await;
    run(&server, "closed", "CREATE TABLE t AS SELECT generate_series(1, 3) AS a").await;
    run(&server, "postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false").await;
    let options = Options::default();
    let source = observe(&server.connect(), &options, None).await.unwrap();
    let opened = open_closed(&server.connect()).await.unwrap();
    let mut clone = observe(&server.connect(), &options, None).await.unwrap();
    let compared = compare(&clone, &source, &str::to_owned).unwrap();
    assert!(!compared.equal, "{compared}");
    clone.databases.iter_mut().for_each(|database| database.opened = opened.contains(&database.name));
    let compared = compare(&clone, &source, &str::to_owned).unwrap();
    assert!(compared.equal, "{compared}");
    assert_eq!(
        compared.unknown,
        ["database closed lets nobody in, so its data are not known where it is expected"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_kinds_of_objects_come_back_equal() {
    let mut server = start(Origin::Initdb, &[]).await;
    run(&server, "postgres", "CREATE ROLE orders LOGIN;\nCREATE DATABASE orders OWNER orders").await;
    psql(&server, "orders", include_bytes!("../cases/torture.sql"));
    let (kept, options) = (tempfile::tempdir().unwrap(), Options::default());
    let source = observe(&server.connect(), &options, Some(kept.path())).await.unwrap();
    assert_eq!(source.damage().collect::<Vec<_>>(), [""; 0]);
    server.crash().unwrap();
    let copy = start(Origin::CopyOf(&server), &[]).await;
    let clone = observe(&copy.connect(), &options, Some(kept.path())).await.unwrap();
    let compared = compare(&clone, &source, &str::to_owned).unwrap();
    // A crash empties what is unlogged; that the copy has recovered, only a higher timeline would tell.
    let others: Vec<_> =
        compared.differences.iter().filter(|one| !one.place.contains(".public.unl")).collect();
    let others: Vec<_> = others.into_iter().filter(|one| !one.place.contains("sequence public.")).collect();
    assert!(others.is_empty(), "{others:#?}");
}
