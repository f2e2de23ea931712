use super::*;
use crate::spilo::Release;
use crate::toolchain::PostgresTool;

const OPERATOR: &[(&str, &str)] = &[
    ("DCS_ENABLE_KUBERNETES_API", "true"),
    ("KUBERNETES_SERVICE_HOST", "10.244.0.1"),
    ("KUBERNETES_SCOPE_LABEL", "cluster-name"),
    ("KUBERNETES_ROLE_LABEL", "spilo-role"),
    ("KUBERNETES_LABELS", r#"{"application":"spilo"}"#),
    ("PGROOT", "/home/postgres/pgdata/pgroot"),
    ("PGUSER_SUPERUSER", "postgres"),
    ("PGPASSWORD_SUPERUSER", "super"),
    ("PGUSER_STANDBY", "standby"),
    ("PGPASSWORD_STANDBY", "stand"),
    ("POD_IP", "10.244.1.5"),
    ("POD_NAMESPACE", "drill-1"),
    ("SCOPE", "acid-orders"),
];

fn made(more: &[(&str, &str)]) -> Value {
    try_made(more).unwrap()
}

fn try_made(more: &[(&str, &str)]) -> Result<Value, PatroniError> {
    made_by(Release::NEWEST, more)
}

fn made_by(release: Release, more: &[(&str, &str)]) -> Result<Value, PatroniError> {
    let settings = Settings::of(OPERATOR.iter().chain(more).copied().collect(), 2);
    let machine =
        Machine { hostname: "acid-orders-0".into(), memory: 500, locales: Locales::new(["C", "en_US.utf8"]) };
    let postgres =
        PostgresTool { major: 15, version: "15.1".into(), bin: "/pg/15/bin".into(), named_only: false };
    let programs = Programs {
        python: "python3".into(),
        postgres: vec![postgres],
        wal_g_predates_postgres_15: false,
        release,
        ..Programs::default()
    };
    configuration(&settings, &machine, &programs)
}

fn at(config: &Value, pointer: &str) -> Value {
    config.pointer(pointer).cloned().unwrap_or(Value::Null)
}

#[test]
fn kubernetes_is_the_store_with_endpoints() {
    let config = made(&[]);
    let store = &config["kubernetes"];
    assert_eq!(store["use_endpoints"], true);
    assert_eq!(store["pod_ip"], "10.244.1.5");
    assert_eq!(store["ports"], json!([{"port": 5432, "name": "postgresql"}]));
    assert_eq!(store["scope_label"], "cluster-name");
    assert_eq!(store["role_label"], "spilo-role");
    assert_eq!(store["leader_label_value"], "master");
    assert_eq!(store["labels"], json!({"application": "spilo"}));
    assert_eq!(store["bypass_api_service"], true);
    assert_eq!(config["namespace"], "drill-1");
    assert_eq!(config["scope"], "acid-orders");
}

#[test]
fn configmaps_replace_endpoints_and_bad_labels_the_default() {
    let config = made(&[("KUBERNETES_USE_CONFIGMAPS", "true"), ("KUBERNETES_LABELS", "no json")]);
    assert_eq!(at(&config, "/kubernetes/use_endpoints"), Value::Null);
    assert_eq!(at(&config, "/kubernetes/labels"), json!({"application": "spilo"}));
}

#[test]
fn the_fixed_settings_are_spilos() {
    let config = made(&[]);
    assert_eq!(at(&config, "/bootstrap/dcs/ttl"), 30);
    assert_eq!(at(&config, "/bootstrap/dcs/loop_wait"), 10);
    assert_eq!(at(&config, "/bootstrap/dcs/retry_timeout"), 10);
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/use_slots"), true);
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/use_pg_rewind"), true);
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/parameters/archive_mode"), "on");
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/parameters/archive_timeout"), "1800s");
    assert_eq!(at(&config, "/postgresql/listen"), "*:5432");
    assert_eq!(at(&config, "/postgresql/use_unix_socket"), true);
    assert_eq!(at(&config, "/postgresql/parameters/ssl"), "on");
    assert_eq!(at(&config, "/postgresql/parameters/shared_buffers"), "100MB");
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/parameters/max_connections"), 100);
    assert_eq!(at(&config, "/postgresql/bin_dir"), "/pg/15/bin");
    assert_eq!(at(&config, "/restapi/listen"), ":8008");
    assert_eq!(at(&config, "/restapi/connect_address"), "10.244.1.5:8008");
    assert_eq!(
        at(&config, "/bootstrap/initdb"),
        json!([{"encoding": "UTF8"}, {"locale": "en_US.UTF-8"}, "data-checksums"])
    );
    assert_eq!(at(&config, "/bootstrap/method"), Value::Null);
    assert_eq!(at(&config, "/postgresql/authentication/superuser/password"), "super");
}

#[test]
fn connections_from_outside_need_tls_unless_allowed() {
    let lines = |more| at(&made(more), "/postgresql/pg_hba");
    assert_eq!(
        lines(&[]),
        json!([
            "local all all trust",
            "host all all 127.0.0.1/32 md5",
            "host all all ::1/128 md5",
            "local replication standby trust",
            "hostssl replication standby all md5",
            "hostnossl all all all reject",
            "hostssl all all all md5",
        ])
    );
    let open = lines(&[("ALLOW_NOSSL", "true")]);
    assert!(!open.as_array().unwrap().contains(&json!("hostnossl all all all reject")));
    assert!(open.as_array().unwrap().contains(&json!("host all all all md5")));
}

#[test]
fn archiving_brings_a_restore_command_for_replicas() {
    assert_eq!(at(&made(&[]), "/postgresql/recovery_conf"), Value::Null);
    let config = made(&[("WALG_AZ_PREFIX", "azure://backups/x"), ("WAL_RESTORE_TIMEOUT", "60")]);
    assert_eq!(
        at(&config, "/postgresql/recovery_conf/restore_command"),
        r#"envdir "/run/etc/wal-e.d/env" timeout "60" /scripts/restore_command.sh "%f" "%p""#
    );
    assert_eq!(at(&config, "/postgresql/create_replica_method"), json!(["wal_e", "basebackup_fast_xlog"]));
}

const CLONE: &[(&str, &str)] = &[
    ("CLONE_METHOD", "CLONE_WITH_WALE"),
    ("CLONE_SCOPE", "acid-source"),
    ("CLONE_WALG_AZ_PREFIX", "azure://backups/spilo/acid-source/uid/wal"),
];

#[test]
fn a_clone_recovers_to_its_target_and_promotes() {
    let time = ("CLONE_TARGET_TIME", "2026-01-02T03:04:05+00:00");
    let config = made(&[CLONE, &[time]].concat());
    assert_eq!(at(&config, "/bootstrap/method"), "clone_with_wale");
    assert_eq!(
        at(&config, "/bootstrap/clone_with_wale"),
        json!({
            "command": "envdir \"/run/etc/wal-e.d/env-clone-acid-source\" /scripts/clone_with_wale.py \
                        --recovery-target-time=\"2026-01-02T03:04:05+00:00\"",
            "recovery_conf": {
                "restore_command": "envdir \"/run/etc/wal-e.d/env-clone-acid-source\" timeout \"0\" \
                                    /scripts/restore_command.sh \"%f\" \"%p\"",
                "recovery_target_timeline": "latest",
                "recovery_target_action": "promote",
                "recovery_target_time": "2026-01-02T03:04:05+00:00",
            },
        })
    );
}

#[test]
fn a_clones_recovery_follows_its_variables() {
    let more = [
        ("USE_PAUSE_AT_RECOVERY_TARGET", "true"),
        ("CLONE_TARGET_TIMELINE", "3"),
        ("CLONE_TARGET_INCLUSIVE", ""),
    ];
    let recovery = at(&made(&[CLONE, &more].concat()), "/bootstrap/clone_with_wale/recovery_conf");
    assert_eq!(recovery["recovery_target_action"], "pause");
    assert_eq!(recovery["recovery_target_timeline"], "3");
    assert_eq!(recovery["recovery_target_inclusive"], false);
    assert_eq!(recovery.get("recovery_target_time"), None);
    // Spilo's template asks whether there is a text: also `false` is one.
    for text in ["true", "false"] {
        let untold = made(&[CLONE, &[("CLONE_TARGET_INCLUSIVE", text)]].concat());
        let recovery = at(&untold, "/bootstrap/clone_with_wale/recovery_conf");
        assert_eq!(recovery.get("recovery_target_inclusive"), None, "{text}");
    }
    assert_eq!(
        at(&made(CLONE), "/bootstrap/clone_with_wale/recovery_conf").get("recovery_target_inclusive"),
        None
    );
}

#[test]
fn a_clone_of_a_running_cluster_streams_from_it() {
    let config = made(&[
        ("CLONE_METHOD", "CLONE_WITH_BASEBACKUP"),
        ("CLONE_SCOPE", "acid-source"),
        ("CLONE_HOST", "acid-source"),
        ("CLONE_USER", "standby"),
        ("CLONE_PASSWORD", "secret"),
    ]);
    assert_eq!(at(&config, "/bootstrap/method"), "clone_with_basebackup");
    assert_eq!(
        at(&config, "/bootstrap/clone_with_basebackup/command"),
        "/scripts/clone_with_basebackup.py --pgpass=/home/postgres/.pgpass_acid-source --host=acid-source \
         --port=5432 --user=\"standby\""
    );
    assert!(!config.to_string().contains("secret"));
}

#[test]
fn what_the_operator_sends_goes_over_it() {
    let sent = r#"{
        "postgresql": {"parameters": {"shared_buffers": "32MB", "log_statement": "all"}},
        "bootstrap": {
            "initdb": [{"auth-host": "md5"}, {"auth-local": "trust"}],
            "users": {"zalandos": {"password": "", "options": ["CREATEDB", "NOLOGIN"]}},
            "dcs": {"ttl": 60, "postgresql": {"parameters": {"max_connections": "20"}}},
            "pg_hba": ["hostssl all all all md5"]
        }
    }"#;
    let config = made(&[("SPILO_CONFIGURATION", sent)]);
    assert_eq!(at(&config, "/postgresql/parameters/shared_buffers"), "32MB");
    assert_eq!(at(&config, "/postgresql/parameters/log_statement"), "all");
    assert_eq!(at(&config, "/postgresql/parameters/ssl"), "on");
    assert_eq!(at(&config, "/bootstrap/initdb"), json!([{"auth-host": "md5"}, {"auth-local": "trust"}]));
    assert_eq!(at(&config, "/bootstrap/dcs/ttl"), 60);
    assert_eq!(at(&config, "/bootstrap/dcs/loop_wait"), 10);
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/parameters/max_connections"), "20");
    assert_eq!(at(&config, "/bootstrap/dcs/postgresql/parameters/archive_mode"), "on");
    assert_eq!(at(&config, "/bootstrap/users/zalandos/options"), json!(["CREATEDB", "NOLOGIN"]));
    assert_eq!(at(&config, "/bootstrap/pg_hba/0"), "hostssl replication standby all md5");
}

#[test]
fn patronis_own_variable_counts_where_spilos_is_not_there() {
    let own = ("PATRONI_CONFIGURATION", r#"{"bootstrap": {"dcs": {"ttl": 99}}}"#);
    assert_eq!(at(&made(&[own]), "/bootstrap/dcs/ttl"), 99);
    for spilos in ["", "{}", r#"{"bootstrap": {"dcs": {"loop_wait": 5}}}"#] {
        assert_eq!(at(&made(&[own, ("SPILO_CONFIGURATION", spilos)]), "/bootstrap/dcs/ttl"), 30, "{spilos}");
    }
    let error = try_made(&[("PATRONI_CONFIGURATION", "[]")]).unwrap_err().to_string();
    assert!(error.contains("PATRONI_CONFIGURATION"), "{error}");
}

#[test]
fn the_folder_of_spilos_image_leads_to_the_programs_of_that_major() {
    let named = |major: u16| {
        let sent = json!({"postgresql": {"bin_dir": format!("/usr/lib/postgresql/{major}/bin")}});
        try_made(&[("SPILO_CONFIGURATION", &sent.to_string())])
    };
    assert_eq!(at(&named(15).unwrap(), "/postgresql/bin_dir"), "/pg/15/bin");
    assert!(named(16).unwrap_err().to_string().contains("find PostgreSQL 16, which bin_dir asks for"));
    assert!(try_made(&[("PGVERSION", "16")]).unwrap_err().to_string().contains("PGVERSION"));
}

#[test]
fn patroni_and_replication_go_through_the_socket() {
    let config = made(&[]);
    assert_eq!(at(&config, "/postgresql/use_unix_socket"), true);
    assert_eq!(at(&config, "/postgresql/use_unix_socket_repl"), true);
    assert_eq!(at(&config, "/postgresql/parameters/unix_socket_directories"), "/var/run/postgresql");
}

#[test]
fn people_log_in_through_pam_where_it_is_configured() {
    assert_eq!(
        at(&made(&[("PAM_OAUTH2", "https://info.example.org/ uid")]), "/postgresql/pg_hba"),
        json!([
            "local all all trust",
            "hostssl all +zalandos 127.0.0.1/32 pam",
            "host all all 127.0.0.1/32 md5",
            "hostssl all +zalandos ::1/128 pam",
            "host all all ::1/128 md5",
            "local replication standby trust",
            "hostssl replication standby all md5",
            "hostnossl all all all reject",
            "hostssl all +zalandos all pam",
            "hostssl all all all md5",
        ])
    );
    let role = made(&[("PAM_OAUTH2", "https://info.example.org/ uid"), ("HUMAN_ROLE", "people")]);
    assert_eq!(at(&role, "/postgresql/pg_hba/1"), "hostssl all +people 127.0.0.1/32 pam");
}

#[test]
fn a_replica_is_made_from_the_backups_first_and_without_a_leader_too() {
    let config = made(&[("WALG_AZ_PREFIX", "azure://backups/x"), ("WALE_BACKUP_THRESHOLD_MEGABYTES", "7")]);
    assert_eq!(
        at(&config, "/postgresql/wal_e"),
        json!({
            "command": "envdir /run/etc/wal-e.d/env /scripts/wale_restore.sh",
            "threshold_megabytes": "7",
            "threshold_backup_size_percentage": "30",
            "retries": 2,
            "no_leader": 1,
        })
    );
    let plain = made(&[]);
    assert_eq!(at(&plain, "/postgresql/create_replica_method"), json!(["basebackup_fast_xlog"]));
    assert_eq!(at(&plain, "/postgresql/wal_e"), Value::Null);
}

#[test]
fn what_the_template_writes_is_escaped_for_html_and_stays_so() {
    let password = r#"a&b<c>d"e'f"#;
    let config = made(&[("PGPASSWORD_SUPERUSER", password), ("PGPASSWORD_STANDBY", "plain")]);
    let written = text_at(&config, "/postgresql/authentication/superuser/password");
    assert_eq!(written, "a&amp;b&lt;c&gt;d&quot;e&#x27;f");
    assert_eq!(text_at(&config, "/postgresql/authentication/replication/password"), "plain");
}

#[test]
fn a_callback_of_ones_own_is_called_besides_spilos() {
    let callbacks = |given: &[(&str, &str)]| made(given)["postgresql"]["callbacks"].clone();
    assert_eq!(callbacks(&[]), json!({ "on_role_change": "/scripts/on_role_change.sh zalandos true" }));
    assert_eq!(
        callbacks(&[("CALLBACK_SCRIPT", "python3 /own.py")]),
        json!({
            "on_start": "python3 /own.py",
            "on_stop": "python3 /own.py",
            "on_role_change": "/scripts/on_role_change.sh zalandos python3 /own.py",
        })
    );
}

#[test]
fn the_oldest_release_labels_every_leader_master() {
    let given = [("KUBERNETES_LEADER_LABEL_VALUE", "leader")];
    let label = |release: &str| {
        let config = made_by(release.parse().unwrap(), &given).unwrap();
        at(&config, "/kubernetes/leader_label_value")
    };
    assert_eq!((label("3.0-p1"), label("4.0-p2")), (json!("master"), json!("leader")));
}

#[test]
fn a_cluster_that_follows_backups_is_made_of_the_newest_and_reads_on() {
    let config =
        made(&[("STANDBY_WALG_AZ_PREFIX", "azure://backups/acid-orders/15"), ("WAL_RESTORE_TIMEOUT", "7")]);
    assert_eq!(
        at(&config, "/bootstrap/dcs/standby_cluster"),
        json!({
            "create_replica_methods": ["bootstrap_standby_with_wale", "basebackup_fast_xlog"],
            "restore_command":
                r#"envdir "/run/etc/wal-e.d/env-standby" timeout "7" /scripts/restore_command.sh "%f" "%p""#,
        })
    );
    let method = &config["postgresql"]["bootstrap_standby_with_wale"];
    assert_eq!(method["command"], r#"envdir "/run/etc/wal-e.d/env-standby" /scripts/wale_restore.sh"#);
    assert_eq!(method["no_leader"], 1);
    assert_eq!(at(&config, "/bootstrap/method"), Value::Null);
}

#[test]
fn a_cluster_that_follows_a_running_one_is_told_where_it_is() {
    let host = [
        ("STANDBY_HOST", "acid-orders"),
        ("STANDBY_PORT", "5433"),
        ("STANDBY_PRIMARY_SLOT_NAME", "follower"),
    ];
    let config = made(&host);
    assert_eq!(
        at(&config, "/bootstrap/dcs/standby_cluster"),
        json!({
            "create_replica_methods": ["basebackup_fast_xlog"],
            "host": "acid-orders",
            "port": "5433",
            "primary_slot_name": "follower",
        })
    );
    assert_eq!(at(&config, "/postgresql/bootstrap_standby_with_wale"), Value::Null);
    assert_eq!(
        at(&made(&[("STANDBY_METHOD", "STANDBY_WITH_WALE")]), "/bootstrap/dcs/standby_cluster"),
        Value::Null
    );
}

#[test]
fn one_may_follow_backups_and_a_running_cluster() {
    let config = made(&[("STANDBY_WALG_AZ_PREFIX", "azure://b/x"), ("STANDBY_HOST", "acid-orders")]);
    let section = at(&config, "/bootstrap/dcs/standby_cluster");
    assert_eq!(section["host"], "acid-orders");
    assert!(section["restore_command"].as_str().unwrap().contains("env-standby"));
}
