//! Why a backup could not be cloned back, from what Spilo and WAL-G print.

use super::clone::PlannedClone;
use super::source::Source;
use crate::exit::Verdict;
use crate::observe::catalogue::{self, Entry, Level};
use crate::observe::logs::{self, csvlog};
use crate::spilo::is_known;

/// What the storage itself says of a key or token that it does not take.
const REFUSED: [&str; 5] = [
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "Server failed to authenticate the request",
    "StatusCode=403",
];
const NO_ACCOUNT: [&str; 2] = ["no such host", "AccountIsDisabled"];
const NO_BACKUPS: [&str; 2] = ["Could not find any backups", "No backups found"];
/// WAL-G remarks it of a listing that came out empty, for whatever reason: before 2.0 it takes a refusal for an empty place.
const NOTHING_LISTED: &str = "No backups found";
/// Spilo's script, before each listing.
const LISTS: &str = " for clone";

/// What the catalogue calls a cause, the most telling first. One trouble brings others along.
const CAUSES: [&str; 17] = [
    "blob-in-archive-tier",
    "storage-container-missing",
    "storage-busy",
    "storage-error",
    "storage-connection-broken",
    "backup-control-file-missing",
    "backup-without-parts",
    "backup-part-unreadable",
    "backup-part-not-there",
    "tablespace-directory-not-made",
    "backup-sentinel-missing",
    "wal-of-another-cluster",
    "wal-file-damaged",
    "tablespace-directory-missing",
    "backup-wal-missing",
    "backup-part-missing-version",
    "backup-part-missing",
];
/// Spilo quotes the last five lines of the server's log: of a checkpoint that is in no WAL file they have only the hint's end.
const HINT: (&str, &str) =
    (" will result in a corrupt cluster if restoring from a backup", "backup-wal-missing");
/// What every bootstrap that failed says, whatever the cause.
const SAYS_NOTHING: &str = "bootstrap-failed";
/// By which a program says that it could not reach the storage.
const NO_WAY: [&str; 8] = [
    "i/o timeout",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "no route to host",
    "context deadline exceeded",
    "server misbehaving",
    "TLS handshake timeout",
];
/// A storage account's name, as an address.
const STORAGE: &str = ".blob.";
/// Lines that show the cause.
const SHOWN: usize = 4;

pub(super) struct Refusal {
    pub why: String,
    pub help: String,
    /// Lines that show it, where there are any besides the last errors.
    pub lines: Vec<String>,
    /// Whether the backup is at fault, or the cluster.
    pub verdict: Verdict,
}

impl Refusal {
    fn of_backup(why: String, help: String) -> Self {
        Refusal { why, help, lines: Vec::new(), verdict: Verdict::Failed }
    }

    /// As the catalogue knows it.
    pub(super) fn known(entry: &Entry, lines: Vec<String>) -> Self {
        let why = format!("{} ({})", entry.means, entry.name);
        Refusal { lines, ..Refusal::of_backup(why, entry.do_.to_owned()) }
    }
}

/// Variables that hold what opens the account, the one that WAL-G prefers first.
const CREDENTIALS: [&str; 3] =
    ["CLONE_AZURE_STORAGE_ACCESS_KEY", "CLONE_AZURE_STORAGE_SAS_TOKEN", "CLONE_AZURE_CLIENT_SECRET"];

/// Where the clone has from what it shows to the account.
fn credential(clone: &PlannedClone) -> String {
    let found = CREDENTIALS.iter().find_map(|name| Some((*name, clone.variable(name)?)));
    let Some((name, variable)) = found else { return "the clone's credentials".to_owned() };
    let reference = &variable["valueFrom"]["secretKeyRef"];
    match (reference["name"].as_str(), reference["key"].as_str()) {
        (Some(secret), Some(key)) => {
            format!("the key `{key}` of the Secret {secret} in the namespace {} ({name})", clone.namespace)
        }
        _ => format!("the clone's {name}"),
    }
}

/// The most telling reason in the logs.
pub(super) fn refusal(logs: &[&str], source: &Source, clone: &PlannedClone) -> Refusal {
    let says = |texts: &[&str]| logs.iter().any(|log| texts.iter().any(|text| log.contains(text)));
    let account = source.backups.account.as_deref().filter(|account| is_known(account));
    let account = account.unwrap_or("that a Secret names");
    let place = clone.reads();
    if says(&REFUSED) {
        return Refusal::of_backup(
            format!("the storage account {account} refuses {} (storage-refuses-key)", credential(clone)),
            format!(
                "give the clone a valid key of the account: compare {} with the source's own; and look whether the account's \
                 firewall lets this network in",
                credential(clone)
            ),
        );
    }
    if says(&NO_ACCOUNT) {
        return Refusal::of_backup(
            format!("the storage account {account} cannot be reached (storage-account-unknown)"),
            "its name, or the way to it from the clone's namespace, is wrong; `clone.egress_ports` opens ports of the \
                   clone's NetworkPolicy"
                .to_owned(),
        );
    }
    let no_way = |line: &&str| line.contains(STORAGE) && NO_WAY.iter().any(|text| line.contains(text));
    let unreached: Vec<String> =
        logs.iter().flat_map(|log| log.lines()).filter(no_way).map(str::to_owned).collect();
    if !unreached.is_empty() {
        return Refusal {
            why: format!("the clone's pod has no way to the storage account {account}"),
            help: format!(
                "the backup was not tried: nodes, NetworkPolicies and firewalls must let pods in {} reach the storage as they let \
                 the source's; `clone.egress_ports` opens ports of the clone's own NetworkPolicy",
                clone.namespace
            ),
            lines: unreached.into_iter().rev().take(SHOWN).collect(),
            verdict: Verdict::Broken,
        };
    }
    let count = |text: &str| logs.iter().map(|log| log.matches(text).count()).sum::<usize>();
    if says(&[NOTHING_LISTED]) && count(NOTHING_LISTED) >= count(LISTS) {
        return Refusal::of_backup(
            format!(
                "WAL-G finds no backup at all in {place} of the account {account} (no-backup-found; backup-sentinel-missing where \
                 one was taken)"
            ),
            format!(
                "either none was taken, or its sentinel (`…_backup_stop_sentinel.json`) was deleted, or the account refuses {}, \
                 or the clone's namespace has no way to it: WAL-G before 2.0 prints the same for all. If the source's log says \
                 `Wrote backup with name`, look at the key first",
                credential(clone)
            ),
        );
    }
    if says(&NO_BACKUPS) {
        return Refusal::of_backup(
            format!(
                "no backup in {place} of the account {account} is older than {} (no-backup-before-target)",
                super::target::in_manifest(clone.target)
            ),
            "an earlier target needs backups that are kept for longer (BACKUP_NUM_TO_RETAIN); a backup is known by its sentinel \
             (`…_backup_stop_sentinel.json`) only"
                .to_owned(),
        );
    }
    // Spilo quotes the server's log as it stands in its file.
    let logs: Vec<String> = logs.iter().map(|log| csvlog::lenient(log)).collect();
    let lines = logs.iter().flat_map(|log| log.lines());
    let names = |line| match str::contains(line, HINT.0) {
        true => vec![HINT.1],
        false => logs::names(line),
    };
    let known: Vec<(&str, &str)> =
        lines.flat_map(|line| names(line).into_iter().map(move |name| (name, line))).collect();
    let cause = CAUSES.iter().find(|cause| known.iter().any(|(name, _)| name == *cause)).copied();
    let last = || known.iter().rev().map(|(name, _)| *name).find(|name| says_something(name));
    match cause.or_else(last).and_then(catalogue::by_name) {
        Some(entry) => {
            let lines =
                known.iter().filter(|(name, _)| *name == entry.name).map(|(_, line)| (*line).to_owned());
            let mut lines: Vec<String> = lines.collect();
            lines.dedup();
            lines.truncate(SHOWN);
            Refusal::known(entry, lines)
        }
        None => Refusal::of_backup(
            "Spilo could not restore it".to_owned(),
            "the log in the evidence folder says why".to_owned(),
        ),
    }
}

fn says_something(name: &str) -> bool {
    let tells = |entry: &Entry| !entry.standing.excuses() && entry.level != Level::Info;
    name != SAYS_NOTHING && catalogue::by_name(name).is_some_and(tells)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::restore::samples::source;
    use crate::restore::{Destination, SourceName, named};

    fn clone() -> PlannedClone {
        let from = SourceName { namespace: "prod".to_owned(), name: "acid-orders".to_owned() };
        let into = Destination { namespace: "drills".to_owned(), source_namespace_allowed: false };
        let time: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
        PlannedClone::of(&source(), &named(from, into), "acid-orders-drill-abcde", (time, time), "lease")
            .unwrap()
    }

    #[test]
    fn a_key_that_is_refused_is_named_with_its_namespace_secret_and_key() {
        let named = "the key `prod` of the Secret backup-keys in the namespace drills (CLONE_AZURE_STORAGE_ACCESS_KEY)";
        let new = "ERROR: 2026/11/25 22:00:01 ... RESPONSE 403 ERROR CODE: AuthorizationFailure";
        let Refusal { why, help, .. } = refusal(&[new], &source(), &clone());
        assert_eq!(why, format!("the storage account prod refuses {named} (storage-refuses-key)"));
        assert!(help.contains("firewall"), "{help}");
        // WAL-G before 2.0 says nothing of the refusal, so that it can only be guessed at.
        let old = "INFO: No backups found\n";
        let Refusal { why, help, .. } = refusal(&[old], &source(), &clone());
        assert!(why.contains("finds no backup at all") && help.contains(named), "{why}: {help}");
    }

    #[test]
    fn what_wal_g_says_counts_before_what_follows_from_it() {
        let said = |line: &str| {
            let log = format!(
                "INFO: 2026/11/25 22:00:01.000000 Selecting the backup with name base_000000010000000000000004...\n\
                 ERROR: 2026/11/25 22:00:01.000000 {line}\n\
                 2026-11-25 22:00:01,478 ERROR: Clone failed\nException: Backup fetch failed\n"
            );
            refusal(&[&log], &source(), &clone()).why
        };
        let parts = said("ExtractAll: did not provide files to extract");
        assert!(parts.contains("(backup-without-parts)"), "{parts}");
    }

    #[test]
    fn a_backup_without_its_own_wal_is_known_by_what_is_left_of_the_servers_words() {
        let log = "Exception: Point-in-time recovery failed.\nLOGS:\n--\n\
            If you are not restoring from a backup, try removing the file \"\"/data/backup_label\"\".\n\
            Be careful: removing \"\"/data/backup_label\"\" will result in a corrupt cluster if restoring from a backup.\",,,,,,,,\"\",\"startup\",,0\n\
            2026-11-25 22:00:01.000 UTC,,,70,,6a,4,,2026-11-25 22:00:00 UTC,,0,LOG,00000,\"database system is shut down\",,,,,,,,,\"\",\"postmaster\",,0\n";
        let Refusal { why, lines, .. } = refusal(&[log], &source(), &clone());
        assert!(why.contains("(backup-wal-missing)") && lines.len() == 1, "{why}: {lines:?}");
    }
}
