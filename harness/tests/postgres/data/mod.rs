//! The data observation against a real PostgreSQL: what differs is told apart and shown, what is equal is equal.

mod connection;
mod copies;
mod damage;
mod definitions;
mod options;
mod rows;
mod settings;
mod spilo;

use std::path::Path;

use clonedrill::observe::data::scratch::{Origin, ScratchPostgres};
use clonedrill::observe::data::{DataObservation, KeepAtMost, Options, compare, observe};
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::toolchain::{Configuration, PostgresTool, Silent, ensure_postgres};

const SHOP: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, status text, note text);
    INSERT INTO orders SELECT n, 'paid', 'order ' || n FROM generate_series(1, 100) n;
    CREATE TABLE log (line text);
    INSERT INTO log VALUES ('twice'), ('once');
    CREATE SEQUENCE numbers;
";

/// The newest that drills would run on: `CLONEDRILL_POSTGRES` may name another than the machine's.
fn tool() -> PostgresTool {
    let configuration = Configuration::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    ensure_postgres(&configuration, &Silent).unwrap().pop().unwrap()
}

/// A cluster with a database `shop`, and a mark of it to compare with.
struct Shop {
    server: ScratchPostgres,
    mark: DataObservation,
    kept: tempfile::TempDir,
    options: Options,
}

impl Shop {
    async fn open(schema: &str) -> Shop {
        Shop::open_with(schema, &[], Options::default()).await
    }

    async fn open_with(schema: &str, settings: &[(&str, &str)], options: Options) -> Shop {
        let server = start(Origin::Initdb, settings).await;
        run(&server, "postgres", "CREATE DATABASE shop").await;
        run(&server, "shop", schema).await;
        let kept = tempfile::tempdir().unwrap();
        let mark = observe(&server.connect(), &options, Some(kept.path())).await.unwrap();
        Shop { server, mark, kept, options }
    }

    /// What differs from the mark now, one line each.
    async fn differences(&self) -> Vec<String> {
        differences(&self.server, &self.mark, self.kept.path(), &self.options).await
    }

    /// Does `change`, which must give exactly these lines, and then `undo`, which must give none.
    async fn told_apart(&self, change: &str, undo: &str, expected: &[&str]) {
        run(&self.server, "shop", change).await;
        assert_eq!(self.differences().await, expected, "after {change}");
        run(&self.server, "shop", undo).await;
        assert_eq!(self.differences().await, [""; 0], "after {undo}");
    }
}

async fn differences(
    server: &ScratchPostgres,
    mark: &DataObservation,
    folder: &Path,
    options: &Options,
) -> Vec<String> {
    let now = observe(&server.connect(), options, Some(folder)).await.unwrap();
    let comparison = compare(&now, mark, &str::to_owned).unwrap();
    assert_eq!(comparison.equal, comparison.differences.is_empty());
    comparison.differences.iter().map(ToString::to_string).collect()
}

async fn start(origin: Origin<'_>, settings: &[(&str, &str)]) -> ScratchPostgres {
    ScratchPostgres::start(&tool(), &std::env::temp_dir(), origin, settings).await.unwrap()
}

async fn run(server: &ScratchPostgres, database: &str, sql: &str) {
    let client = server.connect().open(database).await.unwrap();
    client.batch_execute("SET search_path = public").await.unwrap();
    for statement in sql.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        client.batch_execute(statement).await.unwrap();
    }
}

/// Waits until the server has left recovery.
async fn recovered(server: &ScratchPostgres) {
    let client = server.connect().open("postgres").await.unwrap();
    let recovered = poll("the end of recovery", Limit::seconds(60), async || {
        let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await?;
        if row.get(0) {
            return Ok::<_, tokio_postgres::Error>(Seen::NotYet("in recovery".to_owned()));
        }
        Ok(Seen::Done(()))
    });
    recovered.await.unwrap();
}

/// So many bytes may be kept on disk, half of them with the texts of rows.
fn keep_at_most(bytes: u64) -> Options {
    Options { keep_at_most: KeepAtMost { bytes, with_texts: bytes / 2 }, ..Options::default() }
}
