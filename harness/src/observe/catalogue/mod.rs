//! Messages that are known: each with a name, what it means and what to do. To add one, add it to a table.

mod cluster;
mod operator;

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// One known message.
#[derive(Debug)]
pub struct Entry {
    /// What scenarios and reports call it.
    pub name: &'static str,
    /// How bad it is, whatever level its writer gave it.
    pub level: Level,
    pub source: Source,
    pub standing: Standing,
    /// A regular expression, looked for anywhere in the message.
    pub pattern: &'static str,
    pub means: &'static str,
    /// What a person does about it; empty where there is nothing to do.
    pub do_: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
        }
    }
}

/// The program that wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Operator,
    Spilo,
    Patroni,
    Postgres,
    WalG,
    ApiServer,
    /// In a container's status, not in a log.
    Kubelet,
    /// Nothing in the line tells.
    Unknown,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Operator => "operator",
            Source::Spilo => "spilo",
            Source::Patroni => "patroni",
            Source::Postgres => "postgres",
            Source::WalG => "wal-g",
            Source::ApiServer => "api-server",
            Source::Kubelet => "kubelet",
            Source::Unknown => "unknown",
        }
    }
}

/// What it says about a drill that a message was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An error must be expected by name in the scenario. A warning of this kind is never held against a drill.
    Expected,
    /// Part of a healthy run; `means` says why.
    Harmless,
    /// Harmless, and seen or not as the timing has it: it stays out of snapshots.
    TimingDependent,
    /// An informational line that says what the cluster did: it stands in snapshots.
    Notable,
}

struct Catalogue {
    entries: Vec<&'static Entry>,
    names: Vec<&'static str>,
    patterns: RegexSet,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let entries: Vec<&'static Entry> = operator::ENTRIES.iter().chain(cluster::ENTRIES).collect();
    Catalogue {
        names: entries.iter().map(|entry| entry.name).collect(),
        patterns: RegexSet::new(entries.iter().map(|entry| entry.pattern))
            .expect("the tables are constant, and tested"),
        entries,
    }
});

/// The names of all known messages, in the order of the tables.
pub fn names() -> &'static [&'static str] {
    &CATALOGUE.names
}

/// All known messages.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.entries.iter().copied()
}

/// The message with this name.
pub fn by_name(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}

/// The known message that stands in this line; where several do, the first of the tables.
pub fn find(line: &str) -> Option<&'static Entry> {
    find_from(Source::Unknown, line)
}

/// The same for a line of which the writer is known: the operator's messages and those of a cluster's programs may have
/// words in common.
pub fn find_from(writer: Source, line: &str) -> Option<&'static Entry> {
    let of_operator = |source| matches!(source, Source::Operator | Source::ApiServer);
    let found = CATALOGUE.patterns.matches(line);
    let mut entries = found.iter().filter_map(|index| CATALOGUE.entries.get(index).copied());
    entries.find(|entry| writer == Source::Unknown || of_operator(writer) == of_operator(entry.source))
}

/// The first part of a message of this entry in a longer text, for evidence.
pub fn first_match<'t>(entry: &Entry, text: &'t str) -> Option<&'t str> {
    let pattern = Regex::new(entry.pattern).ok()?;
    text.lines().find(|line| pattern.is_match(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_slugs_and_unique() {
        let slug = Regex::new("^[a-z0-9]+(-[a-z0-9]+)*$").unwrap();
        let unique: BTreeSet<_> = names().iter().collect();
        assert_eq!(unique.len(), names().len());
        assert!(names().iter().all(|name| slug.is_match(name)));
    }

    #[test]
    fn every_expected_error_says_what_to_do() {
        for entry in entries() {
            assert!(!entry.means.is_empty(), "{} has no meaning", entry.name);
            if entry.level == Level::Error && entry.standing == Standing::Expected {
                assert!(!entry.do_.is_empty(), "{} has no remedy", entry.name);
            }
        }
    }

    #[test]
    fn messages_of_the_shipped_scenarios_are_recognised() {
        for (line, name) in [
            (
                "cannot figure out S3 or GS bucket or AZ storage account. All options are empty in the config.",
                "no-global-storage-account",
            ),
            (
                "Exception: Could not find any backups prior to the point in time 2026-11-24 03:00:00+00:00",
                "no-backup-before-target",
            ),
            ("Exception: Could not find any backups", "no-backup-found"),
            ("ERROR: 2026/11/24 03:41:46.093214 No backups found", "no-backup-found"),
            (
                "ERROR: 2026/11/24 03:41:46.346261 Azure error : AZURE_STORAGE_ACCESS_KEY setting is not set: Credential error",
                "no-storage-credential",
            ),
            (
                "ERROR: 2026/11/24 03:41:46.346261 Azure error : AZURE_STORAGE_ACCOUNT setting is not set: Credential error",
                "no-storage-account",
            ),
            (r#"secret "backup-keys" not found"#, "secret-missing"),
            (r#"couldn't find key prod in secret "backup-keys""#, "secret-key-missing"),
            ("couldn't find key prod in Secret default/backup-keys", "secret-key-missing"),
            (r#"configmap "settings" not found"#, "configmap-missing"),
            (r#"couldn't find key account in configmap "settings""#, "configmap-key-missing"),
            (
                r#"could not generate pod environment variables: could not read PodEnvironmentConfigMap: configmaps "backup-settings" not found"#,
                "pod-environment-missing",
            ),
            (
                r#"postgresql.acid.zalan.do "acid-orders-clone" is invalid: spec.clone.timestamp: Invalid value: "2026-11-23T10:00:00": spec.clone.timestamp in body should match '^([0-9]+)-…$'"#,
                "clone-timestamp-refused",
            ),
            (
                r#"postgresql.acid.zalan.do "acid-orders-clone" is invalid: spec.clone.uid: Invalid value: "acid-orders": spec.clone.uid in body must be of type uuid: "acid-orders""#,
                "clone-uid-refused",
            ),
            (
                "ERROR: 2026/11/24 03:41:46.042339 Azure error : Unable to download blob spilo/x/wal/wal_005/000000010000000000000001.lz4.: 403 Server failed to authenticate the request. Make sure the value of the Authorization header is formed correctly including the signature.",
                "storage-refuses-key",
            ),
            (
                "ERROR: 2026/11/24 03:41:46.167074 upload: could not Upload '/pg_wal/000000010000000000000009'\n: Azure error : Unable to upload blob 000000010000000000000009.lz4: write error: ===== RESPONSE ERROR (ErrorCode=",
                "storage-refuses-upload",
            ),
            (
                "ERROR: 2026/11/24 03:41:46.312276 Archive '000000010000000000000001' does not exist.",
                "wal-file-not-archived",
            ),
            ("Exception: Found find 0 WALE_*_PREFIX environment variables, expected 1", "no-wale-prefix"),
            (
                "Cloning with WAL-E is only possible when CLONE_WALE_*_PREFIX or CLONE_WALG_*_PREFIX or CLONE_WAL_*_BUCKET and CLONE_SCOPE are set.",
                "clone-impossible-without-prefix",
            ),
            ("===== RESPONSE ERROR (ServiceCode=AuthenticationFailed) =====", "storage-refuses-key"),
            (
                r#"spec.template.spec.containers[0].env[31]: hides previous definition of "CLONE_AZURE_STORAGE_ACCOUNT", which may be dropped when using apply"#,
                "name-hides-previous",
            ),
            (
                "dial tcp: lookup prodbackups.blob.core.windows.net on 10.244.0.1:53: no such host",
                "storage-account-unknown",
            ),
            ("recovery ended before configured recovery target was reached", "recovery-ended-before-target"),
            (
                "WAL file is from different database system: WAL file database system identifier is 71, pg_control database system identifier is 72",
                "wal-of-another-cluster",
            ),
            ("patroni.exceptions.PatroniFatalException: Failed to bootstrap cluster", "bootstrap-failed"),
        ] {
            assert_eq!(find(line).map(|entry| entry.name), Some(name), "{line}");
        }
    }

    #[test]
    fn words_that_the_operator_may_use_say_nothing_of_a_database() {
        let line = r#"ERROR:  relation "services" already exists"#;
        assert!(find_from(Source::Postgres, line).is_none());
        assert!(find_from(Source::Operator, r#"services "acid-orders" already exists"#).is_some());
    }

    #[test]
    fn a_message_nobody_knows_is_not_found() {
        assert!(find("could not grease the wheels").is_none());
        // Printed of every new cluster's empty storage, too.
        assert!(find("INFO: 2026/11/24 03:41:10.259430 No backups found").is_none());
    }
}
