use super::*;

const PATH: &str = "azure://backups/spilo/acid-orders/uid/wal";

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn walg(prefix: &str) -> Environment {
    environment(&[("USE_WALG_RESTORE", "true"), ("WALG_AZ_PREFIX", prefix), ("WALG_AZURE_BUFFER_SIZE", "1")])
}

fn backup(name: &str, time: &str) -> Backup {
    Backup { name: name.into(), last_modified: time.parse().unwrap(), wal_segment: None }
}

fn target(text: &str) -> Target {
    target_of(text).unwrap().unwrap()
}

/// Finds in a storage that holds these backups, by path.
fn find(storage: &[(&str, &[Backup])], target: Option<&Target>) -> Result<Found, CloneError> {
    find_backup(target, &walg(PATH), &[16, 15], |asked| {
        let path = &asked["WALG_AZ_PREFIX"];
        Ok(storage
            .iter()
            .find(|(held, _)| held == path)
            .map(|(_, backups)| backups.to_vec())
            .unwrap_or_default())
    })
}

#[test]
fn spilos_own_path_is_tried_by_version_newest_first_then_as_given() {
    let (name, values) = places(&walg(&format!("{PATH}/")), &[16, 15]).unwrap();
    assert_eq!(name, "WALG_AZ_PREFIX");
    assert_eq!(values, [format!("{PATH}/16/"), format!("{PATH}/15/"), format!("{PATH}/")]);
    let elsewhere = "azure://backups/elsewhere/wal";
    assert_eq!(places(&walg(elsewhere), &[16, 15]).unwrap().1, [elsewhere]);
    let with_version = format!("{PATH}/15");
    assert_eq!(places(&walg(&with_version), &[16, 15]).unwrap().1, [with_version]);
}

#[test]
fn the_number_of_prefixes_must_be_one() {
    let message = |environment| places(&environment, &[15]).unwrap_err().to_string();
    // Without CLONE_USE_WALG_RESTORE only a WAL-E prefix counts.
    assert_eq!(
        message(environment(&[("WALG_AZ_PREFIX", PATH)])),
        "Exception: Found find 0 WALE_*_PREFIX environment variables, expected 1"
    );
    let mut two = walg(PATH);
    two.insert("WALG_S3_PREFIX".into(), "s3://b/x".into());
    assert_eq!(message(two), "Exception: Found find 2 WALG_*_PREFIX environment variables, expected 1");
}

#[test]
fn the_first_path_with_a_fitting_backup_wins() {
    let old = [backup("base_old", "2026-01-01T10:00:00Z")];
    let new = [backup("base_new", "2026-01-03T10:00:00Z")];
    let versioned = |major| format!("{PATH}/{major}/");
    let storage = [(versioned(16), &new[..]), (versioned(15), &old[..])];
    let storage: Vec<(&str, &[Backup])> =
        storage.iter().map(|(path, backups)| (path.as_str(), *backups)).collect();

    let found = find(&storage, Some(&target("2026-01-02T00:00:00Z"))).unwrap();
    assert_eq!((found.backup.as_str(), found.value, found.is_versioned), ("base_old", versioned(15), true));
    let latest = find(&storage, None).unwrap();
    assert_eq!((latest.backup.as_str(), latest.value), ("LATEST", versioned(16)));
    let given = find(&[(PATH, &old)], None).unwrap();
    assert_eq!((given.backup.as_str(), given.is_versioned), ("LATEST", false));
}

#[test]
fn no_fitting_backup_is_said_in_spilos_words() {
    let held = [backup("base", "2026-01-01T10:00:00Z")];
    let before = find(&[(PATH, &held)], Some(&target("2026-01-01T10:00:00+00:00"))).unwrap_err();
    assert_eq!(
        before.to_string(),
        "Exception: Could not find any backups prior to the point in time 2026-01-01 10:00:00+00:00"
    );
    assert_eq!(find(&[], None).unwrap_err().to_string(), "Exception: Could not find any backups");
}

#[test]
fn a_storage_that_refuses_ends_the_search() {
    let refused = find_backup(None, &walg(PATH), &[15], |_| Err(CloneError::List("wal-g", 1))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "subprocess.CalledProcessError: Command '['wal-g', 'backup-list']' returned non-zero exit status 1."
    );
}

#[test]
fn patronis_arguments_are_understood() {
    let options = <Options as clap::Parser>::try_parse_from([
        "clone_with_wale.py",
        "--recovery-target-time=2026-01-02T03:04:05+00:00",
        "--scope=acid-clone",
        "--datadir=/data",
    ])
    .unwrap();
    assert_eq!((options.scope.as_str(), options.datadir.as_str()), ("acid-clone", "/data"));
    assert_eq!(target_of(&options.recovery_target_time).unwrap().unwrap().shown, "2026-01-02 03:04:05+00:00");
    assert!(target_of("").unwrap().is_none());
    assert!(target_of("2026-01-02T03:04:05").is_err());
}

/// A configuration whose clone reads its WAL with this env dir.
fn config_with(env_dir: &str) -> serde_json::Value {
    let command = format!(r#"envdir "{env_dir}" timeout "0" /scripts/restore_command.sh "%f" "%p""#);
    serde_json::json!({"bootstrap": {"clone_with_wale": {"recovery_conf": {"restore_command": command}}}})
}

#[test]
fn the_env_dir_is_read_from_the_restore_command() {
    let config = config_with("/run/etc/wal-e.d/env-clone-x");
    assert_eq!(env_dir_of(&config).as_deref(), Some("/run/etc/wal-e.d/env-clone-x"));
}

#[test]
fn the_backup_is_fetched_into_the_data_folder_with_the_place_where_it_was_found() {
    let shown = |environment: &Environment| {
        let command = fetch(environment, "/data", "base_1");
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> =
            [command.get_program().to_string_lossy().into_owned()].into_iter().chain(words).collect();
        let given = command.get_envs().find(|(name, _)| *name == "WALG_AZ_PREFIX");
        (
            words.join(" "),
            given.and_then(|(_, value)| value).map(|value| value.to_string_lossy().into_owned()),
        )
    };
    let versioned = format!("{PATH}/15/");
    assert_eq!(shown(&walg(&versioned)), ("wal-g backup-fetch /data base_1".into(), Some(versioned)));
    assert_eq!(shown(&environment(&[])), ("wal-e backup-fetch /data base_1".into(), None));
}

#[test]
fn recovery_reads_its_wal_where_the_backup_was_found() {
    let env_dir = tempfile::tempdir().unwrap();
    let file = env_dir.path().join("WALG_AZ_PREFIX");
    fs::write(&file, PATH).unwrap();
    let config = config_with(&env_dir.path().to_string_lossy());
    let found = |value: String, is_versioned| Found {
        backup: "base_1".into(),
        name: "WALG_AZ_PREFIX".into(),
        value,
        is_versioned,
    };
    keep_place(&found("as it was given".into(), false), &config).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), PATH);
    let versioned = format!("{PATH}/15/");
    keep_place(&found(versioned.clone(), true), &config).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), versioned);
    let error = keep_place(&found(versioned, true), &serde_json::json!({})).unwrap_err();
    assert_eq!(error.to_string(), "Exception: Failed to find clone envdir");
}
