//! Rows: changed, missing, extra, swapped, doubled.

use clonedrill::observe::data::{KeepAtMost, Options};

use crate::{SHOP, Shop, keep_little, run};

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_are_shown_with_their_keys() {
    let shop = Shop::open(SHOP).await;
    assert_eq!(shop.differences().await, [""; 0]);
    shop.told_apart(
        "UPDATE orders SET status = 'open' WHERE id = 7",
        "UPDATE orders SET status = 'paid' WHERE id = 7",
        &["shop.public.orders: 100 rows as expected, with other content; \
           row (id)=(7): status is 'open', expected 'paid'"],
    )
    .await;
    shop.told_apart(
        "DELETE FROM orders WHERE id IN (9, 10)",
        "INSERT INTO orders VALUES (9, 'paid', 'order 9'), (10, 'paid', 'order 10')",
        &["shop.public.orders: 98 rows, expected 100; row (id)=(9) is missing; row (id)=(10) is missing"],
    )
    .await;
    shop.told_apart(
        "INSERT INTO orders VALUES (101, NULL, NULL)",
        "DELETE FROM orders WHERE id = 101",
        &["shop.public.orders: 101 rows, expected 100; row (id)=(101) is not expected"],
    )
    .await;
    shop.told_apart(
        "UPDATE orders SET note = 'order ' || (CASE id WHEN 1 THEN 2 ELSE 1 END) WHERE id IN (1, 2)",
        "UPDATE orders SET note = 'order ' || id WHERE id IN (1, 2)",
        &["shop.public.orders: 100 rows as expected, with other content; \
           row (id)=(1): note is 'order 2', expected 'order 1'; \
           row (id)=(2): note is 'order 1', expected 'order 2'"],
    )
    .await;
    shop.told_apart(
        "UPDATE orders SET status = 'open'",
        "UPDATE orders SET status = 'paid'",
        &["shop.public.orders: 100 rows as expected, with other content; \
           row (id)=(1): status is 'open', expected 'paid'; row (id)=(2): status is 'open', expected 'paid'; \
           row (id)=(3): status is 'open', expected 'paid'; row (id)=(4): status is 'open', expected 'paid'; \
           row (id)=(5): status is 'open', expected 'paid'; and 95 more"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_and_the_empty_string_and_its_look_alikes_differ() {
    let shop =
        Shop::open("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, NULL)").await;
    for (value, shown) in [("''", "''"), ("'NULL'", "'NULL'"), (r"E'\\N'", r"'\N'"), (r"E'\t'", r"'\t'")] {
        let line = format!(
            "shop.public.t: 1 rows as expected, with other content; row (id)=(1): v is {shown}, expected NULL"
        );
        shop.told_apart(&format!("UPDATE t SET v = {value}"), "UPDATE t SET v = NULL", &[&line]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_without_a_key_count_and_show_whole_rows() {
    let shop = Shop::open(SHOP).await;
    shop.told_apart(
        "INSERT INTO log VALUES ('twice')",
        "DELETE FROM log; INSERT INTO log VALUES ('once'), ('twice')",
        &["shop.public.log: 3 rows, expected 2; row ('twice') is not expected"],
    )
    .await;
    shop.told_apart(
        "UPDATE log SET line = 'twice'",
        "DELETE FROM log; INSERT INTO log VALUES ('once'), ('twice')",
        &["shop.public.log: 2 rows as expected, with other content; \
           row ('once') is missing; row ('twice') is not expected"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_and_place_of_rows_do_not_matter() {
    let shop = Shop::open(SHOP).await;
    run(
        &shop.server,
        "shop",
        "CREATE TABLE copy AS SELECT * FROM orders;
         TRUNCATE orders;
         INSERT INTO orders SELECT * FROM copy ORDER BY id DESC;
         DROP TABLE copy;
         VACUUM FULL orders;",
    )
    .await;
    assert_eq!(shop.differences().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_settings_of_the_cluster_do_not_change_a_digest() {
    let shop = Shop::open(
        "CREATE TABLE t (a timestamptz, b interval, c float8, d bytea, e money, f regclass);
         INSERT INTO t VALUES (now(), '1 day 2 hours', 0.1 + 0.2, '\\x0061', 12.5, 't'::regclass);",
    )
    .await;
    run(
        &shop.server,
        "shop",
        "ALTER ROLE postgres SET DateStyle = 'German';
         ALTER ROLE postgres SET IntervalStyle = 'iso_8601';
         ALTER ROLE postgres SET extra_float_digits = -5;
         ALTER ROLE postgres SET bytea_output = 'escape';
         ALTER ROLE postgres SET TimeZone = 'Asia/Kolkata';
         ALTER ROLE postgres SET search_path = public;",
    )
    .await;
    let differences = shop.differences().await;
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(differences[0].starts_with("role postgres: attributes ["), "{differences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_give_what_one_gives() {
    // More than two ranges of 16 MiB.
    let big = "CREATE TABLE big AS SELECT n AS id, repeat('x', 500) AS v FROM generate_series(1, 80000) n";
    let one = Options { connections: 1, ..Options::default() };
    let mut shop = Shop::open_with(big, &[], one).await;
    assert_eq!(shop.mark.databases[1].tables[0].rows.as_ref().unwrap().count, 80_000);
    shop.options.connections = 4;
    assert_eq!(shop.differences().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_too_big_to_keep_still_differ() {
    let shop = Shop::open_with(SHOP, &[], keep_little()).await;
    shop.told_apart(
        "UPDATE orders SET status = 'open' WHERE id = 7",
        "UPDATE orders SET status = 'paid' WHERE id = 7",
        &["shop.public.orders: 100 rows as expected, with other content \
           (2 of 1024 parts differ; too many rows to keep each)"],
    )
    .await;
    // What was kept in full before is held against parts now, and the other way round.
    shop.told_apart(
        "DELETE FROM orders WHERE id > 1",
        "INSERT INTO orders SELECT n, 'paid', 'order ' || n FROM generate_series(2, 100) n",
        &["shop.public.orders: 1 rows, expected 100 (92 of 1024 parts differ; too many rows to keep each)"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_in_bytes_holds_too() {
    let at_most = KeepAtMost { rows: 1000, bytes: 100_000 };
    let options = Options { keep_at_most: at_most, ..Options::default() };
    let wide = "CREATE TABLE wide AS SELECT n AS id, repeat('x', 4000) AS v FROM generate_series(1, 100) n";
    let shop = Shop::open_with(wide, &[], options).await;
    let kept: u64 = std::fs::read_dir(shop.kept.path().join("mark"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(kept < 100_000 + 1024 * 32, "{kept} bytes kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_deep_in_a_long_value_is_shown_where_it_is() {
    let shop = Shop::open(
        "CREATE TABLE t (id int PRIMARY KEY, v text);
         INSERT INTO t VALUES (1, repeat('a', 1000) || 'b'), (2, repeat('a', 5000) || 'b');",
    )
    .await;
    shop.told_apart(
        "UPDATE t SET v = repeat('a', 1000) || 'c' WHERE id = 1",
        "UPDATE t SET v = repeat('a', 1000) || 'b' WHERE id = 1",
        &["shop.public.t: 2 rows as expected, with other content; row (id)=(1): v is …'aaaaaaaaaac' \
           (from byte 1001 on), expected …'aaaaaaaaaab' (from byte 1001 on)"],
    )
    .await;
    shop.told_apart(
        "UPDATE t SET v = repeat('a', 5000) || 'c' WHERE id = 2",
        "UPDATE t SET v = repeat('a', 5000) || 'b' WHERE id = 2",
        &["shop.public.t: 2 rows as expected, with other content; \
           row (id)=(2) differs further on than its kept text goes"],
    )
    .await;
}
