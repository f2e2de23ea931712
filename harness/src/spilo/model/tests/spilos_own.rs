//! The model against Spilo's own `configure_spilo.py`, where that is at hand: what it writes into its env dirs for random worlds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::spilo::{Unread, settings::CloneMethod};

/// The folder of Spilo's scripts (`postgres-appliance/scripts` of a checkout of the release whose contract this is).
const SCRIPTS: &str = "CLONEDRILL_SPILO_SCRIPTS";
const WORLDS: usize = 1000;
/// What Spilo derives for S3 and the model leaves out, and where it keeps files.
const LEFT_OUT: [&str; 10] = [
    "TMPDIR",
    "AWS_REGION",
    "WALE_S3_ENDPOINT",
    "AWS_ENDPOINT",
    "AWS_S3_FORCE_PATH_STYLE",
    "AWS_INSTANCE_PROFILE",
    "WALE_DISABLE_S3_SSE",
    "WALG_DISABLE_S3_SSE",
    "WALG_S3_SSE",
    "WALE_LOG_DESTINATION",
];

type World = BTreeMap<String, String>;
type Files = BTreeMap<String, String>;

/// What Spilo's script makes of a world.
#[derive(Debug, Deserialize)]
struct Answer {
    own: Option<Files>,
    clone: Option<Files>,
    standby: Option<Files>,
    follows: bool,
    clones_backups: bool,
    clones_running: bool,
    warnings: Vec<String>,
}

/// Spilo's script, which answers world after world.
struct Spilo {
    process: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Spilo {
    fn start(scripts: &str) -> Spilo {
        assert!(
            Path::new(scripts).join("configure_spilo.py").is_file(),
            "{SCRIPTS} names {scripts}, which has no configure_spilo.py"
        );
        let mut process = Command::new("python3")
            .args(["-c", include_str!("spilos_own.py"), scripts])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asked, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Spilo { process, asked, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, world: &World) -> Answer {
        writeln!(self.asked, "{}", json!(world)).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: no answer for {world:?}"))
    }

    fn end(mut self) {
        drop(self.asked);
        assert!(self.process.wait().unwrap().success());
    }
}

/// How likely a variable is there. Azure is to win often enough, and to lose often enough.
fn likely(name: &str) -> f64 {
    let bare = name.strip_prefix("CLONE_").or(name.strip_prefix("STANDBY_")).unwrap_or(name);
    match bare {
        "HOST" if name != "CLONE_HOST" => 0.05,
        "WALG_AZ_PREFIX" => 0.85,
        "METHOD" => 0.9,
        "SCOPE" | "PGVERSION" => 0.95,
        _ if bare.starts_with("AZURE_") || bare.starts_with("USE_WALG") => 0.35,
        _ if bare.ends_with("_PREFIX") || bare.ends_with("_BUCKET") => 0.04,
        _ => 0.08,
    }
}

fn values(name: &str) -> &'static [&'static str] {
    match name {
        "CLONE_METHOD" => &[
            "CLONE_WITH_WALE",
            "CLONE_WITH_WALE",
            "CLONE_WITH_WALE",
            "CLONE_WITH_BASEBACKUP",
            "clone_with_wale",
            "",
        ],
        "PGVERSION" => &["15", "16"],
        _ if name.contains("USE_WALG") || name.ends_with("FROM_REPLICA") => {
            &["true", "True", "TRUE", "false", "", "1", "true ", "true\n"]
        }
        _ if name.ends_with("_PREFIX") => &[
            "azure://backups/$(SCOPE)/15",
            "azure:/backups/x",
            "s3://b/x",
            "gs://b/x",
            "",
            "azure://b/x\n",
            " ",
        ],
        _ => &["x", "acid-orders", "one two", "", "line\nline", "end \t", "true"],
    }
}

fn names() -> Vec<String> {
    let scoped = archive::names().chain([
        "USE_WALG",
        "SCOPE",
        "PGPORT",
        "WAL_BUCKET_SCOPE_PREFIX",
        "WAL_BUCKET_SCOPE_SUFFIX",
        "WALE_AZ_PREFIX",
        "WAL_AZ_BUCKET",
        "WALE_GCS_PREFIX",
        "BACKUP_NUM_TO_RETAIN",
        "AZURE_ENDPOINT_SUFFIX",
        "AZURE_STORAGE_KEY",
        "WALG_TAR_SIZE_THRESHOLD",
    ]);
    let prefixes = ["", "CLONE_", archive::STANDBY];
    let mut names: Vec<String> =
        scoped.flat_map(|name| prefixes.map(|prefix| format!("{prefix}{name}"))).collect();
    let plain = [
        "PGVERSION",
        "CLONE_METHOD",
        "CLONE_HOST",
        "CLONE_USER",
        "CLONE_PASSWORD",
        "POD_NAMESPACE",
        "STANDBY_HOST",
        "STANDBY_PORT",
    ];
    names.extend(plain.map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

/// A list of variables; some of them stand twice, and then the last counts.
fn worlds() -> impl Strategy<Value = Vec<(String, String)>> {
    let each: Vec<_> = names()
        .into_iter()
        .map(|name| {
            let value = prop::option::weighted(likely(&name), select(values(&name)));
            value.prop_map(move |value| Some((name.clone(), value?.to_owned())))
        })
        .collect();
    let again = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<prop::sample::Index>()));
    (each, again).prop_map(|(listed, again)| {
        let mut listed: Vec<(String, String)> = listed.into_iter().flatten().collect();
        if let Some((which, value)) = again.filter(|_| !listed.is_empty()) {
            let name = which.get(&listed).0.clone();
            let value = (*value.get(values(&name))).to_owned();
            listed.push((name, value));
        }
        listed
    })
}

/// As a program gets it, without what is left out.
fn read(files: Option<&Files>) -> Option<Files> {
    let seen = files?.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    Some(seen.map(|(name, value)| (name.clone(), archive::as_read(value).to_owned())).collect())
}

fn said(archive: Option<&Archive>) -> Option<Files> {
    let files: Files =
        archive?.env_dir.iter().map(|written| (written.name.clone(), written.value.clone())).collect();
    read(Some(&files))
}

/// What of the model is not what Spilo does.
fn differences(model: &Model, pod: &Pod<'_>, spilo: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |what: &str, ours: String, spilos: String| {
        if ours != spilos {
            found.push(format!("{what}:\n  model {ours}\n  Spilo {spilos}"));
        }
    };
    let shown = |files: Option<Files>| format!("{files:?}");
    same("its own env dir", shown(said(model.archive.as_ref())), shown(read(spilo.own.as_ref())));
    // One that is to follow another cluster is no clone, though Spilo writes what it would be cloned with.
    let clone = spilo.clone.as_ref().filter(|_| pod.standby().is_none());
    same("the clone's env dir", shown(said(model.source())), shown(read(clone)));
    let followed = pod.settings().standby_env_dir.as_ref();
    let followed = followed.and_then(|_| archive::env_dir_of(pod.settled(), archive::STANDBY));
    let followed: Option<Files> = followed.map(|dir| dir.entries.into_iter().collect());
    same(
        "the env dir of what it follows",
        shown(read(followed.as_ref())),
        shown(read(spilo.standby.as_ref())),
    );
    same("whether it follows", pod.standby().is_some().to_string(), spilo.follows.to_string());
    let backups = matches!(pod.clone_method(), CloneMethod::Backups { .. });
    let running = matches!(pod.clone_method(), CloneMethod::RunningCluster { .. });
    same(
        "what it is made from",
        format!("{:?}", (backups, running)),
        format!("{:?}", (spilo.clones_backups, spilo.clones_running)),
    );
    let cannot = |warnings: &[String]| {
        let of_clone =
            |warning: &&String| warning.contains("lone method") || warning.starts_with("Cloning with");
        warnings.iter().filter(of_clone).cloned().collect::<Vec<_>>()
    };
    same("the warnings", format!("{:?}", cannot(pod.warnings())), format!("{:?}", cannot(&spilo.warnings)));
    // What Azure decides is dropped or written, never both and never neither.
    for (archive, files) in [(model.archive.as_ref(), &spilo.own), (model.source(), &spilo.clone)] {
        let Some(archive) = archive.filter(|archive| archive.store == Store::Azure) else { continue };
        for bare in archive::names() {
            let name = format!("{}{bare}", archive.scope.prefix());
            // A switch is written where it is on.
            if !pod.has(&name) || archive::store_of(bare).is_none() || bare.starts_with("USE_WALG") {
                continue;
            }
            let written = files.as_ref().is_some_and(|files| files.contains_key(bare));
            let dropped = model.without_effect.iter().any(|dropped| dropped.name == name);
            same(&format!("whether {name} is dropped"), dropped.to_string(), (!written).to_string());
        }
    }
    found
}

#[test]
fn what_the_model_says_is_what_spilos_own_script_writes() {
    let Some(scripts) = std::env::var(SCRIPTS).ok().filter(|folder| !folder.is_empty()) else {
        println!("skipped: {SCRIPTS} does not name a folder with Spilo's configure_spilo.py");
        return;
    };
    let mut spilo = Spilo::start(&scripts);
    let mut runner = TestRunner::default();
    let strategy = worlds();
    let (mut wrong, mut in_azure, mut clones, mut standbys) = (Vec::new(), 0, 0, 0);
    for _ in 0..WORLDS {
        let listed = strategy.new_tree(&mut runner).unwrap().current();
        let items: Vec<(String, Value)> = listed
            .iter()
            .map(|(name, value)| (name.clone(), json!({ "name": name, "value": value })))
            .collect();
        let pod = Pod::new(items.iter().map(|(name, item)| (name.as_str(), item)), "default", &Unread);
        let model = Model::of(&pod);
        // What Kubernetes makes of the list, which is no matter of Spilo's.
        let world: World = listed
            .iter()
            .map(|(name, _)| (name.clone(), pod.raw(name).unwrap_or_default().to_owned()))
            .collect();
        let answer = spilo.ask(&world);
        in_azure += usize::from(model.archive.as_ref().is_some_and(|archive| archive.store == Store::Azure));
        clones += usize::from(model.source().is_some_and(|archive| archive.store == Store::Azure));
        standbys += usize::from(answer.standby.is_some());
        let found = differences(&model, &pod, &answer);
        if !found.is_empty() {
            wrong.push(format!("{world:?}\n{}", found.join("\n")));
        }
    }
    spilo.end();
    println!(
        "{WORLDS} worlds, {in_azure} archive to Azure, {clones} are cloned from there, {standbys} follow backups, {} differ",
        wrong.len()
    );
    assert!(
        in_azure > WORLDS / 3 && clones > WORLDS / 8 && standbys > WORLDS / 8,
        "the worlds are not what they should be"
    );
    assert!(
        wrong.is_empty(),
        "{} of {WORLDS} differ; the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n\n")
    );
}
