//! Which options people can give to columns, relations and tablespaces.
//!
//! A server keeps notes of its own among them: since November 2026 `pg_attver` in every column, a number that differs between a
//! cluster and its clone. So what is looked at is what people can set, as PostgreSQL documents it; whatever else stands there is the
//! server's. `harness/tests/postgres/data/options.rs` has a server say which options it takes.

/// Of columns of tables.
const COLUMN: [&str; 2] = ["n_distinct", "n_distinct_inherited"];

/// Of columns of indexes, where the operator class is one of PostgreSQL's own. What those of extensions take, only they know.
const OPERATOR_CLASS: [&str; 4] =
    ["false_positive_rate", "n_distinct_per_range", "siglen", "values_per_range"];

/// Of tables, their TOAST tables, views and indexes, where the access method is one of PostgreSQL's own.
const RELATION: [&str; 34] = [
    "autosummarize",
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_enabled",
    "autovacuum_freeze_max_age",
    "autovacuum_freeze_min_age",
    "autovacuum_freeze_table_age",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_multixact_freeze_min_age",
    "autovacuum_multixact_freeze_table_age",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "buffering",
    "check_option",
    "deduplicate_items",
    "fastupdate",
    "fillfactor",
    "gin_pending_list_limit",
    "log_autovacuum_min_duration",
    "pages_per_range",
    "parallel_workers",
    "security_barrier",
    "security_invoker",
    "toast_tuple_target",
    "user_catalog_table",
    "vacuum_cleanup_index_scale_factor",
    "vacuum_index_cleanup",
    "vacuum_max_eager_freeze_failure_rate",
    "vacuum_truncate",
];

const TABLESPACE: [&str; 4] =
    ["effective_io_concurrency", "maintenance_io_concurrency", "random_page_cost", "seq_page_cost"];

/// The newest major version whose options stand above. Of a newer one every option counts whose name is not one of those that
/// PostgreSQL keeps for itself: what people set must not be lost without a word.
const KNOWN_MAJOR: u32 = 18;

/// What an index or constraint is without the server's own options. A column's last option goes with its brackets.
const PRINTED_WITHOUT_SERVERS: &str = r"CASE WHEN server_option.index IS NULL THEN printed ELSE
    regexp_replace(regexp_replace(regexp_replace(regexp_replace(
        printed, coalesce(whole, '$.'), '', 'g'), each, chr(1), 'g'), ', \x01|\x01, ', '', 'g'),
        ' (WITH )?\(\x01\)', '', 'g') END";

/// Puts the conditions on an option `o`, which is `name=value`, in the place of their names in `sql`. Where the
/// option is a relation's, `made_by` is the number of its access method; where it is an index's column's, that of its operator class.
pub(super) fn fill_in(sql: &str) -> String {
    let unknown_major =
        format!("current_setting('server_version_num')::int >= {}", (KNOWN_MAJOR + 1) * 10_000);
    // From 16384 on objects were made after initdb.
    let also_of_extensions = format!("(made_by >= 16384 OR {unknown_major})");
    [
        (":column_option", &COLUMN[..], &unknown_major),
        (":operator_class_option", &OPERATOR_CLASS, &also_of_extensions),
        (":relation_option", &RELATION, &also_of_extensions),
        (":tablespace_option", &TABLESPACE, &unknown_major),
    ]
    .into_iter()
    .fold(
        sql.replace(":printed_without_servers", PRINTED_WITHOUT_SERVERS),
        |sql, (name, options, others)| {
            let names = options.iter().map(|option| format!("'{option}'")).collect::<Vec<_>>().join(", ");
            let name_is = "split_part(o, '=', 1)";
            sql.replace(name, &format!("({name_is} IN ({names}) OR ({others} AND {name_is} !~ '^pg_'))"))
        },
    )
}
