//! Values that WAL-G cannot use, as its own code reads them: some end it at once, some count as 0.

use super::archive::Scope;
use super::model::Archive;
use super::pod::is_known;
use super::release;

/// A value of an env dir that WAL-G cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Without its `CLONE_`.
    pub name: &'static str,
    /// What WAL-G wants.
    pub wants: &'static str,
    /// What comes of it.
    pub fails: Fails,
}

/// What cannot be done with such a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fails {
    /// The storage is not even opened.
    Everything,
    /// Base backups.
    BaseBackups,
    /// Fetching a base backup.
    Restores,
    /// The rate counts as 0, so that no more than a few pages go through.
    Rate,
}

/// Before this version WAL-G took its default for a size of buffers that is no number.
const MINDS_BUFFERS: &str = "3.0.0";

/// Its name, what it may be, that in words, and what fails of WAL-G otherwise.
type Setting = (&'static str, fn(&str) -> bool, &'static str, Fails);

/// All such values of an env dir, but `WALG_UPLOAD_CONCURRENCY` and the compression. `wal_g` is the version that reads it; where it is
/// not known, a new one.
pub fn refused(archive: &Archive, wal_g: Option<&str>) -> Vec<Refused> {
    let is_old = wal_g.is_some_and(|version| release::is_older(version, MINDS_BUFFERS));
    const LIST: &[Setting] = &[
        ("WALG_AZURE_BUFFER_SIZE", is_integer, "a number of bytes, such as \"8388608\"", Fails::Everything),
        ("WALG_AZURE_MAX_BUFFERS", is_integer, "a number, such as \"4\"", Fails::Everything),
        (
            "WALG_UPLOAD_DISK_CONCURRENCY",
            is_above_zero,
            "a number above 0, such as \"1\"",
            Fails::BaseBackups,
        ),
        ("WALG_DELTA_ORIGIN", is_origin, "LATEST or LATEST_FULL", Fails::BaseBackups),
        ("WALG_SENTINEL_USER_DATA", is_json, "JSON, such as {\"team\": \"orders\"}", Fails::BaseBackups),
        ("WALG_DOWNLOAD_CONCURRENCY", is_above_zero, "a number above 0, such as \"4\"", Fails::Restores),
        (
            "WALG_NETWORK_RATE_LIMIT",
            is_above_zero,
            "bytes a second as a number, such as \"52428800\"",
            Fails::Rate,
        ),
        (
            "WALG_DISK_RATE_LIMIT",
            is_above_zero,
            "bytes a second as a number, such as \"52428800\"",
            Fails::Rate,
        ),
    ];
    let found = LIST.iter().filter(|(name, is_right, _, fails)| {
        let concerns = archive.scope == Scope::Own || matches!(fails, Fails::Everything | Fails::Restores);
        let minds = !is_old || *fails != Fails::Everything;
        concerns && minds && archive.value(name).is_some_and(|value| is_known(value) && !is_right(value))
    });
    found.map(|(name, _, wants, fails)| Refused { name, wants, fails: *fails }).collect()
}

fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}

/// What is no number counts as 0.
fn is_above_zero(text: &str) -> bool {
    text.trim().parse::<i64>().is_ok_and(|number| number > 0)
}

fn is_origin(text: &str) -> bool {
    matches!(text, "LATEST" | "LATEST_FULL")
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spilo::{Store, model::Written};

    fn fails(scope: Scope, name: &str, value: &str) -> Option<Fails> {
        fails_with(Some("3.0.5"), scope, name, value)
    }

    fn fails_with(wal_g: Option<&str>, scope: Scope, name: &str, value: &str) -> Option<Fails> {
        let written = Written { name: name.to_owned(), value: value.to_owned(), from: Some(name.to_owned()) };
        let archive = Archive {
            scope,
            store: Store::Azure,
            decided_by: String::new(),
            beaten: Vec::new(),
            by_walg: true,
            env_dir: vec![written],
        };
        refused(&archive, wal_g).first().map(|refused| refused.fails)
    }

    #[test]
    fn each_value_is_read_as_wal_g_reads_it() {
        for (name, wrong, right, what) in [
            ("WALG_AZURE_BUFFER_SIZE", "8MB", "8388608", Fails::Everything),
            ("WALG_AZURE_MAX_BUFFERS", "four", "4", Fails::Everything),
            ("WALG_UPLOAD_DISK_CONCURRENCY", "0", "2", Fails::BaseBackups),
            ("WALG_DELTA_ORIGIN", "FULL", "LATEST_FULL", Fails::BaseBackups),
            ("WALG_SENTINEL_USER_DATA", "orders", "\"orders\"", Fails::BaseBackups),
            ("WALG_DOWNLOAD_CONCURRENCY", "max", "1", Fails::Restores),
            ("WALG_NETWORK_RATE_LIMIT", "50MB", "52428800", Fails::Rate),
        ] {
            assert_eq!(fails(Scope::Own, name, wrong), Some(what), "{name} {wrong}");
            assert_eq!(fails(Scope::Own, name, right), None, "{name} {right}");
            assert_eq!(fails(Scope::Own, name, "\u{fffd}"), None, "{name}");
        }
        let buffers = |wal_g| fails_with(wal_g, Scope::Own, "WALG_AZURE_BUFFER_SIZE", "8MB");
        assert_eq!((buffers(Some("2.0.1")), buffers(None)), (None, Some(Fails::Everything)));
        assert_eq!(fails(Scope::Clone, "WALG_DELTA_ORIGIN", "FULL"), None, "a clone only reads");
        assert_eq!(fails(Scope::Clone, "WALG_DOWNLOAD_CONCURRENCY", "max"), Some(Fails::Restores));
    }
}
