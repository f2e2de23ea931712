//! One test for each shipped scenario and operator version, called `<group>/<slug>::<version>`. Each runs the binary,
//! as a person would; the drills of one nextest run share the environments.

use std::path::{Path, PathBuf};
use std::process::Command;

use clonedrill::observe::catalogue;
use clonedrill::report::{DrillReport, Finding};
use clonedrill::scenario::{Checks, LoadedScenario, ObservationKind, find_files, load};
use clonedrill::storage::Account;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set by nextest, the same for all tests of a run.
const RUN: &str = "NEXTEST_RUN_ID";

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let one = the_only_one(&arguments, &root);
    let trials = match scenarios(one.as_deref().unwrap_or(&root.join("scenarios"))) {
        Ok(scenarios) if one.is_some() => scenarios.iter().flat_map(|loaded| trials(&root, loaded)).collect(),
        Ok(scenarios) => {
            let mut trials: Vec<Trial> = scenarios.iter().flat_map(|loaded| trials(&root, loaded)).collect();
            trials.push(Trial::test("account keys are recognised", recognises_account_keys));
            let shipped: Vec<LoadedScenario> = scenarios;
            let folder = root.join("snapshots");
            trials.push(Trial::test("the shipped set is whole", move || is_whole(&shipped, &folder)));
            let own = root.clone();
            trials.push(Trial::test(MANIFESTS_MAJOR, move || drill_of_another_major(&own)));
            let own = root.clone();
            trials.push(Trial::test(NOTHING_HIT, move || faults_that_hit_nothing(&own)));
            for broken in [OTHER_TIME, OTHER_ACCOUNT] {
                let (root, name) = (root.clone(), format!("broken-on-purpose/{}::v1.15.1", broken.name));
                trials.push(Trial::test(name, move || broken_on_purpose(&root, &broken)));
            }
            trials
        }
        // A file that is at fault is a test that fails, not one that is missing.
        Err(why) => vec![Trial::test("scenarios can be loaded", move || Err(Failed::from(why)))],
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// The file of the one scenario that is to be run: nextest starts a process for each test, which need not load all of them.
fn the_only_one(arguments: &Arguments, root: &Path) -> Option<PathBuf> {
    let name = arguments.filter.as_deref().filter(|_| arguments.exact && !arguments.list)?;
    let file = root.join("scenarios").join(format!("{}.yaml", name.rsplit_once("::")?.0));
    file.is_file().then_some(file)
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

const MANIFESTS_MAJOR: &str = "another-major/the manifest's version decides";

/// Manifests that name a major of their own, which the machine may lack: it is fetched, runs, and all is as with any other.
fn drill_of_another_major(root: &Path) -> Result<(), Failed> {
    let name = "into-another-account";
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = copy_scenario(root, folder.path(), name)?;
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let named = text.replace("${postgres.version}", "17");
    if named == text {
        return Err(format!("{name} no longer has `${{postgres.version}}`").into());
    }
    std::fs::write(&file, named).map_err(|error| error.to_string())?;
    let mut command = clonedrill_run(root, &file, "v1.15.1");
    // The machine's default is another one, however the tests were started.
    let output = command.env_remove("CLONEDRILL_POSTGRES").args(["--format", "json"]).output();
    let output = output.map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stdout);
    print!("{report}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(0) {
        return Err(format!("it ended with {}", output.status).into());
    }
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
    let evidence = root.join(report["drills"][0]["evidence"].as_str().unwrap_or_default());
    match holds(&evidence, "starting PostgreSQL 17.")? {
        true => Ok(()),
        false => Err(format!("no log in {} is of PostgreSQL 17", evidence.display()).into()),
    }
}

const NOTHING_HIT: &str = "broken-on-purpose/faults-that-hit-nothing::v1.15.1";
/// A cluster that archives nothing, so that nobody asks the storage for anything; `{}` stands for the faults.
const NOBODY_ASKS: &str = "
name: idle-faults
about: Nothing is there that a fault could hit.
operator: { versions: [v1.15.1], configuration: { aws_or_gcp: { wal_az_storage_account: \"\" } } }
storage: { accounts: [prodbackups, clonebackups] }
clusters:
  alone:
    apiVersion: acid.zalan.do/v1
    kind: postgresql
    metadata: { name: acid-alone }
    spec: { teamId: acid, numberOfInstances: 1, volume: { size: 1Gi }, postgresql: { version: \"${postgres.version}\" } }
steps:
{}
expect:
  alone: { outcome: running, writes: [] }
";
/// One of each kind.
const IDLE: [(&str, &str); 8] = [
    ("answers", "requests: { do: hang }"),
    ("twice", "requests: { do: twice }"),
    ("late", "requests: { do: { late: 5 } }"),
    ("paused", "pods: { of: alone, do: { pause: wal-g } }"),
    ("certificate", "certificate: { account: prodbackups, is: expired }"),
    ("nowhere", "host-name: { of: prodbackups, leads: nowhere }"),
    ("elsewhere", "host-name: { of: clonebackups, leads: { to: prodbackups } }"),
    ("small", "volumes: { of: alone, hold: 8 }"),
];
/// So many of them begin before the cluster is created; its volume is made then.
const BEFORE: usize = IDLE.len() - 1;

fn faults_that_hit_nothing(root: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let group = folder.path().join("scenarios/idle");
    std::fs::create_dir_all(&group).map_err(|error| error.to_string())?;
    let file = group.join("faults.yaml");
    let mut steps: Vec<String> =
        IDLE.iter().map(|(name, fault)| format!("  - fault: {{ as: {name}, {fault} }}")).collect();
    steps.insert(BEFORE, "  - create: alone".to_owned());
    let text = NOBODY_ASKS.replacen("{}", &steps.join("\n"), 1);
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let output = clonedrill_run(root, &file, "v1.15.1").args(["--format", "json"]).output();
    let output = output.map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stdout);
    print!("{report}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(1) {
        return Err(format!("it should have failed with 1, and ended with {}", output.status).into());
    }
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
    let drill: DrillReport =
        serde_json::from_value(report["drills"][0].clone()).map_err(|error| error.to_string())?;
    let found: Vec<&str> = drill.findings.iter().map(|finding| finding.subject.as_str()).collect();
    let expected: Vec<String> = IDLE.iter().map(|(name, _)| format!("fault {name}")).collect();
    let idle: Vec<&str> = expected.iter().map(String::as_str).collect();
    if found == idle { Ok(()) } else { Err(format!("found are {found:?}").into()) }
}

/// A scenario in a folder of its own, with its data and snapshots; its file.
fn copy_scenario(root: &Path, folder: &Path, name: &str) -> Result<PathBuf, String> {
    let group = folder.join("scenarios/clone");
    copy_files(&root.join("scenarios/clone/data"), &group.join("data"))?;
    let snapshots = format!("snapshots/clone/{name}");
    copy_files(&root.join(&snapshots), &folder.join(&snapshots))?;
    let file = group.join(format!("{name}.yaml"));
    std::fs::copy(root.join(format!("scenarios/clone/{name}.yaml")), &file)
        .map_err(|error| error.to_string())?;
    Ok(file)
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

/// What is promised to be shown, each with all operator versions.
const SHIPPED: [&str; 14] = [
    "clone/from-running-source",
    "clone/global-account-overrides",
    "clone/global-account-wrong-data",
    "clone/into-another-account",
    "clone/keys-from-pod-environment-secret",
    "clone/same-account",
    "clone/target-before-first-backup",
    "clone/target-past-the-end",
    "clone/wal-prefixed-overrides",
    "clone/without-az-prefix",
    "clone/without-walg-restore",
    "clone/wrong-key",
    "replicate/copy-to-another-account",
    "replicate/target-before-the-copy",
];
const VERSIONS: [&str; 3] = ["v1.10.1", "v1.14.0", "v1.15.1"];
const KINDS: [ObservationKind; 4] =
    [ObservationKind::Env, ObservationKind::Logs, ObservationKind::Data, ObservationKind::Storage];

/// A scenario that lost its file, a version, a snapshot or what it is told apart from would otherwise only be a test less.
fn is_whole(scenarios: &[LoadedScenario], snapshots: &Path) -> Result<(), Failed> {
    let mut missing = Vec::new();
    let name = |loaded: &LoadedScenario| format!("{}/{}", loaded.group, loaded.slug);
    for shipped in SHIPPED {
        let Some(loaded) = scenarios.iter().find(|loaded| name(loaded) == shipped) else {
            missing.push(shipped.to_owned());
            continue;
        };
        let scenario = &loaded.scenario;
        if scenario.operator.versions != VERSIONS {
            missing.push(format!("{shipped}: a version of {VERSIONS:?}"));
        }
        if scenario.expect.snapshots != KINDS {
            missing.push(format!("{shipped}: a snapshot of {KINDS:?}"));
        }
    }
    for loaded in scenarios {
        if loaded.scenario.told_apart_from.is_empty() {
            missing.push(format!("{}: anything to be told apart from", name(loaded)));
        }
        for version in &loaded.scenario.operator.versions {
            for kind in &loaded.scenario.expect.snapshots {
                let file = snapshots.join(name(loaded)).join(format!("{version}.{}.snap", kind.name()));
                if !file.is_file() {
                    missing.push(file.display().to_string());
                }
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:#?}").into()) }
}

/// A world that is another one than the scenario expects, and all that its report then says.
#[derive(Clone, Copy)]
struct Broken {
    name: &'static str,
    /// What stands in the file, and what stands there instead.
    changes: &'static [(&'static str, &'static str)],
    /// Each finding: its subject, what was expected, and what stands in its evidence or what was seen.
    said: &'static [(&'static str, &'static str, &'static str)],
    /// A text that the evidence must hold.
    evidence: &'static str,
}

/// The clone goes to another time, a session of the source's server fails, and somebody writes a key into a statement.
const OTHER_TIME: Broken = Broken {
    name: "another-time",
    changes: &[
        (r#"timestamp: "${marks.before-mistake.time}""#, r#"timestamp: "${marks.after-mistake.time}""#),
        (
            "  - create: clone\n",
            "  - sql:\n      on: source\n      database: postgres\n      run: >-\n        CREATE EXTENSION dblink;\n        \
             SELECT dblink_exec('dbname=postgres', 'SELECT 1/0', false);\n        DROP EXTENSION dblink;\n        \
             SELECT 'planted ${storage.prodbackups.key} planted'\n  - create: clone\n",
        ),
    ],
    said: &[
        ("clone: data", "equal to before-mistake", "orders"),
        ("clone: data", "different from source", ""),
        ("cluster source: logs", "only the errors", "division by zero"),
        ("snapshot env", "the same as in", "+CLONE_TARGET_TIME"),
        ("snapshot logs", "the same as in", "division by zero"),
        ("snapshot data", "the same as in", "rows of public.orders: 2000"),
    ],
    evidence: "planted secret:",
};

/// The clone writes into its source's account, and has a variable more.
const OTHER_ACCOUNT: Broken = Broken {
    name: "another-account",
    changes: &[(
        r#"        - { name: AZURE_STORAGE_ACCOUNT, value: "${storage.clonebackups.name}" }
        - { name: AZURE_STORAGE_ACCESS_KEY, valueFrom: { secretKeyRef: { name: backup-keys, key: clone } } }
"#,
        r#"        - { name: AZURE_STORAGE_ACCOUNT, value: "${storage.prodbackups.name}" }
        - { name: AZURE_STORAGE_ACCESS_KEY, valueFrom: { secretKeyRef: { name: backup-keys, key: prod } } }
        - { name: WALG_DOWNLOAD_CONCURRENCY, value: "3" }
"#,
    )],
    said: &[
        ("clone: writes", "clonebackups", "prodbackups"),
        ("clone: env AZURE_STORAGE_ACCOUNT", "value `clonebackups`", "value `prodbackups`"),
        ("snapshot env", "the same as in", "+WALG_DOWNLOAD_CONCURRENCY"),
        ("snapshot storage", "the same as in", "account clonebackups"),
    ],
    evidence: "",
};

fn broken_on_purpose(root: &Path, broken: &Broken) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let name = "into-another-account";
    let file = copy_scenario(root, folder.path(), name)?;
    let mut text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    // What the right expectation is told apart from would be said of the wrong world too.
    text.truncate(text.find("told-apart-from:").unwrap_or(text.len()));
    for (right, wrong) in broken.changes {
        if text.matches(right).count() != 1 {
            return Err(format!("{name} no longer has `{right}` once").into());
        }
        text = text.replacen(right, wrong, 1);
    }
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    // JUnit has the report as people read it, so that one drill shows all three forms.
    let junit = folder.path().join("junit.xml");
    let mut command = clonedrill_run(root, &file, "v1.15.1");
    let output = command.args(["--format", "json", "--junit"]).arg(&junit).output();
    let output = output.map_err(|error| error.to_string())?;
    let report = String::from_utf8_lossy(&output.stdout);
    let junit = std::fs::read_to_string(junit).map_err(|error| error.to_string())?;
    let progress = String::from_utf8_lossy(&output.stderr);
    print!("{report}\n{junit}");
    eprint!("{progress}");
    if output.status.code() != Some(1) {
        return Err(format!("it should have failed with 1, and ended with {}", output.status).into());
    }
    let printed = [&report, junit.as_str(), &progress].concat();
    if printed.contains('\u{1b}') {
        return Err("there are colours where nobody sees them".into());
    }
    let keys = account_keys(&printed);
    if keys > 0 {
        return Err(format!("it has printed {keys} account keys").into());
    }
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
    if report["exit_code"] != 1 || report["verdict"] != "failed" {
        return Err("the JSON document and the exit code contradict each other".into());
    }
    let drill: DrillReport =
        serde_json::from_value(report["drills"][0].clone()).map_err(|error| error.to_string())?;
    let says = |finding: &Finding, (subject, expected, seen): &(&str, &str, &str)| {
        let shown = finding.seen.contains(seen) || finding.evidence.iter().any(|line| line.contains(seen));
        finding.subject == *subject && finding.expected.contains(expected) && shown
    };
    let mut left = drill.findings;
    for said in broken.said {
        let Some(index) = left.iter().position(|finding| says(finding, said)) else {
            return Err(format!("no finding says {said:?}; left are {left:#?}").into());
        };
        left.remove(index);
    }
    if !left.is_empty() {
        return Err(format!("more is said than was broken: {left:#?}").into());
    }
    bundled(&root.join(&drill.evidence).join("bundle"))?;
    match broken.evidence.is_empty() || holds(&root.join(&drill.evidence), broken.evidence)? {
        true => Ok(()),
        false => Err(format!("nothing in {} has `{}`", drill.evidence.display(), broken.evidence).into()),
    }
}

/// What a drill that did not pass leaves besides: whole, and without an account key.
fn bundled(bundle: &Path) -> Result<(), String> {
    let holds = [
        ("pods/acid-orders-0.yaml", "kind: Pod"),
        ("pods/acid-orders-clone-0.yaml", "CLONE_TARGET_TIME"),
        ("events.txt", "StatefulSet/acid-orders-clone: create Pod acid-orders-clone-0"),
        ("controldata/acid-orders-0.txt", "Database system identifier:"),
        ("controldata/acid-orders-clone-0.txt", "Database system identifier:"),
        ("patroni/acid-orders-0.json", "["),
        // That the clone began a timeline Patroni notes only some seconds later.
        ("patroni/acid-orders-clone-0.json", "["),
    ];
    for (name, text) in holds {
        let file = bundle.join(name);
        let found = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if !found.contains(text) {
            return Err(format!("{} has no `{text}`: {found}", file.display()));
        }
        if account_keys(&found) > 0 || found.contains("Mock authentication nonce") {
            return Err(format!("{} has what nobody need know", file.display()));
        }
    }
    match std::fs::read_to_string(bundle.join("missing.txt")) {
        Ok(missing) => Err(format!("the bundle lacks {missing}")),
        Err(_) => Ok(()),
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::create_dir_all(to).map_err(|error| error.to_string())?;
    for file in std::fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?.flatten() {
        std::fs::copy(file.path(), to.join(file.file_name())).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Whether a text stands in one of a drill's logs.
fn holds(evidence: &Path, text: &str) -> Result<bool, String> {
    let logs = std::fs::read_dir(evidence.join("logs")).map_err(|error| error.to_string())?.flatten();
    Ok(logs.filter_map(|log| std::fs::read_to_string(log.path()).ok()).any(|log| log.contains(text)))
}
