//! A source with all kinds of objects: a drill holds its clone equal, also after a failover; damage in its files is named.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::blobs::Do;
use crate::cluster::{SOURCE, Source, postgres_major};
use crate::world::World;

const INTO: &str = "drills";
const KINDS: &str = include_str!("../postgres/cases/torture.sql");
/// Whoever writes later would write over what is damaged.
const SHOP: &str = "
CREATE TABLESPACE fast LOCATION '/home/postgres/pgdata/fast';
CREATE DATABASE shop;
\\connect shop
CREATE TABLE quick TABLESPACE fast AS SELECT generate_series(1, 100) AS n;
CREATE TABLE sold (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off);
INSERT INTO sold SELECT n, repeat('x', 100) FROM generate_series(1, 3000) n;
CREATE TABLE tagged (id int, tags text[]) WITH (autovacuum_enabled = off);
INSERT INTO tagged SELECT n, ARRAY['a' || n % 7, 'b' || n] FROM generate_series(1, 3000) n;
CREATE INDEX tags_gin ON tagged USING gin (tags);
VACUUM FREEZE;
CHECKPOINT;
";
/// Rows of the last pages of one table are gone, and an index has a page of something else. A program that ended before the server
/// wrote to it would fail the statement, so each reads all first.
const DAMAGE: &str = "
SELECT pg_relation_filepath('sold') AS sold, pg_relation_filepath('tags_gin') AS tags
\\gset
\\set cut 'cat > /dev/null; truncate -s -40960 ' :sold
\\set overwrite 'cat > /dev/null; yes | head -c 8192 | dd of=' :tags ' bs=8192 seek=3 conv=notrunc status=none'
COPY (SELECT 1) TO PROGRAM :'cut';
COPY (SELECT 1) TO PROGRAM :'overwrite';
";
/// What psql says of a statement that fails.
const SAID: &str = "/tmp/psql-said.txt";
const BACKUP: &str =
    "cat > /dev/null; envdir /run/etc/wal-e.d/env /scripts/postgres_backup.sh \"$PWD\" > /dev/null";

pub(crate) fn everything_is_held_and_damage_is_named() {
    let world = World::up("everything", &[INTO]);
    let source = world.source();
    world.runtime.block_on(source.runs("orders", KINDS));
    let compare = json!({ "compare": { "switch_wal": true, "archived_within": "90s" } });
    world.gives(
        "equal",
        &compare,
        0,
        &["data equal to the source's", "16 of 16 proofs hold", "the moment is archived"],
    );

    let source = world.fails_over(source);
    world.gives("followed", &compare, 0, &["data equal to the source's", "the moment is archived"]);

    world.runtime.block_on(async {
        source.program("cat > /dev/null; mkdir /home/postgres/pgdata/fast", "").await;
        source.runs("postgres", SHOP).await;
        source.runs("shop", DAMAGE).await;
        source.program(BACKUP, "").await;
        source.archives().await;
    });
    let named = ["FAILED", "shop", "sold_pkey", "tags_gin"];
    world.gives("damaged", &json!({}), 1, &named);
    world.has_no_place_for_a_tablespace();
}

impl Source {
    /// Runs a shell command in the source's container, in the server's data folder.
    async fn program(&self, command: &str, input: &str) {
        self.tries(command, input).await.unwrap();
    }

    async fn tries(&self, command: &str, input: &str) -> Result<(), tokio_postgres::Error> {
        let sql = format!(
            "COPY (SELECT '{}') TO PROGRAM '{}'",
            STANDARD.encode(input),
            command.replace('\'', "''")
        );
        self.sql.batch_execute(&sql).await
    }

    /// By the container's own psql, since a file has statements that no transaction may hold together.
    async fn runs(&self, database: &str, sql: &str) {
        let psql = r#""$(dirname "$(readlink /proc/$PPID/exe)")/psql" -X -q -v ON_ERROR_STOP=1"#;
        let command = format!("base64 -d | {psql} -d {database} > /dev/null 2> {SAID}");
        if let Err(error) = self.tries(&command, sql).await {
            let said = self.sql.query_one(&format!("SELECT pg_read_file('{SAID}')"), &[]).await.unwrap();
            panic!("{error:?}\n{}", said.get::<_, String>(0));
        }
    }
}

impl World {
    /// The backup wants its tablespace where the clone's pod can make no folder.
    fn has_no_place_for_a_tablespace(&self) {
        let copy = Do::Copy {
            from: format!("{SOURCE}/{}/", postgres_major()),
            to: "elsewhere/".to_owned(),
            but: Vec::new(),
        };
        let reword = Do::Reword {
            below: "elsewhere/".to_owned(),
            end: "_backup_stop_sentinel.json".to_owned(),
            from: "/home/postgres/pgdata/fast".to_owned(),
            to: "/proc/fast".to_owned(),
        };
        self.at_the_storage(&[copy, reword]);
        let clone =
            json!({ "env": [{ "name": "CLONE_WALG_AZ_PREFIX", "value": "azure://backups/elsewhere" }] });
        self.gives("elsewhere", &json!({ "clone": clone }), 1, &["tablespace-directory-missing"]);
    }

    fn gives(&self, name: &str, more: &Value, code: i32, says: &[&str]) {
        let ended = self.drilled(name, INTO, more);
        let said = ended.said();
        assert_eq!(ended.code, Some(code), "{said}");
        for text in says {
            assert!(said.contains(text), "it does not say `{text}`: {said}");
        }
    }
}
