//! The README's table of versions, held to what this program really has.

use regex::Regex;

use super::parts::postgres::MAJORS;
use super::parts::{AZURITE_VERSION, DEFAULT_OPERATORS, KUBERNETES_VERSION, Part};
use crate::spilo::release::IMAGES;

/// The versions that a row of the table names, in its order.
fn named(part: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let table = readme.split("## Supported versions").nth(1).unwrap();
    let start = format!("| {part} | ");
    let row =
        table.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("no row {part}"));
    let version = Regex::new(r"\bv?\d+(\.\d+)*(-p\d+)?\b").unwrap();
    version.find_iter(row).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn the_table_of_versions_is_that_of_the_code() {
    assert_eq!(named("postgres-operator"), DEFAULT_OPERATORS);

    let all = *MAJORS.first().unwrap()..=*MAJORS.last().unwrap();
    let by_path = all.filter(|major| !MAJORS.contains(major));
    let majors: Vec<String> = MAJORS.iter().copied().chain(by_path).map(|major| major.to_string()).collect();
    assert_eq!(named("PostgreSQL"), majors);

    assert_eq!(named("Spilo"), IMAGES.map(|image| image.release.to_string()));

    let built = Part::WalG.version().split('-').next().unwrap().to_owned();
    let in_images = IMAGES.iter().map(|image| image.wal_g.to_owned());
    assert_eq!(named("WAL-G"), [built].into_iter().chain(in_images).collect::<Vec<_>>());

    assert_eq!(named("Kubernetes"), [KUBERNETES_VERSION.rsplit_once('.').unwrap().0]);
    assert_eq!(named("Azure storage"), [AZURITE_VERSION]);
}
