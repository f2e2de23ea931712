#![allow(clippy::unwrap_used)]
use super::*;
use crate::environment::local::images::spilo::settings::Settings;

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
    assert_eq!(clone_source(&bucket.iter().copied().collect()), Some("AZ"));
    assert_eq!(written(&bucket, Scope::Clone), None);
}

#[test]
fn the_own_dir_holds_exactly_these_names() {
    let dir = written(
        &[
            AZ,
            ("AZURE_STORAGE_ACCOUNT", "prod"),
            ("AZURE_STORAGE_ACCESS_KEY", "key"),
            ("AZURE_ENDPOINT_SUFFIX", "example.org"),
            ("AZURE_ENVIRONMENT_NAME", "AzureUSGovernmentCloud"),
            ("SSL_CERT_FILE", "/x"),
            ("WALG_COMPRESSION_METHOD", "lz4"),
            ("WALG_LIBSODIUM_KEY", ""),
            ("https_proxy", "http://proxy"),
        ],
        Scope::Own,
    )
    .unwrap();
    assert_eq!(
        names(&dir),
        [
            "WALG_AZ_PREFIX",
            "AZURE_STORAGE_ACCOUNT",
            "AZURE_ENVIRONMENT_NAME",
            "AZURE_STORAGE_ACCESS_KEY",
            "WALG_DOWNLOAD_CONCURRENCY",
            "WALG_UPLOAD_CONCURRENCY",
            "WALG_COMPRESSION_METHOD",
            "USE_WALG_BACKUP",
            "USE_WALG_RESTORE",
            "https_proxy",
            "PGPORT",
            "BACKUP_NUM_TO_RETAIN",
            "WALE_LOG_DESTINATION",
            "TMPDIR",
        ]
    );
    assert_eq!(get(&dir, "WALE_LOG_DESTINATION"), Some("stderr"));
    assert_eq!(get(&dir, "TMPDIR"), Some("/home/postgres/tmp"));
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
            ("CLONE_SCOPE", "acid-orders"),
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
            assert_eq!(names(&dir)[0], stores[first].0);
            for (later, _) in &stores[first + 1..] {
                assert_eq!(get(&dir, later), None, "{later} beside {}", stores[first].0);
            }
        }
    }
}

#[test]
fn every_prefix_or_bucket_with_scope_makes_a_clone() {
    let source = |pairs: &[(&str, &str)]| clone_source(&pairs.iter().copied().collect());
    assert_eq!(source(&[CLONE_AZ]), Some("AZ"));
    assert_eq!(source(&[("CLONE_WALE_AZ_PREFIX", "x")]), Some("AZ"));
    assert_eq!(source(&[("CLONE_WALG_GCS_PREFIX", "x")]), None);
    assert_eq!(source(&[("CLONE_WAL_S3_BUCKET", "b")]), None);
    assert_eq!(source(&[("CLONE_WAL_S3_BUCKET", "b"), ("CLONE_SCOPE", "s")]), Some("S3"));
    assert_eq!(source(&[("CLONE_WALG_SSH_PREFIX", "x")]), None);
}
