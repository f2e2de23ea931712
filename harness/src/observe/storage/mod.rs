//! The observation `storage`: who did what in which storage account, as the gateway saw it.

mod outcome;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use self::outcome::Outcome;
use self::template::Templates;
use crate::storage::{Access, Operation, StoredBlob, Who};

/// What the storage accounts of a drill saw, and what they held at its end.
#[derive(Debug, Clone)]
pub struct StorageObservation {
    accesses: Vec<Access>,
    blobs: Vec<StoredBlob>,
    templates: Templates,
    /// By name, the blobs that a fault damaged: account, container and name.
    faults: BTreeMap<String, Vec<(String, String, String)>>,
}

/// A request of a cluster that the storage refused or had nothing for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The storage account by its name.
    pub account: String,
    /// What was asked for.
    pub operation: Operation,
    /// The HTTP status code.
    pub status: u16,
    /// Azure's error code, empty where there was none.
    pub error_code: String,
}

/// One line of the text: what was done with what kind of path, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Deed {
    verb: &'static str,
    path: String,
}

impl StorageObservation {
    /// `accesses` are the gateway's records, `blobs` what all accounts held at the end, and `uids` tells which
    /// cluster (by its short name) a Kubernetes uid in a path belongs to.
    pub fn new(accesses: Vec<Access>, blobs: Vec<StoredBlob>, uids: BTreeMap<String, String>) -> Self {
        StorageObservation { accesses, blobs, templates: Templates::new(uids), faults: BTreeMap::new() }
    }

    /// The same with the faults of the drill, by name, and the blobs that each damaged where they lay (account, container
    /// and name). What one did to requests stands in their records.
    pub fn with_faults(self, faults: BTreeMap<String, Vec<(String, String, String)>>) -> Self {
        StorageObservation { faults, ..self }
    }

    /// The accounts in which the cluster tried to list or read, whatever the answer: a cluster that looks for its
    /// backups in the wrong account finds nothing there, and that it looked is what counts. One that it writes into
    /// counts only where a blob was read: to list one's own backups is upkeep, and comes when it comes.
    pub fn reads(&self, cluster: &str) -> BTreeSet<String> {
        let own = self.writes(cluster);
        let got_blob =
            |access: &Access| access.operation == Operation::ReadBlob && Outcome::of(access) == Outcome::Done;
        self.of(cluster)
            .filter(|access| access.reads())
            .filter(|access| !own.contains(&access.account) || got_blob(access))
            .map(|access| access.account.clone())
            .collect()
    }

    /// The accounts that the cluster changed: something was written or deleted, or the answer got lost, so that it
    /// may have been. Refused attempts changed nothing; see [`StorageObservation::refused`].
    pub fn writes(&self, cluster: &str) -> BTreeSet<String> {
        self.of(cluster)
            .filter(|access| access.writes())
            .filter(|access| matches!(Outcome::of(access), Outcome::Done | Outcome::Failed))
            .map(|access| access.account.clone())
            .collect()
    }

    /// What the cluster was refused or did not find (every 4xx), and where it refused to go on itself, each kind once.
    pub fn refused(&self, cluster: &str) -> BTreeSet<Refused> {
        self.of(cluster)
            .filter_map(|access| {
                let status = access.status.filter(|status| (400..500).contains(status));
                // Who does not trust an account has asked it for nothing, and got no status.
                let status = status.or(access.refuses_certificate().then_some(0))?;
                let error_code = access.error_code.clone().unwrap_or_default();
                Some(Refused {
                    account: access.account.clone(),
                    operation: access.operation,
                    status,
                    error_code,
                })
            })
            .collect()
    }

    /// All requests in the order of their arrival, as evidence.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// A text that two runs of one drill have in common, for a snapshot: for each account who did what with which
    /// kinds of paths, and what it held at the end.
    ///
    /// There are no counts and no times. Names that vary become placeholders. What succeeded at least once is not
    /// also reported as missing or unanswered: how often a segment was asked for before it was there, and how far
    /// WAL-G's prefetch looked beyond the last one, depends on time alone.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let deeds = self.deeds();
        let held = self.held();
        let accounts: BTreeSet<&str> =
            deeds.keys().map(|(account, _)| *account).chain(held.keys().copied()).collect();
        for account in accounts {
            let _ = writeln!(text, "account {account}");
            for ((_, who), deeds) in deeds.iter().filter(|((of, _), _)| *of == account) {
                let _ = writeln!(text, "  {who}");
                for (deed, outcomes) in deeds {
                    for outcome in settled(outcomes) {
                        let _ = writeln!(text, "    {} {}{}", deed.verb, deed.path, outcome.suffix());
                    }
                }
            }
            let Some(paths) = held.get(account) else {
                let _ = writeln!(text, "  holds nothing at the end");
                continue;
            };
            let _ = writeln!(text, "  holds at the end");
            for path in paths {
                let _ = writeln!(text, "    {path}");
            }
        }
        for (fault, damaged) in &self.faults {
            let _ = writeln!(text, "fault {fault}");
            for line in self.met_by(fault, damaged) {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }

    /// What a fault did, each kind once.
    fn met_by(&self, fault: &str, damaged: &[(String, String, String)]) -> BTreeSet<String> {
        let damaged = damaged.iter().map(|(account, container, name)| {
            format!("damaged in {account}: {}", self.templates.of_blob(container, name))
        });
        let met = self.accesses.iter().filter(|access| access.rule.as_deref() == Some(fault));
        let met = met.map(|access| {
            let who = match &access.who {
                Who::Cluster(cluster) => cluster.as_str(),
                Who::Unknown | Who::Harness => "unknown",
            };
            let path = self.templates.of_access(access);
            format!("met {who} in {}: {} {path}", access.account, verb(access.operation))
        });
        damaged.chain(met).collect()
    }

    fn of(&self, cluster: &str) -> impl Iterator<Item = &Access> {
        self.accesses
            .iter()
            .filter(move |access| matches!(&access.who, Who::Cluster(name) if name == cluster))
    }

    /// By account and who, the harness left out.
    fn deeds(&self) -> BTreeMap<(&str, String), BTreeMap<Deed, BTreeSet<Outcome>>> {
        let mut deeds: BTreeMap<_, BTreeMap<Deed, BTreeSet<Outcome>>> = BTreeMap::new();
        for access in &self.accesses {
            let who = match &access.who {
                Who::Cluster(cluster) => format!("cluster {cluster}"),
                Who::Unknown => "unknown".to_owned(),
                Who::Harness => continue,
            };
            let path = self.templates.of_access(access);
            if is_a_part_of_its_own(&path) {
                continue;
            }
            let deed = Deed { verb: verb(access.operation), path };
            let of_who = deeds.entry((access.account.as_str(), who)).or_default();
            of_who.entry(deed).or_default().insert(Outcome::of(access));
        }
        deeds
    }

    fn held(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let mut held: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for blob in &self.blobs {
            let path = self.templates.of_blob(&blob.container, &blob.name);
            let held = held.entry(&blob.account).or_default();
            if !is_a_part_of_its_own(&path) {
                held.insert(path);
            }
        }
        held
    }
}

/// WAL-G 3 puts the backup's label into a partition of its own, WAL-G 1.1 beside `pg_control`: the text is the same for both.
/// The evidence has it.
fn is_a_part_of_its_own(path: &str) -> bool {
    path.contains("/tar_partitions/backup_label.tar.")
}

/// What is left to say once something succeeded: refusals only.
fn settled(outcomes: &BTreeSet<Outcome>) -> impl Iterator<Item = &Outcome> {
    let done = outcomes.contains(&Outcome::Done);
    outcomes.iter().filter(move |outcome| !(done && matches!(outcome, Outcome::NotThere | Outcome::Failed)))
}

/// How the text calls an operation. Whether a blob goes over in one request or in blocks depends on its size, so
/// the text has one word for both.
fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::ListContainers => "list containers",
        Operation::ReadAccount => "read account",
        Operation::ChangeAccount => "change account",
        Operation::CreateContainer => "create container",
        Operation::DeleteContainer => "delete container",
        Operation::ReadContainer => "read container",
        Operation::ChangeContainer => "change container",
        Operation::ListBlobs => "list",
        Operation::ReadBlob | Operation::ReadProperties | Operation::ReadBlockList => "read",
        Operation::WriteBlob | Operation::WriteBlock | Operation::CommitBlocks => "write",
        Operation::CopyBlob => "copy to",
        Operation::ChangeBlob => "change",
        Operation::DeleteBlob => "delete",
        Operation::Batch => "batch",
        Operation::Connect => "connect to",
        Operation::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9";

    fn access(cluster: &str, account: &str, operation: Operation, name: &str, answer: (u16, &str)) -> Access {
        let listing = operation == Operation::ListBlobs;
        let path = Some(format!("spilo/acid-orders/{UID}/wal/15/{name}"));
        Access {
            time: jiff::Timestamp::UNIX_EPOCH,
            source: std::net::IpAddr::from([10, 244, 1, 7]),
            who: Who::Cluster(cluster.to_owned()),
            account: account.to_owned(),
            container: Some("backups".to_owned()),
            blob: path.clone().filter(|_| !listing),
            prefix: path.filter(|_| listing),
            operation,
            status: (answer.0 != 0).then_some(answer.0),
            error_code: (!answer.1.is_empty()).then(|| answer.1.to_owned()),
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
        }
    }

    fn observation(accesses: Vec<Access>) -> StorageObservation {
        let blob = StoredBlob {
            account: "prodbackups".to_owned(),
            container: "backups".to_owned(),
            name: format!("spilo/acid-orders/{UID}/wal/15/wal_005/000000010000000000000001.lz4"),
            bytes: 35,
        };
        let uids = BTreeMap::from([(UID.to_owned(), "source".to_owned())]);
        StorageObservation::new(accesses, vec![blob], uids)
    }

    fn accounts(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn two_generations_of_wal_g_are_told_the_same() {
        let label = "basebackups_005/base_000000010000000000000002/tar_partitions/backup_label.tar.lz4";
        let old = vec![access(
            "clone",
            "prodbackups",
            Operation::ReadBlob,
            "wal_005/00000002.history.lz4",
            (404, "BlobNotFound"),
        )];
        let mut new = old.clone();
        for name in ["wal_005/00000002.history", "wal_005/000000010000000000000009"] {
            new.push(access("clone", "prodbackups", Operation::ReadBlob, name, (404, "BlobNotFound")));
        }
        new.push(access(
            "clone",
            "prodbackups",
            Operation::ReadBlob,
            "wal_005/000000010000000000000009.lz4",
            (200, ""),
        ));
        new.push(access("clone", "prodbackups", Operation::ReadBlob, label, (200, "")));
        let mut old = old;
        old.push(access(
            "clone",
            "prodbackups",
            Operation::ReadBlob,
            "wal_005/000000010000000000000003.lz4",
            (200, ""),
        ));
        assert_eq!(observation(new).to_text(), observation(old).to_text());
    }

    #[test]
    fn looking_in_vain_is_reading_and_a_refused_write_is_no_write() {
        let seen = observation(vec![
            access("clone", "empty", Operation::ListBlobs, "basebackups_005/", (200, "")),
            access("clone", "locked", Operation::ReadBlob, "x", (403, "AuthorizationFailure")),
            access("clone", "locked", Operation::WriteBlob, "x", (403, "AuthorizationFailure")),
            access("clone", "clonebackups", Operation::WriteBlob, "x", (201, "")),
            access("clone", "clonebackups", Operation::ListBlobs, "basebackups_005/", (200, "")),
            access("clone", "clonebackups", Operation::ReadBlob, "x.history", (404, "BlobNotFound")),
            access("clone", "shaky", Operation::DeleteBlob, "x", (0, "")),
            access("source", "prodbackups", Operation::WriteBlob, "x", (201, "")),
        ]);
        assert_eq!(seen.reads("clone"), accounts(&["empty", "locked"]));
        assert_eq!(seen.writes("clone"), accounts(&["clonebackups", "shaky"]));
        assert_eq!(seen.reads("source"), accounts(&[]));
        let read_back = access("source", "prodbackups", Operation::ReadBlob, "x", (200, ""));
        let wrote = access("source", "prodbackups", Operation::WriteBlob, "x", (201, ""));
        assert_eq!(observation(vec![wrote, read_back]).reads("source"), accounts(&["prodbackups"]));
        let refused: Vec<_> =
            seen.refused("clone").into_iter().map(|one| (one.account, one.status)).collect();
        assert_eq!(
            refused,
            [("clonebackups".to_owned(), 404), ("locked".to_owned(), 403), ("locked".to_owned(), 403)]
        );
    }

    #[test]
    fn the_harness_itself_is_not_part_of_what_was_seen() {
        let mut own = access("", "prodbackups", Operation::DeleteBlob, "x", (202, ""));
        own.who = Who::Harness;
        let text = observation(vec![own]).to_text();
        assert!(!text.contains("delete"), "{text}");
    }

    /// One restore: listing, a backup, and segments until there is none left.
    fn restore(segments: &[(&str, u16)]) -> Vec<Access> {
        let mut all = vec![
            access("clone", "prodbackups", Operation::ListBlobs, "basebackups_005/", (200, "")),
            access(
                "clone",
                "clonebackups",
                Operation::ReadBlob,
                "wal_005/00000002.history.lz4",
                (404, "BlobNotFound"),
            ),
            access(
                "clone",
                "clonebackups",
                Operation::CommitBlocks,
                "wal_005/00000002.history.lz4",
                (201, ""),
            ),
            access("clone", "locked", Operation::ListBlobs, "", (403, "AuthorizationFailure")),
        ];
        for (segment, status) in segments {
            let code = if *status == 404 { "BlobNotFound" } else { "" };
            let name = format!("wal_005/{segment}");
            all.push(access("clone", "prodbackups", Operation::ReadBlob, &name, (*status, code)));
        }
        all
    }

    #[test]
    fn timing_does_not_show_in_the_text() {
        let quick = observation(restore(&[("000000010000000000000001.lz4", 200)]));
        let slow = observation(restore(&[
            ("000000010000000000000001.lz4", 0),
            ("000000010000000000000001.lz4", 200),
            ("000000010000000000000002.lz4", 206),
            ("000000010000000000000003.lz4", 404),
            ("000000010000000000000003.br", 404),
        ]));
        assert_eq!(quick.to_text(), slow.to_text());
        insta::assert_snapshot!(quick.to_text(), @r"
        account clonebackups
          cluster clone
            read backups/spilo/acid-orders/<uid of source>/wal/15/wal_005/<timeline>.history.<compressed> (not there)
            write backups/spilo/acid-orders/<uid of source>/wal/15/wal_005/<timeline>.history.<compressed>
          holds nothing at the end
        account locked
          cluster clone
            list backups/spilo/acid-orders/<uid of source>/wal/15/ (refused: AuthorizationFailure)
          holds nothing at the end
        account prodbackups
          cluster clone
            list backups/spilo/acid-orders/<uid of source>/wal/15/basebackups_005/
            read backups/spilo/acid-orders/<uid of source>/wal/15/wal_005/<wal>.<compressed>
          holds at the end
            backups/spilo/acid-orders/<uid of source>/wal/15/wal_005/<wal>.lz4
        ");
    }

    #[test]
    fn a_write_into_another_account_shows_in_the_text() {
        let right = observation(restore(&[]));
        let mut accesses = restore(&[]);
        accesses.push(access("clone", "prodbackups", Operation::WriteBlock, "wal_005/x.lz4", (201, "")));
        assert_ne!(right.to_text(), observation(accesses).to_text());
    }
}
