//! What is proved of a clone, against a real PostgreSQL: each proof is seen to hold and seen not to hold.

mod damage;
mod identity;
mod queries;
mod quiet;
mod readable;
mod recovery;
mod wire;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::observe::data::{DataObservation, Options, Session, observe};
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::toolchain::{Configuration, PostgresTool, Silent, ensure_postgres};

const READ_ONLY: Session =
    Session::ReadOnly { statement: Duration::from_secs(30), idle_in_transaction: Duration::from_secs(30) };

/// The newest that drills would run on: `CLONEDRILL_POSTGRES` may name another than the machine's.
fn tool() -> PostgresTool {
    let configuration = Configuration::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    ensure_postgres(&configuration, &Silent).unwrap().pop().unwrap()
}

async fn start(origin: Origin<'_>, settings: &[(&str, &str)]) -> ScratchPostgres {
    let tool = tool();
    ScratchPostgres::start(&tool, &std::env::temp_dir(), origin, settings).await.unwrap()
}

/// A cluster with a database `shop` that has these.
async fn shop(schema: &str, settings: &[(&str, &str)]) -> ScratchPostgres {
    let server = start(Origin::Initdb, settings).await;
    run(&server, "postgres", "CREATE DATABASE shop").await;
    run(&server, "shop", schema).await;
    server
}

async fn run(server: &ScratchPostgres, database: &str, sql: &str) {
    let client = server.connect().open(database).await.unwrap();
    client.batch_execute("SET search_path = public").await.unwrap();
    for statement in sql.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        client.batch_execute(statement).await.unwrap();
    }
}

/// Many statements in one session, which sees none of the settings that they make.
fn psql(server: &ScratchPostgres, database: &str, sql: &str) {
    let mut psql = server.client("psql");
    psql.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut psql = psql.spawn().unwrap();
    std::io::Write::write_all(&mut psql.stdin.take().unwrap(), sql.as_bytes()).unwrap();
    assert!(psql.wait().unwrap().success(), "{sql}");
}

async fn observed(server: &ScratchPostgres) -> DataObservation {
    observe(&server.connect(), &Options::default(), None).await.unwrap()
}

/// Waits until a query of one truth value gives true.
async fn until(server: &ScratchPostgres, what: &str, sql: &str) {
    let client = server.connect().open("postgres").await.unwrap();
    let seen = poll(what, Limit::seconds(60), async || {
        let row = client.query_one(sql, &[]).await?;
        let seen = if row.get(0) { Seen::Done(()) } else { Seen::NotYet("not yet".to_owned()) };
        Ok::<_, tokio_postgres::Error>(seen)
    });
    seen.await.unwrap();
}
