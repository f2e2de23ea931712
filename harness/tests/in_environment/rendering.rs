//! `clonedrill render` and `upgrade` as people use them: what is printed, and what becomes of bad input.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");
const SCENARIO: &str = "scenarios/clone/global-account-overrides.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs the program in the repository's folder.
fn clonedrill(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).current_dir(root()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with these files; the folder's own name is taken out of what is said.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(folder.0.path().join(name), text).unwrap();
        }
        folder
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// What is said of faults; progress is left out.
    fn faults(&self, output: &Output) -> String {
        let said = stderr(output).replace(self.path(), "<folder>");
        let from = said.find("clonedrill::").unwrap_or(said.len());
        said[from..].to_owned()
    }
}

const CLUSTER: &str = r#"
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders, namespace: prod }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "16" }
"#;

#[test]
fn a_table_shows_each_entry_its_winner_and_where_it_is_from() {
    let output = clonedrill(&["render", SCENARIO, "--operator", "v1.15.1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = stdout(&output);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn the_operators_configuration_may_stand_elsewhere_as_it_may_for_check() {
    let operator = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: operator }\n\
        configuration: { aws_or_gcp: { wal_az_storage_account: sharedbackups } }\n";
    let folder = Folder::with(&[
        ("clonedrill.yaml", "check: { operator-configuration: operator.txt }\n"),
        ("operator.txt", operator),
        ("cluster.yaml", CLUSTER),
    ]);
    let arguments = ["render", "cluster.yaml", "--operator", "v1.15.1"];
    let output = Command::new(BINARY).args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(stdout(&output).contains("sharedbackups"), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn records_hold_every_place_and_no_secret() {
    let folder = Folder::with(&[
        (
            "cluster.yaml",
            &format!(
                "{CLUSTER}  env:\n    - {{ name: AZURE_STORAGE_ACCESS_KEY, valueFrom: {{ secretKeyRef: {{ name: keys, key: prod }} }} }}\n"
            ),
        ),
        (
            "keys.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: { name: keys, namespace: prod }\nstringData:\n  prod: hush-hush-nobody-knows\n",
        ),
    ]);
    let output = clonedrill(&["render", folder.path(), "--operator", "v1.14.0", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stdout(&output).contains("hush-hush") && !stderr(&output).contains("hush-hush"));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cluster = &records[0]["clusters"][0];
    assert_eq!(cluster["cluster"], "prod/acid-orders");
    let env = cluster["env"].as_array().unwrap();
    let key = env.iter().find(|entry| entry["name"] == "AZURE_STORAGE_ACCESS_KEY").unwrap();
    assert_eq!(key["reference"], "secret keys/prod");
    assert!(key["referred"].as_str().unwrap().starts_with("secret:"));
    let places: Vec<&str> =
        key["from"].as_array().unwrap().iter().map(|from| from["place"].as_str().unwrap()).collect();
    let at = |file: &str, line: usize| format!("{}/{file}:{line}", folder.path());
    assert_eq!(places, [at("cluster.yaml", 11), at("cluster.yaml", 11), at("keys.yaml", 5)]);
    let version = env.iter().find(|entry| entry["name"] == "PGVERSION").unwrap();
    assert_eq!(version["from"][0]["path"], "spec.postgresql.version");
}

#[test]
fn an_upgrade_says_whether_pods_are_restarted_and_why() {
    let output = clonedrill(&["upgrade", "--from", "v1.14.0", "--to", "v1.15.1", SCENARIO]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn the_same_version_again_changes_nothing() {
    let folder = Folder::with(&[("cluster.yaml", CLUSTER)]);
    let output = clonedrill(&["upgrade", "--from", "v1.15.1", "--to", "v1.15.1", folder.path()]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("0 clusters changed, 1 cluster the same; pods of 0 clusters"));
}

/// The operator's own account beside that of spec.env: one name, two values.
#[test]
fn a_variable_that_stands_twice_is_rolled_again_and_again_by_the_same_version() {
    let settings = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: c }\n\
                    configuration: { aws_or_gcp: { wal_az_storage_account: sharedbackups } }\n";
    let clone = CLUSTER.replace("acid-orders", "acid-twice")
        + "  env: [{ name: CLONE_AZURE_STORAGE_ACCOUNT, value: prodbackups }]\n  clone: { cluster: acid-orders, uid: \
           c1a0ed00-0000-4000-8000-000000000001, timestamp: \"2026-01-01T12:00:00+00:00\" }\n";
    let folder = Folder::with(&[("a.yaml", settings), ("b.yaml", clone.as_str()), ("c.yaml", CLUSTER)]);
    let arguments = ["upgrade", "--from", "v1.15.1", "--to", "v1.15.1", folder.path()];
    let output = clonedrill(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("will be rolled again and again, at every sync (resync_period)"), "{told}");
    assert!(told.contains("CLONE_AZURE_STORAGE_ACCOUNT stands twice"), "{told}");
    assert!(told.ends_with("1 cluster will be rolled again and again, at every sync\n"), "{told}");
    assert!(!told.contains("was not seen"), "{told}");
    let json = clonedrill(&[&arguments[..], &["--format", "json"]].concat());
    let records: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let again = |name: &str| {
        let clusters = records[0]["clusters"].as_array().unwrap().iter();
        let takeover = clusters.filter(|cluster| cluster["cluster"].as_str().unwrap().ends_with(name));
        takeover.map(|cluster| cluster["takeover"]["again"].as_array().unwrap().len()).sum::<usize>()
    };
    assert_eq!((again("acid-twice"), again("acid-orders")), (1, 0));
}

#[test]
fn a_matrix_has_a_line_for_each_step_between_versions() {
    let output = clonedrill(&["upgrade", "--matrix", "scenarios/clone/without-walg-restore.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn what_is_refused_is_shown_at_its_place_and_the_rest_is_rendered() {
    let without_zone = CLUSTER.replace("acid-orders", "acid-a").to_owned()
        + "  clone: { cluster: acid-orders, uid: c1a0ed00-0000-4000-8000-000000000001,\n    timestamp: \"2026-01-01T12:00:00\" }\n";
    let no_such_field = CLUSTER.replace("acid-orders", "acid-b") + "  enviroment: []\n";
    let by_operator = CLUSTER.replace("acid-orders", "acid-c") + "  clone: { cluster: Acid_Orders }\n";
    let folder = Folder::with(&[
        ("a.yaml", without_zone.as_str()),
        ("b.yaml", no_such_field.as_str()),
        ("c.yaml", by_operator.as_str()),
        ("d.yaml", CLUSTER),
    ]);
    let output = clonedrill(&["render", folder.path(), "--operator", "v1.15.1", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(folder.faults(&output));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rendered: Vec<bool> = records[0]["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cluster| !cluster["env"].as_array().unwrap().is_empty())
        .collect();
    assert_eq!(rendered, [false, false, false, true]);
}

/// The release's sample of settings, which differs from the definition's defaults, is not laid under what people have.
#[test]
fn settings_are_taken_verbatim_and_completed_from_the_definition() {
    let settings = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: operator, namespace: prod }\nconfiguration:\n  teams_api: {}\n";
    let folder = Folder::with(&[("a.yaml", CLUSTER), ("b.yaml", settings)]);
    let output = clonedrill(&["render", folder.path(), "--operator", "v1.15.1", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let entry = |name: &str| {
        let env = records[0]["clusters"][0]["env"].as_array().unwrap();
        env.iter().find(|entry| entry["name"] == name).unwrap().clone()
    };
    let pam = entry("PAM_OAUTH2");
    assert!(pam["value"].as_str().unwrap().starts_with("https://info.example.com/"), "{pam}");
    assert_eq!(pam["from"][0]["path"], "configuration.teams_api.pam_configuration", "{pam}");
    assert_eq!(pam["from"][0]["release_default"], true, "{pam}");
    // The sample has `users`, these settings have not, and the definition fills in no section.
    let superuser = entry("PGUSER_SUPERUSER");
    assert_eq!(superuser["value"], "postgres");
    assert_eq!(superuser["from"], serde_json::json!([]), "{superuser}");
}

#[test]
fn settings_that_the_operator_cannot_read_are_told_once() {
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: postgres-operator, namespace: prod }\ndata:\n  min_instances: several\n  cluster_name_label: cluster-name\n  docker_image: spilo-17:x\n  pod_role_label: spilo-role\n";
    let folder = Folder::with(&[("a.yaml", CLUSTER), ("b.yaml", settings)]);
    let output = clonedrill(&["render", folder.path(), "--operator", "v1.15.1"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    insta::assert_snapshot!(folder.faults(&output));
}

#[test]
fn settings_that_the_api_server_refuses_are_shown_at_their_field() {
    let settings = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: operator, namespace: prod }\nconfiguration:\n  kubernetes:\n    pod_management_policy: sometimes\n";
    let folder = Folder::with(&[("a.yaml", CLUSTER), ("b.yaml", settings)]);
    let output = clonedrill(&["render", folder.path(), "--operator", "v1.15.1"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    insta::assert_snapshot!(folder.faults(&output));
}

#[test]
fn an_operator_version_that_there_is_not_is_named_before_anything_starts() {
    let folder = Folder::with(&[("a.yaml", CLUSTER)]);
    let output = clonedrill(&["render", folder.path(), "--operator", "1.15.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).is_empty());
    insta::assert_snapshot!(stderr(&output));
}
