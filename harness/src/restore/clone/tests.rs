use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::restore::samples::{KEY, reference, source, variable};
use crate::restore::{CloneSettings, Destination, SourceName, named, readback};
use crate::spilo::EnvItem;

fn drill(clone: CloneSettings) -> RestoreDrill {
    let source = SourceName { namespace: "prod".to_owned(), name: "acid-orders".to_owned() };
    let into = Destination { namespace: "drills".to_owned(), source_namespace_allowed: false };
    RestoreDrill { clone, ..named(source, into) }
}

fn made(source: &Source, clone: CloneSettings) -> Result<PlannedClone, RestoreError> {
    let time: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
    PlannedClone::of(
        source,
        &drill(clone),
        "acid-orders-drill-abcde",
        (time, time),
        "clonedrill-prod-acid-orders",
    )
}

fn refused(source: &Source, clone: CloneSettings) -> String {
    made(source, clone).unwrap_err().to_string()
}

fn value(clone: &PlannedClone, name: &str) -> String {
    clone.variable(name).and_then(|variable| variable["value"].as_str()).unwrap_or("(none)").to_owned()
}

#[test]
fn a_clone_has_nothing_that_reaches_beyond_it() {
    let clone = made(&source(), CloneSettings::default()).unwrap();
    let spec = &clone.manifest["spec"];
    for gone in ["users", "databases", "sidecars", "streams", "somethingNew"] {
        assert!(spec.get(gone).is_none(), "{gone}");
    }
    assert_eq!(spec["enableMasterLoadBalancer"], false);
    assert_eq!((&spec["numberOfInstances"], &spec["tolerations"][0]["key"]), (&json!(1), &json!("db")));
    let volumes: Vec<&str> =
        spec["additionalVolumes"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(volumes, ["certs"], "another kind is somebody's storage");
    let parameters = spec["postgresql"]["parameters"].as_object().unwrap();
    let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
    assert_eq!(names, ["max_connections", "log_timezone", "cron.launch_active_jobs"]);
    assert_eq!(spec["resources"]["requests"]["memory"], "250Mi");
    assert_eq!(spec["resources"]["limits"]["memory"], "8Gi");
    assert_eq!(clone.manifest["metadata"]["labels"][LABEL], "clonedrill-prod-acid-orders");
}

#[test]
fn it_reads_where_its_source_archives_and_archives_nothing() {
    let clone = made(&source(), CloneSettings::default()).unwrap();
    assert_eq!(value(&clone, "CLONE_WALG_AZ_PREFIX"), "azure://backups/acid-orders/15");
    assert_eq!(value(&clone, "CLONE_AZURE_STORAGE_ACCOUNT"), "prod");
    assert_eq!(
        clone.variable("CLONE_AZURE_STORAGE_ACCESS_KEY"),
        Some(&reference("CLONE_AZURE_STORAGE_ACCESS_KEY"))
    );
    assert_eq!(
        (value(&clone, "WALG_AZ_PREFIX"), value(&clone, "WAL_S3_BUCKET")),
        (String::new(), String::new())
    );
}

#[test]
fn an_archive_of_its_own_is_a_folder_of_its_own_away_from_its_sources() {
    let archive = |place: &str| CloneSettings { archive: Some(place.to_owned()), ..CloneSettings::default() };
    let clone = made(&source(), archive("azure://drills/orders/")).unwrap();
    assert_eq!(value(&clone, "WALG_AZ_PREFIX"), "azure://drills/orders/acid-orders-drill-abcde");
    assert!(refused(&source(), archive("azure://backups/acid-orders/15")).contains("lie within each other"));
    assert!(refused(&source(), archive("azure://backups/x/../acid-orders")).contains("`..`"));
    let given = |value: Value| CloneSettings { env: vec![value], ..CloneSettings::default() };
    let prefix = |place: &str| given(json!({ "name": "WALG_AZ_PREFIX", "value": place }));
    assert!(refused(&source(), prefix("azure://backups")).contains("lie within each other"));
    assert!(refused(&source(), prefix("azure://backups/$(SCOPE)")).contains("known only in the pod"));
    assert!(refused(&source(), given(reference("WALG_AZ_PREFIX"))).contains("does not follow"));
}

/// Its prefix is taken from a ConfigMap, so nobody knows it but its pods.
fn source_of_unknown_place() -> Source {
    let mut source = source();
    let from = json!({ "configMapKeyRef": { "name": "places", "key": "orders" } });
    source
        .variables
        .retain(|variable| !["WALG_AZ_PREFIX", "WAL_S3_BUCKET"].contains(&variable.name.as_str()));
    source.variables.push(variable(json!({ "name": "WALG_AZ_PREFIX", "valueFrom": from })));
    source.backups = source.pod().own().unwrap().clone();
    source
}

#[test]
fn where_a_source_archives_may_be_told_in_the_drills_file() {
    let source = source_of_unknown_place();
    let why = refused(&source, CloneSettings::default());
    assert!(why.contains("where the backups of prod/acid-orders are does not follow from its env"), "{why}");
    let told = |reads: Value, archive: Option<&str>| CloneSettings {
        env: vec![reads],
        archive: archive.map(str::to_owned),
        ..CloneSettings::default()
    };
    let plain = || json!({ "name": READS, "value": "azure://backups/acid-orders/15" });
    let clone = made(&source, told(plain(), None)).unwrap();
    assert_eq!(clone.reads(), "azure://backups/acid-orders/15");
    made(&source, told(plain(), Some("azure://drills/orders"))).unwrap();
    for inside in ["azure://backups/acid-orders/15", "azure://backups/acid-orders/15/drills"] {
        let why = refused(&source, told(plain(), Some(inside)));
        assert!(why.contains("lie within each other"), "{why}");
    }
    made(&source, told(reference(READS), None)).unwrap();
    let why = refused(&source, told(reference(READS), Some("azure://drills/orders")));
    assert!(why.contains("is not known"), "{why}");
}

#[test]
fn what_stands_openly_at_the_source_is_not_written_down_again() {
    for (name, value) in
        [(KEY, "k-e-y-1234"), ("WALG_PGP_KEY", "-----BEGIN"), ("https_proxy", "http://a:b@proxy:3128")]
    {
        let mut source = source();
        source.variables.push(variable(json!({ "name": name, "value": value })));
        let why = refused(&source, CloneSettings::default());
        assert!(why.contains(name) && why.contains("plain text") && !why.contains(value), "{why}");
        let given =
            CloneSettings { env: vec![reference(&format!("CLONE_{name}"))], ..CloneSettings::default() };
        made(&source, given).unwrap();
    }
}

#[test]
fn a_volume_stays_within_its_limit() {
    let time: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
    let of = |limit: &str| {
        let mut drill = drill(CloneSettings::default());
        drill.limits.volume = Some(limit.to_owned());
        PlannedClone::of(&source(), &drill, "a-drill-abcde", (time, time), "l")
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(of("100Gi"), Ok(()));
    assert!(of("99Gi").unwrap_err().contains("not within the limit of 99Gi"));
}

#[test]
fn names_are_told_from_others_and_fit_their_labels() {
    let long = "a".repeat(60);
    for source in ["acid-orders", long.as_str()] {
        let name = name(source);
        assert!(is_name_of_clone(&name) && name.len() <= LONGEST, "{name}");
    }
    assert!(!is_name_of_clone("acid-orders") && !is_name_of_clone("acid-drill-1"));
}

#[test]
fn what_the_operator_wrote_is_held_against_what_was_asked_for() {
    let clone = made(&source(), CloneSettings::default()).unwrap();
    let others = [
        json!({ "name": "SCOPE", "value": clone.name }),
        json!({ "name": "CLONE_SCOPE", "value": "acid-orders" }),
        json!({ "name": "CLONE_METHOD", "value": "CLONE_WITH_WALE" }),
        json!({ "name": "CLONE_TARGET_TIME", "value": "2026-11-25T22:00:00.000000+00:00" }),
    ];
    let written = |more: &[Value]| -> Vec<EnvItem> {
        let all = clone.env.iter().chain(&others).chain(more).cloned();
        all.map(variable).collect()
    };
    let subject = |more: &[Value]| {
        readback::finding(&source(), &clone, &written(more)).map(|finding| (finding.subject, finding.seen))
    };
    assert_eq!(subject(&[]), None);
    let account = json!({ "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": "global" });
    let (what, seen) = subject(&[account]).unwrap();
    assert_eq!(
        (what.as_str(), seen.as_str()),
        ("clone: env CLONE_AZURE_STORAGE_ACCOUNT", "its pods get global")
    );
    let archive = json!({ "name": "WALG_AZ_PREFIX", "value": "azure://backups/acid-orders/15" });
    assert_eq!(subject(&[archive]).unwrap().0, "clone: env archive");
    let later = json!({ "name": "CLONE_TARGET_TIME", "value": "2026-11-26T00:00:00+00:00" });
    assert_eq!(subject(&[later]).unwrap().0, "clone: env CLONE_TARGET_TIME");
    let plain = json!({ "name": "CLONE_AZURE_STORAGE_ACCESS_KEY", "value": "k-e-y-1234" });
    assert_eq!(subject(&[plain]).unwrap().1, "its pods get a plain value");
}
