//! Inputs in the form in which people have them, made after public reports: the first line of each is the right answer.

use serde_json::Value;

use super::{check, folder, report};

/// What is found in a case, notes too: cluster, severity, code and message.
fn found(name: &str) -> Vec<(String, String, String, String)> {
    let here = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder("cases").join(format!("{name}.yaml"))).unwrap();
    // Of the day before the present of all examples.
    std::fs::write(here.path().join("case.yaml"), text.replace("@RECENT@", "2026-11-23T03:00:00")).unwrap();
    let configuration = folder("cases").join(format!("{name}.clonedrill.yaml"));
    if configuration.is_file() {
        std::fs::copy(configuration, here.path().join("clonedrill.yaml")).unwrap();
    }
    let report = report(&check(here.path(), &["case.yaml", "--format", "json"]));
    assert_eq!(report["problems"], serde_json::json!([]), "{name}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            (
                text(&finding["cluster"]),
                text(&finding["severity"]),
                text(&finding["code"]),
                format!("{} {}", text(&finding["message"]), text(&finding["repair"])),
            )
        })
        .collect()
}

/// The only finding that counts is this one, and it says these things.
fn only(name: &str, cluster: &str, severity: &str, code: &str, says: &[&str]) {
    let found = found(name);
    let counting: Vec<_> = found.iter().filter(|(_, severity, ..)| severity != "note").collect();
    let [(of, bad, kind, said)] = counting[..] else { panic!("{name}: {found:#?}") };
    assert_eq!((of.as_str(), bad.as_str(), kind.as_str()), (cluster, severity, code), "{name}");
    for says in says {
        assert!(said.contains(says), "{name}: no `{says}` in: {said}");
    }
}

#[test]
fn a_clone_section_of_s3_wins_against_azure() {
    let says = ["s3_wal_path", "azure://backups/acid-orders/16", "fails", "take s3_wal_path"];
    only("clone-s3-wal-path", "acid-orders-clone", "error", "another-store-wins", &says);
}

#[test]
fn an_encrypted_source_needs_a_clone_with_its_key() {
    let says = ["WALG_LIBSODIUM_KEY", "CLONE_WALG_LIBSODIUM_KEY_TRANSFORM", "what it writes"];
    let code = "clone-without-decryption-key";
    only("clone-without-decryption-key", "acid-orders-clone", "error", code, &says);
}

#[test]
fn a_restore_in_place_is_not_its_own_source() {
    let found = found("in-place-restore-same-name");
    assert!(found.iter().all(|(_, severity, ..)| severity == "note"), "{found:#?}");
}

#[test]
fn a_prefix_that_is_no_url_is_told_as_that() {
    let says =
        ["azure:/wal/acid-orders/16", "azure://<container>", "write azure://wal/$(SCOPE)/$(PGVERSION)"];
    only("malformed-prefix", "acid-orders", "error", "prefix-not-a-url", &says);
}

#[test]
fn a_prefix_without_a_version_is_told_where_the_operator_upgrades() {
    let says = ["timelines", "azure://backups/$(SCOPE)/$(PGVERSION)"];
    only("prefix-without-version", "acid-orders", "warning", "prefix-without-version", &says);
}

#[test]
fn a_time_out_is_told_of_the_clone_alone() {
    only(
        "restore-timeout",
        "acid-orders-clone",
        "warning",
        "restore-timeout",
        &["16 s", "Running with data missing"],
    );
}

#[test]
fn a_retention_that_is_no_number_keeps_the_least() {
    let says = ["two backups and two days"];
    only("retention-not-a-number", "acid-orders", "warning", "retention-not-a-number", &says);
}

#[test]
fn the_end_of_a_sas_token_is_read_in_it() {
    only("sas-expired", "acid-orders", "error", "sas-token-expired", &["2026-01-01", "se="]);
}

#[test]
fn a_missed_target_is_not_promised_to_be_seen_without_log_files() {
    let found = found("target-missed-without-log-files");
    let of = |cluster: &str, code: &str| {
        found
            .iter()
            .find(|(of, _, kind, _)| of == cluster && kind == code)
            .unwrap_or_else(|| panic!("{found:#?}"))
    };
    let future = of("acid-orders-clone", "timestamp-in-the-future");
    assert!(!future.3.contains("says Running") && future.3.contains("tried again for ever"), "{}", future.3);
    let missed = of("acid-billing-clone", "missed-target-not-seen");
    assert_eq!(missed.1, "warning");
    assert!(missed.3.contains("log_destination") && missed.3.contains("fails for ever"), "{}", missed.3);
    assert!(found.iter().all(|(_, severity, ..)| severity != "error"), "{found:#?}");
}

#[test]
fn an_identity_that_is_named_alone_never_reaches_wal_g() {
    let says = ["AZURE_CLIENT_ID never reaches WAL-G", "AZURE_CLIENT_SECRET", "several identities"];
    only("user-assigned-identity", "acid-orders", "error", "identity-not-handed-on", &says);
}

#[test]
fn a_variable_that_is_used_before_its_definition_stays_literal() {
    let says = ["$(BUCKET)", "before WALG_AZ_PREFIX", "line 24"];
    only("var-before-definition", "acid-orders", "error", "reference-stays-literal", &says);
}

#[test]
fn wal_e_knows_no_azure() {
    only(
        "walg-off",
        "acid-orders",
        "error",
        "backups-without-walg",
        &["USE_WALG_BACKUP", "no WAL and no base backup"],
    );
}

#[test]
fn a_variable_that_nobody_reads_is_one_finding_with_the_nearest() {
    let says = ["AZURE_STORAGE_ACCOUNT_ACCESS_KEY", "the nearest that is read is AZURE_STORAGE_ACCESS_KEY"];
    only("wrong-key-name", "acid-orders", "error", "variable-not-read", &says);
}
