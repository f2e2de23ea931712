use serde_json::json;

use super::*;

const PROD: &str = "cHJvZGJhY2t1cHMta2V5LW9mLXRlc3Q=";
const CLONE: &str = "Y2xvbmViYWNrdXBzLWtleS1vZi10ZXN0";

fn inputs() -> EnvInputs {
    let literal = |name: &str, value: &str| json!({ "name": name, "value": value });
    let from_secret = |name: &str, secret: &str, key: &str| json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } });
    let own = vec![
        literal("CLONE_AZURE_STORAGE_ACCOUNT", "clonebackups"),
        from_secret("CLONE_AZURE_STORAGE_ACCESS_KEY", "backup-keys", "prod"),
        json!({ "name": "NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }),
        literal("BOTH", "in two places"),
        literal("CLONE_METHOD", "CLONE_WITH_WALE"),
    ];
    let mut template = vec![
        literal("SCOPE", "acid-orders-clone"),
        json!({ "name": "POD_IP", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "status.podIP" } } }),
        from_secret("PGPASSWORD_SUPERUSER", "postgres.acid-orders-clone", "password"),
        literal("WAL_BUCKET_SCOPE_PREFIX", ""),
        literal("SPILO_CONFIGURATION", &format!(r#"{{"a":{{"key":"{PROD}"}},"b":1}}"#)),
    ];
    template.extend(own.clone());
    template[7]["valueFrom"]["fieldRef"]["apiVersion"] = json!("v1");
    template.extend([
        literal("CLONE_METHOD", "CLONE_WITH_WALE"),
        literal("CLONE_TARGET_TIME", "2026-11-24T03:00:00Z"),
        from_secret("AZURE_STORAGE_ACCESS_KEY", "pod-secrets", "AZURE_STORAGE_ACCESS_KEY"),
        literal("BACKUP_SCHEDULE", "0 3 * * *"),
        literal("CLONE_AZURE_STORAGE_ACCOUNT", "prodbackups"),
        literal("AZURE_STORAGE_ACCOUNT", "prodbackups"),
    ]);
    let container = [
        ("SCOPE", "acid-orders-clone"),
        ("POD_IP", "10.244.1.7"),
        ("PGPASSWORD_SUPERUSER", "made-by-the-operator"),
        ("WAL_BUCKET_SCOPE_PREFIX", ""),
        ("SPILO_CONFIGURATION", &format!(r#"{{"a":{{"key":"{PROD}"}},"b":1}}"#)),
        ("CLONE_AZURE_STORAGE_ACCESS_KEY", PROD),
        ("NODE", "local"),
        ("BOTH", "in two places"),
        ("CLONE_METHOD", "CLONE_WITH_WALE"),
        ("AZURE_STORAGE_ACCESS_KEY", CLONE),
        ("BACKUP_SCHEDULE", "0 3 * * *"),
        ("CLONE_AZURE_STORAGE_ACCOUNT", "prodbackups"),
        ("AZURE_STORAGE_ACCOUNT", "prodbackups"),
        ("CLONE_TARGET_TIME", "2026-11-24T03:00:00Z"),
    ];
    EnvInputs {
        template_env: template,
        template_env_from: vec![json!({ "configMapRef": { "name": "more" } })],
        container: container.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        manifest: json!({ "spec": { "env": own, "clone": { "cluster": "acid-orders" } } }),
        pod_environment_secret: Some(BTreeMap::from([(
            "AZURE_STORAGE_ACCESS_KEY".to_owned(),
            Secret::new(CLONE),
        )])),
        pod_environment_configmap: Some(BTreeMap::from([
            ("BACKUP_SCHEDULE".to_owned(), "0 3 * * *".to_owned()),
            ("BOTH".to_owned(), "in two places".to_owned()),
        ])),
        operator_configuration: json!({
            "aws_or_gcp": { "wal_az_storage_account": "prodbackups" },
            "kubernetes": { "pod_environment_secret": "pod-secrets", "pod_environment_configmap": "default/pod-env" },
        }),
        secrets: vec![Secret::new(PROD), Secret::new(CLONE)],
    }
}

fn redactor() -> Redactor {
    Redactor::new()
        .account_key("prodbackups", &Secret::new(PROD))
        .account_key("clonebackups", &Secret::new(CLONE))
        .password(&Secret::new("made-by-the-operator"))
}

#[test]
fn what_only_looks_as_if_it_varied_stands_in_the_snapshot() {
    // A path that looks like an LSN, a time that nobody marked, an interval, a size, an address.
    for (one, other) in [
        ("azure://backups/team/2026/15", "azure://backups/team/2025/15"),
        ("2099-01-01T00:00:00+00:00", "2020-01-01T00:00:00+00:00"),
        ("30s", "1800s"),
        ("128MB", "512MB"),
        ("10.1.2.3", "10.1.2.4"),
    ] {
        let text = |value: &str| {
            let mut changed = inputs();
            changed.template_env.push(json!({ "name": "CLONE_TARGET_TIME", "value": value }));
            EnvObservation::new(&changed).to_text(&redactor())
        };
        assert_ne!(text(one), text(other));
    }
}

#[test]
fn an_expected_secret_is_shown_as_the_observed_one() {
    let mut given = inputs();
    given.container.insert("AWS_SECRET_ACCESS_KEY".to_owned(), "a-literal-key".to_owned());
    let seen = EnvObservation::new(&given);
    let shown = |value: &str| shown("AWS_SECRET_ACCESS_KEY", value, &redactor());
    assert_eq!(seen.value("AWS_SECRET_ACCESS_KEY"), Some(shown("a-literal-key").as_str()));
    assert_ne!(seen.value("AWS_SECRET_ACCESS_KEY"), Some(shown("another-key").as_str()));
}

#[test]
fn the_snapshot_shows_order_duplicates_origins_and_what_the_container_got() {
    insta::assert_snapshot!(EnvObservation::new(&inputs()).to_text(&redactor()));
}

#[test]
fn a_name_that_stands_twice_counts_as_its_last_entry() {
    let seen = EnvObservation::new(&inputs());
    assert_eq!(seen.listed("CLONE_AZURE_STORAGE_ACCOUNT"), 2);
    assert_eq!(seen.value("CLONE_AZURE_STORAGE_ACCOUNT"), Some("prodbackups"));
    assert_eq!(seen.from("CLONE_AZURE_STORAGE_ACCOUNT"), Some(EnvOrigin::CloneSection));
    assert!(seen.entries.iter().any(|entry| entry.hidden && entry.from == EnvOrigin::SpecEnv));
}

#[test]
fn equal_values_in_two_sources_are_ambiguous() {
    let seen = EnvObservation::new(&inputs());
    assert_eq!(seen.from("BOTH"), Some(EnvOrigin::Ambiguous));
    // In the manifest, and appended once more for the clone section.
    assert_eq!(seen.from("CLONE_METHOD"), Some(EnvOrigin::Ambiguous));
    assert_eq!(seen.from("AZURE_STORAGE_ACCOUNT"), Some(EnvOrigin::OperatorConfiguration));
}

#[test]
fn no_secret_stands_in_an_observation() {
    let seen = format!("{:?}", EnvObservation::new(&inputs()));
    for secret in [PROD, CLONE, "made-by-the-operator"] {
        assert!(!seen.contains(secret));
    }
    assert!(seen.contains(&Secret::new(PROD).fingerprint()));
}

#[test]
fn another_value_gives_another_snapshot() {
    let mut changed = inputs();
    changed.container.insert("CLONE_AZURE_STORAGE_ACCOUNT".to_owned(), "clonebackups".to_owned());
    let text = |inputs: &EnvInputs| EnvObservation::new(inputs).to_text(&redactor());
    assert_ne!(text(&inputs()), text(&changed));
}
