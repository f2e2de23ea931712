//! What is proved of a clone, against a real PostgreSQL: each proof is seen to hold and seen not to hold.

#![allow(clippy::unwrap_used)]

mod amcheck;
mod identity;
mod queries;
mod quiet;
mod readable;
mod recovery;
mod wire;

use std::path::Path;
use std::time::Duration;

use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::observe::data::{DataObservation, Options, Session, observe};
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::toolchain::{Configuration, Silent, ensure_postgres};

const READ_ONLY: Session =
    Session::ReadOnly { statement: Duration::from_secs(30), idle_in_transaction: Duration::from_secs(30) };

async fn start(origin: Origin<'_>, settings: &[(&str, &str)]) -> ScratchPostgres {
    let configuration = Configuration::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let tool = ensure_postgres(&configuration, &Silent).unwrap().pop().unwrap();
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
