//! Backup prefixes, as Spilo's clone script searches them and as people name them.

/// Whether Spilo looks into a folder for each major version below this prefix.
pub(super) fn is_versioned(prefix: &str) -> bool {
    prefix.contains("/spilo/") && prefix.ends_with("/wal")
}

/// Whether a clone of this major version that is given `searched` finds backups that lie at `held`.
pub(super) fn is_searched(searched: &str, held: &str, major: Option<u16>) -> bool {
    if searched == held {
        return true;
    }
    let below = held
        .strip_prefix(searched)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.parse().ok());
    is_versioned(searched) && below.is_some_and(|held: u16| major.is_none_or(|major| held <= major))
}

/// The folder of a cluster: the prefix without the parts that Spilo puts below it, its version and `wal`.
pub(super) fn folder(prefix: &str) -> &str {
    let prefix = match prefix.rsplit_once('/') {
        Some((before, version)) if version.parse::<u16>().is_ok() => before,
        _ => prefix,
    };
    prefix.strip_suffix("/wal").unwrap_or(prefix)
}

/// The container of `azure://container/…`.
pub(super) fn container(prefix: &str) -> Option<&str> {
    prefix.strip_prefix("azure://")?.split('/').next().filter(|container| !container.is_empty())
}

/// Whether a text is a UUID in the form that Kubernetes gives.
pub(super) fn is_uid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spilos_own_form_is_searched_by_version() {
        let wal = "azure://backups/spilo/acid-orders/wal";
        assert!(is_searched(wal, &format!("{wal}/15"), Some(16)) && is_searched(wal, wal, Some(16)));
        assert!(!is_searched(wal, &format!("{wal}/17"), Some(16)));
        assert!(!is_searched("azure://backups/acid-orders", "azure://backups/acid-orders/15", Some(16)));
        assert!(!is_searched(wal, "azure://backups/spilo/acid-orders/wal-old/15", Some(16)));
    }

    #[test]
    fn the_folder_is_what_is_left_without_version_and_wal() {
        assert_eq!(folder("azure://backups/spilo/acid-orders/wal/16"), "azure://backups/spilo/acid-orders");
        assert_eq!(folder("azure://backups/acid-orders/16"), "azure://backups/acid-orders");
        assert_eq!(folder("azure://backups/acid-orders"), "azure://backups/acid-orders");
        assert_eq!(container("azure://backups/x"), Some("backups"));
    }

    #[test]
    fn uids_have_their_form() {
        assert!(is_uid("d4b7c1a2-0000-4000-8000-1234567890ab"));
        assert!(!is_uid("acid-orders") && !is_uid("d4b7c1a2-0000-4000-8000-1234567890xy"));
    }
}
