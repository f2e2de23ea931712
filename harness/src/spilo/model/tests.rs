mod spilos_own;

use serde_json::{Value, json};

use super::*;
use crate::spilo::Unread;

/// The model of an env list.
fn model(pairs: &[(&str, &str)]) -> Model {
    let items: Vec<(String, Value)> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!({ "name": name, "value": value })))
        .collect();
    let entries = items.iter().map(|(name, item)| (name.as_str(), item));
    Model::of(&Pod::new(entries, "default", &Unread))
}

const OWN: [(&str, &str); 3] = [
    ("AZURE_STORAGE_ACCOUNT", "prod"),
    ("AZURE_STORAGE_ACCESS_KEY", "k"),
    ("WALG_AZ_PREFIX", "azure://backups/acid-orders"),
];
const CLONE: [(&str, &str); 4] = [
    ("CLONE_METHOD", "CLONE_WITH_WALE"),
    ("CLONE_SCOPE", "acid-orders"),
    ("CLONE_AZURE_STORAGE_ACCOUNT", "prod"),
    ("CLONE_WALG_AZ_PREFIX", "azure://backups/acid-orders"),
];

fn of(parts: &[&[(&str, &str)]]) -> Model {
    model(&parts.concat())
}

fn why(model: &Model, name: &str) -> Option<Why> {
    model.without_effect.iter().find(|dropped| dropped.name == name).map(|dropped| dropped.why.clone())
}

#[test]
fn what_archives_to_azure_says_what_decided_it() {
    let made = model(&OWN);
    let archive = made.archive.as_ref();
    let said = archive.map(|archive| (archive.store, archive.decided_by.as_str(), archive.by_walg));
    assert_eq!(said, Some((Store::Azure, "WALG_AZ_PREFIX", true)));
    assert_eq!(archive.and_then(Archive::prefix), Some("azure://backups/acid-orders"));
    assert_eq!((made.bootstrap.clone(), made.without_effect.clone()), (Bootstrap::Empty, Vec::new()));
    let from = archive.and_then(|archive| archive.written("AZURE_STORAGE_ACCOUNT")?.from.as_deref());
    assert_eq!(from, Some("AZURE_STORAGE_ACCOUNT"));
}

#[test]
fn another_store_wins_and_azure_is_without_effect() {
    let made = of(&[&OWN, &[("WAL_S3_BUCKET", "old")], &CLONE, &[("CLONE_WALE_S3_PREFIX", "azure://x")]]);
    let archive = made.archive.as_ref();
    assert_eq!(archive.map(|archive| archive.store), Some(Store::S3));
    let beaten = [(Store::Azure, "WALG_AZ_PREFIX".to_owned())];
    assert_eq!(archive.map(|archive| archive.beaten.as_slice()), Some(&beaten[..]));
    assert_eq!(made.source().map(|source| source.store), Some(Store::S3));
    for name in ["WALG_AZ_PREFIX", "AZURE_STORAGE_ACCOUNT", "CLONE_WALG_AZ_PREFIX"] {
        assert_eq!(why(&made, name), Some(Why::OtherStore(Store::Azure)), "{name}");
    }
}

#[test]
fn a_clone_has_backups_or_nothing_or_no_env_dir() {
    assert_eq!(of(&[&OWN, &CLONE]).source().map(|source| source.by_walg), Some(false));
    let with = [("CLONE_USE_WALG_RESTORE", "true")];
    assert_eq!(of(&[&OWN, &CLONE, &with]).source().map(|source| source.by_walg), Some(true));
    assert_eq!(of(&[&OWN, &CLONE[..3]]).bootstrap, Bootstrap::EmptyInsteadOfClone);
    let bucket = [("CLONE_WAL_AZ_BUCKET", "backups")];
    assert_eq!(of(&[&OWN, &CLONE[..3], &bucket]).bootstrap, Bootstrap::Backups(None));
    assert_eq!(of(&[&OWN, &[("STANDBY_HOST", "x")]]).bootstrap, Bootstrap::Standby("STANDBY_HOST"));
}

#[test]
fn what_is_dropped_on_the_way_is_told_with_the_reason() {
    let more = [
        ("AZURE_STORAGE_SAS_TOKEN", "sig=x"),
        ("AZURE_CLIENT_ID", "id"),
        ("AZURE_ENDPOINT_SUFFIX", "core.chinacloudapi.cn"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "k"),
        ("AWS_REGION", "eu"),
        ("CLONE_WALG_LIBSODIUM_KEY", "k"),
        ("WALG_LIBSODIUM_KEY", "k"),
        ("TZ", "UTC"),
        ("WALG_COMPRESSION_METHOD", ""),
    ];
    let made = of(&[&OWN, &more]);
    assert_eq!(why(&made, "AZURE_STORAGE_SAS_TOKEN"), Some(Why::OtherCredential));
    assert_eq!(why(&made, "AZURE_CLIENT_ID"), Some(Why::OtherCredential));
    assert_eq!(why(&made, "AZURE_ENDPOINT_SUFFIX"), Some(Why::NotHandedOn));
    let meant = Some("AZURE_STORAGE_ACCESS_KEY".to_owned());
    assert_eq!(why(&made, "AZURE_STORAGE_ACCOUNT_KEY"), Some(Why::Unread { meant, only_case: false }));
    assert_eq!(why(&made, "AWS_REGION"), Some(Why::OtherStore(Store::S3)));
    assert_eq!(why(&made, "CLONE_WALG_LIBSODIUM_KEY"), Some(Why::NoClone));
    for name in ["WALG_LIBSODIUM_KEY", "TZ", "WALG_COMPRESSION_METHOD"] {
        assert_eq!(why(&made, name), None, "{name}");
    }
    let nothing = model(&OWN[..2]);
    assert_eq!(why(&nothing, "AZURE_STORAGE_ACCOUNT"), Some(Why::NoArchive));
}
