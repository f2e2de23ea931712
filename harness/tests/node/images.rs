//! Pods of images that a person gave.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;

use clonedrill::environment::local::LocalEnvironment;
use clonedrill::toolchain::{UnpackedImage, users};
use serde_json::json;

use crate::foreign::{PASSWD, root_with};
use crate::world::World;

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

/// What of the host might be called, taken before this process is inside of the environment.
struct Host {
    listener: TcpListener,
    addresses: Vec<Ipv4Addr>,
}

static HOST: OnceLock<Host> = OnceLock::new();

/// Has the host listen on all its addresses, and shows that whoever is on its network is heard.
pub(crate) fn listen_on_the_host() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let _caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    listener.accept().unwrap();
    listener.set_nonblocking(true).unwrap();
    let interfaces = nix::ifaddrs::getifaddrs().unwrap();
    let addresses = interfaces.filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()));
    let host = Host { addresses: addresses.collect(), listener };
    assert!(HOST.set(host).is_ok(), "once is enough");
}

/// Whatever it tries: by paths, by other processes' roots, by devices and mounts, by the network.
pub(crate) async fn a_foreign_image_sees_nothing_of_the_host(world: &World) {
    if !users::are_many_here() {
        eprintln!("not tested: this machine gives a sandbox one user only");
        return;
    }
    let host = HOST.get().unwrap();
    let theirs = tempfile::tempdir().unwrap();
    let file = theirs.path().join("of-the-host");
    fs::write(&file, "a secret of the host").unwrap();
    let root = root_with(&["bash", "sh", "cat", "ls", "mkdir", "mknod", "mount", "umount", "timeout"]);
    let mut tools = world.tools.clone();
    tools.images.others.insert("test/foreign:1".to_owned(), image(root.path()));
    let other = World { environment: LocalEnvironment::join(&tools).await.unwrap(), tools };

    let file = file.display();
    let port = host.listener.local_addr().unwrap().port();
    let addresses = host.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let device = nix::sys::stat::stat("/").unwrap().st_dev;
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let script = format!(
        "for way in {file} ../../../..{file} /proc/*/root{file} /proc/*/cwd{file}; do
           cat $way 2>/dev/null && echo \" by $way\"
         done
         mkdir -p /mnt/it
         mknod /dev/disk b {major} {minor} 2>/dev/null && cat /dev/disk >/dev/null 2>&1 && echo device
         mount -t proc proc /mnt/it 2>/dev/null && cat /mnt/it/1/root{file} 2>/dev/null && echo mounted proc
         umount -l / 2>/dev/null && cat {file} 2>/dev/null && echo unmounted
         for address in {addresses}; do
           timeout 1 bash -c \"exec 3<>/dev/tcp/$address/{port}\" 2>/dev/null && echo \"network by $address\"
         done
         ls /home /root /srv /work 2>/dev/null
         cat /proc/self/root/etc/passwd >/dev/null && echo its own files
         timeout 5 bash -c \"exec 3<>/dev/tcp/$KUBERNETES_SERVICE_HOST/443\" && echo its own network"
    );
    let it = json!({
        "name": "it", "image": "docker.io/test/foreign:1", "command": ["/bin/bash", "-c", script],
    });
    other.pod("curious", json!({ "restartPolicy": "Never", "containers": [it] })).await;
    other.until_phase("curious", "Succeeded").await;
    assert_eq!(other.log("curious", "it", 0).await, "its own files\nits own network\n");
    let heard = host.listener.accept();
    assert!(heard.is_err(), "the host was called: {heard:?}");
}
