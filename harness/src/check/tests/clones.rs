//! Clones against their sources, and against today.

use super::*;

#[test]
fn retention_is_that_of_spilo_unless_the_team_says_otherwise() {
    let at = |timestamp: &'static str| {
        let mut case = Case::new().with("CLONE_TARGET_TIME", value(timestamp));
        case.timestamp = timestamp;
        case.source = source();
        case
    };
    let too_old = ["timestamp-before-retention"];
    // Five days, and a backup each night at 1: the newest that is five days old is of the 19th.
    assert_eq!(at("2026-11-19T01:30:00+00:00").codes(), [""; 0]);
    assert_eq!(at("2026-11-19T00:30:00+00:00").codes(), too_old);
    let mut weekly = at("2026-10-27T07:00:00+00:00");
    weekly.source.push(("BACKUP_SCHEDULE", value("0 1 * * 1")));
    assert_eq!(weekly.codes(), [""; 0]);
    let mut case = at("2026-11-01T00:00:00+00:00");
    case.settings.retention = Some(Retention::try_from("30d".to_owned()).unwrap());
    assert_eq!(case.codes(), [""; 0]);
    case.settings.retention = Some(Retention::try_from("2w".to_owned()).unwrap());
    assert_eq!(case.codes(), too_old);
}

#[test]
fn a_time_that_has_passed_in_another_zone_is_not_in_the_future() {
    let at = |timestamp: &'static str| {
        let mut case = Case::new().with("CLONE_TARGET_TIME", value(timestamp));
        case.timestamp = timestamp;
        case.codes()
    };
    assert_eq!(at("2026-11-24T10:00:00+05:00"), [""; 0]);
    assert_eq!(at("2026-11-24T08:03:00Z"), [""; 0]);
    assert_eq!(at("2026-11-24T08:00:00-05:00"), ["timestamp-in-the-future"]);
}

#[test]
fn what_depends_on_today_is_a_fault_only_before_the_clone_is_there() {
    let mut case = Case::new().with("CLONE_TARGET_TIME", value("2026-10-01T00:00:00Z"));
    case.timestamp = "2026-10-01T00:00:00Z";
    assert_eq!(case.codes(), [""; 0], "how long a source elsewhere keeps its backups is not known");
    case.source = source();
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Error)]);
    case.there = There::Unknown;
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Note)]);
    case.there = There::These([("default".to_owned(), "acid-orders".to_owned())].into());
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Error)]);
    case.there = There::These([("default".to_owned(), "acid-clone".to_owned())].into());
    assert_eq!(said(&case), [("timestamp-before-retention", Severity::Note)]);
}

#[test]
fn encryption_of_source_and_clone_is_held_together() {
    let hex = "8f2d6c0b4a19e7735d0c9b8a7f6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4";
    let other = "00000c0b4a19e7735d0c9b8a7f6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4";
    let of = |source_has: &[(&'static str, &str)], clone_has: &[(&'static str, &str)]| {
        let mut case = clone_has.iter().fold(Case::new(), |case, (name, text)| case.with(name, value(text)));
        case.source = source();
        case.source.extend(source_has.iter().map(|(name, text)| (*name, value(text))));
        // That a key is written in plain text is another matter.
        said(&case).into_iter().filter(|(code, _)| *code != "key-in-manifest").collect::<Vec<_>>()
    };
    let own = [("WALG_LIBSODIUM_KEY", hex), ("WALG_LIBSODIUM_KEY_TRANSFORM", "hex")];
    let clones = [("CLONE_WALG_LIBSODIUM_KEY", hex), ("CLONE_WALG_LIBSODIUM_KEY_TRANSFORM", "hex")];
    assert_eq!(of(&own, &clones), []);
    let without = [("clone-without-decryption-key", Severity::Error)];
    assert_eq!(of(&own, &[]), without);
    assert_eq!(of(&own, &own), without, "its own key is for what it writes");
    let another = [("clone-with-other-decryption-key", Severity::Error)];
    assert_eq!(of(&own, &clones[..1]), another, "the transform is missing");
    assert_eq!(of(&own, &[("CLONE_WALG_LIBSODIUM_KEY", other), clones[1]]), another);
    let plain = [("clone-with-other-decryption-key", Severity::Warning)];
    assert_eq!(of(&[], &clones), plain);
    assert_eq!(of(&[], &[("WALG_LIBSODIUM_KEY", "short")]), [("encryption-key-malformed", Severity::Error)]);
    assert_eq!(of(&[], &[("WALG_COMPRESSION_METHOD", "zstd")]), [], "WAL-G sees it by the files' names");
}

#[test]
fn a_clone_is_not_older_than_its_backups_and_in_the_same_cloud() {
    assert_eq!(
        with(&[("CLONE_WALG_AZ_PREFIX", "azure://backups/acid-orders/16")]),
        [("clone-older-than-source", Severity::Error)]
    );
    assert_eq!(with(&[("CLONE_WALG_AZ_PREFIX", "azure://backups/acid-orders/14")]), []);
    let mut case = Case::new();
    case.source = source();
    case.source.push(("AZURE_ENVIRONMENT_NAME", value("AzureChinaCloud")));
    assert_eq!(said(&case), [("clone-in-another-cloud", Severity::Error)]);
    let same = Case { ..case }.with("CLONE_AZURE_ENVIRONMENT_NAME", value("AzureChinaCloud"));
    assert_eq!(said(&same), []);
}
