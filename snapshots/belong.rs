//! Every accepted snapshot belongs to a scenario, an operator version and an observation that are still there.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clonedrill::environment::Which;
use clonedrill::observe::catalogue;
use clonedrill::scenario::{Checks, find_files, load};
use clonedrill::snapshot::store::SnapshotName;

fn snapshots(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            snapshots(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "snap") {
            found.insert(path);
        }
    }
}

#[test]
fn no_snapshot_is_left_of_what_is_gone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let checks = Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() };
    let mut wanted = BTreeSet::new();
    let environments: Vec<&str> = Which::ALL.iter().filter_map(|which| which.description().variant).collect();
    let peculiar = [vec!["spilo", "wal-g-3"], environments].concat();
    let peculiar: Vec<String> = peculiar.into_iter().map(str::to_owned).collect();
    for file in find_files(&[root.join("scenarios")]).unwrap() {
        let scenario = load(&file, &checks).unwrap().scenario;
        for operator in &scenario.operator.versions {
            for &observation in &scenario.expect.snapshots {
                let name = SnapshotName {
                    scenario_file: &file,
                    operator,
                    kind: observation,
                    environment: None,
                    peculiar: &peculiar,
                };
                wanted.insert(name.file().unwrap());
                wanted.extend(name.variants().unwrap());
            }
        }
    }
    let mut found = BTreeSet::new();
    snapshots(&root.join("snapshots"), &mut found);
    let orphans: Vec<_> = found.difference(&wanted).collect();
    assert!(orphans.is_empty(), "remove these, or give them back what they belong to: {orphans:#?}");
}
