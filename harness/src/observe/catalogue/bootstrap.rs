//! What the programs of a cluster's pods say when a backup is fetched and replayed, and the bootstrap fails.

use super::Level::Error;
use super::Standing::Expected;
use super::{Entry, Source};

/// Whoever of both finds it: WAL-G as it fetches, or PostgreSQL as it starts.
const NO_TABLESPACE: &str =
    "the source has a tablespace in a directory that the clone's pod does not have, or may not write to";
const MAKE_TABLESPACE: &str = "mount a volume at the tablespace's directory (`spec.additionalVolumes` of the source with an `emptyDir` is taken over \
     into the clone), or move its tables into the default tablespace";

pub(super) static ENTRIES: &[Entry] = &[
    Entry {
        name: "recovery-ended-before-target",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: "^recovery ended before configured recovery target was reached",
        means: "the archive ends before spec.clone.timestamp. Spilo then tries without a target, and the cluster runs with what there was",
        do_: "take a time at which WAL was archived, or wait until the WAL of that time is archived",
    },
    Entry {
        name: "wal-of-another-cluster",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: "WAL file is from different database system",
        means: "two clusters archive under one prefix, and a WAL file of one has overwritten that of the other: recovery cannot go past it",
        do_: "give each cluster a prefix of its own and take new base backups; what lies under the shared one cannot be relied on",
    },
    Entry {
        name: "backup-without-parts",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: "ExtractAll: did not provide files to extract",
        means: "the base backup has no part with data: all its `tar_partitions/part_…` are no longer in the archive",
        do_: "this base backup is lost: take a new one (`/scripts/postgres_backup.sh` in the source's pod); look for what deletes \
              blobs below the prefix, such as a lifecycle rule of the storage account",
    },
    Entry {
        name: "backup-part-not-there",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"tar_partitions/\S+' not found in storage",
        means: "a part of the base backup is listed, and is not there when it is read",
        do_: "look for what deletes blobs below the prefix at this moment; if nothing does, the storage's listing is wrong: ask who runs it",
    },
    Entry {
        name: "backup-part-unreadable",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"(?s)\.tar\S*:? .*(decompress failed|tar extract failed|extractOne|Interpret failed|decrypt failed|unexpected EOF)|Extraction error in \S*\.tar|failed to extract (files|pg_control)",
        means: "a part of the base backup is in the archive and cannot be unpacked: it is truncated, empty, overwritten or encrypted with \
                another key",
        do_: "this base backup is lost: take a new one (`/scripts/postgres_backup.sh` in the source's pod), and restore an older one \
              until then; look for who or what writes into the archive besides the source",
    },
    Entry {
        name: "backup-part-missing",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: r#"could not (open|read|stat|access|fsync) (file|directory) "(global|base|pg_xact|pg_multixact|pg_notify|pg_subtrans|pg_commit_ts|pg_twophase|pg_logical|pg_replslot|pg_filenode\.map|PG_VERSION)\S*": No such file or directory|"\S+" is not a valid data directory|relation mapping file "\S+" |^could not locate a valid checkpoint record"#,
        means: "files of the base backup did not come, maybe its label: one of its parts (`tar_partitions/part_…`) is no longer in the archive. WAL-G \
                fetches the parts that it finds, and does not miss one",
        do_: "this base backup is lost: take a new one (`/scripts/postgres_backup.sh` in the source's pod); look for what deletes \
              blobs below the prefix, such as a lifecycle rule of the storage account",
    },
    Entry {
        name: "backup-part-missing-version",
        level: Error,
        source: Source::Spilo,
        standing: Expected,
        pattern: r"FileNotFoundError: .*PG_VERSION",
        means: "the fetched data have no PG_VERSION: a part of the base backup (`tar_partitions/part_…`) is no longer in the archive",
        do_: "this base backup is lost: take a new one (`/scripts/postgres_backup.sh` in the source's pod); look for what deletes \
              blobs below the prefix, such as a lifecycle rule of the storage account",
    },
    Entry {
        name: "backup-sentinel-missing",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"Backup '\S+' does not exist|(?i)failed to (fetch|unmarshal) (backup )?sentinel|failed to fetch files metadata|\S+_backup_stop_sentinel\.json",
        means: "the base backup's sentinel (`…_backup_stop_sentinel.json`) is missing or cannot be read: without it WAL-G knows no such backup",
        do_: "take a new base backup; one without a sentinel was not finished, or somebody deleted that blob",
    },
    Entry {
        name: "backup-control-file-missing",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: "Expect pg_control archive, but not found",
        means: "the base backup has no control file: `tar_partitions/pg_control.tar…` is no longer in the archive",
        do_: "this base backup is lost: take a new one; look for what deletes blobs below the prefix",
    },
    Entry {
        name: "backup-wal-missing",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: "^(WAL ends before (end of online backup|consistent recovery point)|could not (locate|find) (required checkpoint record|redo location))",
        means: "the WAL that was written while the base backup was taken is not in the archive, or cannot be read there: without it the \
                backup is not consistent",
        do_: "take a new base backup; look for what deletes WAL files (`wal_005/…`) that the backup still needs",
    },
    Entry {
        name: "wal-file-damaged",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: r#"^archive file "\S+" has wrong size"#,
        means: "a WAL file of the archive is not as long as a WAL file is",
        do_: "take a new base backup: what was committed from this file on cannot be restored",
    },
    Entry {
        name: "tablespace-directory-missing",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: r#"^(could not (open|create|stat|access) directory "pg_tblspc/|directory "/\S+" does not exist|tablespace "\S+" directory)"#,
        means: NO_TABLESPACE,
        do_: MAKE_TABLESPACE,
    },
    Entry {
        name: "tablespace-directory-not-made",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"error creating (folder for tablespace|pg_tblspc folder|tablespace symkink|correct tablespace symlink)|error creating \S+ folder",
        means: NO_TABLESPACE,
        do_: MAKE_TABLESPACE,
    },
    Entry {
        name: "backup-fetch-failed",
        level: Error,
        source: Source::Spilo,
        standing: Expected,
        // What made it fail is a message of WAL-G's, and must be known by itself.
        pattern: r"wal-e backup-fetch exited with exit code \d+",
        means: "WAL-G could not fetch the base backup; the bootstrap fails, and is tried again",
        do_: "read WAL-G's lines before it: they say why",
    },
    Entry {
        name: "recovery-failed",
        level: Error,
        source: Source::Spilo,
        standing: Expected,
        // What made it fail is a message of its own, and must be known by itself.
        pattern: r"(^|Exception: )Point-in-time recovery failed|maybe_pg_upgrade\.py script failed$",
        means: "PostgreSQL could not recover what was fetched; the bootstrap fails, and is tried again",
        do_: "read PostgreSQL's lines before it: they say why",
    },
    Entry {
        name: "bootstrap-failed",
        level: Error,
        source: Source::Patroni,
        standing: Expected,
        // What made it fail is a message of its own, and must be known by itself.
        pattern: "Failed to bootstrap cluster$|^failed to bootstrap|^/scripts/maybe_pg_upgrade.py script failed$|File \"/scripts/maybe_pg_upgrade.py\", line|^removing initialize key after failed attempt to bootstrap",
        means: "Patroni's bootstrap of this cluster failed; it removes the data directory and starts again",
        do_: "read the lines before it: they say why",
    },
];
