//! The inventory: from manifests through the real operator, and from what runs on a real API server.

use std::process::{Command, Output};

const MANIFESTS: &str = r#"apiVersion: v1
kind: Secret
metadata: { name: backup-keys, namespace: shop }
stringData: { prod: "the key of prodbackups", clone: "the key of clonebackups" }
---
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders, namespace: shop }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "15" }
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: prodbackups }
    - { name: AZURE_STORAGE_ACCESS_KEY, valueFrom: { secretKeyRef: { name: backup-keys, key: prod } } }
    - { name: WALG_AZ_PREFIX, value: "azure://backups/$(SCOPE)/$(PGVERSION)" }
---
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders-clone, namespace: shop }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "15" }
  clone: { cluster: acid-orders, uid: 3f0e6a52-7c1b-4d5e-8a43-0d6b1c9e2f71, timestamp: "2026-11-23T10:00:00+00:00" }
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: clonebackups }
    - { name: AZURE_STORAGE_SAS_TOKEN, valueFrom: { secretKeyRef: { name: backup-keys, key: clone } } }
    - { name: WALG_AZ_PREFIX, value: "azure://backups/spilo/$(SCOPE)/wal/$(PGVERSION)" }
    - { name: CLONE_AZURE_STORAGE_ACCOUNT, value: prodbackups }
    - { name: CLONE_AZURE_STORAGE_ACCESS_KEY, valueFrom: { secretKeyRef: { name: backup-keys, key: prod } } }
    - { name: CLONE_WALG_AZ_PREFIX, value: azure://backups/acid-orders/15 }
    - { name: CLONE_USE_WALG_RESTORE, value: "true" }
---
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-scratch }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "15" }
"#;

fn inventory(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clonedrill")).arg("inventory").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn manifests_give_a_page_that_can_be_committed_and_shows_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, MANIFESTS).unwrap();
    let page = text(&inventory(&[file.to_str().unwrap(), "--format", "markdown"]));
    assert!(!page.contains("the key of"), "{page}");
    insta::assert_snapshot!(page);
}

#[test]
fn the_table_fits_a_terminal_and_json_holds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, MANIFESTS).unwrap();
    let table = text(&inventory(&[file.to_str().unwrap()]));
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn a_kubeconfig_that_is_none_is_the_users_fault_and_one_that_answers_nobody_the_environments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let output = inventory(&["--kubeconfig", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
                  clusters: [{ name: a, cluster: { server: 'https://127.0.0.1:1' } }]\n\
                  contexts: [{ name: a, context: { cluster: a, user: a } }]\nusers: [{ name: a, user: {} }]\n";
    std::fs::write(&file, config).unwrap();
    let output = inventory(&["--kubeconfig", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("list postgresql objects"));
}

/// A StatefulSet as the operator writes it, in what the inventory reads of it; without pods.
const RUNNING: &str = r#"{
  "metadata": { "name": "acid-orders-clone", "namespace": "shop" },
  "spec": {
    "replicas": 0, "serviceName": "acid-orders-clone", "selector": { "matchLabels": { "a": "b" } },
    "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [
      { "name": "sidecar", "image": "x" },
      { "name": "postgres", "image": "x", "env": [
        { "name": "SCOPE", "value": "acid-orders-clone" },
        { "name": "PGVERSION", "value": "15" },
        { "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": "prodbackups" },
        { "name": "AZURE_STORAGE_ACCOUNT", "value": "clonebackups" },
        { "name": "AZURE_STORAGE_ACCESS_KEY", "valueFrom": { "secretKeyRef": { "name": "backup-keys", "key": "clone" } } },
        { "name": "WALG_AZ_PREFIX", "value": "azure://backups/$(SCOPE)/$(PGVERSION)" },
        { "name": "CLONE_METHOD", "value": "CLONE_WITH_WALE" },
        { "name": "CLONE_SCOPE", "value": "acid-orders" },
        { "name": "CLONE_TARGET_TIME", "value": "2026-11-23T10:00:00+00:00" },
        { "name": "CLONE_AZURE_STORAGE_ACCESS_KEY", "valueFrom": { "secretKeyRef": { "name": "backup-keys", "key": "prod" } } },
        { "name": "CLONE_WALG_AZ_PREFIX", "value": "azure://backups/acid-orders/15" },
        { "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": "globalbackups" }
      ] } ] } }
  }
}"#;

/// Of a control plane that `clonedrill up` keeps.
const KUBECONFIG: &str = "/run/clonedrill/admin.kubeconfig";

struct Up(String);

impl Up {
    /// The environment, and the number of its outermost process.
    fn new() -> (Up, String) {
        let up = Up(format!("inventory-{}", std::process::id()));
        let output =
            Command::new(env!("CARGO_BIN_EXE_clonedrill")).args(["up", "--name", &up.0]).output().unwrap();
        let said = text(&output);
        let number = said.split("outermost process is ").nth(1).and_then(|rest| rest.split('.').next());
        let number = number.unwrap_or_else(|| panic!("{said}")).to_owned();
        (up, number)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = Command::new(env!("CARGO_BIN_EXE_clonedrill")).args(["down", &self.0]).output();
    }
}

#[test]
fn what_runs_is_read_through_a_kubeconfig() {
    let (_up, outermost) = Up::new();
    // The control plane can be reached in its own namespaces only: this very test goes on in there.
    let output = Command::new("nsenter")
        .args(["--preserve-credentials", "-U", "-m", "-n", "-t", &outermost])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inventory::inside_an_environment", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The part of the test above that runs inside.
#[test]
#[ignore = "runs inside an environment, started by another test"]
fn inside_an_environment() {
    use k8s_openapi::api::apps::v1::StatefulSet;
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Api, PostParams};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let read = kube::config::Kubeconfig::read_from(KUBECONFIG).unwrap();
        let config = kube::Config::from_custom_kubeconfig(read, &Default::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let namespace: Namespace =
            serde_json::from_value(serde_json::json!({ "metadata": { "name": "shop" } })).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let set: StatefulSet = serde_json::from_str(RUNNING).unwrap();
        Api::namespaced(client, "shop").create(&PostParams::default(), &set).await.unwrap();
    });
    let table = text(&inventory(&["--kubeconfig", KUBECONFIG]));
    assert_eq!(
        table,
        "shop/acid-orders-clone  PostgreSQL 15\n  account      clonebackups\n  container    backups\n  \
         prefix       acid-orders-clone/15\n  credential   access key (Secret backup-keys/clone)\n  \
         cloned from  acid-orders at 2026-11-23T10:00:00+00:00, from globalbackups/backups/acid-orders/15\n"
    );
    assert_eq!(text(&inventory(&["--kubeconfig", KUBECONFIG, "--namespace", "default"])), "no clusters\n");
}
