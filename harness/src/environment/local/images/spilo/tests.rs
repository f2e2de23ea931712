#![allow(clippy::unwrap_used)]
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
        postgres: vec![PostgresTool { major: 15, version: "15.1".into(), bin: bin.to_owned(), lib: None }],
        operators: std::collections::BTreeMap::new(),
        visible: vec!["/cache".into()],
    }
}

#[test]
fn every_command_that_patroni_is_given_is_in_the_image() {
    let bin = tempfile::tempdir().unwrap();
    std::fs::write(bin.path().join("psql"), "").unwrap();
    let image = image(&tools(bin.path()));
    let target = |path: &str| {
        let file = image.files.iter().find(|file| file.path == Path::new(path));
        match &file.unwrap_or_else(|| panic!("{path} is missing")).content {
            ImageContent::Symlink(target) => target.to_string_lossy().into_owned(),
            ImageContent::Text { text, .. } => text.clone(),
        }
    };
    for script in ["/launch.sh", "/scripts/clone_with_wale.py", "/scripts/post_init.sh"] {
        assert_eq!(target(script), OWN_PROGRAM);
    }
    assert_eq!(target("/opt/clonedrill/spilo/bin/wal-g"), "/cache/wal-g");
    assert_eq!(target("/opt/clonedrill/spilo/bin/patronictl"), "/cache/patroni/bin/patronictl");
    assert_eq!(target("/opt/clonedrill/spilo/bin/psql"), bin.path().join("psql").to_string_lossy());
    let programs: Programs = serde_json::from_str(&target(programs::FILE)).unwrap();
    assert!(programs.wal_g_predates_postgres_15);
    assert_eq!((image.user.as_str(), image.uid, image.gid), ("postgres", 101, 103));
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
