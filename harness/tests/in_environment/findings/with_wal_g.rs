//! What no drill can show within minutes, by the real WAL-G on a storage of files: that it deletes in all folders below its prefix, and
//! what it makes of WAL that is encrypted otherwise than it thinks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clonedrill::toolchain::{self, Configuration, Silent};

/// Made for this test alone.
const KEY: &str = include_str!("key.asc");

/// WAL-G as Spilo runs it, with these variables and no others.
fn wal_g(prefix: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tools = toolchain::ensure(&Configuration::load(&root).unwrap(), &[], &Silent).unwrap();
    let mut command = Command::new(&tools.wal_g.program);
    command.args(arguments).env_clear().env("WALG_FILE_PREFIX", prefix);
    command.envs(variables.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A base backup as far as deleting looks at it.
fn backup(prefix: &Path, number: &str) {
    let name = format!("base_0000000100000000000000{number}");
    let folder = prefix.join("basebackups_005");
    fs::create_dir_all(folder.join(&name)).unwrap();
    let sentinel = r#"{"LSN":1,"PgVersion":150000,"FinishLSN":2,"SystemIdentifier":1}"#;
    fs::write(folder.join(format!("{name}_backup_stop_sentinel.json")), sentinel).unwrap();
    fs::write(folder.join(&name).join("metadata.json"), "{}").unwrap();
}

fn wal(prefix: &Path, number: &str) -> PathBuf {
    let folder = prefix.join("wal_005");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("0000000100000000000000{number}.lz4"));
    fs::write(&file, "").unwrap();
    file
}

#[test]
fn wal_g_deletes_the_wal_of_whoever_archives_inside_of_its_prefix() {
    let storage = tempfile::tempdir().unwrap();
    let at = |path: &str| storage.path().join(path);
    let outer = at("acid-orders");
    backup(&outer, "10");
    backup(&outer, "20");
    let (old, young) =
        (wal(&at("acid-orders/acid-orders-eu/15"), "02"), wal(&at("acid-orders/acid-orders-eu/15"), "33"));
    let beside = wal(&at("acid-orders-eu/15"), "02");
    // As Spilo's script deletes.
    let before = ["delete", "before", "FIND_FULL", "base_000000010000000000000020", "--confirm"];
    let output = wal_g(&outer, &[], &before);
    assert!(output.status.success(), "{}", said(&output));
    assert!(!old.exists(), "{}", said(&output));
    assert!(young.exists() && beside.exists(), "{}", said(&output));
}

/// Pushes a WAL file with these variables, fetches it with those; whether it came, and what was said.
fn pushed_and_fetched(push: &[(&str, &str)], fetch: &[(&str, &str)]) -> (bool, String) {
    const NAME: &str = "000000010000000000000001";
    let (storage, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(data.path().join("pg_wal/archive_status")).unwrap();
    let file = data.path().join("pg_wal").join(NAME);
    // What is not one byte again and again is not compressed away.
    let content: Vec<u8> =
        (0..16 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&file, &content).unwrap();
    let output = wal_g(storage.path(), push, &["wal-push", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let target = data.path().join("fetched");
    let output = wal_g(storage.path(), fetch, &["wal-fetch", NAME, target.to_str().unwrap()]);
    let came = output.status.success() && fs::read(&target).unwrap_or_default() == content;
    (came, said(&output))
}

#[test]
fn wal_g_reads_nothing_that_is_encrypted_otherwise_than_it_thinks() {
    let key = KEY.trim().replace('\n', "\\n");
    let with = [("WALG_PGP_KEY", key.as_str())];
    let (came, said) = pushed_and_fetched(&with, &with);
    assert!(came, "{said}");
    let (came, said) = pushed_and_fetched(&with, &[]);
    assert!(!came && said.contains("bad magic number"), "{said}");
    let (came, said) = pushed_and_fetched(&[], &with);
    assert!(!came && said.contains("decrypt"), "{said}");
}
