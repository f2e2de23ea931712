//! The Patroni configuration, as Spilo makes it.

mod kubernetes;
mod libraries;
mod locale;
mod standby;

use serde_json::{Map, Value, json};

pub(super) use locale::Locales;

use super::programs::{Programs, ProgramsError};
use crate::spilo::merge::{self, ConfigurationError};
use crate::spilo::{CloneMethod, Settings};

/// What the configuration takes from the machine rather than from the environment.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub hostname: String,
    /// In MiB: the container's limit, or the machine's memory where that is less.
    pub memory: u64,
    pub locales: Locales,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum PatroniError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    Programs(#[from] ProgramsError),
}

/// Where the configuration is written; a link to it is in the home folder.
pub(super) const FILE_NAME: &str = "postgres.yml";

/// The generated configuration with `SPILO_CONFIGURATION` (or `PATRONI_CONFIGURATION`) over it, and
/// with what this machine does not have left out.
///
/// # Errors
/// When the user's configuration cannot be read, or this machine lacks the PostgreSQL that is asked for.
pub(super) fn configuration(
    settings: &Settings,
    machine: &Machine,
    programs: &Programs,
) -> Result<Value, PatroniError> {
    let name = if settings.variables.is_there("SPILO_CONFIGURATION") {
        "SPILO_CONFIGURATION"
    } else {
        "PATRONI_CONFIGURATION"
    };
    let user = merge::parse(name, settings.text(name))?;
    let mut generated = generated(settings, machine);
    kubernetes::add(&mut generated, settings, programs.release);
    let mut config = merge::over(user, Value::Object(generated));

    let data_dir = text_at(&config, "/postgresql/data_dir");
    let bin_dir = text_at(&config, "/postgresql/bin_dir");
    if let Some(bin) = programs.choose(data_dir.as_ref(), &bin_dir, settings.text("PGVERSION"))? {
        config["postgresql"]["bin_dir"] = json!(bin);
    }
    ensure_replication(&mut config);
    let bin = text_at(&config, "/postgresql/bin_dir");
    libraries::leave_out_missing(&mut config, bin.as_ref());
    machine.locales.replace_missing(&mut config);
    Ok(config)
}

/// The text at a JSON pointer, or an empty one.
pub(super) fn text_at(config: &Value, pointer: &str) -> String {
    config.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Spilo fills a template for HTML in: whatever is written into it, passwords too, has these five replaced. They stay so.
fn templated(settings: &Settings, name: &str) -> String {
    let text = settings.text(name).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#x27;")
}

fn generated(settings: &Settings, machine: &Machine) -> Map<String, Value> {
    let text = |name: &str| templated(settings, name);
    let pod_ip = settings.variables.set("POD_IP").unwrap_or("127.0.0.1");
    let address = |port: &str| match pod_ip.contains(':') {
        true => format!("[{pod_ip}]:{port}"),
        false => format!("{pod_ip}:{port}"),
    };
    let mut restapi = json!({
        "listen": format!(":{}", text("APIPORT")),
        "connect_address": address(&text("APIPORT")),
    });
    for (key, name) in [
        ("cafile", "SSL_RESTAPI_CA_FILE"),
        ("certfile", "SSL_RESTAPI_CERTIFICATE_FILE"),
        ("keyfile", "SSL_RESTAPI_PRIVATE_KEY_FILE"),
    ] {
        if settings.is_set(name) {
            restapi[key] = json!(text(name));
        }
    }
    let mut postgresql = json!({
        "pgpass": format!("{}/postgresql/pgpass", text("RW_DIR")),
        "use_unix_socket": true,
        "use_unix_socket_repl": true,
        "name": machine.hostname,
        "listen": format!("*:{}", text("PGPORT")),
        "connect_address": address(&text("PGPORT")),
        "data_dir": text("PGDATA"),
        "parameters": local_parameters(settings, machine),
        "pg_hba": pg_hba(settings),
        "authentication": {
            "superuser": {"username": text("PGUSER_SUPERUSER"), "password": text("PGPASSWORD_SUPERUSER")},
            "replication": {"username": text("PGUSER_STANDBY"), "password": text("PGPASSWORD_STANDBY")},
        },
        "callbacks": callbacks(&text("HUMAN_ROLE"), &text("CALLBACK_SCRIPT")),
        "create_replica_method": ["basebackup_fast_xlog"],
        "basebackup_fast_xlog": {"command": "/scripts/basebackup.sh", "retries": 2},
    });
    if settings.archiving {
        let env_dir = text("WALE_ENV_DIR");
        postgresql["recovery_conf"] = json!({"restore_command": settings.restore_command(&env_dir)});
        postgresql["create_replica_method"] = json!(["wal_e", "basebackup_fast_xlog"]);
        postgresql["wal_e"] = json!({
            "command": format!("envdir {env_dir} /scripts/wale_restore.sh"),
            "threshold_megabytes": text("WALE_BACKUP_THRESHOLD_MEGABYTES"),
            "threshold_backup_size_percentage": text("WALE_BACKUP_THRESHOLD_PERCENTAGE"),
            "retries": 2,
            "no_leader": 1,
        });
    }
    standby::add_method(&mut postgresql, settings);
    let config = json!({
        "bootstrap": bootstrap(settings, machine),
        "scope": text("SCOPE"),
        "restapi": restapi,
        "postgresql": postgresql,
    });
    match config {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Spilo's own callback comes after the one that was given.
fn callbacks(human: &str, given: &str) -> Value {
    let role_change = |script: &str| format!("/scripts/on_role_change.sh {human} {script}");
    match given {
        "" => json!({ "on_role_change": role_change("true") }),
        given => json!({ "on_start": given, "on_stop": given, "on_role_change": role_change(given) }),
    }
}

fn bootstrap(settings: &Settings, machine: &Machine) -> Value {
    let text = |name: &str| templated(settings, name);
    let mut bootstrap = json!({
        "post_init": format!(r#"/scripts/post_init.sh "{}""#, text("HUMAN_ROLE")),
        "dcs": {
            "ttl": 30,
            "loop_wait": 10,
            "retry_timeout": 10,
            "maximum_lag_on_failover": 33_554_432,
            "postgresql": {"use_pg_rewind": true, "use_slots": true, "parameters": shared_parameters(machine)},
        },
        "initdb": [
            {"encoding": "UTF8"},
            {"locale": format!("{}.UTF-8", text("INITDB_LOCALE"))},
            "data-checksums",
        ],
    });
    if let Some(section) = standby::section(settings) {
        bootstrap["dcs"]["standby_cluster"] = section;
    }
    match &settings.clone {
        CloneMethod::Nothing => {}
        CloneMethod::Backups { env_dir } => {
            let mut recovery = json!({
                "restore_command": settings.restore_command(env_dir),
                "recovery_target_timeline": text("CLONE_TARGET_TIMELINE"),
                "recovery_target_action":
                    if settings.is_set("USE_PAUSE_AT_RECOVERY_TARGET") { "pause" } else { "promote" },
            });
            if settings.is_set("CLONE_TARGET_TIME") {
                recovery["recovery_target_time"] = json!(text("CLONE_TARGET_TIME"));
            }
            // Spilo's template asks whether there is a text: `false` is one, and only an empty value excludes.
            if !settings.is_set("CLONE_TARGET_INCLUSIVE") {
                recovery["recovery_target_inclusive"] = json!(false);
            }
            bootstrap["method"] = json!("clone_with_wale");
            bootstrap["clone_with_wale"] = json!({
                "command": format!(
                    r#"envdir "{env_dir}" /scripts/clone_with_wale.py --recovery-target-time="{}""#,
                    text("CLONE_TARGET_TIME")
                ),
                "recovery_conf": recovery,
            });
        }
        CloneMethod::RunningCluster { pgpass } => {
            bootstrap["method"] = json!("clone_with_basebackup");
            bootstrap["clone_with_basebackup"] = json!({
                "command": format!(
                    r#"/scripts/clone_with_basebackup.py --pgpass={pgpass} --host={} --port={} --user="{}""#,
                    text("CLONE_HOST"),
                    text("CLONE_PORT"),
                    text("CLONE_USER")
                ),
            });
        }
    }
    if settings.variables.is_there("PGPASSWORD_ADMIN") {
        let user = json!({"password": text("PGPASSWORD_ADMIN"), "options": ["createrole", "createdb"]});
        bootstrap["users"] = json!({ text("PGUSER_ADMIN"): user });
    }
    bootstrap
}

/// What all members share, through the store.
fn shared_parameters(machine: &Machine) -> Value {
    json!({
        "archive_mode": "on",
        "archive_timeout": "1800s",
        "wal_level": "hot_standby",
        "wal_log_hints": "on",
        "wal_compression": "on",
        "max_wal_senders": 10,
        "max_connections": (machine.memory / 30).clamp(100, 1000),
        "max_replication_slots": 10,
        "hot_standby": "on",
        "tcp_keepalives_idle": 900,
        "tcp_keepalives_interval": 100,
        "log_line_prefix": "%t [%p]: [%l-1] %c %x %d %u %a %h ",
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_min_duration_statement": 500,
        "log_autovacuum_min_duration": 0,
        "log_connections": "on",
        "log_disconnections": "on",
        "log_statement": "ddl",
        "log_temp_files": 0,
        "track_functions": "all",
        "checkpoint_completion_target": 0.9,
        "autovacuum_max_workers": 5,
        "autovacuum_vacuum_scale_factor": 0.05,
        "autovacuum_analyze_scale_factor": 0.02,
    })
}

/// What only this member has.
fn local_parameters(settings: &Settings, machine: &Machine) -> Value {
    let hourly = settings.text("LOG_SHIP_HOURLY").eq_ignore_ascii_case("true");
    let mut parameters = json!({
        "archive_command": settings.archive_command(),
        "shared_buffers": format!("{}MB", machine.memory / 5),
        "logging_collector": "on",
        "log_destination": "csvlog",
        "log_directory": "../pg_log",
        "log_filename": if hourly { "postgresql-%u-%H.log" } else { "postgresql-%u.log" },
        "log_file_mode": "0644",
        "log_rotation_age": if hourly { "1h" } else { "1d" },
        "log_truncate_on_rotation": "on",
        "ssl": "on",
        "ssl_cert_file": settings.text("SSL_CERTIFICATE_FILE"),
        "ssl_key_file": settings.text("SSL_PRIVATE_KEY_FILE"),
        // Debian's own default; a PostgreSQL that was unpacked elsewhere may have another.
        "unix_socket_directories": "/var/run/postgresql",
        "shared_preload_libraries": "bg_mon,pg_stat_statements,pgextwlist,pg_auth_mon,set_user",
        "bg_mon.listen_address": "0.0.0.0",
        "bg_mon.history_buckets": 120,
        "pg_stat_statements.track_utility": "off",
        "extwlist.extensions": "btree_gin,btree_gist,citext,extra_window_functions,first_last_agg,hll,hstore,\
            hypopg,intarray,ltree,pgcrypto,pgq,pgq_node,pg_trgm,postgres_fdw,roaringbitmap,tablefunc,uuid-ossp,vector",
        "extwlist.custom_path": "/scripts",
    });
    for (key, name) in [("ssl_ca_file", "SSL_CA_FILE"), ("ssl_crl_file", "SSL_CRL_FILE")] {
        if settings.is_set(name) {
            parameters[key] = json!(settings.text(name));
        }
    }
    parameters
}

fn pg_hba(settings: &Settings) -> Vec<String> {
    let human = templated(settings, "HUMAN_ROLE");
    let standby = templated(settings, "PGUSER_STANDBY");
    let pam =
        |address: &str| settings.is_set("PAM_OAUTH2").then(|| format!("hostssl all +{human} {address} pam"));
    let line = |text: &str| Some(text.to_owned());
    let no_ssl = settings.is_set("ALLOW_NOSSL");
    [
        line("local all all trust"),
        pam("127.0.0.1/32"),
        line("host all all 127.0.0.1/32 md5"),
        pam("::1/128"),
        line("host all all ::1/128 md5"),
        Some(format!("local replication {standby} trust")),
        Some(format!("hostssl replication {standby} all md5")),
        (!no_ssl).then(|| "hostnossl all all all reject".to_owned()),
        pam("all"),
        line(if no_ssl { "host all all all md5" } else { "hostssl all all all md5" }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A user's `bootstrap.pg_hba` without a line for replication would leave replicas out.
fn ensure_replication(config: &mut Value) {
    let user = text_at(config, "/postgresql/authentication/replication/username");
    if let Some(Value::Array(lines)) = config.pointer_mut("/bootstrap/pg_hba")
        && !lines.iter().any(|line| line.as_str().is_some_and(|line| line.contains("replication")))
    {
        lines.insert(0, json!(format!("hostssl replication {user} all md5")));
    }
}

#[cfg(test)]
mod tests;
