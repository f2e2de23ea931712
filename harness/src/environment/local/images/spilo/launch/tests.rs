#![allow(clippy::unwrap_used)]
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

#[test]
fn a_cluster_that_follows_another_is_refused_before_anything_is_written() {
    let rw = tempfile::tempdir().unwrap();
    let rw_dir = rw.path().to_string_lossy();
    let error = configure(&settings(&[("STANDBY_HOST", "acid-source"), ("RW_DIR", &rw_dir)]), &programs());
    assert_eq!(
        error.err().unwrap().to_string(),
        "follow another cluster, as STANDBY_HOST asks: the stand-in makes no standby clusters"
    );
    assert_eq!(fs::read_dir(rw.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn base_backups_are_waited_for_only_where_wal_is_archived() {
    let done = async |settings: Settings| {
        tokio::time::timeout(Duration::from_millis(100), back_up(&settings, &programs())).await.is_ok()
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
