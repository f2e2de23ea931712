//! Bad input: one clear error each, and the rest is still checked.

use super::{check, report, shown};

const CLONE: &str = r#"apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders-clone }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "15" }
  clone: { cluster: acid-orders, timestamp: "2026-11-23T10:00:00+00:00" }
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: clonebackups }
"#;

#[test]
fn what_is_at_fault_is_shown_at_its_place_and_the_rest_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("clone.yaml", CLONE);
    write(
        "many.yaml",
        &CLONE
            .replace("numberOfInstances: 1", "numberOfInstances: many")
            .replace("acid-orders-clone", "acid-many"),
    );
    write("broken.yaml", "kind: postgresql\n  metadata: broken\n");
    write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: { name: other }\n");
    let output = check(folder.path(), &["."]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(shown(&output));
}

#[test]
fn helm_and_kustomize_output_comes_on_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create_new(folder.path().join("rendered")).unwrap();
    std::fs::write(folder.path().join("rendered"), format!("---\n# Source: chart/x.yaml\n{CLONE}")).unwrap();
    drop(file);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_clonedrill"))
        .args(["check", "-", "--format", "json", "--now", super::NOW])
        .stdin(std::fs::File::open(folder.path().join("rendered")).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(&output);
    assert_eq!(super::codes(&report, "chart/x.yaml"), ["clone-without-prefix", "account-without-prefix"]);
    assert_eq!(report["findings"][0]["object"], "postgresql acid-orders-clone");
    // A template's lines are not those of what was made of it.
    assert_eq!(report["findings"][0]["line"], 1);
    assert!(!report.to_string().contains("<stdin>"), "{report}");
}

#[test]
fn an_operator_version_that_does_not_exist_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("clone.yaml"), CLONE).unwrap();
    let output = check(folder.path(), &["clone.yaml", "--operator", "latest"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("latest") && said.contains("v1.15.1"), "{said}");
}

#[test]
fn input_without_clusters_is_an_error_that_says_what_a_cluster_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("service.yaml"),
        "apiVersion: v1\nkind: Service\nmetadata: { name: a }\n",
    )
    .unwrap();
    let output = check(folder.path(), &["."]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("failed to find a cluster") && said.contains("kind postgresql"), "{said}");
}

#[test]
fn a_code_that_there_is_not_gets_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), &["--explain", "clone-without-prefixes"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("failed to explain") && said.contains("did you mean `clone-without-prefix`?"),
        "{said}"
    );
    let output = check(folder.path(), &["--explain", "clone-without-prefix"]);
    assert!(shown(&output).starts_with("# clone-without-prefix\n"));
}

#[test]
fn the_list_names_every_finding_within_100_columns() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), &["--list"]);
    assert!(shown(&output).lines().all(|line| line.chars().count() <= 100));
    insta::assert_snapshot!(shown(&output));
}
