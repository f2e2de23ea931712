//! The pages of the docs: their examples are true.

use std::collections::BTreeSet;
use std::path::Path;

use clonedrill::check::{Severity, Shown, definitions};

use super::{check, codes, report};

/// The first block of YAML below a heading of a page.
fn block<'p>(page: &'p str, heading: &str) -> &'p str {
    let below =
        page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}: {page}"));
    let yaml = below.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    yaml.unwrap_or_else(|| panic!("no YAML below {heading}: {page}"))
}

fn example_and_repair(code: &str) -> (&'static str, &'static str) {
    let definition = definitions().iter().find(|definition| definition.code == code).unwrap();
    (block(definition.page, "Example"), block(definition.page, "Repair"))
}

/// Examples that configure the operator are checked one by one: an operator has one configuration.
fn configures_the_operator(yaml: &str) -> bool {
    yaml.contains("kind: OperatorConfiguration")
}

/// The same example in a namespace, or in namespaces, and with storage accounts of its own, so that many can be checked at once.
fn apart(yaml: &str, number: usize) -> String {
    let placed = |line: &str| match line.split_once(", namespace: ") {
        Some((before, own)) => format!("{before}, namespace: n{number}-{own}\n"),
        None => {
            line.replace("metadata: { name: ", &format!("metadata: {{ namespace: n{number}, name: ")) + "\n"
        }
    };
    let named = yaml
        .lines()
        .map(placed)
        .collect::<String>()
        .replace("prodbackups", &format!("prodbackups{number}"))
        .replace("clonebackups", &format!("clonebackups{number}"));
    assert_ne!(named, yaml);
    named
}

/// Each page that configures no operator: its example gives its finding alone, its repair none.
#[test]
fn every_example_gives_its_finding_and_its_repair_none() {
    let folder = tempfile::tempdir().unwrap();
    let pages: Vec<_> =
        definitions().iter().filter(|definition| !configures_the_operator(definition.page)).collect();
    assert!(pages.len() > 20);
    for (at, definition) in pages.iter().enumerate() {
        let (example, repair) = example_and_repair(definition.code);
        let write = |what: &str, text: String| {
            std::fs::write(folder.path().join(format!("{}.{what}.yaml", definition.code)), text).unwrap();
        };
        write("example", apart(example, 2 * at));
        write("repair", apart(repair, 2 * at + 1));
    }
    let output = check(folder.path(), &[".", "--format", "json", "--new"]);
    let report = report(&output);
    for definition in &pages {
        let of = |what: &str| codes(&report, &format!("./{}.{what}.yaml", definition.code));
        let expected: &[&str] = if definition.severity == Severity::Note { &[] } else { &[definition.code] };
        assert_eq!(of("example"), expected, "the example of {}", definition.code);
        assert_eq!(of("repair"), [""; 0], "the repair of {}", definition.code);
    }
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{}", report["problems"]);
    assert_eq!(output.status.code(), Some(1));
    texts(&report);
}

/// What is said of each example, for review.
fn texts(report: &serde_json::Value) {
    let findings = report["findings"].as_array().unwrap().iter();
    let own = |finding: &&serde_json::Value| {
        finding["file"] == format!("./{}.example.yaml", finding["code"].as_str().unwrap())
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let said: Vec<String> = findings
        .filter(own)
        .map(|finding| {
            format!(
                "{} ({}, line {})\n  {}\n  repair: {}\n",
                text(&finding["code"]),
                text(&finding["severity"]),
                finding["line"],
                text(&finding["message"]),
                text(&finding["repair"])
            )
        })
        .collect();
    insta::assert_snapshot!("texts", said.join("\n"));
}

fn one_by_one(code: &str) {
    let (example, repair) = example_and_repair(code);
    let folder = tempfile::tempdir().unwrap();
    let of = |text: &str, exit: i32| {
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        let output = check(folder.path(), &["all.yaml", "--format", "json"]);
        assert_eq!(output.status.code(), Some(exit), "{}", String::from_utf8_lossy(&output.stderr));
        codes(&report(&output), "all.yaml").into_iter().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let definition = definitions().iter().find(|definition| definition.code == code).unwrap();
    let exit = i32::from(definition.severity == Severity::Error);
    assert_eq!(of(example, exit), [code]);
    assert_eq!(of(repair, 0), [""; 0]);
}

#[test]
fn an_account_that_the_operator_overrides_is_found() {
    one_by_one("clone-variable-overridden");
}

#[test]
fn a_key_in_the_pod_environment_configmap_is_found() {
    one_by_one("key-in-configmap");
}

#[test]
fn a_pod_environment_configmap_that_is_not_given_is_found() {
    one_by_one("missing-configmap");
}

#[test]
fn volumes_that_the_operator_keeps_are_found() {
    one_by_one("restore-in-place-keeps-volumes");
}

#[test]
fn a_prefix_that_an_upgrade_in_place_goes_on_in_is_found() {
    one_by_one("prefix-without-version");
}

#[test]
fn logical_backups_that_go_nowhere_are_found() {
    one_by_one("logical-backup-elsewhere");
}

#[test]
fn a_cluster_without_backups_beside_one_with_them_is_found() {
    one_by_one("no-backups");
}

/// Notes do not count; where the account is missing the line is not harmless.
#[test]
fn the_operators_line_about_a_missing_account_is_a_note() {
    let (example, repair) = example_and_repair("no-global-account-is-harmless");
    for (text, expected) in [(example, 1), (repair, 0)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        let output = check(folder.path(), &["all.yaml", "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let report = report(&output);
        let findings = report["findings"].as_array().unwrap().iter();
        let own = findings.filter(|finding| finding["code"] == "no-global-account-is-harmless");
        assert_eq!(own.count(), expected);
    }
}

#[test]
fn the_tests_above_are_of_all_pages_that_configure_the_operator() {
    let of_operator: BTreeSet<&str> = definitions()
        .iter()
        .filter(|definition| configures_the_operator(definition.page))
        .map(|definition| definition.code)
        .collect();
    let tested = [
        "clone-variable-overridden",
        "key-in-configmap",
        "logical-backup-elsewhere",
        "missing-configmap",
        "no-backups",
        "no-global-account-is-harmless",
        "prefix-without-version",
        "restore-in-place-keeps-volumes",
    ];
    assert_eq!(of_operator, BTreeSet::from(tested));
}

#[test]
fn every_page_is_of_a_finding_and_has_its_parts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let pages: BTreeSet<String> =
        definitions().iter().map(|definition| format!("{}.md", definition.code)).collect();
    assert_eq!(files, pages);
    for definition in definitions() {
        assert!(definition.page.starts_with(&format!("# {}\n", definition.code)), "{}", definition.code);
        assert!(definition.page.contains(&definition.title[1..]), "{} says something else", definition.code);
        for heading in ["What happens", "Why", "Example", "Repair"] {
            assert!(
                definition.page.contains(&format!("\n## {heading}\n")),
                "{} has no {heading}",
                definition.code
            );
        }
    }
}

/// An empty list would say nothing: a finding is shown on real parts, or it says why it cannot be.
#[test]
fn every_finding_is_shown_by_scenarios_that_there_are_or_says_why_not() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for definition in definitions() {
        let code = definition.code;
        let shown = match definition.shown {
            Shown::Not(why) => {
                assert!(why.len() > 30, "{code}: {why:?} is no reason");
                continue;
            }
            Shown::Test { name, why } => {
                assert!(why.len() > 30, "{code}: {why:?} is no reason");
                assert!(
                    include_str!("with_wal_g.rs").contains(&format!("fn {name}()")),
                    "{code}: no test {name}"
                );
                continue;
            }
            Shown::By(shown) => shown,
        };
        assert!(!shown.is_empty(), "{code} is shown by nothing: name a scenario, or say why none can");
        for scenario in shown {
            assert!(scenarios.join(format!("{scenario}.yaml")).is_file(), "{code}: no {scenario}");
            assert!(definition.page.contains(&format!("[{scenario}]")), "{code}: its page lacks {scenario}");
        }
    }
}
