//! A cluster that follows another one: what Patroni is told of it, from the `STANDBY_` variables.

use serde_json::{Value, json};

use super::templated;
use crate::spilo::Settings;

/// How Patroni makes the first member from backups, by its name in the configuration.
const FROM_BACKUPS: &str = "bootstrap_standby_with_wale";

/// `standby_cluster` of the configuration that all members share. It counts while the cluster is made, and never again.
pub(super) fn section(settings: &Settings) -> Option<Value> {
    settings.standby?;
    let mut section = match &settings.standby_env_dir {
        Some(env_dir) => json!({
            "create_replica_methods": [FROM_BACKUPS, "basebackup_fast_xlog"],
            "restore_command": settings.restore_command(env_dir),
        }),
        None => json!({ "create_replica_methods": ["basebackup_fast_xlog"] }),
    };
    for (key, name) in [
        ("host", "STANDBY_HOST"),
        ("port", "STANDBY_PORT"),
        ("primary_slot_name", "STANDBY_PRIMARY_SLOT_NAME"),
    ] {
        if settings.is_set(name) {
            section[key] = json!(templated(settings, name));
        }
    }
    Some(section)
}

/// Adds the way to make the first member from backups, where there is one.
pub(super) fn add_method(postgresql: &mut Value, settings: &Settings) {
    let Some(env_dir) = &settings.standby_env_dir else { return };
    postgresql[FROM_BACKUPS] = json!({
        "command": format!(r#"envdir "{env_dir}" /scripts/wale_restore.sh"#),
        "threshold_megabytes": templated(settings, "WALE_BACKUP_THRESHOLD_MEGABYTES"),
        "threshold_backup_size_percentage": templated(settings, "WALE_BACKUP_THRESHOLD_PERCENTAGE"),
        "retries": 2,
        "no_leader": 1,
    });
}
