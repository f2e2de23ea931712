//! What single variables, names and parameters may be.

use super::*;

#[test]
fn another_store_wins_for_backups_and_for_clones() {
    let error = [("another-store-wins", Severity::Error)];
    for (name, text) in [
        ("WAL_S3_BUCKET", "old"),
        ("WALG_GS_PREFIX", "gs://old/x"),
        ("WAL_SWIFT_BUCKET", "old"),
        ("CLONE_WALE_S3_PREFIX", "azure://backups/x"),
        ("CLONE_WALG_GS_PREFIX", "gs://old/x"),
        ("CLONE_WAL_S3_BUCKET", "old"),
    ] {
        assert_eq!(with(&[(name, text)]), error, "{name}");
    }
    assert_eq!(with(&[("WALG_SSH_PREFIX", "ssh://host/x")]), [("another-store-wins", Severity::Warning)]);
    let s3 = Case::new()
        .without("WALG_AZ_PREFIX")
        .without("AZURE_STORAGE_ACCOUNT")
        .without("AZURE_STORAGE_ACCESS_KEY")
        .with("WALG_S3_PREFIX", value("s3://backups/acid-clone"));
    assert_eq!(s3.codes(), [""; 0], "a clone from Azure may well archive to S3");
}

#[test]
fn names_that_azure_refuses_are_told() {
    for (name, text, code) in [
        ("WALG_AZ_PREFIX", "azure:/backups/acid-clone", "prefix-not-a-url"),
        ("CLONE_WALG_AZ_PREFIX", "backups/acid-orders", "prefix-not-a-url"),
        ("WALG_AZ_PREFIX", "azure://my_backups/acid-clone", "container-name-refused"),
        ("AZURE_STORAGE_ACCOUNT", "clone-backups", "account-name-refused"),
        ("CLONE_AZURE_STORAGE_ACCOUNT", "prod.blob.core.windows.net", "account-name-refused"),
        ("AZURE_ENVIRONMENT_NAME", "AzureUSGovernment", "cloud-unknown"),
        ("WALG_COMPRESSION_METHOD", "gzip", "compression-unknown"),
    ] {
        assert_eq!(with(&[(name, text)]), [(code, Severity::Error)], "{name} {text}");
    }
    let public = [("cloud-unknown", Severity::Note)];
    assert_eq!(
        with(&[("AZURE_ENVIRONMENT_NAME", "AzureCloud")]),
        public,
        "what WAL-G takes is what is meant"
    );
    for (name, text) in [
        ("WALG_AZ_PREFIX", "azure://backups/acid-clone/"),
        ("CLONE_WALG_AZ_PREFIX", "az://backups/spilo/acid-orders/wal"),
        ("AZURE_ENVIRONMENT_NAME", "AzurePublicCloud"),
        ("WALG_COMPRESSION_METHOD", "zstd"),
    ] {
        assert_eq!(with(&[(name, text)]), [], "{name} {text}");
    }
}

#[test]
fn schedules_and_numbers_are_held_to_what_spilo_makes_of_them() {
    for (name, text, code, severity) in [
        ("BACKUP_SCHEDULE", "daily", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_SCHEDULE", "0 0 1 * * *", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_SCHEDULE", "0 0 30 2 *", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_SCHEDULE", "@reboot", "schedule-not-a-schedule", Severity::Warning),
        ("BACKUP_SCHEDULE", "", "schedule-not-a-schedule", Severity::Error),
        ("CRONTAB", "0 5 * * * /scripts/x.sh", "schedule-not-a-schedule", Severity::Error),
        ("BACKUP_NUM_TO_RETAIN", "", "retention-not-a-number", Severity::Warning),
        ("BACKUP_NUM_TO_RETAIN", "all", "retention-not-a-number", Severity::Warning),
        ("BACKUP_NUM_TO_RETAIN", "30d", "retention-not-a-number", Severity::Warning),
        ("BACKUP_NUM_TO_RETAIN", "1", "retention-not-a-number", Severity::Warning),
        ("WAL_RESTORE_TIMEOUT", "16", "restore-timeout", Severity::Warning),
        ("WAL_RESTORE_TIMEOUT", "1h", "restore-timeout", Severity::Note),
        ("WAL_RESTORE_TIMEOUT", "soon", "restore-timeout", Severity::Error),
    ] {
        assert_eq!(with(&[(name, text)]), [(code, severity)], "{name} {text}");
    }
    for (name, text) in [
        ("BACKUP_SCHEDULE", "@daily"),
        ("BACKUP_NUM_TO_RETAIN", "14"),
        ("WAL_RESTORE_TIMEOUT", "0"),
        ("CRONTAB", "[]"),
    ] {
        assert_eq!(with(&[(name, text)]), [], "{name} {text}");
    }
}

#[test]
fn parameters_against_archiving_and_recovery_are_told() {
    let given = |parameters: Value| {
        let mut case = Case::new();
        case.parameters = parameters;
        said(&case)
    };
    let error = [("archiving-overridden", Severity::Error)];
    assert_eq!(given(json!({ "archive_mode": "off" })), error);
    assert_eq!(given(json!({ "archive_mode": false })), error);
    assert_eq!(given(json!({ "archive_command": "/bin/true" })), error);
    assert_eq!(given(json!({ "archive_command": "envdir /run/etc/wal-e.d/env wal-g wal-push %p" })), []);
    assert_eq!(given(json!({ "archive_mode": "always" })), []);
    let restore = [("restore-command-overridden", Severity::Warning)];
    assert_eq!(given(json!({ "restore_command": "cp /mnt/%f %p" })), restore);
    let unseen = [("missed-target-not-seen", Severity::Warning)];
    assert_eq!(given(json!({ "log_destination": "jsonlog" })), unseen);
    assert_eq!(given(json!({ "logging_collector": "off" })), unseen);
    assert_eq!(given(json!({ "log_destination": "csvlog,jsonlog", "work_mem": "8MB" })), []);
}

#[test]
fn what_nobody_reads_is_one_finding_and_what_is_somebody_elses_none() {
    let misspelt = Case::new().without("CLONE_AZURE_STORAGE_ACCESS_KEY").with(
        "CLONE_AZURE_STORAGE_KEY",
        json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } }),
    );
    assert_eq!(said(&misspelt), [("variable-not-read", Severity::Error)]);
    let prefix = Case::new().without("WALG_AZ_PREFIX").with("WALG_AZURE_PREFIX", value("azure://backups/x"));
    assert_eq!(said(&prefix), [("variable-not-read", Severity::Error)]);
    let empty =
        Case::new().without("CLONE_WALG_AZ_PREFIX").with("clone_walg_az_prefix", value("azure://backups/x"));
    assert_eq!(said(&empty), [("variable-not-read", Severity::Error)]);
    assert_eq!(with(&[("WALG_TAR_SIZE_THRESHOLD", "1")]), [("variable-not-handed-on", Severity::Warning)]);
    assert_eq!(
        with(&[("AZURE_ENDPOINT_SUFFIX", "core.chinacloudapi.cn")]),
        [("variable-not-handed-on", Severity::Error)]
    );
    assert_eq!(with(&[("AZURE_ENDPOINT_SUFFIX", "core.windows.net")]), []);
    assert_eq!(with(&[("TZ", "UTC"), ("AZURE_SUBSCRIPTION_ID", "x"), ("STANDBY_WALG_AZ_PREFX", "x")]), []);
}

#[test]
fn references_that_stay_as_they_are_are_told_with_the_reason() {
    let error = [("reference-stays-literal", Severity::Error)];
    assert_eq!(with(&[("WALG_AZ_PREFIX", "azure://$(BUCKET)/acid-clone")]), error);
    assert_eq!(with(&[("WALG_AZ_PREFIX", "azure://$(BUCKET)/acid-clone"), ("BUCKET", "backups")]), error);
    assert_eq!(with(&[("AZURE_STORAGE_ACCOUNT", "$(ACCOUNT)")]), error);
    assert_eq!(with(&[("NOTE", "$(WHATEVER)")]), []);
    let mut case = Case::new();
    case.before.insert_str(
        0,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: m }\ndata: { prefix: \"azure://backups/$(SCOPE)\" }\n---\n",
    );
    let reference = json!({ "valueFrom": { "configMapKeyRef": { "name": "m", "key": "prefix" } } });
    assert_eq!(said(&case.with("WALG_AZ_PREFIX", reference)), error);
}

#[test]
fn a_uid_below_the_name_is_the_clusters_own_and_another_name_is_not() {
    let at = |prefix: &str| Case::new().with("WALG_AZ_PREFIX", value(prefix)).codes();
    let uid = "3f0e6a52-7c1b-4d5e-8a43-0d6b1c9e2f71";
    assert_eq!(at(&format!("azure://backups/spilo/acid-clone/{uid}/wal/15")), [""; 0]);
    assert_eq!(at("azure://backups/spilo/acid-clone/wal"), [""; 0]);
    assert_eq!(at(&format!("azure://backups/spilo/{uid}/wal/15")), ["prefix-without-own-name"]);
    assert_eq!(at("azure://backups/acid-clone/14"), ["prefix-against-convention"]);
    for own in [
        "azure://backups/$(SCOPE)-$(PGVERSION)",
        "azure://backups/$(SCOPE)/walg",
        "azure://backups/acid-clone/pg15",
        "azure://backups/acid-clone-15",
        "azure://backups/prod-acid-clone/15",
        "azure://acid-clone-backups/15",
    ] {
        assert_eq!(at(own), [""; 0], "{own}");
    }
    for others in
        ["azure://backups/acid-clone-eu/15", "azure://backups/acid-clone-2", "azure://backups/production/15"]
    {
        assert_eq!(at(others), ["prefix-without-own-name"], "{others}");
    }
}

#[test]
fn a_convention_that_nobody_gave_holds_nobody() {
    let mut case = Case::new().with("WALG_AZ_PREFIX", value("azure://backups/$(SCOPE)-$(PGVERSION)"));
    assert_eq!(case.codes(), [""; 0]);
    case.settings.prefix = "azure://{container}/{path}{cluster}[/{version}]".to_owned().try_into().unwrap();
    assert_eq!(case.codes(), ["prefix-against-convention"]);
}

#[test]
fn values_that_wal_g_cannot_use_are_told() {
    let error = [("value-refused-by-wal-g", Severity::Error)];
    for (name, text) in [
        ("WALG_AZURE_BUFFER_SIZE", "8MB"),
        ("CLONE_WALG_AZURE_MAX_BUFFERS", "four"),
        ("WALG_DELTA_ORIGIN", "FULL"),
        ("CLONE_WALG_DOWNLOAD_CONCURRENCY", "max"),
        ("WALG_NETWORK_RATE_LIMIT", "50MB"),
    ] {
        assert_eq!(with(&[(name, text)]), error, "{name}");
    }
    let warning = [("value-refused-by-wal-g", Severity::Warning)];
    assert_eq!(with(&[("WALG_DOWNLOAD_CONCURRENCY", "0")]), warning);
    assert_eq!(with(&[("WALG_DELTA_ORIGIN", "LATEST_FULL"), ("WALG_AZURE_BUFFER_SIZE", "33554432")]), []);
}

#[test]
fn a_switch_that_says_no_and_means_yes_is_told() {
    let warning = [("switch-on-whatever-it-says", Severity::Warning)];
    assert_eq!(with(&[("CLONE_TARGET_INCLUSIVE", "false")]), warning);
    assert_eq!(with(&[("USE_PAUSE_AT_RECOVERY_TARGET", "false")]), warning);
    assert_eq!(with(&[("CLONE_TARGET_INCLUSIVE", "")]), []);
}

#[test]
fn a_duplicate_that_says_the_same_is_no_finding() {
    let mut case = Case::new();
    case.env.push(("CLONE_AZURE_STORAGE_ACCOUNT", value("prodbackups")));
    assert_eq!(case.codes(), [""; 0]);
}

#[test]
fn a_prefix_inside_of_anothers_is_told_and_one_beside_it_not() {
    let at = |own: &str| {
        let mut case = Case::new()
            .with("WALG_AZ_PREFIX", value(own))
            .with("AZURE_STORAGE_ACCOUNT", value("prodbackups"));
        case.source = source();
        case.codes().into_iter().filter(|code| *code == "prefix-inside-of-another").count()
    };
    assert_eq!(at("azure://backups/spilo/acid-orders/wal/acid-clone/15"), 1);
    assert_eq!(at("azure://backups/spilo/acid-orders/wal-acid-clone/15"), 0);
    assert_eq!(at("azure://backups/spilo/acid-clone/15"), 0);
    assert_eq!(at("azure://backups/spilo/acid-orders/wal"), 0, "the same place is another finding");
}
