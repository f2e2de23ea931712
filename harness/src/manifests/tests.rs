use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::*;
use crate::diagnosis::Place;

fn read(text: &str) -> Manifests {
    Manifests::of_text(Path::new("all.yaml"), text)
}

/// As a person reads it, without colour, 100 columns wide.
fn rendered<'d>(diagnostics: impl IntoIterator<Item = &'d (impl Diagnostic + 'd)>) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    for diagnostic in diagnostics {
        handler.render_report(&mut text, diagnostic).unwrap();
    }
    text
}

const CLUSTER: &str = "
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders, namespace: shop }
spec:
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: prodbackups }
";

#[test]
fn every_kind_is_recognised_and_others_are_passed_over() {
    let manifests = read(&format!(
        "{CLUSTER}---
apiVersion: v1
kind: List
items:
  - {{ apiVersion: v1, kind: Secret, metadata: {{ name: keys }}, stringData: {{ prod: abc }} }}
  - {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: pod-env }}, data: {{ WALG_DELTA_MAX_STEPS: '3' }} }}
  - {{ apiVersion: v1, kind: Service, metadata: {{ name: other }} }}
---
{{\"apiVersion\": \"acid.zalan.do/v1\", \"kind\": \"OperatorConfiguration\", \"metadata\": {{\"name\": \"ours\"}}}}
---
replicas: 2
"
    ));
    let shown: Vec<String> = manifests.documents.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["postgresql shop/acid-orders", "Secret keys", "ConfigMap pod-env", "OperatorConfiguration ours"]
    );
    assert!(manifests.problems.is_empty(), "{}", rendered(&manifests.problems));
    let passed: Vec<_> = manifests.passed_over.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(passed, [("Service", 1), ("file without objects", 1)]);
    let (input, index) = manifests.to_render_input();
    assert_eq!((input.clusters.len(), input.objects.len()), (1, 2));
    assert!(matches!(input.settings, Settings::Object(_)));
    let document = |object| index.document(object).map(|at| manifests.documents[at].name.as_str());
    assert_eq!(document(InputObject::Object(1)), Some("pod-env"));
    assert_eq!(document(InputObject::Cluster(0)), Some("acid-orders"));
    assert_eq!(document(InputObject::Settings), Some("ours"));
}

#[test]
fn places_are_those_of_the_whole_file() {
    let text = format!(
        "{CLUSTER}---\nkind: PodList\napiVersion: v1\n---\nkind: List\nitems:\n  - {{ apiVersion: v1, kind: Secret, metadata: {{ name: keys }} }}\n"
    );
    let manifests = read(&text);
    let at = |place: &Place| text[place.span.offset()..place.span.offset() + place.span.len()].to_owned();
    let [cluster, secret] = &manifests.documents[..] else { panic!("{:?}", manifests.documents) };
    assert_eq!(at(&cluster.place("/spec/env/0/value")), "prodbackups");
    assert_eq!(at(&cluster.place_of_field("spec.env[0].name")), "AZURE_STORAGE_ACCOUNT");
    assert_eq!(at(&secret.place_of_name()), "keys");
    assert_eq!(secret.place_of_name().start(), (14, 55));
}

#[test]
fn a_flat_configuration_is_told_from_other_config_maps() {
    let of = |name: &str, data: &str| {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name} }}\ndata: {data}\n");
        read(&text).documents[0].kind
    };
    assert_eq!(
        of("anything", "{ cluster_labels: a:b, workers: '4', resync_period: 5m }"),
        Kind::OperatorConfigMap
    );
    assert_eq!(of("postgres-operator", "{ wal_az_storage_account: prodbackups }"), Kind::OperatorConfigMap);
    assert_eq!(of("anything", "{ wal_az_storage_account: prodbackups }"), Kind::ConfigMap);
    assert_eq!(of("postgres-operator", "{ WALG_DELTA_MAX_STEPS: '3' }"), Kind::ConfigMap);
}

#[test]
fn the_operators_deployment_says_which_configuration_counts() {
    let configurations = "
{ apiVersion: acid.zalan.do/v1, kind: OperatorConfiguration, metadata: { name: staging } }
---
{ apiVersion: acid.zalan.do/v1, kind: OperatorConfiguration, metadata: { name: production } }
";
    let deployment = "---
apiVersion: apps/v1
kind: Deployment
metadata: { name: postgres-operator }
spec:
  template:
    spec:
      containers:
        - name: postgres-operator
          env: [{ name: POSTGRES_OPERATOR_CONFIGURATION_OBJECT, value: postgres-operator/production }]
";
    let manifests = read(&format!("{configurations}{deployment}"));
    assert_eq!(manifests.settings().unwrap().name, "production");
    assert!(manifests.problems.is_empty());
    let manifests = read(configurations);
    assert_eq!(manifests.settings().unwrap().name, "staging");
    insta::assert_snapshot!(rendered(&manifests.problems));
}

#[test]
fn each_mistake_is_one_problem_and_the_rest_is_read() {
    let manifests = read(&format!(
        "{CLUSTER}---
kind: postgresql
  metadata: broken
---
- a
- list
---
apiVersion: v1
kind: Secret
metadata: {{ namespace: shop }}
---
apiVersion: v1
kind: Secret
metadata: {{ name: keys }}
stringData: {{ a: abc, a: def }}
---
apiVersion: v1
metadata: {{ name: what }}
---
{CLUSTER}---
apiVersion: v1
kind: Secret
metadata: {{ name: fine }}
"
    ));
    let names: Vec<&str> = manifests.documents.iter().map(|document| document.name.as_str()).collect();
    insta::assert_snapshot!(rendered(&manifests.problems));
    assert_eq!(names, ["acid-orders", "fine"]);
}

#[test]
fn an_object_in_two_files_is_shown_in_both() {
    let manifests = read::read([(Path::new("a.yaml"), CLUSTER), (Path::new("b.yaml"), CLUSTER)].into_iter());
    insta::assert_snapshot!(rendered(&manifests.problems));
}

#[test]
fn folders_are_searched_and_what_is_no_manifest_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("shop/orders.yaml", CLUSTER);
    write("keys.json", r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}"#);
    write("README.md", "not: [yaml");
    write(".git/config.yaml", "not: [yaml");
    let manifests = Manifests::read(&[folder.path().to_owned(), folder.path().join("nowhere.yaml")]);
    let shown: Vec<String> = manifests.documents.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["Secret keys", "postgresql shop/acid-orders"]);
    let problems: Vec<&str> = manifests.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(problems, ["clonedrill::manifests::unreadable"]);
}

const KEY: &str = "c2VjcmV0IGtleSBvZiBhIHN0b3JhZ2UgYWNjb3VudA==";

#[test]
fn no_snippet_shows_a_key() {
    for text in [
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ namespace: a }}\nstringData: {{ prod: {KEY} }}\n"
        ),
        format!("kind: Secret\nstringData:\n  prod: {KEY}\n   bad: indent\n"),
        format!(
            "kind: postgresql\nspec:\n  env:\n    - name: AZURE_STORAGE_ACCESS_KEY\n      value: {KEY}\n     bad\n"
        ),
        format!(
            "kind: postgresql\napiVersion: acid.zalan.do/v1\nmetadata:\n  env: [{{ name: AZURE_STORAGE_ACCESS_KEY, value: {KEY} }}]\n"
        ),
        format!("kind: ConfigMap\napiVersion: v1\nmetadata:\n  labels: {{}}\ndata: {{ SAS_TOKEN: {KEY} }}\n"),
    ] {
        let manifests = read(&text);
        let shown =
            rendered(&manifests.problems) + manifests.problems[0].place.as_ref().unwrap().source.text();
        assert!(!shown.contains(KEY), "{shown}");
        assert!(!format!("{manifests:?}").contains(KEY));
    }
}
