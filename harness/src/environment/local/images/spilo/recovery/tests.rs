//! Our program in the real Patroni's python, where the toolchain has all programs already.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::environment::local::images::spilo::patroni::{Locales, Machine, configuration};
use crate::spilo::Settings;
use crate::toolchain::{Tools, ready};

/// A clone's configuration as the launcher writes it, with the data folder.
fn configured(folder: &Path, tools: &Tools) -> serde_json::Value {
    let text = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let variables = [
        ("CLONE_METHOD", "CLONE_WITH_WALE".to_owned()),
        ("CLONE_WALG_AZ_PREFIX", "azure://backups/x".to_owned()),
        ("PGDATA", text("data")),
        ("RW_DIR", text("run")),
    ];
    let settings = Settings::of(variables.into_iter().collect(), 1);
    let machine = Machine { hostname: "acid-clone-0".into(), memory: 500, locales: Locales::new(["C"]) };
    configuration(&settings, &machine, &Programs::of(tools, "spilo-17:4.0-p3")).unwrap()
}

/// What the program says of data of this major version, and whether it was content.
fn recovered(tools: &Tools, major: u16, said: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), tools);
    std::fs::create_dir_all(folder.path().join("run/postgresql")).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/PG_VERSION"), format!("{major}\n")).unwrap();
    let listed = folder.path().join("spilo.json");
    let programs = serde_json::json!(Programs::of(tools, "spilo-17:4.0-p3")).to_string();
    std::fs::write(&listed, programs).unwrap();
    assert!(UPGRADE.contains(crate::environment::local::images::spilo::PROGRAMS_FILE));
    let upgrade =
        UPGRADE.replace(crate::environment::local::images::spilo::PROGRAMS_FILE, &listed.to_string_lossy());
    let files = [
        ("config.json", config.to_string()),
        ("recovery.py", SCRIPT.to_owned()),
        ("upgrade.py", upgrade),
        ("said", said.to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(&tools.patroni.python);
    command.arg(folder.path().join("recovery.py")).arg(folder.path().join("config.json"));
    let output = command.stdin(std::fs::File::open(folder.path().join("said")).unwrap()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn data_of_a_newer_major_are_refused_and_so_are_those_of_one_that_is_not_there() {
    let Some(tools) = ready() else { return };
    let postgres = tools.postgres.last().unwrap();
    let (older, newer) = (postgres.major - 1, postgres.major + 1);

    let (is_content, said) = recovered(&tools, older, "fetched\n");
    assert!(!is_content);
    assert!(said.contains(&format!("Cluster version: {older}, bin version: {}", postgres.major)), "{said}");
    let gap = format!("the image has no programs of PostgreSQL {older}, which the data are of: it has");
    assert!(said.contains(&gap), "{said}");

    let (is_content, said) = recovered(&tools, newer, "fetched\n");
    assert!(!is_content);
    assert!(said.contains(&format!("AssertionError: data of PostgreSQL {newer} are newer")), "{said}");
}

#[test]
fn nothing_is_recovered_where_nothing_was_fetched() {
    let Some(tools) = ready() else { return };
    let postgres = tools.postgres.last().unwrap();
    let (is_content, said) = recovered(&tools, postgres.major, "");
    assert_eq!((is_content, said.trim()), (false, "nothing was fetched"));
}
