use super::*;
use crate::toolchain::{AzuriteTool, PatroniTool, PostgresTool, WalGTool};

fn tools(bin: &Path) -> Tools {
    Tools {
        etcd: "etcd".into(),
        kube_apiserver: "kube-apiserver".into(),
        kube_controller_manager: "kube-controller-manager".into(),
        wal_g: WalGTool { program: "/cache/wal-g".into(), version: "v1".into(), predates_postgres_15: true },
        azurite: AzuriteTool { node: "node".into(), script: "main.js".into() },
        patroni: PatroniTool { python: "/cache/patroni/bin/python".into(), version: "4.1.5".into() },
        postgres: vec![PostgresTool {
            major: 15,
            version: "15.1".into(),
            bin: bin.to_owned(),
            named_only: false,
        }],
        operators: std::collections::BTreeMap::new(),
        visible: vec!["/cache".into()],
        spilos_first_backup: false,
        images: Default::default(),
    }
}

#[test]
fn every_command_that_patroni_is_given_is_in_the_image() {
    let bin = tempfile::tempdir().unwrap();
    std::fs::write(bin.path().join("psql"), "").unwrap();
    let image = image(&tools(bin.path()), "ghcr.io/zalando/spilo-17:4.0-p2");
    let target = |path: &str| {
        let file = image.files.iter().find(|file| file.path == Path::new(path));
        match &file.unwrap_or_else(|| panic!("{path} is missing")).content {
            ImageContent::Symlink(target) => target.to_string_lossy().into_owned(),
            ImageContent::Text { text, .. } => text.clone(),
        }
    };
    for (script, _) in SCRIPTS {
        assert_eq!(target(script), OWN_PROGRAM);
    }
    let called = scripts_of_patroni();
    for script in ["/scripts/clone_with_wale.py", "/scripts/on_role_change.sh", "/scripts/wale_restore.sh"] {
        assert!(called.contains(script), "{script} in {called:?}");
    }
    for script in called {
        assert!(!target(&script).is_empty());
    }
    for (link, leads_to) in [
        ("/home/postgres/postgres.yml", "/run/postgres.yml"),
        ("/home/postgres/.config/patroni/patronictl.yaml", "/home/postgres/postgres.yml"),
    ] {
        assert_eq!(target(link), leads_to);
    }
    assert_eq!(target("/opt/clonedrill/spilo/bin/wal-g"), "/cache/wal-g");
    assert_eq!(target("/opt/clonedrill/spilo/bin/patronictl"), "/cache/patroni/bin/patronictl");
    assert_eq!(target("/opt/clonedrill/spilo/bin/psql"), bin.path().join("psql").to_string_lossy());
    let programs: Programs = serde_json::from_str(&target(programs::FILE)).unwrap();
    assert!(programs.wal_g_predates_postgres_15);
    assert_eq!(programs.release.to_string(), "4.0-p2");
    assert_eq!((image.user.as_str(), image.uid, image.gid), ("postgres", 101, 103));
}

/// Every `/scripts/…` that a configuration of either kind of clone, with archiving, names.
fn scripts_of_patroni() -> std::collections::BTreeSet<String> {
    let backups = [("CLONE_METHOD", "CLONE_WITH_WALE"), ("CLONE_WALG_AZ_PREFIX", "azure://backups/x")];
    let running = [
        ("CLONE_METHOD", "CLONE_WITH_BASEBACKUP"),
        ("CLONE_SCOPE", "s"),
        ("CLONE_HOST", "h"),
        ("CLONE_USER", "u"),
        ("CLONE_PASSWORD", "p"),
    ];
    let machine =
        patroni::Machine { hostname: "x".into(), memory: 500, locales: patroni::Locales::new(["C"]) };
    let programs = Programs {
        python: "python3".into(),
        postgres: Vec::new(),
        wal_g_predates_postgres_15: false,
        ..Programs::default()
    };
    let mut found = std::collections::BTreeSet::new();
    for clone in [&backups[..], &running[..]] {
        let archiving = [("WALG_AZ_PREFIX", "azure://backups/y")];
        let settings = crate::spilo::Settings::of(archiving.iter().chain(clone).copied().collect(), 1);
        let config = patroni::configuration(&settings, &machine, &programs).unwrap().to_string();
        // `extwlist.custom_path` is the folder itself.
        for (start, _) in config.match_indices("/scripts/") {
            let rest = &config[start..];
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\\')).unwrap_or(rest.len());
            found.insert(rest[..end].to_owned());
        }
    }
    found
}

#[test]
fn scripts_are_told_apart_by_their_names() {
    for (path, _) in SCRIPTS {
        assert!(multicall(Path::new(path).file_name().unwrap().to_str().unwrap()).is_some(), "{path}");
    }
    for name in ["clonedrill", "psql", ""] {
        assert!(multicall(name).is_none(), "{name}");
    }
}
