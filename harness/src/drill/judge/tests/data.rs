//! What is expected of a cluster's data.

use super::*;

#[test]
fn data_equals() {
    let expect = |other: &str| running(json!({ "data": { "equals": other } }));
    assert_eq!(said(&sound(), expect("mark")), []);
    let found = judge(&sound(), expect("source"));
    assert_eq!((found[0].subject.as_str(), found[0].expected.as_str()), ("clone: data", "equal to source"));
    assert_eq!(found[0].seen, "1 differences");
    assert!(found[0].evidence[0].contains("orders.public.orders"), "{:?}", found[0].evidence);
    assert!(found[0].evidence[0].contains("3 rows, expected 4"), "{:?}", found[0].evidence);
}

#[test]
fn data_differs_from() {
    let expect = |other: &str| running(json!({ "data": { "differs-from": other } }));
    assert_eq!(said(&sound(), expect("source")), []);
    let seen = "they are equal: 1 databases, 1 tables, 3 rows";
    assert_eq!(said(&sound(), expect("mark")), says("clone: data", "different from mark", seen));
}

#[test]
fn data_of_what_does_not_run_are_neither_equal_nor_different() {
    for (field, wanted) in [("equals", "equal to"), ("differs-from", "different from")] {
        let gone = with_clone(|clone| clone.data = None);
        let seen = "it did not run at the end, so its data are not known";
        let expect = running(json!({ "data": { field: "mark" } }));
        assert_eq!(said(&gone, expect), says("clone: data", &format!("{wanted} mark"), seen));
        let mut gone = sound();
        gone.clusters.get_mut("source").unwrap().data = None;
        let expect = running(json!({ "data": { field: "source" } }));
        let seen = "source did not run, so its data are not known";
        assert_eq!(said(&gone, expect), says("clone: data", &format!("{wanted} source"), seen));
    }
}

#[test]
fn two_clusters_without_a_row_prove_nothing() {
    let mut observed = with_clone(|clone| clone.data = Some(data(0)));
    observed.marks.insert("mark".to_owned(), data(0));
    let seen = "neither has a single row, which proves nothing: 1 databases, 1 tables, 0 rows";
    let expect = running(json!({ "data": { "equals": "mark" } }));
    assert_eq!(said(&observed, expect), says("clone: data", "equal to mark", seen));
}

/// The mark's data with something about its database changed.
fn with_mark(change: impl FnOnce(&mut Database)) -> Observed {
    let mut observed = sound();
    change(&mut observed.marks.get_mut("mark").unwrap().databases[0]);
    observed
}

#[test]
fn other_definitions_are_not_equal_and_not_other_data() {
    let observed = || with_mark(|database| database.definition = "owner somebody".to_owned());
    assert_eq!(
        said(&observed(), running(json!({ "data": { "equals": "mark" } }))),
        says("clone: data", "equal to mark", "1 differences")
    );
    assert_eq!(
        said(&observed(), running(json!({ "data": { "differs-from": "mark" } }))),
        says("clone: data", "different from mark", "no other rows, but 1 other differences")
    );
    assert_eq!(told_apart(&observed(), json!({ "outcome": "running", "data": { "equals": "mark" } })), None);
}

#[test]
fn data_that_cannot_be_read_fail_a_drill_and_prove_nothing() {
    let damaged = || {
        with_clone(|clone| {
            let table = &mut clone.data.as_mut().unwrap().databases[0].tables[0];
            (table.rows, table.damage) = (None, Some("invalid page in block 0 (SQLSTATE XX001)".to_owned()));
        })
    };
    let found = judge(&damaged(), running(json!({ "data": { "equals": "mark" } })));
    assert_eq!(found[0].seen, "1 differences");
    assert_eq!(
        found[0].evidence,
        ["orders.public.orders: cannot be read: invalid page in block 0 (SQLSTATE XX001)"]
    );
    assert_eq!(
        said(&damaged(), running(json!({ "data": { "differs-from": "mark" } }))),
        says("clone: data", "different from mark", "no other rows, as far as they can be read")
    );
    for data in [json!({ "equals": "mark" }), json!({ "differs-from": "mark" })] {
        assert_eq!(told_apart(&damaged(), json!({ "outcome": "running", "data": data })), None);
    }
}

#[test]
fn a_database_that_lets_nobody_in_is_not_known_to_be_equal() {
    let mut observed = with_mark(|database| database.connectable = false);
    observed.clusters.get_mut("clone").unwrap().data.as_mut().unwrap().databases[0].connectable = false;
    let seen = "database orders lets nobody in, so its data are not known";
    assert_eq!(
        said(&observed, running(json!({ "data": { "equals": "mark" } }))),
        says("clone: data", "equal to mark", seen)
    );
}

#[test]
fn many_differences_are_shown_from_those_of_rows_on_and_all_are_kept() {
    let observed = with_mark(|database| {
        database.tables[0].rows.as_mut().unwrap().count = 5;
        database.schema = (0..20)
            .map(|number| SchemaObject {
                kind: "index".to_owned(),
                name: format!("public.i{number}"),
                definition: String::new(),
            })
            .collect();
    });
    let found = judge(&observed, running(json!({ "data": { "equals": "mark" } })));
    assert_eq!(found[0].seen, "21 differences");
    assert_eq!(found[0].evidence.len(), EVIDENCE_LINES);
    assert_eq!(found[0].evidence[0], "orders.public.orders: 3 rows, expected 5");
    assert_eq!(found[0].help, "data/clone-against-mark.txt in the evidence folder lists all");
    let files = observed.comparisons.files();
    assert_eq!(files.len(), 1);
    assert_eq!((files[0].0.as_str(), files[0].1.lines().count()), ("data/clone-against-mark.txt", 21));
}

#[test]
fn the_rows_may_be_the_same_where_definitions_are_not() {
    let rows = running(json!({ "data": { "same-rows-as": "mark" } }));
    assert_eq!(said(&sound(), rows.clone()), []);
    let redefined = with_clone(|clone| {
        clone.data.as_mut().unwrap().databases[0].definition = "owner orders".to_owned();
    });
    assert_eq!(said(&redefined, running(json!({ "data": { "equals": "mark" } }))).len(), 1);
    assert_eq!(said(&redefined, rows.clone()), []);
    let summaries = redefined.summaries(&serde_json::from_value(rows.clone()).unwrap()).unwrap();
    let clone = summaries.iter().find(|summary| summary.cluster == "clone").unwrap();
    assert!(clone.data.starts_with("has the rows of mark ("), "{}", clone.data);
    let found = said(&with_clone(|clone| clone.data = Some(data(4))), rows.clone());
    assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("clone: data", "with the rows of mark"));
    assert!(found[0].2.starts_with("other rows: "), "{found:?}");
    let empty = with_clone(|clone| clone.data = Some(data(0)));
    assert_eq!(said(&empty, rows.clone()).len(), 1);
    let unread =
        with_clone(|clone| clone.data.as_mut().unwrap().databases[0].tables[0].damage = Some("x".to_owned()));
    assert_eq!(said(&unread, rows).len(), 1);
    assert!(
        told_apart(&sound(), json!({ "outcome": "running", "data": { "same-rows-as": "source" } })).is_some()
    );
}
