//! Pods of images that a person gave.

use std::fs;
use std::path::Path;
use std::process::Command;

use clonedrill::environment::local::LocalEnvironment;
use clonedrill::toolchain::{UnpackedImage, users};
use serde_json::json;

use crate::world::World;

/// A root file system with these programs of the machine, and nothing else of it.
fn root_with(programs: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let take = |path: &str| {
        let place = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, place).unwrap();
    };
    for program in programs {
        let program = format!("/bin/{program}");
        take(&program);
        let said = String::from_utf8(Command::new("ldd").arg(&program).output().unwrap().stdout).unwrap();
        said.split_whitespace().filter(|word| word.starts_with('/')).for_each(take);
    }
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), PASSWD).unwrap();
    root
}

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\npostgres:x:101:103::/home/postgres:/bin/sh\n";

fn image(root: &Path) -> UnpackedImage {
    serde_json::from_value(json!({
        "digest": "sha256:00", "folders": [root], "entrypoint": ["/bin/sh", "-c"], "cmd": ["echo of the image $OF_IMAGE"],
        "env": [["OF_IMAGE", "said"]], "working_dir": "/etc", "uid": 0, "gid": 0, "user": "root", "home": "/root",
        "passwd": PASSWD, "group": "", "others_own": false, "postgres_majors": [],
    }))
    .unwrap()
}

/// In a place of its own, whose images are others than the environment's.
pub(crate) async fn a_pod_of_a_foreign_image_is_as_the_image_says_unless_the_manifest_does(world: &World) {
    // The environment's process reads it, too, and has its own `/run`.
    let root = root_with(&["sh", "cat", "id", "ls", "stat"]);
    let mut tools = world.tools.clone();
    tools.images.others.insert("test/foreign:1".to_owned(), image(root.path()));
    let other = World { environment: LocalEnvironment::join(&tools).await.unwrap(), tools };
    other.secret("keys", json!({ "key": "secret text" })).await;

    let plain = json!({ "name": "it", "image": "docker.io/test/foreign:1" });
    other.pod("plain", json!({ "restartPolicy": "Never", "containers": [plain] })).await;
    let pod = other.until_phase("plain", "Succeeded").await;
    assert_eq!(other.log("plain", "it", 0).await, "of the image said\n");
    let id = &pod.status.unwrap().container_statuses.unwrap()[0].image_id;
    assert!(id.ends_with("@sha256:00"), "{id}");

    if !users::are_many_here() {
        eprintln!("not tested: this machine gives a sandbox one user only");
        return;
    }
    let script = "id -u; id -g; id -G; pwd; echo $HOME; cat /keys/key; stat -c ' %a %u %g' /keys/key; \
                  : > /data/mine; stat -c '%u %g' /data/mine; (: > /etc/x) 2>/dev/null || echo refused";
    let it = json!({
        "name": "it", "image": "test/foreign:1", "args": [script], "workingDir": "/data",
        "volumeMounts": [{ "name": "keys", "mountPath": "/keys" }, { "name": "data", "mountPath": "/data" }],
    });
    let keys = json!({ "name": "keys", "secret": { "secretName": "keys", "defaultMode": 0o400 } });
    other
        .pod(
            "asked",
            json!({
                "restartPolicy": "Never", "containers": [it],
                "securityContext": { "runAsUser": 101, "fsGroup": 7, "supplementalGroups": [9] },
                "volumes": [keys, { "name": "data", "emptyDir": {} }],
            }),
        )
        .await;
    other.until_phase("asked", "Succeeded").await;
    let said = other.log("asked", "it", 0).await;
    assert_eq!(said, "101\n103\n103 7 9\n/data\n/home/postgres\nsecret text 440 0 7\n101 103\nrefused\n");
}
