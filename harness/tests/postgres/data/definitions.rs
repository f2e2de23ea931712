//! Definitions, roles, sequences, large objects, extensions.

use clonedrill::observe::data::{Options, observe};

use super::{SHOP, Shop, run};

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_differ_are_named() {
    let schema = format!(
        "{SHOP}
         CREATE VIEW open_orders AS SELECT id, 'orders that are ' || 'open' AS what FROM orders;
         CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2';
         CREATE TYPE mood AS ENUM ('good', 'bad');
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM log;"
    );
    let shop = Shop::open(&schema).await;
    for (change, undo, expected) in [
        (
            "ALTER TABLE orders ALTER COLUMN note SET DEFAULT 'none'",
            "ALTER TABLE orders ALTER COLUMN note DROP DEFAULT",
            "shop: column public.orders.note: is `3. text; default 'none'::text`, expected `3. text`",
        ),
        (
            "ALTER TABLE orders ADD CONSTRAINT positive CHECK (id > 0)",
            "ALTER TABLE orders DROP CONSTRAINT positive",
            "shop: constraint public.orders positive: is not expected",
        ),
        (
            "CREATE INDEX by_status ON orders (status)",
            "DROP INDEX by_status",
            "shop: index public.by_status: is not expected",
        ),
        (
            "CREATE OR REPLACE VIEW open_orders AS SELECT id, 'orders that are ' || 'closed' AS what FROM orders",
            "CREATE OR REPLACE VIEW open_orders AS SELECT id, 'orders that are ' || 'open' AS what FROM orders",
            "shop: view public.open_orders: is `…hat are '::text || 'closed'::text) AS what\\n   FROM public.orders;`, \
             expected `…hat are '::text || 'open'::text) AS what\\n   FROM public.orders;`",
        ),
        (
            "CREATE OR REPLACE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 3'",
            "CREATE OR REPLACE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "shop: function public.two(): is `…AS $function$SELECT 3$function$\\n`, \
             expected `…AS $function$SELECT 2$function$\\n`",
        ),
        ("CREATE TYPE other AS ENUM ('a')", "DROP TYPE other", "shop: type public.other: is not expected"),
        (
            "COMMENT ON TABLE log IS 'hello'",
            "COMMENT ON TABLE log IS NULL",
            "shop: comment table public.log: is not expected",
        ),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "DROP TRIGGER t ON orders",
            "shop: trigger public.orders t: is not expected",
        ),
        ("CREATE SCHEMA more", "DROP SCHEMA more", "shop: schema more: is not expected"),
        (
            "CREATE STATISTICS s ON status, note FROM orders",
            "DROP STATISTICS s",
            "shop: statistics public.s: is not expected",
        ),
        (
            "CREATE COLLATION mine (locale = 'C')",
            "DROP COLLATION mine",
            "shop: collation public.mine: is not expected",
        ),
    ] {
        shop.told_apart(change, undo, &[expected]).await;
    }
    run(&shop.server, "shop", "REVOKE ALL ON log FROM postgres").await;
    let differences = shop.differences().await;
    assert!(differences[0].starts_with("shop: table public.log: is `"), "{differences:?}");
    run(&shop.server, "shop", "GRANT ALL ON log TO postgres").await;
    assert_eq!(shop.differences().await, [""; 0]);
    run(&shop.server, "shop", "REFRESH MATERIALIZED VIEW counted WITH NO DATA").await;
    let differences = shop.differences().await;
    assert!(
        differences.contains(&"shop.public.counted: has no rows of its own, expected some".to_owned()),
        "{differences:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_databases_and_extensions_are_told_apart_but_no_passwords() {
    let shop = Shop::open(SHOP).await;
    run(&shop.server, "postgres", "CREATE ROLE app LOGIN").await;
    assert_eq!(shop.differences().await, ["role app: is not expected"]);
    run(&shop.server, "postgres", "DROP ROLE app").await;
    shop.told_apart(
        "ALTER ROLE postgres NOBYPASSRLS",
        "ALTER ROLE postgres BYPASSRLS",
        &["role postgres: attributes [superuser, inherit, createrole, createdb, login, replication], \
           expected [superuser, inherit, createrole, createdb, login, replication, bypassrls]"],
    )
    .await;
    shop.told_apart(
        "GRANT pg_monitor TO postgres",
        "REVOKE pg_monitor FROM postgres",
        &["role postgres: member of [pg_monitor], expected []"],
    )
    .await;
    shop.told_apart("CREATE DATABASE other", "DROP DATABASE other", &["database other: is not expected"])
        .await;
    shop.told_apart(
        "ALTER DATABASE shop CONNECTION LIMIT 7",
        "ALTER DATABASE shop CONNECTION LIMIT -1",
        &["database shop: is `…gres=CTc/postgres}; connection limit 7; tablespace pg_default`, \
           expected `…gres=CTc/postgres}; tablespace pg_default`"],
    )
    .await;
    // A module of PostgreSQL's own contrib, which comes with every server package.
    shop.told_apart(
        "CREATE EXTENSION pg_stat_statements",
        "DROP EXTENSION pg_stat_statements",
        &["shop: extension pg_stat_statements: is not expected"],
    )
    .await;
    run(&shop.server, "postgres", "CREATE ROLE quiet PASSWORD 'not-to-be-seen'").await;
    let seen = clonedrill::observe::data::observe(&shop.server.connect(), &shop.options, None).await.unwrap();
    let json = serde_json::to_string(&seen).unwrap();
    assert!(json.contains("quiet") && !json.contains("not-to-be-seen") && !json.contains("SCRAM"), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_and_large_objects_are_told_apart() {
    let shop = Shop::open(&format!(
        "{SHOP};
         SELECT lo_from_bytea(4242, 'large');
         SELECT setval('numbers', 10);"
    ))
    .await;
    shop.told_apart(
        "SELECT setval('numbers', 11)",
        "SELECT setval('numbers', 10)",
        &["shop: sequence public.numbers: is at 11, expected 10"],
    )
    .await;
    shop.told_apart(
        "SELECT setval('numbers', 10, false)",
        "SELECT setval('numbers', 10)",
        &["shop: sequence public.numbers: is at 10 not called, expected 10"],
    )
    .await;
    shop.told_apart(
        "SELECT lo_put(4242, 0, 'b')",
        "SELECT lo_put(4242, 0, 'l')",
        &[r"shop: large objects: 1 pages as expected, with other content; row (loid, pageno)=(4242, 0): data is '\x6261726765', expected '\x6c61726765'"],
    )
    .await;
    shop.told_apart(
        "SELECT lo_from_bytea(4243, '')",
        "SELECT lo_unlink(4243)",
        &["shop: large objects: 2, expected 1"],
    )
    .await;
    run(&shop.server, "shop", "CREATE ROLE app; ALTER LARGE OBJECT 4242 OWNER TO app").await;
    assert_eq!(
        shop.differences().await,
        ["role app: is not expected", "shop: large objects: numbers, owners or access rights differ"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_tables_are_listed_and_not_read() {
    let shop = Shop::open(
        "CREATE EXTENSION file_fdw;
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE gone (line text) SERVER files OPTIONS (filename '/nowhere/at/all');",
    )
    .await;
    assert!(shop.mark.to_text().contains("rows of public.gone: elsewhere"), "{}", shop.mark.to_text());
    shop.told_apart(
        "ALTER FOREIGN TABLE gone OPTIONS (SET filename '/else/where')",
        "ALTER FOREIGN TABLE gone OPTIONS (SET filename '/nowhere/at/all')",
        &["shop: foreign table public.gone: is `…es options filename 9454f205fae2f07e`, \
           expected `…es options filename 03ed3de10047a3eb`"],
    )
    .await;
}

/// What is lost easily since nothing prints it: each is told apart.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_out_of_the_way_are_told_apart() {
    let shop = Shop::open(&format!(
        "{SHOP}
         CREATE TABLE lines (id int REFERENCES orders);
         CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT $1 = $2';
         CREATE OPERATOR === (leftarg = int, rightarg = int, function = same);
         CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
         CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int);
         CREATE PUBLICATION news FOR TABLE orders;
         CREATE EXTENSION file_fdw;
         CREATE FOREIGN DATA WRAPPER plain;
         CREATE SERVER files FOREIGN DATA WRAPPER plain;
         CREATE STATISTICS s ON status, note FROM orders"
    ))
    .await;
    for (change, undo, expected) in [
        (
            "ALTER TABLE lines DISABLE TRIGGER ALL",
            "ALTER TABLE lines ENABLE TRIGGER ALL",
            "trigger public.lines of constraint lines_id_fkey",
        ),
        (
            "ALTER TABLE log SET (toast.autovacuum_enabled = off)",
            "ALTER TABLE log RESET (toast.autovacuum_enabled)",
            "table public.log",
        ),
        (
            "ALTER TABLE log ALTER line SET COMPRESSION pglz",
            "ALTER TABLE log ALTER line SET COMPRESSION default",
            "column public.log.line",
        ),
        (
            "ALTER OPERATOR === (int, int) SET (RESTRICT = eqsel)",
            "ALTER OPERATOR === (int, int) SET (RESTRICT = NONE)",
            "operator public.===(integer,integer)",
        ),
        (
            "ALTER TEXT SEARCH CONFIGURATION words DROP MAPPING FOR url",
            "ALTER TEXT SEARCH CONFIGURATION words ADD MAPPING FOR url WITH simple",
            "text search configuration public.words",
        ),
        (
            "CREATE OR REPLACE AGGREGATE total (int) (sfunc = int4pl, stype = int, initcond = '7')",
            "CREATE OR REPLACE AGGREGATE total (int) (sfunc = int4pl, stype = int)",
            "aggregate public.total(integer)",
        ),
        (
            "ALTER PUBLICATION news SET (publish_via_partition_root)",
            "ALTER PUBLICATION news SET (publish_via_partition_root = false)",
            "publication news",
        ),
        (
            "ALTER SERVER files OPTIONS (ADD secret 'not-to-be-seen')",
            "ALTER SERVER files OPTIONS (DROP secret)",
            "foreign server files",
        ),
        (
            "COMMENT ON SCHEMA public IS 'ours'",
            "COMMENT ON SCHEMA public IS 'standard public schema'",
            "comment schema public",
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO pg_monitor",
            "REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM pg_monitor",
            "access function pg_catalog.pg_reload_conf()",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION file_fdw_handler() FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION file_fdw_handler() TO PUBLIC",
            "access function public.file_fdw_handler()",
        ),
    ] {
        run(&shop.server, "shop", change).await;
        let differences = shop.differences().await;
        let place = format!("shop: {expected}");
        assert!(
            !differences.is_empty() && differences.iter().all(|line| line.starts_with(&place)),
            "after {change}: {differences:?}"
        );
        run(&shop.server, "shop", undo).await;
        assert_eq!(shop.differences().await, [""; 0], "after {undo}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_databases_share_is_told_apart() {
    let shop = Shop::open_with(SHOP, &[("max_prepared_transactions", "2")], Options::default()).await;
    run(&shop.server, "postgres", "CREATE ROLE app").await;
    let shop = Shop {
        mark: observe(&shop.server.connect(), &shop.options, Some(shop.kept.path())).await.unwrap(),
        ..shop
    };
    for (change, undo, expected) in [
        (
            "ALTER ROLE ALL SET work_mem = '9MB'",
            "ALTER ROLE ALL RESET work_mem",
            "setting of all roles work_mem: is not expected",
        ),
        (
            "COMMENT ON DATABASE shop IS 'ours'",
            "COMMENT ON DATABASE shop IS NULL",
            "comment database shop: is not expected",
        ),
        ("COMMENT ON ROLE app IS 'ours'", "COMMENT ON ROLE app IS NULL", "comment role app: is not expected"),
        (
            "GRANT app TO pg_monitor",
            "REVOKE app FROM pg_monitor",
            "predefined role pg_monitor: is not expected",
        ),
        (
            "GRANT SET ON PARAMETER work_mem TO app",
            "REVOKE SET ON PARAMETER work_mem FROM app",
            "parameter work_mem: is not expected",
        ),
        (
            "BEGIN; INSERT INTO log VALUES ('later'); PREPARE TRANSACTION 'open'",
            "ROLLBACK PREPARED 'open'",
            "prepared transaction open: is not expected",
        ),
        (
            "ALTER DATABASE shop IS_TEMPLATE true",
            "ALTER DATABASE shop IS_TEMPLATE false",
            "database shop: is `…ypte C; access",
        ),
    ] {
        run(&shop.server, "shop", change).await;
        let differences = shop.differences().await;
        assert_eq!(differences.len(), 1, "after {change}: {differences:?}");
        assert!(
            differences[0].starts_with(expected.split("ypte").next().unwrap()),
            "after {change}: {differences:?}"
        );
        run(&shop.server, "shop", undo).await;
        assert_eq!(shop.differences().await, [""; 0], "after {undo}");
    }
}

/// An extension of a test, whose table people put things of their own on.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_add_to_an_extensions_table_is_told_apart() {
    // Any table becomes a member of any extension.
    let shop =
        Shop::open(&format!("{SHOP} CREATE EXTENSION file_fdw; ALTER EXTENSION file_fdw ADD TABLE log;"))
            .await;
    for (change, undo, expected) in [
        ("CREATE INDEX mine ON log (line)", "DROP INDEX mine", "index public.mine: is not expected"),
        (
            "ALTER TABLE log ADD mine int",
            "ALTER TABLE log DROP mine",
            "column public.log.mine: is not expected",
        ),
        ("GRANT SELECT ON log TO PUBLIC", "REVOKE SELECT ON log FROM PUBLIC", "table public.log: is `"),
    ] {
        run(&shop.server, "shop", change).await;
        let differences = shop.differences().await;
        assert!(
            differences.iter().any(|line| line.starts_with(&format!("shop: {expected}"))),
            "after {change}: {differences:?}"
        );
        run(&shop.server, "shop", undo).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_shows_a_locale_that_is_not_the_clusters_own() {
    let shop = Shop::open("").await;
    assert!(shop.mark.to_text().contains("database shop: "), "{}", shop.mark.to_text());
    assert!(!shop.mark.to_text().contains("collate"), "{}", shop.mark.to_text());
    run(
        &shop.server,
        "postgres",
        "CREATE DATABASE other TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
    )
    .await;
    let text = observe(&shop.server.connect(), &Options::default(), None).await.unwrap().to_text();
    assert!(text.contains("collate C.UTF-8; ctype C.UTF-8"), "{text}");
}

/// What no function prints and no dump shows.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_rarely_read_catalogs_is_told_apart() {
    let shop = Shop::open(&format!(
        "{SHOP}
         CREATE EXTENSION file_fdw;
         CREATE FOREIGN DATA WRAPPER plain;
         CREATE SERVER files TYPE 'oracle' VERSION '19' FOREIGN DATA WRAPPER plain;
         SELECT lo_create(4242);
         CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2';
         CREATE STATISTICS s ON status, note FROM orders;
         CREATE INDEX shouted ON orders (upper(note));
         CREATE TABLE older (id int CHECK (id > 0));
         CREATE TABLE newer () INHERITS (older);
         CREATE SUBSCRIPTION news CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)"
    ))
    .await;
    run(&shop.server, "postgres", "CREATE ROLE app").await;
    let shop = Shop {
        mark: observe(&shop.server.connect(), &shop.options, Some(shop.kept.path())).await.unwrap(),
        ..shop
    };
    for (change, undo, expected) in [
        (
            "SELECT pg_replication_origin_create('elsewhere')",
            "SELECT pg_replication_origin_drop('elsewhere')",
            "replication origin elsewhere: is not expected",
        ),
        (
            "ALTER SERVER files VERSION '23'",
            "ALTER SERVER files VERSION '19'",
            "shop: foreign server files: is `… 'oracle'; version '23'",
        ),
        (
            "UPDATE pg_foreign_server SET srvtype = 'db2'",
            "UPDATE pg_foreign_server SET srvtype = 'oracle'",
            "shop: foreign server files: is `…rapper plain; type 'db2'",
        ),
        (
            "COMMENT ON LARGE OBJECT 4242 IS 'ours'",
            "COMMENT ON LARGE OBJECT 4242 IS NULL",
            "shop: comment large object 4242: is not expected",
        ),
        (
            "ALTER FUNCTION two() DEPENDS ON EXTENSION file_fdw",
            "ALTER FUNCTION two() NO DEPENDS ON EXTENSION file_fdw",
            "shop: depends on extension function public.two(): is not expected",
        ),
        (
            "ALTER TABLE log ALTER line SET STATISTICS 7",
            "ALTER TABLE log ALTER line SET STATISTICS -1",
            "shop: column public.log.line: is `1. text; statistics target 7`, expected `1. text`",
        ),
        (
            "ALTER INDEX shouted ALTER COLUMN 1 SET STATISTICS 7",
            "ALTER INDEX shouted ALTER COLUMN 1 SET STATISTICS -1",
            "shop: index public.shouted: is `",
        ),
        (
            "ALTER STATISTICS s SET STATISTICS 7",
            "ALTER STATISTICS s SET STATISTICS -1",
            "shop: statistics public.s: is `",
        ),
        (
            "UPDATE pg_attribute SET attislocal = true WHERE attrelid = 'newer'::regclass AND attname = 'id'",
            "UPDATE pg_attribute SET attislocal = false WHERE attrelid = 'newer'::regclass AND attname = 'id'",
            "shop: column public.newer.id: is `1. integer`, expected `1. integer; inherited`",
        ),
        (
            "UPDATE pg_constraint SET conislocal = true WHERE conrelid = 'newer'::regclass",
            "UPDATE pg_constraint SET conislocal = false WHERE conrelid = 'newer'::regclass",
            "shop: constraint public.newer older_id_check: is `",
        ),
        ("CREATE TYPE later", "DROP TYPE later", "shop: type public.later: is not expected"),
        (
            "UPDATE pg_extension SET extowner = 'app'::regrole WHERE extname = 'file_fdw'",
            "UPDATE pg_extension SET extowner = 'postgres'::regrole WHERE extname = 'file_fdw'",
            "shop: extension file_fdw: owner app, expected owner postgres",
        ),
        (
            "INSERT INTO pg_subscription_rel SELECT oid, 'log'::regclass, 'i', NULL FROM pg_subscription",
            "DELETE FROM pg_subscription_rel",
            "shop: subscription news of table public.log: is not expected",
        ),
    ] {
        let change = format!("SET allow_system_table_mods = on;\n{change}");
        let undo = format!("SET allow_system_table_mods = on;\n{undo}");
        run(&shop.server, "shop", &change).await;
        let differences = shop.differences().await;
        assert_eq!(differences.len(), 1, "after {change}: {differences:?}");
        assert!(differences[0].starts_with(expected), "after {change}: {differences:?}");
        run(&shop.server, "shop", &undo).await;
        assert_eq!(shop.differences().await, [""; 0], "after {undo}");
    }
}

/// A partition's rows may be elsewhere too, and a table's heirs: reading its own rows reads none of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_foreign_heirs_and_partitions_are_not_read() {
    let shop = Shop::open(
        "CREATE EXTENSION file_fdw;
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE TABLE days (line text);
         CREATE FOREIGN TABLE monday () INHERITS (days) SERVER files OPTIONS (filename '/nowhere/at/all');
         CREATE TABLE parts (part int, line text) PARTITION BY LIST (part);
         CREATE FOREIGN TABLE first PARTITION OF parts FOR VALUES IN (1) SERVER files OPTIONS (filename '/nowhere/at/all');
         CREATE VIEW all_days AS SELECT * FROM days",
    )
    .await;
    let text = shop.mark.to_text();
    assert!(
        text.contains("rows of public.days: 0, ") && text.contains("rows of public.first: elsewhere"),
        "{text}"
    );
    assert_eq!(shop.differences().await, [""; 0]);
}
