use std::convert::Infallible;

use super::*;
use crate::poll::{Limit, Seen, poll};
use crate::toolchain::PostgresTool;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings::of(pairs.iter().copied().collect(), 1)
}

fn programs() -> Programs {
    let postgres =
        PostgresTool { major: 15, version: "15.1".into(), bin: "/pg/15/bin".into(), named_only: false };
    Programs {
        python: "python3".into(),
        postgres: vec![postgres],
        wal_g_predates_postgres_15: false,
        ..Programs::default()
    }
}

/// What the model says of store, account, prefix, credential and dropped variables is what the env dirs hold.
#[test]
fn the_model_of_a_pod_says_what_the_env_dirs_hold() {
    use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
    use serde_json::json;

    use crate::spilo::{Bootstrap, Model, Pod, Unread};

    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let names: Vec<String> = crate::spilo::archive::names()
        .chain(["USE_WALG", "SCOPE", "PGVERSION", "TZ", "AZURE_ENDPOINT_SUFFIX", "AZURE_STORAGE_KEY"])
        .flat_map(|name| [name.to_owned(), format!("CLONE_{name}")])
        .collect();
    let values = ["", "true", "false", "azure://backups/x", "s3://b/x", "prod", "secret"];
    for world in 0..300 {
        let mut given: Vec<(String, String)> = Vec::new();
        for _ in 0..rng.random_range(0..14) {
            let name = names.choose(&mut rng).unwrap().clone();
            given.push((name, (*values.choose(&mut rng).unwrap()).to_owned()));
        }
        for (name, chance) in [("WALG_AZ_PREFIX", 0.7), ("CLONE_WALG_AZ_PREFIX", 0.7)] {
            if rng.random_bool(chance) {
                given.push((name.to_owned(), "azure://backups/x".to_owned()));
            }
        }
        if rng.random_bool(0.7) {
            given.push(("CLONE_METHOD".to_owned(), "CLONE_WITH_WALE".to_owned()));
        }
        let items: Vec<serde_json::Value> =
            given.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let entries = given.iter().zip(&items).map(|((name, _), item)| (name.as_str(), item));
        let pod = Pod::new(entries, "default", &Unread);
        let model = Model::of(&pod);
        // As the launcher does it, below a folder of its own.
        let rw = tempfile::tempdir().unwrap();
        let path = |name: &str| rw.path().join(name).to_string_lossy().into_owned();
        let all = given.clone().into_iter().chain([("WALE_TMPDIR".to_owned(), path("tmp"))]);
        let settings = Settings::of(all.collect(), 2);
        let written = |scope: Scope, folder: &str| {
            write_env_dir(&settings.variables, scope.prefix(), &path(folder)).unwrap();
            let entries = env_dir::read(Path::new(&path(folder))).unwrap_or_default();
            let text = |text: std::ffi::OsString| text.into_string().unwrap();
            entries
                .into_iter()
                .filter_map(|(name, value)| Some((text(name), text(value?))))
                .filter(|(name, _)| name != "TMPDIR")
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let said = |archive: Option<&crate::spilo::Archive>| {
            let entries = archive.into_iter().flat_map(|archive| &archive.env_dir);
            let entries = entries.filter(|written| written.name != "TMPDIR");
            entries
                .map(|written| (written.name.clone(), written.value.clone()))
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let own = if settings.archiving { written(Scope::Own, "env") } else { Default::default() };
        assert_eq!(said(model.archive.as_ref()), own, "seed {seed}, world {world}: {given:?}");
        let is_clone = matches!(settings.clone, CloneMethod::Backups { .. });
        assert_eq!(is_clone, matches!(model.bootstrap, Bootstrap::Backups(_)), "seed {seed}, world {world}");
        let clones = if is_clone { written(Scope::Clone, "env-clone") } else { Default::default() };
        assert_eq!(said(model.source()), clones, "seed {seed}, world {world}: {given:?}");
        for dropped in &model.without_effect {
            let (dir, bare) = match dropped.name.strip_prefix("CLONE_") {
                Some(bare) => (&clones, bare),
                None => (&own, dropped.name.as_str()),
            };
            let for_another_store = matches!(dropped.why, crate::spilo::Why::OtherStore(_));
            assert!(!dir.contains_key(bare) || for_another_store, "seed {seed}, world {world}: {dropped:?}");
        }
    }
}

/// A minute by a clock that jumps ahead whenever all wait, so that it takes no time and no slow machine decides.
#[tokio::test(start_paused = true)]
async fn base_backups_are_waited_for_only_where_wal_is_archived() {
    let done = async |settings: Settings| {
        tokio::time::timeout(Duration::from_secs(60), back_up(&settings, &programs())).await.is_ok()
    };
    assert!(done(settings(&[("AZURE_STORAGE_ACCOUNT", "prod")])).await);
    assert!(!done(settings(&[("WALG_AZ_PREFIX", "azure://backups/x")])).await);
}

/// A shell script in Patroni's place; `$0` is in a folder of its own, for what it has to tell.
struct Script {
    folder: tempfile::TempDir,
    start: PatroniStart,
}

impl Script {
    fn new(text: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python");
        fs::write(&python, format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{text}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let variables = variables.iter().copied().collect();
        Script { folder, start: PatroniStart { python, config: "/run/postgres.yml".into(), variables } }
    }

    fn told(&self) -> String {
        fs::read_to_string(self.folder.path().join("told")).unwrap_or_default()
    }

    /// Runs it as the container does, and stops that once the script has told so many lines; the result.
    async fn kept(&self, restarts: Restarts, lines: usize) -> Result<(), LaunchError> {
        let (stop, stopped) = watch::channel(false);
        let stopping = async {
            poll("what the script tells", Limit::seconds(20), async || {
                let count = self.told().lines().count();
                Ok::<_, Infallible>(if count >= lines { Seen::Done(()) } else { Seen::NotYet(self.told()) })
            })
            .await
            .unwrap();
            stop.send_replace(true);
        };
        tokio::join!(keep_patroni(&self.start, restarts, stopped), stopping).0
    }
}

#[tokio::test]
async fn patroni_gets_its_variables_and_no_other_of_this_process() {
    let path = std::env::var("PATH").unwrap();
    let script =
        Script::new("tr '\\0' '\\n' </proc/$$/environ >told", &[("PATH", &path), ("POD_IP", "10.244.1.5")]);
    script.kept(Restarts::default(), 2).await.unwrap();
    assert_eq!(script.told(), format!("PATH={path}\nPOD_IP=10.244.1.5\n"));
}

#[tokio::test]
async fn a_stop_ends_patroni_and_waits_for_it() {
    let path = std::env::var("PATH").unwrap();
    let text = "trap 'echo stopped >>told; exit' TERM\necho up >told\nwhile :; do sleep 0.05; done";
    let script = Script::new(text, &[("PATH", &path)]);
    script.kept(Restarts::default(), 1).await.unwrap();
    assert_eq!(script.told(), "up\nstopped\n");
}

#[tokio::test]
async fn a_patroni_that_fails_is_started_again_for_each_pause_and_the_container_stays() {
    let path = std::env::var("PATH").unwrap();
    let script = Script::new("echo failed >>told\nexit 1", &[("PATH", &path)]);
    script.kept(Restarts::with_pauses(&[Duration::from_millis(1); 2]), 3).await.unwrap();
    assert_eq!(script.told(), "failed\n".repeat(3));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_pause_before_the_next_start() {
    let path = std::env::var("PATH").unwrap();
    let script = Script::new("echo failed >>told\nexit 1", &[("PATH", &path)]);
    let kept = script.kept(Restarts::with_pauses(&[Duration::from_secs(600)]), 1);
    tokio::time::timeout(Duration::from_secs(60), kept).await.unwrap().unwrap();
    assert_eq!(script.told(), "failed\n");
}
