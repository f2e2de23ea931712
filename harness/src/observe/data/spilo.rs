//! What Spilo makes in a cluster's databases: the objects of its `post_init` script, which runs again at every start of a primary, so
//! in every clone. Names are those of Spilo 3.0-p1 to 4.0-p3 (`harness/docs/spilo-objects.md`). Only names that stand here are Spilo's: what
//! else people have in its schemas is theirs.

use std::collections::BTreeMap;

use super::FIRST;
use super::observation::{DataObservation, Database, Extension, SchemaObject};

/// Schemas of Spilo's own, and whether it makes them in every database.
const SCHEMAS: [(&str, bool); 4] =
    [("metric_helpers", true), ("user_management", true), ("zmon_utils", false), ("cron", false)];

/// Views and types, with their columns.
const RELATIONS: [(&str, bool); 9] = [
    ("metric_helpers.index_bloat", true),
    ("metric_helpers.nearly_exhausted_sequences", true),
    ("metric_helpers.pg_stat_statements", true),
    ("metric_helpers.table_bloat", true),
    ("zmon_utils.last_status_active_cronjobs", false),
    ("zmon_utils.replay_lag", false),
    ("zmon_utils.system_information", false),
    ("cron.job", false),
    ("cron.job_run_details", false),
];

/// Functions, as far as their arguments tell them from another one of the name.
const FUNCTIONS: [(&str, bool); 18] = [
    ("metric_helpers.get_btree_bloat_approx(OUT ", true),
    ("metric_helpers.get_nearly_exhausted_sequences(threshold double precision, OUT ", true),
    ("metric_helpers.get_table_bloat_approx(OUT ", true),
    ("metric_helpers.pg_stat_statements(showtext boolean)", true),
    ("user_management.create_application_user(username text)", true),
    ("user_management.create_application_user_or_change_password(username text, password text)", true),
    ("user_management.create_role(rolename text)", true),
    ("user_management.create_user(username text)", true),
    ("user_management.drop_role(username text)", true),
    ("user_management.drop_user(username text)", true),
    ("user_management.random_password(length integer)", true),
    ("user_management.revoke_admin(username text)", true),
    ("user_management.terminate_backend(pid integer)", true),
    ("zmon_utils.get_database_cluster_information()", false),
    ("zmon_utils.get_database_cluster_system_information()", false),
    ("zmon_utils.get_last_status_active_cronjobs(OUT ", false),
    ("zmon_utils.get_replay_lag(OUT ", false),
    ("cron.schedule_in_database(p_schedule text, p_database text, p_command text)", false),
];

/// Each with its schema. Elsewhere, or in another schema, they are people's.
const EXTENSIONS: [(&str, &str, bool); 9] = [
    ("pg_mon", "public", true),
    ("pg_stat_kcache", "public", true),
    ("pg_stat_statements", "public", true),
    ("set_user", "public", true),
    ("file_fdw", "public", false),
    ("pg_auth_mon", "public", false),
    ("pg_cron", "pg_catalog", false),
    ("pg_cron", "public", false),
    ("plpython3u", "pg_catalog", false),
];

/// What is not Spilo's own, but on which it grants to its roles.
const GRANTED: [&str; 11] = [
    "function pg_catalog.pg_switch_wal()",
    "view pg_catalog.pg_stat_activity",
    "function public.pg_stat_statements_reset(",
    "function public.set_user(pg_catalog.text)",
    "view public.pg_auth_mon",
    "function cron.",
    "schema cron",
    "table cron.job",
    "table column cron.job.",
    "table cron.job_run_details",
    "view public.pg_stat_statements",
];

/// Columns of the log table, which those of each day inherit.
const LOG_COLUMNS: [&str; 26] = [
    "application_name",
    "backend_type",
    "command_tag",
    "connection_from",
    "context",
    "database_name",
    "detail",
    "error_severity",
    "hint",
    "internal_query",
    "internal_query_pos",
    "leader_pid",
    "location",
    "log_time",
    "message",
    "process_id",
    "query",
    "query_id",
    "query_pos",
    "session_id",
    "session_line_num",
    "session_start_time",
    "sql_state_code",
    "transaction_id",
    "user_name",
    "virtual_transaction_id",
];

/// Roles that Spilo makes; what it grants, it grants to them. The last one is everybody, of whom it takes rights away.
const ROLES: [&str; 4] = ["admin", "cron_admin", "robot_zmon", ""];

/// Schemas in which each start grants to these roles on all that is there, also on what is people's, and takes everybody's rights on
/// it away; and from whom else.
const GRANTED_ON_ALL: [(&str, bool, &[&str], &str); 2] =
    [("metric_helpers.", true, &["admin", "robot_zmon"], ""), ("cron.", false, &["cron_admin"], "admin")];

/// Where pg_cron writes what became of each run, also of those in a clone.
pub(super) const CRON_RUNS: &str = "cron.job_run_details";

/// Where those runs have their numbers from.
pub(super) const CRON_RUN_NUMBERS: &str = "cron.runid_seq";

/// What it is of Spilo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Kept where it is there already, or replaced.
    Once,
    /// Dropped, with all that hangs on it, and made again at every start.
    Anew,
    /// An object of others on which Spilo only grants to its roles.
    Granted,
}

/// What a definition is of Spilo's; nothing where it is people's.
pub(super) fn made(database: &str, SchemaObject { kind, name, .. }: &SchemaObject) -> Option<Made> {
    let here = |every: &bool| *every || database == FIRST;
    let relation = |name: &str| {
        let listed = RELATIONS.iter().any(|(relation, every)| *relation == name && here(every));
        listed || (database == FIRST && is_log(name))
    };
    let function =
        |name: &str| FUNCTIONS.iter().any(|(function, every)| is_function(name, function) && here(every));
    // `schema.relation.column` and `schema.relation name`.
    let of_relation = |end: char| name.rsplit_once(end).filter(|(of, _)| relation(of));
    let is_made = match kind.as_str() {
        "schema" => SCHEMAS.iter().any(|(schema, every)| schema == name && here(every)),
        "table" | "view" | "foreign table" | "composite type" | "type" => relation(name),
        "column" => of_relation('.').is_some_and(|(of, column)| {
            !of.starts_with("public.postgres_log") || LOG_COLUMNS.contains(&column)
        }),
        "constraint" => of_relation(' ').is_some_and(|(of, constraint)| {
            of.starts_with("cron.")
                || matches!(
                    constraint,
                    "postgres_log_check"
                        | "postgres_log_session_id_not_null"
                        | "postgres_log_session_line_num_not_null"
                )
        }),
        "index" => {
            let indexes = ["cron.job_pkey", "cron.job_run_details_pkey", "cron.jobname_username_uniq"];
            database == FIRST && indexes.contains(&name.as_str())
        }
        "policy" => of_relation(' ')
            .is_some_and(|(_, policy)| matches!(policy, "cron_job_policy" | "cron_job_run_details_policy")),
        "trigger" => of_relation(' ').is_some_and(|(_, trigger)| trigger == "cron_job_cache_invalidate"),
        "function" => function(name),
        "comment" => name.strip_prefix("function ").is_some_and(is_commented),
        "foreign server" => database == FIRST && name == "pglog",
        "access" if GRANTED.iter().any(|granted| is_granted(name, granted)) => return Some(Made::Granted),
        _ => false,
    };
    // The table stays; tables and views of days are dropped when log files change their names.
    let dropped = ["zmon_utils", "public.postgres_log_", "public.failed_authentication_"];
    let anew = dropped.iter().any(|dropped| name.starts_with(dropped));
    is_made.then_some(if anew { Made::Anew } else { Made::Once })
}

/// The foreign tables and views of days, and of hours, beside the table that they inherit from.
fn is_log(name: &str) -> bool {
    let Some(name) = name.strip_prefix("public.") else { return false };
    let day = name.strip_prefix("postgres_log").or_else(|| name.strip_prefix("failed_authentication"));
    let Some(day) = day else { return false };
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match day.strip_prefix('_') {
        None => name == "postgres_log",
        Some(day) => match day.split_once('_') {
            None => digits(day, 1),
            Some((day, hour)) => digits(day, 1) && digits(hour, 2),
        },
    }
}

fn is_function(name: &str, listed: &str) -> bool {
    name == listed || (listed.ends_with(' ') && name.starts_with(listed))
}

fn is_granted(name: &str, listed: &str) -> bool {
    name == listed || (listed.ends_with(['(', '.']) && name.starts_with(listed))
}

/// As [`pg_identify_object`] names functions: types of their arguments alone.
fn is_commented(function: &str) -> bool {
    let Some((name, _)) = function.split_once('(') else { return false };
    let commented =
        |listed: &&str| listed.starts_with("user_management.") && listed.split('(').next() == Some(name);
    FUNCTIONS.iter().any(|(listed, _)| commented(listed))
}

pub(super) fn made_extension(database: &str, Extension { name, schema, .. }: &Extension) -> bool {
    let is = |(of, place, every): &(&str, &str, bool)| {
        of == name && place == schema && (*every || database == FIRST)
    };
    EXTENSIONS.iter().any(is)
}

/// Whether Spilo makes a table with this name.
pub(super) fn made_table(database: &str, name: &str) -> bool {
    database == FIRST && (is_log(name) || name == "cron.job" || name == CRON_RUNS)
}

/// Whether it is a sequence of pg_cron's, which Spilo makes; one is drawn from for each job, one for each of its runs.
pub(super) fn made_sequence(database: &str, name: &str) -> bool {
    database == FIRST && (name == "cron.jobid_seq" || name == CRON_RUN_NUMBERS)
}

/// What of an object's access rights people have granted: to others than Spilo's roles and its owner.
pub(super) fn granted_by_people(definition: &str) -> Vec<&str> {
    let list = match definition.split_once("access {") {
        Some((_, rest)) => rest.split('}').next().unwrap_or_default(),
        None => definition.strip_prefix('{').and_then(|list| list.strip_suffix('}')).unwrap_or_default(),
    };
    let is_peoples = |grant: &&str| {
        let (to, rest) = grant.split_once('=').unwrap_or((grant, ""));
        let by = rest.split_once('/').map_or("", |(_, by)| by);
        !to.is_empty() && !ROLES.contains(&to) && to != by
    };
    list.split(',').filter(|grant| !grant.is_empty()).filter(is_peoples).collect()
}

/// Whether a thing of people's in one of Spilo's schemas differs in no more than what a start grants on all that is there: people
/// made it after the last start of its source.
pub(super) fn granted_at_start(database: &str, observed: &SchemaObject, expected: &SchemaObject) -> bool {
    let (name, kind) = (observed.name.as_str(), observed.kind.as_str());
    let schema = GRANTED_ON_ALL
        .iter()
        .find(|(schema, every, ..)| name.starts_with(schema) && (*every || database == FIRST));
    let Some((schema, _, roles, revoked)) = schema else { return false };
    let granted = match kind {
        "function" | "aggregate" => true,
        "table" | "view" | "materialized view" | "foreign table" => *schema != "cron.",
        _ => false,
    };
    let (Some((before, seen, after)), Some((also_before, wanted, also_after))) =
        (grants(&observed.definition), grants(&expected.definition))
    else {
        return false;
    };
    let after_a_start = |to: &&str| match (seen.get(to), wanted.get(to)) {
        (Some((seen, by)), Some((wanted, also_by))) if roles.contains(to) => {
            by == also_by && wanted.chars().all(|right| seen.contains(right))
        }
        (Some(_), None) => roles.contains(to),
        (None, Some(_)) => to.is_empty() || to == revoked,
        (seen, wanted) => seen == wanted,
    };
    granted
        && (before, after) == (also_before, also_after)
        && roles.iter().all(|role| seen.contains_key(role))
        && !seen.contains_key("")
        && seen.keys().chain(wanted.keys()).all(after_a_start)
}

/// What is granted and by whom, by the role that has it.
type Grants<'a> = BTreeMap<&'a str, (&'a str, &'a str)>;

/// These, and the definition before and after them; nothing where a role has rights from several.
fn grants(definition: &str) -> Option<(&str, Grants<'_>, &str)> {
    let (before, rest) = definition.split_once("access {")?;
    let (list, after) = rest.split_once('}')?;
    let mut grants = Grants::new();
    for grant in list.split(',').filter(|grant| !grant.is_empty()) {
        let (to, rest) = grant.split_once('=')?;
        if grants.insert(to, rest.split_once('/')?).is_some() {
            return None;
        }
    }
    Some((before, grants, after))
}

/// The images of both sides are known and differ. A digest says more than a name: a mirror's image has another one.
pub(super) fn images_differ(observed: &DataObservation, expected: &DataObservation) -> bool {
    let (Some(one), Some(other)) = (&observed.image, &expected.image) else { return false };
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((_, one)), Some((_, other))) => one != other,
        _ => one != other,
    }
}

/// What a snapshot says of all that Spilo has made in a database: the parts that each of its images makes.
pub(super) fn summary(database: &Database) -> Option<String> {
    let has = |kind: &str, name: &str| {
        let is = |object: &&SchemaObject| object.kind == kind && object.name == name;
        database.schema.iter().find(is).is_some_and(|object| made(&database.name, object).is_some())
    };
    let schemas = SCHEMAS.iter().map(|(schema, _)| *schema).filter(|schema| *schema != "cron");
    let mut parts: Vec<&str> = schemas.filter(|schema| has("schema", schema)).collect();
    parts.extend(has("table", "public.postgres_log").then_some("postgres_log"));
    parts.sort_unstable();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str) -> SchemaObject {
        SchemaObject { kind: kind.to_owned(), name: name.to_owned(), definition: String::new() }
    }

    #[test]
    fn spilos_objects_are_told_from_peoples_beside_them() {
        for (kind, name, expected) in [
            ("schema", "metric_helpers", Some(Made::Once)),
            ("schema", "zmon_utils", Some(Made::Anew)),
            ("view", "metric_helpers.table_bloat", Some(Made::Once)),
            ("column", "metric_helpers.table_bloat.t_is_na", Some(Made::Once)),
            ("function", "metric_helpers.get_table_bloat_approx(OUT t_database name)", Some(Made::Once)),
            ("function", "user_management.create_user(username text)", Some(Made::Once)),
            ("comment", "function user_management.create_user(text)", Some(Made::Once)),
            ("table", "public.postgres_log", Some(Made::Once)),
            ("column", "public.postgres_log.log_time", Some(Made::Once)),
            ("constraint", "public.postgres_log postgres_log_check", Some(Made::Once)),
            ("foreign table", "public.postgres_log_7", Some(Made::Anew)),
            ("foreign table", "public.postgres_log_7_23", Some(Made::Anew)),
            ("view", "public.failed_authentication_0", Some(Made::Anew)),
            ("foreign server", "pglog", Some(Made::Once)),
            ("access", "function pg_catalog.pg_switch_wal()", Some(Made::Granted)),
            (
                "access",
                "function public.pg_stat_statements_reset(pg_catalog.oid,pg_catalog.oid,bigint)",
                Some(Made::Granted),
            ),
            ("access", "function public.set_user(pg_catalog.text)", Some(Made::Granted)),
            ("access", "function public.set_user(pg_catalog.text,pg_catalog.text)", None),
            ("policy", "cron.job cron_job_policy", Some(Made::Once)),
            // People's.
            ("schema", "metric_helpers_too", None),
            ("view", "metric_helpers.mine", None),
            ("function", "metric_helpers.mine(OUT a name)", None),
            ("function", "user_management.create_user(username text, team text)", None),
            ("trigger", "public.postgres_log mine", None),
            ("column", "public.postgres_log.mine", None),
            ("index", "cron.mine", None),
            ("table", "public.postgres_log_archive", None),
            ("table", "public.postgres_logs", None),
            ("foreign table", "public.postgres_log_77", None),
            ("access", "function pg_catalog.pg_reload_conf()", None),
            ("access", "table cron.job_queue", None),
        ] {
            assert_eq!(made("postgres", &object(kind, name)), expected, "{kind} {name}");
        }
        for (kind, name, is_made) in [
            ("schema", "metric_helpers", true),
            ("schema", "zmon_utils", false),
            ("table", "public.postgres_log", false),
            ("function", "user_management.drop_user(username text)", true),
        ] {
            assert_eq!(
                made("orders", &object(kind, name)).is_some(),
                is_made,
                "{kind} {name} of another database"
            );
        }
    }

    #[test]
    fn what_a_start_grants_on_peoples_things_in_spilos_schemas_is_its_own() {
        let thing = |kind: &str, name: &str, access: &str| SchemaObject {
            definition: format!("owner bob; access {{{access}}}; method heap"),
            ..object(kind, name)
        };
        let granted = |kind, name, observed, expected| {
            let (observed, expected) = (thing(kind, name, observed), thing(kind, name, expected));
            granted_at_start("postgres", &observed, &expected)
        };
        let (table, job) = (("table", "metric_helpers.mine"), ("function", "cron.mine()"));
        let (started, bobs) = ("admin=r/bob,bob=arw/bob,robot_zmon=r/bob", "bob=arw/bob");
        assert!(granted(table.0, table.1, started, bobs));
        assert!(granted(table.0, table.1, started, "=r/bob,bob=arw/bob"));
        assert!(granted(job.0, job.1, "bob=X/bob,cron_admin=X/bob", "=X/bob,admin=X/bob,bob=X/bob"));
        for (observed, expected) in [
            // What no start does.
            (bobs, started),
            ("admin=r/bob,bob=arw/bob", bobs),
            ("=r/bob,admin=r/bob,bob=arw/bob,robot_zmon=r/bob", bobs),
            (started, "bob=r/bob"),
            (started, "admin=rw/bob,bob=arw/bob"),
            (started, "bob=arw/bob,grafana=r/bob"),
            ("admin=r/bob,bob=arw/bob,grafana=r/bob,robot_zmon=r/bob", bobs),
        ] {
            assert!(!granted(table.0, table.1, observed, expected), "{observed} for {expected}");
        }
        assert!(!granted("table", "public.mine", started, bobs));
        assert!(!granted("sequence", table.1, started, bobs));
        assert!(!granted("table", "cron.mine", "bob=arw/bob,cron_admin=r/bob", bobs));
        let cron = |access| thing(job.0, job.1, access);
        assert!(!granted_at_start("shop", &cron("bob=X/bob,cron_admin=X/bob"), &cron("bob=X/bob")));
        let other = SchemaObject {
            definition: "owner bob; access {bob=arw/bob}; method other".to_owned(),
            ..object(table.0, table.1)
        };
        assert!(!granted_at_start("postgres", &thing(table.0, table.1, started), &other));
    }

    #[test]
    fn an_extension_is_spilos_in_its_schema_and_database() {
        let made = |database: &str, name: &str, schema: &str| {
            let [name, schema] = [name, schema].map(str::to_owned);
            made_extension(
                database,
                &Extension { name, schema, version: "1".to_owned(), owner: "postgres".to_owned() },
            )
        };
        assert!(made("orders", "pg_stat_statements", "public") && made("postgres", "file_fdw", "public"));
        assert!(!made("orders", "pg_stat_statements", "extensions") && !made("orders", "file_fdw", "public"));
        assert!(!made("postgres", "citext", "public"));
    }

    #[test]
    fn what_people_granted_on_spilos_objects_is_found() {
        let people = |definition| granted_by_people(definition).join(" ");
        assert_eq!(
            people("owner postgres; access {=X/postgres,admin=X/postgres,postgres=X/postgres}; CREATE"),
            ""
        );
        assert_eq!(
            people("owner postgres; access {admin=U/postgres,grafana=U/postgres}"),
            "grafana=U/postgres"
        );
        assert_eq!(people("{admin=X/postgres,grafana=X/postgres,postgres=X/postgres}"), "grafana=X/postgres");
        assert_eq!(people("1. text"), "");
    }
}
