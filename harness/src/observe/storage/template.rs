//! Paths of blobs with placeholders for what differs between two runs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::storage::Access;

/// What varies in the names that WAL-G and Spilo give, longest pattern first.
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::unwrap_used, reason = "a constant pattern, which the tests below compile")]
    Regex::new(concat!(
        r"(?P<uid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
        r"|(?P<offset>[0-9A-F]{24}\.[0-9A-F]{8}\.backup)",
        r"|(?P<wal>[0-9A-F]{24})",
        r"|(?P<history>\b[0-9A-F]{8}\.history)",
        r"|(?P<part>\bpart_\d+)",
        r"|(?P<stamp>\b\d{4}-?\d{2}-?\d{2}T\d{2}:?\d{2}:?\d{2}(?:\.\d+)?Z?)",
    ))
    .unwrap()
});

/// WAL-G looks for a file under the suffix of each compression that it knows; WAL-G 3 also without one.
static COMPRESSION: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::unwrap_used, reason = "a constant pattern, which the tests below compile")]
    Regex::new(r"\.(?:br|gz|lz4|lzma|lzo|zst)$").unwrap()
});

#[derive(Debug, Clone)]
pub(super) struct Templates {
    uids: BTreeMap<String, String>,
}

impl Templates {
    pub(super) fn new(uids: BTreeMap<String, String>) -> Self {
        Templates { uids }
    }

    /// The kind of path that a request was about: of a blob under any compression, or what a listing was limited to.
    pub(super) fn of_access(&self, access: &Access) -> String {
        let container = access.container.as_deref().unwrap_or_default();
        match access.blob.as_ref().or(access.prefix.as_ref()) {
            Some(name) => {
                let path = self.of_blob(container, name);
                match path.ends_with("/<wal>") || path.ends_with("/<timeline>.history") {
                    true => format!("{path}.<compressed>"),
                    false => COMPRESSION.replace(&path, ".<compressed>").into_owned(),
                }
            }
            None => container.to_owned(),
        }
    }

    /// The kind of path of a blob that is there.
    pub(super) fn of_blob(&self, container: &str, name: &str) -> String {
        self.fill(&format!("{container}/{name}"))
    }

    fn fill(&self, path: &str) -> String {
        let placeholder = |found: &Captures<'_>| {
            let text = &found[0];
            let named = |name| found.name(name).is_some();
            if named("uid") {
                self.uids.get(text).map_or("<uid>".to_owned(), |cluster| format!("<uid of {cluster}>"))
            } else if named("offset") {
                "<wal>.<offset>.backup".to_owned()
            } else if named("wal") {
                "<wal>".to_owned()
            } else if named("history") {
                "<timeline>.history".to_owned()
            } else if named("part") {
                "part_<n>".to_owned()
            } else {
                "<time>".to_owned()
            }
        };
        VARYING.replace_all(path, placeholder).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9";

    fn template(name: &str) -> String {
        Templates::new(BTreeMap::from([(UID.to_owned(), "source".to_owned())])).of_blob("backups", name)
    }

    #[test]
    fn what_differs_between_two_runs_becomes_a_placeholder() {
        let folder = format!("spilo/acid-orders/{UID}/wal/15");
        for (name, expected) in [
            ("wal_005/000000010000000000000003.lz4", "wal_005/<wal>.lz4"),
            ("wal_005/000000010000000000000003.00000028.backup.lz4", "wal_005/<wal>.<offset>.backup.lz4"),
            ("wal_005/000000010000000000000003.partial.br", "wal_005/<wal>.partial.br"),
            ("wal_005/00000002.history.lz4", "wal_005/<timeline>.history.lz4"),
            (
                "basebackups_005/base_000000010000000000000003/tar_partitions/part_001.tar.lz4",
                "basebackups_005/base_<wal>/tar_partitions/part_<n>.tar.lz4",
            ),
            (
                "basebackups_005/base_000000010000000000000005_D_000000010000000000000003_backup_stop_sentinel.json",
                "basebackups_005/base_<wal>_D_<wal>_backup_stop_sentinel.json",
            ),
        ] {
            let expected = format!("backups/spilo/acid-orders/<uid of source>/wal/15/{expected}");
            assert_eq!(template(&format!("{folder}/{name}")), expected);
        }
    }

    #[test]
    fn a_uid_of_no_cluster_is_only_a_uid() {
        assert_eq!(template("spilo/x/11111111-2222-4333-8444-555555555555/wal"), "backups/spilo/x/<uid>/wal");
    }

    #[test]
    fn names_that_people_gave_stay() {
        let name = "spilo/acid-part_time/history/2024/metadata.json";
        assert_eq!(template(name), format!("backups/{name}"));
    }
}
