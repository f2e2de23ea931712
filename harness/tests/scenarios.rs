//! One test for each shipped scenario and operator version, called `<group>/<slug>::<version>`. Each runs the binary,
//! as a person would; the drills of one nextest run share the environments.

use std::path::{Path, PathBuf};
use std::process::Command;

use clonedrill::observe::catalogue;
use clonedrill::scenario::{Checks, LoadedScenario, find_files, load};
use libtest_mimic::{Arguments, Failed, Trial};

/// Set by nextest, the same for all tests of a run.
const RUN: &str = "NEXTEST_RUN_ID";

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let trials = match scenarios(&root.join("scenarios")) {
        Ok(scenarios) => scenarios.iter().flat_map(|loaded| trials(&root, loaded)).collect(),
        // A file that is at fault is a test that fails, not one that is missing.
        Err(why) => vec![Trial::test("scenarios can be loaded", move || Err(Failed::from(why)))],
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn scenarios(folder: &Path) -> Result<Vec<LoadedScenario>, String> {
    let checks = Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() };
    let files = find_files(&[folder.to_owned()]).map_err(|error| error.to_string())?;
    files
        .iter()
        .map(|file| load(file, &checks).map_err(|error| format!("{:?}", miette::Report::new(error))))
        .collect()
}

fn trials(root: &Path, loaded: &LoadedScenario) -> Vec<Trial> {
    let versions = loaded.scenario.operator.versions.iter();
    versions
        .map(|version| {
            let name = format!("{}/{}::{version}", loaded.group, loaded.slug);
            let (root, file, version) = (root.to_owned(), loaded.file.clone(), version.clone());
            Trial::test(name, move || drill(&root, file, &version))
        })
        .collect()
}

/// `CI` and `INSTA_UPDATE` decide what becomes of snapshots that differ, as they do for insta.
fn drill(root: &Path, file: PathBuf, version: &str) -> Result<(), Failed> {
    let file = file.strip_prefix(root).map(Path::to_owned).unwrap_or(file);
    let mut command = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
    command.arg("run").arg(&file).args(["--operator", version]).current_dir(root);
    if let Ok(run) = std::env::var(RUN) {
        // nextest starts each test as its own child and is there until the last has ended.
        command.env("CLONEDRILL_SHARE", format!("{run}:{}", std::os::unix::process::parent_id()));
    }
    let output = command.output().map_err(|error| format!("failed to start clonedrill: {error}"))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => Ok(()),
        _ => Err(format!("clonedrill run {}: {}", file.display(), output.status).into()),
    }
}
