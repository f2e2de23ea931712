//! Secrets and ConfigMaps that are not among the manifests, or not in full.

use super::*;

#[test]
fn what_the_operators_missing_configmap_may_add_is_not_missed() {
    let settings = "apiVersion: acid.zalan.do/v1\nkind: OperatorConfiguration\nmetadata: { name: c }\n\
                    configuration: { kubernetes: { pod_environment_configmap: infra/pod-env } }\n---\n";
    let mut case = Case::new().without("WALG_AZ_PREFIX").without("CLONE_USE_WALG_RESTORE");
    let mut found = case.codes();
    found.sort_unstable();
    assert_eq!(found, ["account-without-prefix", "clone-without-walg-restore"]);
    case.before.insert_str(0, settings);
    let hanging = case.checked().findings;
    let mut codes: Vec<&str> = hanging.iter().map(|finding| finding.definition.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["account-without-prefix", "clone-without-walg-restore", "missing-configmap"]);
    for finding in hanging.iter().filter(|finding| finding.definition.code != "missing-configmap") {
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.message.contains("; unless ConfigMap infra/pod-env brings "), "{}", finding.message);
    }
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: pod-env, namespace: infra }\ndata: { A: b }\n---\n";
    case.before.insert_str(0, map);
    assert_eq!(case.codes().len(), 2);
}

#[test]
fn the_flat_form_of_the_configuration_refers_too() {
    let mut case = Case::new();
    case.before.insert_str(
        0,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: postgres-operator }\ndata: { pod_environment_secret: pod-keys }\n---\n",
    );
    assert_eq!(case.codes(), ["missing-secret"]);
}

#[test]
fn a_prefix_that_only_the_cluster_knows_is_not_judged() {
    let unknown = json!({ "valueFrom": { "configMapKeyRef": { "name": "nowhere", "key": "prefix" } } });
    assert_eq!(Case::new().with("WALG_AZ_PREFIX", unknown).codes(), ["missing-configmap"]);
}

#[test]
fn a_reference_that_is_optional_may_be_missing() {
    let reference =
        json!({ "valueFrom": { "secretKeyRef": { "name": "nowhere", "key": "a", "optional": true } } });
    assert_eq!(Case::new().with("EXTRA", reference).codes(), [""; 0]);
}

#[test]
fn secrets_that_are_made_in_the_cluster_have_keys_and_no_values() {
    let mut case = Case::new();
    case.before = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: { name: keys }\nspec: { data: [{ secretKey: prod }, \
                   { secretKey: clone }] }\n---\n"
        .to_owned();
    assert_eq!(said(&case), []);
    case.before = case.before.replace("{ secretKey: clone }", "{ secretKey: other }");
    assert_eq!(said(&case), [("missing-secret-key", Severity::Warning)]);
}
