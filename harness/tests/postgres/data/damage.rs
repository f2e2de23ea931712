//! Data that the server cannot read, a server that does not answer, texts that are no UTF-8.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use clonedrill::observe::data::{Connect, Options, compare, observe};

use super::{SHOP, Shop, run, start};

/// The path of a relation's file below the data folder.
async fn file_of(shop: &Shop, relation: &str) -> std::path::PathBuf {
    let client = shop.server.connect().open("shop").await.unwrap();
    let row =
        client.query_one(&format!("SELECT pg_relation_filepath('public.{relation}')"), &[]).await.unwrap();
    shop.server.data().join(row.get::<_, String>(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_seen_as_a_difference_and_the_rest_is_read() {
    let mut shop =
        Shop::open(&format!("{SHOP} CREATE TABLE gone (a int); CREATE TABLE whole (a int);")).await;
    let (page, gone, sequence) =
        (file_of(&shop, "orders").await, file_of(&shop, "gone").await, file_of(&shop, "numbers").await);
    run(&shop.server, "shop", "INSERT INTO whole VALUES (1)").await;
    run(&shop.server, "shop", "CHECKPOINT").await;
    shop.server.crash().unwrap();
    // Not a header of any page.
    let mut bytes = std::fs::read(&page).unwrap();
    bytes[..64].fill(0x55);
    std::fs::write(&page, bytes).unwrap();
    std::fs::remove_file(gone).unwrap();
    std::fs::write(sequence, "").unwrap();
    let copy = start(clonedrill::observe::data::scratch::Origin::CopyOf(&shop.server), &[]).await;

    let now = observe(&copy.connect(), &shop.options, Some(shop.kept.path())).await.unwrap();
    let comparison = compare(&now, &shop.mark, &str::to_owned).unwrap();
    let lines: Vec<_> = comparison.differences.iter().map(ToString::to_string).collect();
    let starts = [
        "shop.public.whole: 1 rows, expected 0; row (1) is not expected",
        "database shop: sequence public.numbers cannot be read: it has no row",
        "shop.public.gone: cannot be read: could not open file",
        "shop.public.orders: cannot be read: invalid page in block 0 of relation",
        "shop: sequence public.numbers: is missing",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{lines:#?}");
    }
    assert!(lines[3].ends_with("(SQLSTATE XX001)"), "{lines:#?}");
    assert_eq!(now.damage().count(), 3);
    assert!(
        now.to_text().contains("rows of public.orders: cannot be read: invalid page"),
        "{}",
        now.to_text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_is_a_difference() {
    let mut shop = Shop::open(SHOP).await;
    let client = shop.server.connect().open("shop").await.unwrap();
    let row =
        client.query_one("SELECT oid::text FROM pg_database WHERE datname = 'shop'", &[]).await.unwrap();
    let folder = shop.server.data().join("base").join(row.get::<_, String>(0));
    run(&shop.server, "postgres", "CHECKPOINT").await;
    shop.server.crash().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let copy = start(clonedrill::observe::data::scratch::Origin::CopyOf(&shop.server), &[]).await;
    let lines = super::differences(&copy, &shop.mark, shop.kept.path(), &shop.options).await;
    assert_eq!(lines, ["database shop: cannot be opened: database \"shop\" does not exist (SQLSTATE 3D000)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_no_more_rows_is_given_up() {
    let shop =
        Shop::open("CREATE TABLE big AS SELECT repeat('x', 1000) AS v FROM generate_series(1, 20000)").await;
    let folder = tempfile::tempdir().unwrap();
    let connect = Connect { host: folder.path().display().to_string(), ..shop.server.connect() };
    let name = format!(".s.PGSQL.{}", connect.port);
    stall(
        UnixListener::bind(folder.path().join(&name)).unwrap(),
        std::path::Path::new(&shop.server.connect().host).join(name),
    );
    let options = Options { idle: Duration::from_millis(500), ..shop.options };
    let error = observe(&connect, &options, None).await.unwrap_err().to_string();
    assert!(
        error.starts_with("wait for the next row of public.big in database shop: gave up after 500"),
        "{error}"
    );
    assert!(error.contains(", last seen: ") && error.ends_with(" rows of this part of it"), "{error}");
}

/// A network between client and server that breaks down after a mebibyte, without a word.
fn stall(listener: UnixListener, server: std::path::PathBuf) {
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let upstream = UnixStream::connect(&server).unwrap();
            let (mut requests, mut to_server) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut requests, &mut to_server));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut (&upstream).take(1 << 20), &mut &client);
                // Both ends stay open until the client has given up.
                let _ = (&client).read(&mut [0]);
                let _ = (&upstream).flush();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_in_other_encodings_are_read_as_they_are() {
    let shop = Shop::open(SHOP).await;
    run(&shop.server, "postgres", "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII'").await;
    run(&shop.server, "bytes", "CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    run(&shop.server, "bytes", "INSERT INTO t VALUES (1, convert_from('\\xe9', 'SQL_ASCII'))").await;
    let before = observe(&shop.server.connect(), &shop.options, Some(shop.kept.path())).await.unwrap();
    run(&shop.server, "bytes", "UPDATE t SET v = convert_from('\\xe8', 'SQL_ASCII')").await;
    assert_eq!(
        super::differences(&shop.server, &before, shop.kept.path(), &shop.options).await,
        [
            "bytes.public.t: 1 rows as expected, with other content; row (id)=(1): v is '\u{fffd}', expected '\u{fffd}'"
        ]
    );
}
