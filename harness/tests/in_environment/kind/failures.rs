//! What cannot work, each with its own words, exit code 3, and nothing left.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::docker::{docker, left_of};
use super::run::{OPERATOR, Own, SCENARIO, STANDS};
use crate::process::wait;

const RUN: [&str; 5] = ["run", "--environment", "kind", "--operator", OPERATOR];

/// The run ends with 3 and says all of `words`; nothing of its cluster is left.
fn fails(own: &Own, mut command: Command, words: &[&str]) {
    let output: Output = command.arg(SCENARIO).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(flat.contains(word), "{word:?} is not in:\n{said}");
    }
    let gone = || {
        if left_of(&own.cluster()).is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", left_of(&own.cluster())))
        }
    };
    wait("nothing to be left", STANDS, gone);
}

#[test]
fn no_docker() {
    let own = Own::new("no-docker");
    let mut command = own.command(&RUN);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    fails(&own, command, &["failed to reach Docker", "DOCKER_HOST"]);
}

#[test]
fn a_kind_that_is_too_old() {
    let own = Own::new("old-kind");
    let kind = own.folder.path().join("kind");
    fs::write(&kind, "#!/bin/sh\necho kind version 0.11.1\n").unwrap();
    fs::set_permissions(&kind, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = own.command(&RUN);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", own.folder.path().display()));
    fails(&own, command, &["0.11.1", "0.24.0"]);
}

#[test]
fn an_image_that_cannot_be_pulled() {
    let own = Own::new("no-image");
    own.configure("images: { azurite: 'registry.invalid/azurite:none' }\n");
    fails(&own, own.command(&RUN), &["registry.invalid/azurite:none", "--load-image", "images:"]);
}

#[test]
fn an_archive_that_is_none() {
    let own = Own::new("no-archive");
    let archive = own.folder.path().join("archive.tar");
    fs::write(&archive, "no archive").unwrap();
    let mut command = own.command(&RUN);
    command.arg("--load-image").arg(&archive);
    fails(&own, command, &["archive.tar", "docker save"]);
}

#[test]
fn a_port_that_is_taken() {
    let own = Own::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    own.configure(&format!("kind: {{ api-server-port: {} }}\n", taken.local_addr().unwrap().port()));
    fails(&own, own.command(&RUN), &["its port is taken", "api-server-port"]);
}

#[test]
fn a_cluster_of_that_name_that_is_not_ours() {
    let own = Own::new("name");
    let name = format!("{}-control-plane", own.cluster());
    let label = format!("io.x-k8s.kind.cluster={}", own.cluster());
    let image = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let image = image.iter().find(|image| image.contains("azurite")).unwrap();
    docker(&["create", "--name", &name, "--label", &label, image]);
    let output = own.command(&RUN).arg(SCENARIO).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // Theirs is still there, and nothing else.
    assert_eq!(left_of(&own.cluster()), [format!("container {name}")]);
    docker(&["rm", &name]);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("that clonedrill did not make"), "{said}");
}

/// What `kubectl` says in a node.
fn kubectl(node: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("docker");
    command
        .args(["exec", "-i", node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"])
        .args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Pods that want all of the node's memory, all but what is less than the least that a pod of the drill wants. Their image
/// is none: what counts is what they ask for.
fn fill(node: &str) {
    let memory =
        kubectl(node, &["get", "node", node, "-o", "jsonpath={.status.allocatable.memory}"], "").unwrap();
    let memory: u64 = memory.trim_end_matches("Ki").parse().unwrap();
    let sizes = [memory - 2 * 1024 * 1024].into_iter().chain(std::iter::repeat_n(64 * 1024, 40));
    let pods = sizes.enumerate().map(|(number, size)| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("full-{number}"), "namespace": "default" },
            "spec": { "containers": [{
                "name": "full", "image": "none.invalid/none:1", "imagePullPolicy": "Never",
                "resources": { "requests": { "memory": format!("{size}Ki") } },
            }] },
        })
    });
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": pods.collect::<Vec<_>>() });
    kubectl(node, &["create", "-f", "-"], &list.to_string()).unwrap();
}

#[test]
fn a_node_that_is_full() {
    let own = Own::new("full");
    let mut run = own.run(&[SCENARIO]);
    let node = format!("{}-control-plane", own.cluster());
    wait("the drill's namespace", STANDS, || {
        assert!(run.child.try_wait().unwrap().is_none(), "{}", run.said());
        let said = kubectl(&node, &["get", "namespaces", "-o", "name"], "")?;
        if said.contains("/drill-") { Ok(()) } else { Err(said) }
    });
    // The environment stands, and the drill's clusters come now.
    fill(&node);
    let status = run.end_within(STANDS);
    let said = run.said();
    assert_eq!(status.code(), Some(3), "{said}");
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("the node is full") && flat.contains("Insufficient memory"), "{said}");
    // What is left to look at afterwards says it too.
    let runs = fs::read_dir(own.folder.path().join("target/clonedrill")).unwrap().flatten();
    let bundle = runs.map(|run| run.path().join("clone/into-another-account").join(OPERATOR).join("bundle"));
    let bundle = bundle.last().unwrap();
    let events = fs::read_to_string(bundle.join("events.txt")).unwrap();
    assert!(events.contains("FailedScheduling") && events.contains("Insufficient memory"), "{events}");
    let pods: Vec<_> =
        fs::read_dir(bundle.join("pods")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(pods.iter().any(|pod| pod == "clonedrill-storage-gateway.yaml") && pods.len() >= 2, "{pods:?}");
    assert!(own.command(&["down", &own.environment()]).status().unwrap().success());
    assert_eq!(left_of(&own.cluster()), Vec::<String>::new());
}
