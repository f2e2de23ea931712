//! What people are told about a scenario that is wrong: one snapshot a kind of mistake.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clonedrill::scenario::{Checks, LoadedScenario, ScenarioError, Step, load};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

const SOUND: &str = include_str!("scenario_errors/sound.yaml");

/// A scenario file in a folder of its own.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    /// The sound scenario with each first text replaced by the second; each must be there once.
    fn with(edits: &[(&str, &str)]) -> Self {
        let text = edits.iter().fold(SOUND.to_owned(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from:?} must be in the scenario once");
            text.replace(from, to)
        });
        Case::of(&text)
    }

    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("scenarios/group")).unwrap();
        fs::write(folder.path().join("scenarios/group/mistake.sql"), "DELETE FROM orders;").unwrap();
        let case = Case { folder };
        fs::write(case.file(), text).unwrap();
        case
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("scenarios/group/case.yaml")
    }

    fn load(&self) -> Result<LoadedScenario, ScenarioError> {
        load(&self.file(), &checks())
    }

    /// As a person reads it, without colour, 100 columns wide.
    fn rendered(&self, error: &dyn Diagnostic) -> String {
        let mut text = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .with_width(100)
            .render_report(&mut text, error)
            .unwrap();
        text.replace(&format!("{}/scenarios/", self.folder.path().display()), "")
    }
}

fn checks() -> Checks<'static> {
    Checks {
        operator_known: &|version| match version {
            "v1.15.1" | "v1.14.0" => Ok(()),
            _ => Err("there are: v1.14.0, v1.15.1".to_owned()),
        },
        catalogue: &["no-global-storage-account", "no-backup-before-target", "storage-refuses-key"],
    }
}

/// One test a kind of mistake: the edits that make it, and the snapshot of what is said.
macro_rules! mistakes {
    ($($name:ident: [$($edit:expr),+ $(,)?];)+) => {
        $(#[test]
        fn $name() {
            let case = Case::with(&[$($edit),+]);
            let error = case.load().expect_err("this scenario must not be accepted");
            insta::assert_snapshot!(case.rendered(&error));
        })+
    };
}

mistakes! {
    unknown_field: [("  snapshots: [env, data]", "  snapshots: [env, data]\nissu: a/b#1")];
    unknown_field_of_a_step: [("run: \"CREATE", "statement: \"CREATE")];
    unknown_step: [("- backup: source", "- backups: source")];
    unknown_outcome: [("outcome: empty", "outcome: emtpy")];
    missing_field_of_a_step: [("on: source, file", "file")];
    missing_field: [("about: Sound as it is; every test breaks one thing in it.\n", "")];
    wrong_type: [("versions: [v1.15.1]", "versions: v1.15.1")];
    wrong_type_of_an_expected_cluster: [("  snapshots: [env, data]", "  snapshot: [env, data]")];
    no_storage_account: [("accounts: [prodbackups, clonebackups]", "accounts: []")];
    container_names_that_azure_refuses: [(
        "accounts: [prodbackups, clonebackups]",
        "accounts: [prodbackups, clonebackups]\n  containers: [Backups, wal--files, backups, backups]",
    )];
    no_yaml: [("name: group-case", "name: \"group-case")];
    key_twice: [("  operator:\n    logs", "  snapshots: [env]\n  operator:\n    logs")];
    undefined_mark: [("${marks.before-mistake.time}", "${marks.before-mistakes.time}")];
    undefined_mark_in_expectation: [("equals: before-mistake", "equals: before-the-mistake")];
    undefined_cluster_in_step: [("- backup: source", "- backup: sauce")];
    undefined_cluster_in_expectation: [("  - clone: { outcome: empty }", "  - clown: { outcome: empty }")];
    undefined_cluster_in_variable: [("${clusters.source.uid}", "${clusters.sourc.uid}")];
    undefined_account: [("reads: [prodbackups]", "reads: [prodbackup]")];
    undefined_account_in_variable: [("${storage.prodbackups.key}", "${storage.backups.key}")];
    unknown_variable: [("${clusters.source.uid}", "${cluster.source.uuid}")];
    variable_that_is_not_closed: [("${clusters.source.uid}", "${clusters.source.uid")];
    variable_in_sql: [("CREATE TABLE orders ()", "SELECT '${marks.before-mistake.lsn}'")];
    mark_used_before_it_is_taken: [
        ("  - mark: { on: source, as: before-mistake }\n", ""),
        ("  - create: clone\n", "  - create: clone\n  - mark: { on: source, as: before-mistake }\n"),
    ];
    step_before_its_cluster: [("steps:\n  - create: source\n", "steps:\n"), ("  - create: clone\n", "  - create: source\n  - create: clone\n")];
    cluster_used_after_it_is_deleted: [("  - backup: source\n", "  - delete: source\n  - backup: source\n")];
    cluster_created_twice: [("  - backup: source\n", "  - create: source\n")];
    cluster_never_created: [("  - create: clone\n", "")];
    cluster_with_a_reserved_name: [("  clone:\n    apiVersion", "  operator:\n    apiVersion"), ("  - create: clone\n", "  - create: operator\n"), ("  clone:\n    outcome", "  source:\n    outcome"), ("  - clone: {", "  - source: {")];
    clusters_with_one_name: [("name: acid-orders-clone", "name: acid-orders")];
    duplicated_mark: [("  - backup: source\n", "  - mark: { on: source, as: before-mistake }\n")];
    mark_named_as_a_cluster: [("  - backup: source\n", "  - mark: { on: source, as: clone }\n")];
    account_name_that_azure_refuses: [("[prodbackups, clonebackups]", "[prodbackups, clonebackups, Prod-2]")];
    account_twice: [("[prodbackups, clonebackups]", "[prodbackups, clonebackups, prodbackups]")];
    sql_with_two_sources: [("file: mistake.sql", "file: mistake.sql, run: SELECT 1")];
    sql_without_a_source: [(", file: mistake.sql", "")];
    sql_file_that_is_not_there: [("file: mistake.sql", "file: mistakes.sql")];
    operator_version_that_cannot_be_had: [("versions: [v1.15.1]", "versions: [v1.15.1, v1.99.0]")];
    unknown_log_message: [("no-global-storage-account", "no-global-account")];
    unknown_cause: [("{ outcome: empty }", "{ outcome: bootstrap-fails, because: no-backup-before-goal }")];
    cause_of_a_success: [("{ outcome: empty }", "{ outcome: empty, because: storage-refuses-key }")];
    failure_without_a_reason: [("outcome: running\n", "outcome: bootstrap-fails\n"), ("    data: { equals: before-mistake }\n", "")];
    data_of_a_cluster_that_never_comes_up: [("outcome: running\n", "outcome: rejected\n    because: storage-refuses-key\n")];
    data_held_against_themselves: [("equals: before-mistake", "equals: clone")];
    archive_of_its_own: [("reads: [prodbackups]", "reads: [prodbackups]\n    writes-into-archives-of: [clone, sauce]")];
    expectations_of_nothing: [("{ equals: before-mistake }\n", "{}\n    env: { SCOPE: {} }\n")];
    manifest_of_another_kind: [("    kind: postgresql\n    metadata: { name: acid-orders }", "    kind: postgres\n    metadata: { name: acid-orders }")];
    follows_without_following: [("outcome: running\n", "outcome: running\n    follows: { cluster: source }\n")];
    follows_itself: [("outcome: running\n", "outcome: following\n    follows: { cluster: clone, bytes: 0 }\n")];
    follows_a_cluster_that_is_not_there: [("outcome: running\n", "outcome: following\n    follows: { cluster: sauce }\n")];
    unknown_field_of_what_it_follows: [("outcome: running\n", "outcome: following\n    follows: { cluster: source, byte: 0 }\n")];
    catch_up_to_an_undefined_mark: [("  - create: clone\n", "  - create: clone\n  - catch-up: { on: clone, to: before-mistaek }\n")];
    catch_up_to_a_mark_of_its_own: [("  - create: clone\n", "  - create: clone\n  - catch-up: { on: source, to: before-mistake }\n")];
    catch_up_of_a_cluster_that_is_not_there_yet: [("  - create: clone\n", "  - catch-up: { on: clone, to: before-mistake }\n  - create: clone\n")];
    manifest_without_a_name: [("metadata: { name: acid-orders-clone }", "metadata: { nam: acid-orders-clone }")];
    manifest_without_its_teams_prefix: [
        ("  configuration:\n", "  configuration:\n    enable_team_id_clustername_prefix: true\n"),
        ("name: acid-orders-clone", "name: orders-clone"),
    ];
    object_without_a_kind: [("    kind: Secret\n", "    knd: Secret\n")];
    mark_in_an_object: [("${storage.prodbackups.key}", "${marks.before-mistake.time}")];
    name_of_another_file: [("name: group-case", "name: group-another")];
    account_used_after_it_is_lost: [("  - backup: source\n", "  - lose-account: prodbackups\n  - copy-account: { from: prodbackups, to: clonebackups }\n")];
    account_copied_into_itself: [("  - backup: source\n", "  - copy-account: { from: prodbackups, to: prodbackups }\n")];
    restored_in_place_under_another_name: [("  - create: clone\n", "  - restore-in-place: { of: source, with: clone }\n")];
    secret_that_is_not_there: [("  - backup: source\n", "  - set-secret: { name: backup-key, values: { prod: x } }\n")];
    failover_without_a_replica: [("  - backup: source\n", "  - failover: source\n")];
    changes_of_another_object: [("  - backup: source\n", "  - apply: { to: source, changes: { metadata: { name: acid-other } } }\n")];
    fault_of_two_kinds: [("  - backup: source\n", "  - fault: { as: x, operator: kill, pods: { of: source, do: delete } }\n")];
    fault_that_could_never_act: [("  - backup: source\n", "  - fault: { as: x, requests: { account: prodbackups, operations: [write], often: { first: 0 }, do: { hide: wal } } }\n")];
    fault_without_the_account_to_look_into: [("  - backup: source\n", "  - fault: { as: x, requests: { blobs: { wal-file: 1 }, do: empty } }\n")];
    fault_that_is_done_at_once_and_ends: [("  - backup: source\n", "  - fault: { as: x, node: restart, ends-after: 5 }\n")];
    fault_of_a_name_that_leads_where_it_does: [("  - backup: source\n", "  - fault: { as: x, host-name: { of: prodbackups, leads: { to: prodbackups } } }\n")];
    fault_of_reads_that_come_late: [("  - backup: source\n", "  - fault: { as: x, requests: { operations: [read], do: { late: 5 } } }\n")];
    fault_of_volumes_that_hold_nothing: [("  - backup: source\n", "  - fault: { as: x, volumes: { of: sourc, hold: 0 } }\n")];
    fault_healed_before_it_begins: [("  - backup: source\n", "  - heal: outage\n")];
    unknown_field_of_a_fault: [("  - backup: source\n", "  - fault: { as: x, request: { do: hang } }\n")];
    archive_that_is_not_there: [("clusters:\n", "archive: other.yaml\nclusters:\n")];
    world_that_is_not_there: [("clusters:\n", "world: other.world.yaml\nclusters:\n")];
    several_mistakes_at_once: [
        ("- backup: source", "- backup: sorce"),
        ("reads: [prodbackups]", "reads: [nobackups]"),
        ("${clusters.source.uid}", "${clusters.clone.uid}"),
    ];
}

#[test]
fn the_scenario_that_the_others_break_is_accepted() {
    let loaded = Case::with(&[]).load().unwrap();
    assert_eq!((loaded.group.as_str(), loaded.slug.as_str()), ("group", "case"));
    let statements: Vec<&str> = loaded
        .scenario
        .steps
        .iter()
        .filter_map(|step| match step {
            clonedrill::scenario::Step::Sql(sql) => Some(loaded.sql(sql)),
            _ => None,
        })
        .collect();
    assert_eq!(statements, ["CREATE TABLE orders ()", "DELETE FROM orders;"]);
}

#[test]
fn a_name_may_be_used_again_when_its_cluster_is_deleted() {
    let case = Case::with(&[
        ("name: acid-orders-clone", "name: acid-orders"),
        ("  - create: clone\n", "  - delete: source\n  - create: clone\n"),
    ]);
    assert!(case.load().is_ok());
}

#[test]
fn what_people_do_in_place_is_accepted() {
    let steps = "  - apply: { to: source, changes: { spec: { numberOfInstances: 2 } } }\n  \
                 - set-secret: { name: backup-keys, values: { prod: \"${storage.clonebackups.key}\" } }\n  \
                 - failover: source\n  - restart: source\n  \
                 - restore-in-place: { of: source, with: clone, volumes: kept }\n";
    let case =
        Case::with(&[("name: acid-orders-clone", "name: acid-orders"), ("  - create: clone\n", steps)]);
    if let Err(error) = case.load() {
        panic!("{}", case.rendered(&error));
    }
}

#[test]
fn a_manifest_that_the_api_server_rejects_is_shown_at_the_field_it_names() {
    let case = Case::with(&[("numberOfInstances: 1", "numberOfInstances: many")]);
    let loaded = case.load().unwrap();
    let error = loaded.rejected_by_api_server(
        "/clusters/source",
        Some("spec.numberOfInstances"),
        "must be of type integer: \"string\"",
        &[],
    );
    insta::assert_snapshot!(case.rendered(&error));
}

#[test]
fn of_a_field_that_the_api_server_does_not_know_the_nearest_is_named() {
    let case = Case::with(&[("numberOfInstances: 1", "numberOfInstance: 1")]);
    let loaded = case.load().unwrap();
    let error = loaded.rejected_by_api_server(
        "/clusters/source",
        Some("spec.numberOfInstance"),
        "unknown field \"spec.numberOfInstance\"",
        &["teamId", "numberOfInstances", "volume"],
    );
    insta::assert_snapshot!(case.rendered(&error));
}

#[test]
fn statements_that_the_database_refuses_are_shown_at_their_step() {
    let case = Case::with(&[]);
    let loaded = case.load().unwrap();
    let shown = |in_a_file: bool| {
        let wanted = |step: &Step| matches!(step, Step::Sql(sql) if sql.file.is_some() == in_a_file);
        let step = loaded.scenario.steps.iter().position(wanted).unwrap();
        case.rendered(&loaded.refused_by_database(step, "ERROR: there is no table ordres", Some(2)))
    };
    insta::assert_snapshot!("statements_of_a_file_that_the_database_refuses", shown(true));
    insta::assert_snapshot!("statements_that_the_database_refuses", shown(false));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let case = Case::with(&[]);
    let error = load(&case.folder.path().join("scenarios/group/cas.yaml"), &checks()).unwrap_err();
    insta::assert_snapshot!(case.rendered(&error));
}

/// Its snapshots would come to stand beside a folder of any name, outside of the repository.
#[test]
fn a_scenario_with_snapshots_that_stands_elsewhere_is_refused() {
    let case = Case::with(&[]);
    let elsewhere = case.folder.path().join("mine/group");
    fs::create_dir(elsewhere.parent().unwrap()).unwrap();
    fs::rename(case.folder.path().join("scenarios/group"), &elsewhere).unwrap();
    let file = elsewhere.join("case.yaml");
    let shown = case.rendered(&load(&file, &checks()).unwrap_err());
    insta::assert_snapshot!(shown.replace(&format!("{}/", case.folder.path().display()), ""));

    let output =
        Command::new(env!("CARGO_BIN_EXE_clonedrill")).args(["run", "--update"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("clonedrill::scenario::outside_of_scenarios"));
    assert!(!case.folder.path().join("snapshots").exists());

    let without = fs::read_to_string(&file).unwrap().replace("  snapshots: [env, data]\n", "");
    fs::write(&file, without).unwrap();
    load(&file, &checks()).unwrap();
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let case = Case::of("");
    insta::assert_snapshot!(case.rendered(&case.load().unwrap_err()));
}

#[test]
fn validate_leaves_with_2_and_gives_editors_the_place() {
    let case = Case::with(&[("- backup: source", "- backup: sauce")]);
    let output = validate(&case, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let record = &records[0];
    assert_eq!(records.as_array().unwrap().len(), 1);
    assert_eq!((&record["line"], &record["column"]), (&33.into(), &13.into()));
    assert_eq!(record["code"], "clonedrill::scenario::unknown_cluster");
    assert_eq!(record["help"], "did you mean `source`?");
}

#[test]
fn validate_knows_which_operators_cannot_be_had() {
    let output =
        validate(&Case::with(&[("versions: [v1.15.1]", "versions: [latest]")]), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let records: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(records[0]["code"], "clonedrill::scenario::operator_version");
    assert!(records[0]["help"].as_str().unwrap().contains("v1."), "{records}");
}

#[test]
fn validate_leaves_with_0_where_all_is_sound() {
    let output = validate(&Case::with(&[]), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("ok "));
}

#[test]
fn the_shipped_scenarios_are_sound() {
    let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
    let output =
        Command::new(env!("CARGO_BIN_EXE_clonedrill")).args(["validate", scenarios]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn validate(case: &Case, more: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_clonedrill"))
        .arg("validate")
        .arg(case.folder.path())
        .args(more)
        .output()
        .unwrap()
}
