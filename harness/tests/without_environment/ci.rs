//! What people copy from `ci/`: that it names what there is. `ci/lint` holds it to promtool and actionlint, `copied` to a
//! real API server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clonedrill::observe::catalogue::{self, Level, Source, Standing};
use clonedrill::report::DrillReport;
use clonedrill::report::tell::{check_template, tell};
use clonedrill::restore::{RestoreDrill, Tell, needed, useful};
use serde_json::{Value, json};

fn ci() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("ci")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(ci().join(name)).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// The series that a drill which passed writes, as `name{labels}` and value.
async fn written() -> Vec<(String, String)> {
    let measure = |milliseconds: u64, budget: u64| json!({ "milliseconds": milliseconds, "budget": budget });
    let report = json!({
        "scenario": "orders-nightly", "file": "drills/orders.yaml", "operator": "", "environment": "cluster",
        "verdict": "passed", "milliseconds": 1_131_000, "phases": [], "clusters": [], "findings": [], "told_apart": [],
        "evidence": "evidence",
        "restore": {
            "source": "prod/acid-orders", "clone": "drills/acid-orders-drill", "context": "in-cluster", "phases": [],
            "rpo": measure(105_695, 300_000), "rto": measure(1_093_400, 1_800_000), "largest_cause": "", "proofs": [],
            "manifest": "", "reproduce": [],
        },
    });
    let report: DrillReport = serde_json::from_value(report).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drill.prom");
    let told = tell(&report, &Tell { metrics_file: Some(path.clone()), ..Tell::default() }, None).await;
    assert!(told.is_empty(), "{told:?}");
    let text = std::fs::read_to_string(path).unwrap();
    let series =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
    series.map(|(series, value)| (series.to_owned(), value.to_owned())).collect()
}

fn names(text: &str) -> BTreeSet<String> {
    let name = regex::Regex::new("clonedrill_[a-z_]+").unwrap();
    name.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

#[tokio::test]
async fn alerts_and_dashboard_name_the_metrics_that_a_drill_writes_and_all_of_them() {
    let written: BTreeSet<String> = written().await.iter().flat_map(|(series, _)| names(series)).collect();
    let rules = yaml(&text("prometheus/alerts.yaml"));
    let rules =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let alerts: String = rules.map(|rule| format!("{}\n", rule["expr"].as_str().unwrap())).collect();
    let dashboard = text("grafana/dashboard.json");
    let named: BTreeSet<String> = names(&alerts).union(&names(&dashboard)).cloned().collect();
    assert_eq!(named, written);
    assert!(names(&text("prometheus/alerts.test.yaml")).is_subset(&written));
}

#[test]
fn the_dashboard_asks_the_chosen_datasource_only() {
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 5);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
}

/// `ci/lint` shows that those series do not alert.
#[tokio::test]
async fn the_harmless_line_of_the_operator_is_no_failure_and_what_then_is_written_is_tested_not_to_alert() {
    let line = "cannot figure out S3 or GS bucket or AZ storage account. All options are empty";
    let known = catalogue::find(Source::Operator, Level::Error, line).unwrap();
    assert_eq!((known.name, known.standing), ("no-global-storage-account", Standing::Expected));

    let tests = yaml(&text("prometheus/alerts.test.yaml"));
    let quiet = &tests["tests"][0];
    assert!(quiet["name"].as_str().unwrap().contains("harmless errors"), "{quiet}");
    let written = written().await;
    let mut held = 0;
    for series in quiet["input_series"].as_array().unwrap() {
        let name = series["series"].as_str().unwrap();
        if !name.starts_with("clonedrill_") {
            continue;
        }
        let (_, value) =
            written.iter().find(|(written, _)| written == name).unwrap_or_else(|| panic!("{name}"));
        let given = series["values"].as_str().unwrap().split_once('x').unwrap().0;
        // The test's clock begins at the epoch, ours does not.
        if !name.contains("_timestamp_") {
            assert_eq!(given.parse::<f64>().unwrap(), value.parse::<f64>().unwrap(), "{name}");
        }
        held += 1;
    }
    assert!(held > 8, "{held} series");
    // It says that none of the alerts there are is up.
    let alerts = yaml(&text("prometheus/alerts.yaml"));
    let all: BTreeSet<&str> = alerts["groups"][0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["alert"].as_str().unwrap())
        .collect();
    let quiet = quiet["alert_rule_test"].as_array().unwrap();
    assert!(quiet.iter().all(|alert| alert["exp_alerts"] == json!([])));
    assert_eq!(quiet.iter().map(|alert| alert["alertname"].as_str().unwrap()).collect::<BTreeSet<_>>(), all);
}

#[test]
fn the_nightly_drills_file_is_one_and_ends_before_its_job_is_ended() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text("kubernetes/cronjob.yaml")).unwrap();
    let drill: RestoreDrill =
        serde_saphyr::from_str(documents[0]["data"]["drill.yaml"].as_str().unwrap()).unwrap();
    assert!(check_template(drill.tell.webhook.as_ref().unwrap().template.as_ref().unwrap()).is_ok());
    let of_kind = |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap();
    let job = &of_kind("CronJob")["spec"]["jobTemplate"]["spec"];
    let pod = &job["template"]["spec"];
    // Waiting for its turn, the drill, and removing the clone.
    let seconds = |limit: Option<clonedrill::restore::Span>| limit.unwrap().0.as_secs();
    let removing = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    let all = seconds(drill.limits.wait) + seconds(drill.limits.time) + removing;
    assert!(all <= job["activeDeadlineSeconds"].as_u64().unwrap(), "{all}");
    let container = &pod["containers"][0];
    let place = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert_eq!(container["args"], json!(["drill", format!("{place}/drill.yaml")]));
    // Reports outlive the pod, and go after a while.
    let reports = |one: &Value| one["mountPath"] == container["workingDir"];
    let mount = container["volumeMounts"].as_array().unwrap().iter().find(|mount| reports(mount)).unwrap();
    let volumes = pod["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
    let claim = of_kind("PersistentVolumeClaim");
    assert_eq!(volume["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"], "{volume}");
    let forgets = &pod["initContainers"][0];
    assert!(reports(&forgets["volumeMounts"][0]), "{forgets}");
    old_reports_go(forgets["command"].as_array().unwrap());
}

/// The command of the example, in a folder that stands for the claim.
fn old_reports_go(command: &[Value]) {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("target/clonedrill");
    for (run, age) in [("20261001-030000-1", 40), ("20261123-030000-1", 1)] {
        std::fs::create_dir_all(runs.join(run).join("orders-nightly")).unwrap();
        std::fs::write(runs.join(run).join("report.html"), "").unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age * 24 * 60 * 60);
        std::fs::File::open(runs.join(run)).unwrap().set_modified(time).unwrap();
    }
    let words = command.iter().map(|word| word.as_str().unwrap());
    let words: Vec<String> =
        words.map(|word| word.replace("/report", folder.path().to_str().unwrap())).collect();
    let ended = std::process::Command::new(&words[0]).args(&words[1..]).status().unwrap();
    assert!(ended.success(), "{words:?}");
    assert!(!runs.join("20261001-030000-1").exists() && runs.join("20261123-030000-1/report.html").exists());
}

/// What the Roles of a file grant, as `namespace: verb resource`.
fn granted(file: &str) -> BTreeSet<String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text(&format!("kubernetes/{file}"))).unwrap();
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        rule[field].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for role in documents.iter().filter(|document| document["kind"] == "Role") {
        let namespace = role["metadata"]["namespace"].as_str().unwrap();
        for rule in role["rules"].as_array().unwrap() {
            // What is granted by name is the source's password, which is asked for when its Secret is known.
            if rule["resourceNames"].is_array() {
                assert_eq!(
                    (&rule["resources"], &rule["verbs"]),
                    (&json!(["secrets"]), &json!(["get"])),
                    "{file}"
                );
                continue;
            }
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    for verb in texts(rule, "verbs") {
                        granted.insert(format!("{namespace}: {verb} {resource} of {group:?}"));
                    }
                }
            }
        }
    }
    granted
}

/// What such a drill asks for before it begins, and what it uses where it has it.
fn asked(drill: Value) -> BTreeSet<String> {
    let mut whole = json!({
        "source": { "namespace": "prod", "name": "acid-orders" }, "into": { "namespace": "drills" },
    });
    whole.as_object_mut().unwrap().extend(drill.as_object().unwrap().clone());
    let drill: RestoreDrill = serde_json::from_value(whole).unwrap();
    let rights = needed(&drill).into_iter().chain(useful(&drill)).map(|right| {
        let below =
            if right.subresource.is_empty() { String::new() } else { format!("/{}", right.subresource) };
        format!("{}: {} {}{below} of {:?}", right.namespace, right.verb, right.resource, right.group)
    });
    rights.collect()
}

#[test]
fn roles_grant_what_a_drill_asks_for_and_no_more() {
    let (plain, compares, tells) =
        (asked(json!({})), asked(json!({ "compare": {} })), asked(json!({ "tell": { "events": true } })));
    let more = |all: &BTreeSet<String>| all.difference(&plain).cloned().collect::<BTreeSet<_>>();
    assert_eq!(granted("rbac.yaml"), plain);
    assert_eq!(granted("rbac-compare.yaml"), more(&compares));
    assert_eq!(granted("rbac-events.yaml"), more(&tells));
}
