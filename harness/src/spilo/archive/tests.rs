use super::*;
use crate::spilo::Settings;

const AZ: (&str, &str) = ("WALG_AZ_PREFIX", "azure://backups/own");
const CLONE: (&str, &str) = ("CLONE_METHOD", "CLONE_WITH_WALE");
const CLONE_AZ: (&str, &str) = ("CLONE_WALG_AZ_PREFIX", "azure://backups/source");

fn written(pairs: &[(&str, &str)], scope: Scope) -> Option<EnvDir> {
    env_dir(&Settings::of(pairs.iter().copied().collect(), 2).variables, scope)
}

fn names(dir: &EnvDir) -> Vec<&str> {
    dir.entries.iter().map(|(name, _)| name.as_str()).collect()
}

fn get<'d>(dir: &'d EnvDir, name: &str) -> Option<&'d str> {
    dir.entries.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

#[test]
fn no_store_no_env_dir() {
    assert_eq!(written(&[("AZURE_STORAGE_ACCOUNT", "prod")], Scope::Own), None);
    let bucket = [CLONE, ("CLONE_WAL_AZ_BUCKET", "backups"), ("CLONE_SCOPE", "acid-orders")];
    assert_eq!(source(&bucket.iter().copied().collect(), "CLONE_"), Some("AZ"));
    assert_eq!(written(&bucket, Scope::Clone), None);
    // Spilo looks for it, and never reads it into what it looks through.
    assert_eq!(written(&[CLONE, ("CLONE_WALE_GCS_PREFIX", "gs://b/x")], Scope::Clone), None);
}

/// Each name that Spilo hands to WAL-G for Azure, of whichever scope.
const AZURE_NAMES: [&str; 29] = [
    "WALG_AZ_PREFIX",
    "AZURE_STORAGE_ACCOUNT",
    "WALG_AZURE_BUFFER_SIZE",
    "WALG_AZURE_MAX_BUFFERS",
    "AZURE_ENVIRONMENT_NAME",
    "AZURE_STORAGE_ACCESS_KEY",
    "WALG_DELTA_MAX_STEPS",
    "WALG_DELTA_ORIGIN",
    "WALG_DOWNLOAD_CONCURRENCY",
    "WALG_UPLOAD_CONCURRENCY",
    "WALG_UPLOAD_DISK_CONCURRENCY",
    "WALG_DISK_RATE_LIMIT",
    "WALG_NETWORK_RATE_LIMIT",
    "WALG_COMPRESSION_METHOD",
    "WALG_BACKUP_COMPRESSION_METHOD",
    "WALG_BACKUP_FROM_REPLICA",
    "WALG_SENTINEL_USER_DATA",
    "WALG_PREVENT_WAL_OVERWRITE",
    "WALG_S3_CA_CERT_FILE",
    "WALG_LIBSODIUM_KEY",
    "WALG_LIBSODIUM_KEY_PATH",
    "WALG_LIBSODIUM_KEY_TRANSFORM",
    "WALG_PGP_KEY",
    "WALG_PGP_KEY_PATH",
    "WALG_PGP_KEY_PASSPHRASE",
    "no_proxy",
    "http_proxy",
    "https_proxy",
    "PGPORT",
];
/// Those that are written beside them, with values of Spilo's own.
const SPILOS_NAMES: [&str; 4] = ["USE_WALG_BACKUP", "USE_WALG_RESTORE", "WALE_LOG_DESTINATION", "TMPDIR"];
/// Those that never reach WAL-G through an env dir, whatever a person expects.
const NEVER: [&str; 5] =
    ["AZURE_ENDPOINT_SUFFIX", "AZURE_CLIENT_ID", "AZURE_USE_MSI", "SSL_CERT_FILE", "WALG_LOG_LEVEL"];

#[test]
fn an_env_dir_holds_every_name_of_azure_and_no_other() {
    for scope in [Scope::Own, Scope::Clone] {
        let mut all: Variables = [CLONE].into_iter().collect();
        for name in AZURE_NAMES.iter().chain(&NEVER) {
            all.put(&format!("{}{name}", scope.prefix()), format!("value of {name}"));
        }
        all.put(&format!("{}USE_WALG_BACKUP", scope.prefix()), "true");
        all.put(&format!("{}USE_WALG_RESTORE", scope.prefix()), "true");
        all.put(&format!("{}BACKUP_NUM_TO_RETAIN", scope.prefix()), "9");
        let dir = env_dir(&Settings::of(all, 2).variables, scope).unwrap();
        let own: &[&str] = if scope == Scope::Own { &["BACKUP_NUM_TO_RETAIN"] } else { &[] };
        let mut expected = [&AZURE_NAMES[..], &SPILOS_NAMES, own].concat();
        let mut found = names(&dir);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{scope:?}");
        // Spilo keeps this one in lower case.
        for name in AZURE_NAMES.iter().filter(|name| **name != "WALG_BACKUP_FROM_REPLICA") {
            assert_eq!(get(&dir, name), Some(format!("value of {name}").as_str()), "{scope:?}");
        }
        assert_eq!(get(&dir, "WALE_LOG_DESTINATION"), Some("stderr"));
        assert_eq!(get(&dir, "TMPDIR"), Some("/home/postgres/tmp"));
    }
}

#[test]
fn what_is_empty_or_not_set_is_not_written_and_defaults_are() {
    let dir = written(&[AZ, ("AZURE_STORAGE_ACCOUNT", ""), ("WALG_LIBSODIUM_KEY", "")], Scope::Own).unwrap();
    assert_eq!(
        names(&dir),
        [
            "WALG_AZ_PREFIX",
            "WALG_DOWNLOAD_CONCURRENCY",
            "WALG_UPLOAD_CONCURRENCY",
            "USE_WALG_BACKUP",
            "USE_WALG_RESTORE",
            "PGPORT",
            "BACKUP_NUM_TO_RETAIN",
            "WALE_LOG_DESTINATION",
            "TMPDIR",
        ]
    );
    assert_eq!((get(&dir, "PGPORT"), get(&dir, "BACKUP_NUM_TO_RETAIN")), (Some("5432"), Some("5")));
}

#[test]
fn backups_are_taken_from_a_replica_where_the_variable_says_so_in_whatever_case() {
    let dir = written(&[AZ, ("WALG_BACKUP_FROM_REPLICA", "True")], Scope::Own).unwrap();
    assert_eq!(get(&dir, "WALG_BACKUP_FROM_REPLICA"), Some("true"));
}

#[test]
fn the_clones_dir_is_filled_from_the_clone_variables_alone() {
    let dir = written(
        &[
            AZ,
            ("AZURE_STORAGE_ACCOUNT", "clone"),
            ("AZURE_STORAGE_ACCESS_KEY", "clone-key"),
            CLONE,
            CLONE_AZ,
            ("BACKUP_NUM_TO_RETAIN", "9"),
            ("CLONE_SCOPE", "acid-orders"),
            ("CLONE_BACKUP_NUM_TO_RETAIN", "9"),
        ],
        Scope::Clone,
    )
    .unwrap();
    assert_eq!(names(&dir), ["WALG_AZ_PREFIX", "WALE_LOG_DESTINATION", "TMPDIR"]);
    assert_eq!(get(&dir, "WALG_AZ_PREFIX"), Some("azure://backups/source"));
}

#[test]
fn azure_clones_use_walg_only_when_told() {
    let restore = |more: &[(&str, &str)]| {
        let dir = written(&[&[CLONE, CLONE_AZ], more].concat(), Scope::Clone).unwrap();
        get(&dir, "USE_WALG_RESTORE").map(str::to_owned)
    };
    assert_eq!(restore(&[]), None);
    assert_eq!(restore(&[AZ]), None);
    for name in ["CLONE_USE_WALG_RESTORE", "CLONE_USE_WALG", "USE_WALG"] {
        assert_eq!(restore(&[(name, "TRUE")]).as_deref(), Some("true"), "{name}");
    }
    assert_eq!(restore(&[("CLONE_USE_WALG_RESTORE", "1")]), None);
    assert_eq!(restore(&[("USE_WALG", "true"), ("CLONE_USE_WALG_RESTORE", "false")]), None);
    let s3 = written(&[CLONE, ("CLONE_WALG_S3_PREFIX", "s3://b/x")], Scope::Clone).unwrap();
    assert_eq!(get(&s3, "USE_WALG_RESTORE"), Some("true"));
}

#[test]
fn the_first_complete_credential_alone_is_written() {
    let key = ("AZURE_STORAGE_ACCESS_KEY", "key");
    let token = ("AZURE_STORAGE_SAS_TOKEN", "token");
    let principal = [("AZURE_CLIENT_ID", "i"), ("AZURE_CLIENT_SECRET", "s"), ("AZURE_TENANT_ID", "t")];
    let all = [key, token, principal[0], principal[1], principal[2]];
    let credentials = |given: &[(&str, &str)]| {
        let dir = written(&[&[AZ], given].concat(), Scope::Own).unwrap();
        let found: Vec<String> =
            names(&dir).into_iter().filter(|n| all.iter().any(|(a, _)| a == n)).map(str::to_owned).collect();
        (found, dir.warnings)
    };
    assert_eq!(credentials(&[key]), (vec![key.0.to_owned()], vec![]));
    assert_eq!(credentials(&[token]), (vec![token.0.to_owned()], vec![]));
    assert_eq!(credentials(&principal).0, ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"]);
    assert_eq!(credentials(&principal[..2]), (vec![], vec![]));

    let (found, warnings) = credentials(&all);
    assert_eq!(found, [key.0]);
    let begin = "Multiple authentication options configured for wal-g backup to Azure, using AZURE_STORAGE_ACCESS_KEY.";
    assert!(warnings[0].starts_with(begin), "{warnings:?}");
    let (found, warnings) = credentials(&all[1..]);
    assert_eq!((found.as_slice(), warnings.len()), (&[token.0.to_owned()][..], 1));
    assert_eq!(credentials(&[("AZURE_STORAGE_ACCESS_KEY", ""), token]), (vec![token.0.to_owned()], vec![]));
}

#[test]
fn the_first_store_in_order_decides() {
    let stores = [
        ("WALG_S3_PREFIX", "s3://b/x"),
        ("WALG_GS_PREFIX", "gs://b/x"),
        ("WALE_SWIFT_PREFIX", "swift://b/x"),
        AZ,
        ("WALG_SSH_PREFIX", "ssh://h/x"),
    ];
    for first in 0..stores.len() {
        for scope in [Scope::Own, Scope::Clone] {
            let given: Variables = stores[first..]
                .iter()
                .map(|(name, value)| (format!("{}{name}", scope.prefix()), *value))
                .collect();
            let dir = env_dir(&given, scope).unwrap();
            assert_eq!(get(&dir, stores[first].0), Some(stores[first].1));
            for (later, _) in &stores[first + 1..] {
                assert_eq!(get(&dir, later), None, "{later} beside {}", stores[first].0);
            }
        }
    }
}

#[test]
fn every_prefix_or_bucket_with_scope_makes_a_clone() {
    let found = |pairs: &[(&str, &str)]| source(&pairs.iter().copied().collect(), "CLONE_");
    for store in ["S3", "GS", "GCS", "SWIFT", "AZ"] {
        assert_eq!(found(&[(&format!("CLONE_WALE_{store}_PREFIX"), "x")]), Some(store));
        let walg = matches!(store, "S3" | "GS" | "AZ").then_some(store);
        assert_eq!(found(&[(&format!("CLONE_WALG_{store}_PREFIX"), "x")]), walg);
        let bucket = format!("CLONE_WAL_{store}_BUCKET");
        assert_eq!(found(&[(&bucket, "b")]), None, "{store} without a scope");
        assert_eq!(found(&[(&bucket, "b"), ("CLONE_SCOPE", "s")]), Some(store));
        assert_eq!(found(&[(&bucket, ""), ("CLONE_SCOPE", "s")]), None, "{store} with an empty name");
    }
    assert_eq!(found(&[("CLONE_WALG_SSH_PREFIX", "x")]), None);
    assert_eq!(found(&[AZ]), None, "the cluster's own prefix is none of a clone's");
}

#[test]
fn each_of_these_names_switches_archiving_on_and_no_other() {
    let on = |name: &str| is_on(&[(name, "x")].into_iter().collect());
    for name in [
        "WAL_S3_BUCKET",
        "WALE_S3_PREFIX",
        "WALG_S3_PREFIX",
        "WALG_AZ_PREFIX",
        "WALG_SSH_PREFIX",
        "WAL_SWIFT_BUCKET",
        "WALE_SWIFT_PREFIX",
        "WAL_GCS_BUCKET",
        "WAL_GS_BUCKET",
        "WALE_GS_PREFIX",
        "WALG_GS_PREFIX",
    ] {
        assert!(on(name), "{name}");
        assert!(!is_on(&[(name, "")].into_iter().collect()), "{name}, empty");
    }
    for name in ["WAL_AZ_BUCKET", "WALE_AZ_PREFIX", "AZURE_STORAGE_ACCOUNT", "CLONE_WALG_AZ_PREFIX"] {
        assert!(!on(name), "{name}");
    }
}

#[test]
fn a_bucket_becomes_a_path_of_spilos_with_a_folder_a_major_version() {
    let prefixes = |scope: Scope, pairs: &[(&str, &str)]| {
        let given: Variables =
            pairs.iter().map(|(name, value)| (format!("{}{name}", scope.prefix()), *value)).collect();
        let dir = env_dir(&given, scope).unwrap();
        let prefixes = dir.entries.into_iter().filter(|(name, _)| name.ends_with("_PREFIX"));
        prefixes.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let cluster = [
        ("SCOPE", "acid"),
        ("WAL_BUCKET_SCOPE_PREFIX", "ns-"),
        ("WAL_BUCKET_SCOPE_SUFFIX", "/uid"),
        ("PGVERSION", "15"),
    ];
    for scope in [Scope::Own, Scope::Clone] {
        for (bucket, kind, expected) in [
            ("WAL_S3_BUCKET", "s3", &["WALE_S3_PREFIX", "WALG_S3_PREFIX"][..]),
            ("WAL_GS_BUCKET", "gs", &["WALE_GS_PREFIX", "WALG_GS_PREFIX"]),
            ("WAL_GCS_BUCKET", "gs", &["WALE_GS_PREFIX", "WALG_GS_PREFIX"]),
            ("WAL_SWIFT_BUCKET", "swift", &["WALE_SWIFT_PREFIX"]),
        ] {
            let made = prefixes(scope, &[&cluster[..], &[(bucket, "b")]].concat());
            let path = format!("{kind}://b/spilo/ns-acid/uid/wal/15");
            assert_eq!(made, expected.iter().map(|name| format!("{name}={path}")).collect::<Vec<_>>());
        }
    }
    let given = prefixes(Scope::Own, &[("WALE_S3_PREFIX", "s3://b/x"), ("WAL_S3_BUCKET", "other")]);
    assert_eq!(given, ["WALE_S3_PREFIX=s3://b/x", "WALG_S3_PREFIX=s3://b/x"]);
    assert_eq!(prefixes(Scope::Own, &[AZ, ("WALE_AZ_PREFIX", "x")]), ["WALG_AZ_PREFIX=azure://backups/own"]);
}

#[test]
fn what_is_not_derived_is_told() {
    assert!(written(&[("WALG_S3_PREFIX", "s3://b/x")], Scope::Own).unwrap().left_out.is_some());
    assert_eq!(written(&[AZ], Scope::Own).unwrap().left_out, None);
}
