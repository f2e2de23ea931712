//! A drill with the pause that Spilo makes before its first base backup, which the stand-in leaves out by default.

use std::path::Path;
use std::process::Command;

use clonedrill::report::DrillReport;
use serde_json::Value;

const SCENARIO: &str = r#"
name: pauses-first-backup
about: A cluster that is backed up as soon as Spilo has taken its own first backup.
operator:
  versions: [v1.15.1]
  configuration:
    aws_or_gcp: { wal_az_storage_account: "" }
storage: { accounts: [prodbackups] }
objects:
  - apiVersion: v1
    kind: Secret
    metadata: { name: backup-keys }
    stringData: { prod: "${storage.prodbackups.key}" }
clusters:
  source:
    apiVersion: acid.zalan.do/v1
    kind: postgresql
    metadata: { name: acid-orders }
    spec:
      teamId: acid
      numberOfInstances: 1
      volume: { size: 1Gi }
      postgresql: { version: "${postgres.version}" }
      env:
        - { name: AZURE_STORAGE_ACCOUNT, value: "${storage.prodbackups.name}" }
        - { name: AZURE_STORAGE_ACCESS_KEY, valueFrom: { secretKeyRef: { name: backup-keys, key: prod } } }
        - { name: WALG_AZ_PREFIX, value: "azure://backups/$(SCOPE)/$(PGVERSION)" }
steps:
  - create: source
  - backup: source
expect:
  source: { outcome: running, writes: [prodbackups] }
"#;

/// Seconds of the day, of the first line that has this text.
fn second_of(log: &str, text: &str) -> u32 {
    let line = log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text} in {log}"));
    let number = |from: usize| line[from..from + 2].parse::<u32>().unwrap();
    number(11) * 3600 + number(14) * 60 + number(17)
}

#[test]
fn a_drill_waits_for_the_first_base_backup_as_long_as_spilo_has_one_wait() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pauses")).unwrap();
    std::fs::write(folder.path().join("pauses/first-backup.yaml"), SCENARIO).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
    command.args(["run", "pauses", "--format", "json"]).current_dir(folder.path());
    command.env("CLONEDRILL_FIRST_BACKUP", "as-spilo");
    if let Ok(run) = std::env::var("NEXTEST_RUN_ID") {
        command.env("CLONEDRILL_SHARE", format!("{run}:{}", std::os::unix::process::parent_id()));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_str(&said).unwrap();
    let drill: DrillReport = serde_json::from_value(document["drills"][0].clone()).unwrap();
    let log = folder.path().join(&drill.evidence).join("logs/acid-orders-0.postgres.0.log");
    let log = std::fs::read_to_string(Path::new(&log)).unwrap();
    let (start, called) =
        (second_of(&log, "Figuring out my environment"), second_of(&log, "I was called as"));
    // Midnight may lie between them.
    assert!((called + 86_400 - start) % 86_400 >= 59, "called at {called}, started at {start}: {log}");
    let image = &drill.images[0];
    assert!(image.stand_in && image.postgres.is_some() && image.patroni.is_some(), "{image:?}");
}
