//! Rows: changed, missing, extra, swapped, doubled.

use clonedrill::observe::data::{Options, compare, observe};

use super::{SHOP, Shop, keep_at_most, run};

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
    for (value, shown) in
        [("''", "''"), ("'NULL'", "'NULL'"), (r"E'\\N'", r"'\N'"), (r"E'\t'", r"E'\t'"), (r"'\t'", r"'\t'")]
    {
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
async fn columns_that_an_index_only_includes_are_no_part_of_the_key() {
    let shop = Shop::open(
        "CREATE TABLE t (id int, v text, PRIMARY KEY (id) INCLUDE (v)); INSERT INTO t VALUES (1, 'one');",
    )
    .await;
    shop.told_apart(
        "UPDATE t SET v = 'two'",
        "UPDATE t SET v = 'one'",
        &["shop.public.t: 1 rows as expected, with other content; row (id)=(1): v is 'two', expected 'one'"],
    )
    .await;
}

/// About 30 MiB in 64 parts, which several readers fill.
const BIG: &str = "
    CREATE TABLE big (id int PRIMARY KEY, status text, filler text);
    INSERT INTO big SELECT n, 'paid', repeat('x', 400) FROM generate_series(1, 70000) n;
";

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_big_tables_are_shown_too() {
    let shop = Shop::open(BIG).await;
    shop.told_apart(
        "UPDATE big SET status = 'open' WHERE id IN (7, 69999); DELETE FROM big WHERE id = 35000",
        "UPDATE big SET status = 'paid'; INSERT INTO big VALUES (35000, 'paid', repeat('x', 400))",
        &["shop.public.big: 69999 rows, expected 70000; row (id)=(7): status is 'open', expected 'paid'; \
           row (id)=(35000) is missing; row (id)=(69999): status is 'open', expected 'paid'"],
    )
    .await;
    // Not only a few: each of them has its like on the other side.
    run(&shop.server, "shop", "UPDATE big SET status = 'open'").await;
    let differences = shop.differences().await;
    assert!(
        differences[0].contains("row (id)=(1): status is 'open', expected 'paid'; row (id)=(2)"),
        "{differences:?}"
    );
    assert!(differences[0].ends_with("; and 69995 more"), "{differences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_grew_since_the_mark_is_still_compared_row_by_row() {
    let shop = Shop::open(SHOP).await;
    run(
        &shop.server,
        "shop",
        "INSERT INTO orders SELECT n, 'new', repeat('x', 400) FROM generate_series(101, 20000) n",
    )
    .await;
    run(&shop.server, "shop", "DELETE FROM orders WHERE id = 3").await;
    let differences = shop.differences().await;
    assert!(
        differences[0].starts_with(
            "shop.public.orders: 19999 rows, expected 100; row (id)=(3) is missing; row (id)=(101) is not"
        ),
        "{differences:?}"
    );
    assert!(differences[0].ends_with("; and 19896 more"), "{differences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_room_for_texts_rows_are_named_by_their_keys() {
    // All room for texts is taken once the first table is read.
    let shop = Shop::open_with(&format!("CREATE TABLE a (line text);\nINSERT INTO a SELECT repeat('x', 4000) FROM generate_series(1, 100);\n{SHOP}"), &[], Options { connections: 1, ..keep_at_most(600_000) }).await;
    shop.told_apart(
        "UPDATE orders SET status = 'open' WHERE id = 7",
        "UPDATE orders SET status = 'paid' WHERE id = 7",
        &["shop.public.orders: 100 rows as expected, with other content; \
           row (id)=(7) differs further on than its kept text goes"],
    )
    .await;
    run(&shop.server, "shop", "INSERT INTO log VALUES ('more')").await;
    let digest = "187897ce0afcf20b50ba2b37dca84a951b7046f29ed5ab94f010619f69d6e189";
    assert_eq!(
        shop.differences().await,
        [format!("shop.public.log: 3 rows, expected 2; row of SHA-256 {digest} is not expected")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_room_for_rows_tables_still_differ() {
    let shop = Shop::open_with(BIG, &[], keep_at_most(1000)).await;
    shop.told_apart(
        "UPDATE big SET status = 'open' WHERE id = 7",
        "UPDATE big SET status = 'paid' WHERE id = 7",
        &["shop.public.big: 70000 rows as expected, with other content \
           (1 of 64 parts differ; no room to keep each of its rows)"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_has_no_name_on_the_disk() {
    let shop = Shop::open(SHOP).await;
    assert_eq!(std::fs::read_dir(shop.kept.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_rows_are_hidden_before_values_are_cut() {
    let shop = Shop::open(SHOP).await;
    let key = "k/+9".repeat(22);
    run(
        &shop.server,
        "shop",
        &format!("UPDATE orders SET note = 'a key of eighty-eight characters: {key}' WHERE id = 7"),
    )
    .await;
    let now = observe(&shop.server.connect(), &shop.options, Some(shop.kept.path())).await.unwrap();
    let comparison = compare(&now, &shop.mark, &|text| text.replace(&key, "secret:0badcafe")).unwrap();
    assert_eq!(
        comparison.to_string(),
        "shop.public.orders: 100 rows as expected, with other content; row (id)=(7): \
         note is 'a key of eighty-eight characters: secret:0badcafe', expected 'order 7'"
    );
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
           (from character 1001 on), expected …'aaaaaaaaaab' (from character 1001 on)"],
    )
    .await;
    shop.told_apart(
        "UPDATE t SET v = repeat('a', 5000) || 'c' WHERE id = 2",
        "UPDATE t SET v = repeat('a', 5000) || 'b' WHERE id = 2",
        &["shop.public.t: 2 rows as expected, with other content; \
           row (id)=(2) differs further on than its kept text goes"],
    )
    .await;
    // Both are longer than what is kept, and differ within that.
    shop.told_apart(
        "UPDATE t SET v = repeat('a', 2000) || repeat('c', 4000) WHERE id = 2",
        "UPDATE t SET v = repeat('a', 5000) || 'b' WHERE id = 2",
        &[&format!(
            "shop.public.t: 2 rows as expected, with other content; row (id)=(2): v is …'aaaaaaaaaa{}…' \
             (from character 2001 on), expected …'{}…' (from character 2001 on)",
            "c".repeat(70),
            "a".repeat(80)
        )],
    )
    .await;
}
