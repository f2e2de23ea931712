//! Which blobs of an account a fault means.

use regex::Regex;

use crate::drill::error::DrillError;
use crate::scenario::{BlobChoice, WhichBackup};
use crate::storage::{Blobs, Pattern, StoredBlob};

/// All blobs of an account, in the order of their names.
pub(super) struct Chosen(Vec<StoredBlob>);

impl Chosen {
    pub(super) async fn of(blobs: &Blobs) -> Result<Self, DrillError> {
        Ok(Chosen(blobs.list().await?))
    }

    /// Those that a choice means.
    pub(super) fn meant(&self, choice: &BlobChoice) -> Vec<&StoredBlob> {
        match choice {
            BlobChoice::WalFile(number) => self.wal_file(*number).into_iter().collect(),
            other => {
                let pattern = other.pattern().and_then(|pattern| Pattern::try_from(pattern).ok());
                self.0
                    .iter()
                    .filter(|blob| pattern.as_ref().is_some_and(|is| is.matches(&blob.name)))
                    .collect()
            }
        }
    }

    /// The same of one base backup only: blobs that belong to none are not meant then.
    pub(super) fn in_backup(&self, which: Option<WhichBackup>, choice: &BlobChoice) -> Vec<&StoredBlob> {
        let mut meant = self.meant(choice);
        if let Some(which) = which {
            let mut backups: Vec<String> = self.0.iter().filter_map(|blob| backup_of(&blob.name)).collect();
            backups.sort();
            let wanted = match which {
                WhichBackup::Oldest => backups.first(),
                WhichBackup::Newest => backups.last(),
            };
            meant.retain(|blob| backup_of(&blob.name).as_ref() == wanted && wanted.is_some());
        }
        meant
    }

    /// Names of WAL files are in the order of the WAL.
    fn wal_file(&self, number: i64) -> Option<&StoredBlob> {
        let mut files = self.meant(&BlobChoice::Wal);
        files.retain(|blob| wal_name(&blob.name).is_some());
        files.sort_by_key(|blob| wal_name(&blob.name));
        let index = usize::try_from(number.unsigned_abs()).ok()?.checked_sub(1)?;
        let index = if number > 0 { index } else { files.len().checked_sub(index + 1)? };
        files.get(index).copied()
    }
}

/// `base_000000010000000000000003`, and for an increment what comes after it too.
fn backup_of(name: &str) -> Option<String> {
    let (_, rest) = name.split_once("/basebackups_005/")?;
    let backup = rest.split('/').next()?;
    Some(backup.split("_backup_stop_sentinel").next()?.to_owned()).filter(|name| name.starts_with("base_"))
}

/// Of a whole file of WAL, not of the notes about backups beside them.
fn wal_name(name: &str) -> Option<&str> {
    let (_, file) = name.rsplit_once('/')?;
    let (name, compression) = file.split_once('.').unwrap_or((file, ""));
    let whole = Regex::new("^[0-9A-F]{24}$").is_ok_and(|form| form.is_match(name));
    (whole && !compression.contains("backup") && !compression.contains("partial")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Chosen {
        let names = [
            "x/basebackups_005/base_000000010000000000000003/tar_partitions/part_001.tar.lz4",
            "x/basebackups_005/base_000000010000000000000003_backup_stop_sentinel.json",
            "x/basebackups_005/base_000000010000000000000005/tar_partitions/part_001.tar.lz4",
            "x/wal_005/000000010000000000000001.lz4",
            "x/wal_005/000000010000000000000003.00000028.backup.lz4",
            "x/wal_005/000000010000000000000003.lz4",
            "x/wal_005/000000020000000000000004.lz4",
            "x/wal_005/00000002.history.lz4",
        ];
        let blob = |name: &str| StoredBlob {
            account: "prod".to_owned(),
            container: "backups".to_owned(),
            name: name.to_owned(),
            bytes: 1,
        };
        Chosen(names.map(blob).into())
    }

    fn names(blobs: Vec<&StoredBlob>) -> Vec<&str> {
        blobs.into_iter().map(|blob| blob.name.trim_start_matches("x/")).collect()
    }

    #[test]
    fn a_file_of_wal_is_counted_from_either_end() {
        let all = all();
        let file = |number| names(all.meant(&BlobChoice::WalFile(number)));
        assert_eq!(file(1), ["wal_005/000000010000000000000001.lz4"]);
        assert_eq!(file(2), ["wal_005/000000010000000000000003.lz4"]);
        assert_eq!(file(-1), ["wal_005/000000020000000000000004.lz4"]);
        for none in [0, 4, -4] {
            assert!(file(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn blobs_of_one_backup_only_are_meant() {
        let all = all();
        let of = |which, choice| names(all.in_backup(Some(which), &choice)).len();
        assert_eq!(of(WhichBackup::Newest, BlobChoice::BackupPart), 1);
        assert_eq!(of(WhichBackup::Newest, BlobChoice::Sentinel), 0);
        assert_eq!(of(WhichBackup::Oldest, BlobChoice::Sentinel), 1);
        assert_eq!(all.in_backup(None, &BlobChoice::BackupPart).len(), 2);
        assert_eq!(names(all.meant(&BlobChoice::History)), ["wal_005/00000002.history.lz4"]);
    }
}
