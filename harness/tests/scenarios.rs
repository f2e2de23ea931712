//! One test for each shipped scenario and operator version, called `<group>/<slug>::<version>`. Each runs the binary,
//! as a person would; the drills of one nextest run share the environments.

use std::path::{Path, PathBuf};
use std::process::Command;

use clonedrill::observe::catalogue;
use clonedrill::scenario::{Checks, LoadedScenario, find_files, load};
use clonedrill::storage::Account;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set by nextest, the same for all tests of a run.
const RUN: &str = "NEXTEST_RUN_ID";

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let trials = match scenarios(&root.join("scenarios")) {
        Ok(scenarios) => {
            let mut trials: Vec<Trial> = scenarios.iter().flat_map(|loaded| trials(&root, loaded)).collect();
            let root = root.clone();
            trials.push(Trial::test("account keys are recognised", recognises_account_keys));
            trials.push(Trial::test("broken-on-purpose::v1.15.1", move || broken_on_purpose(&root)));
            trials
        }
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
    let mut command = clonedrill_run(root, &file, version);
    let output = command.output().map_err(|error| format!("failed to start clonedrill: {error}"))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let said = [output.stdout, output.stderr].concat();
    let keys = account_keys(&String::from_utf8_lossy(&said));
    if keys > 0 {
        return Err(format!("clonedrill run {} has printed {keys} account keys", file.display()).into());
    }
    match output.status.code() {
        Some(0) => Ok(()),
        _ => Err(format!("clonedrill run {}: {}", file.display(), output.status).into()),
    }
}

/// How often a text has what looks like the key of a storage account: 64 bytes as base64.
fn account_keys(text: &str) -> usize {
    let base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/".contains(letter);
    let ends = text.match_indices("==").map(|(end, _)| &text[..end]);
    ends.filter(|before| before.len() - before.trim_end_matches(base64).len() == 86).count()
}

fn clonedrill_run(root: &Path, file: &Path, version: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
    command.arg("run").arg(file).args(["--operator", version]).current_dir(root);
    if let Ok(run) = std::env::var(RUN) {
        // nextest starts each test as its own child and is there until the last has ended.
        command.env("CLONEDRILL_SHARE", format!("{run}:{}", std::os::unix::process::parent_id()));
    }
    command
}

/// The search for keys in what a run prints would otherwise be one that cannot fail.
fn recognises_account_keys() -> Result<(), Failed> {
    let account = Account::new("unused".to_owned());
    let printed = format!("key={}; digest={}", account.key.reveal(), "0f".repeat(32));
    match account_keys(&printed) {
        1 => Ok(()),
        other => Err(format!("{other} keys in {printed:?}").into()),
    }
}

/// A way to break a scenario: what stands in the file, what stands there instead, and what the report then says.
struct Break {
    right: &'static str,
    wrong: &'static str,
    /// The finding's subject, and words that tell what differs.
    said: &'static [&'static str],
}

/// All in one drill, since each is a finding of its own.
const BREAKS: [Break; 4] = [
    Break {
        right: "data: { equals: before-mistake, differs-from: source }",
        wrong: "data: { equals: source }",
        said: &["clone: data", "equal to source", "orders"],
    },
    Break {
        right: "writes: [clonebackups]",
        wrong: "writes: [prodbackups]",
        said: &["clone: writes", "expected  prodbackups", "seen      clonebackups"],
    },
    Break {
        right: "CLONE_METHOD: { value: CLONE_WITH_WALE,",
        wrong: "CLONE_METHOD: { value: CLONE_WITH_BASEBACKUP,",
        said: &["clone: env CLONE_METHOD", "value `CLONE_WITH_BASEBACKUP`", "value `CLONE_WITH_WALE`"],
    },
    Break {
        right: "logs: { known: [no-global-storage-account] }",
        wrong: "logs: { known: [] }",
        said: &["operator: logs", "no-global-storage-account"],
    },
];

fn broken_on_purpose(root: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let group = folder.path().join("scenarios/clone");
    let data = group.join("data");
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    let from = root.join("scenarios/clone");
    for file in std::fs::read_dir(from.join("data")).map_err(|error| error.to_string())?.flatten() {
        std::fs::copy(file.path(), data.join(file.file_name())).map_err(|error| error.to_string())?;
    }
    let name = "into-another-account.yaml";
    let mut text = std::fs::read_to_string(from.join(name)).map_err(|error| error.to_string())?;
    // What the right expectation is told apart from would be said of the wrong one too.
    text.truncate(text.find("told-apart-from:").unwrap_or(text.len()));
    for one in &BREAKS {
        if !text.contains(one.right) {
            return Err(format!("{name} no longer has `{}`", one.right).into());
        }
        text = text.replacen(one.right, one.wrong, 1);
    }
    text = text.replacen("snapshots: [env, logs, data, storage]", "snapshots: []", 1);
    std::fs::write(group.join(name), text).map_err(|error| error.to_string())?;
    // JUnit has the report as people read it, so that one drill shows all three forms.
    let junit = folder.path().join("junit.xml");
    let mut command = clonedrill_run(root, &group.join(name), "v1.15.1");
    let output = command.args(["--format", "json", "--junit"]).arg(&junit).output();
    let output = output.map_err(|error| error.to_string())?;
    let document = String::from_utf8_lossy(&output.stdout);
    let junit = std::fs::read_to_string(junit).map_err(|error| error.to_string())?;
    println!("{document}\n{junit}");
    let progress = String::from_utf8_lossy(&output.stderr);
    eprint!("{progress}");
    if output.status.code() != Some(1) {
        return Err(format!("it should have failed with 1, and ended with {}", output.status).into());
    }
    let parsed: serde_json::Value = serde_json::from_str(&document).map_err(|error| error.to_string())?;
    if parsed["exit_code"] != 1 || parsed["verdict"] != "failed" {
        return Err("the JSON document and the exit code contradict each other".into());
    }
    let unsaid: Vec<&str> =
        BREAKS.iter().flat_map(|one| one.said).copied().filter(|words| !junit.contains(words)).collect();
    if !unsaid.is_empty() {
        return Err(format!("the report does not say {unsaid:?}").into());
    }
    let all = [&document, junit.as_str(), &progress].concat();
    if all.contains('\u{1b}') {
        return Err("there are colours where nobody sees them".into());
    }
    match account_keys(&all) {
        0 => Ok(()),
        keys => Err(format!("it has printed {keys} account keys").into()),
    }
}
