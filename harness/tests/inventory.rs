//! The inventory: from manifests through the real operator, and from what runs on a real API server.
#![allow(clippy::unwrap_used)]

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
    - { name: WALG_AZ_PREFIX, value: "azure://backups/spilo/$(SCOPE)$(WAL_BUCKET_SCOPE_SUFFIX)/wal/$(PGVERSION)" }
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
