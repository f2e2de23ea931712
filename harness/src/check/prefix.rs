//! Backup prefixes, as people name them.

/// The folder of a cluster: the prefix without the parts that Spilo puts below it, its version and `wal`.
pub(super) fn folder(prefix: &str) -> &str {
    let prefix = match prefix.rsplit_once('/') {
        Some((before, version)) if version.parse::<u16>().is_ok() => before,
        _ => prefix,
    };
    prefix.strip_suffix("/wal").unwrap_or(prefix)
}

/// The major version that a prefix ends in, where it ends in one.
pub(super) fn version(prefix: &str) -> Option<u16> {
    prefix.trim_end_matches('/').rsplit('/').next()?.parse().ok().filter(|version| (9..100).contains(version))
}

/// The container of `azure://container/…`.
pub(super) fn container(prefix: &str) -> Option<&str> {
    let (_, inside) = prefix.split_once("://")?;
    inside.split('/').next().filter(|container| !container.is_empty())
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
    fn the_folder_is_what_is_left_without_version_and_wal() {
        assert_eq!(folder("azure://backups/spilo/acid-orders/wal/16"), "azure://backups/spilo/acid-orders");
        assert_eq!(folder("azure://backups/acid-orders/16"), "azure://backups/acid-orders");
        assert_eq!(folder("azure://backups/acid-orders"), "azure://backups/acid-orders");
        assert_eq!(container("azure://backups/x"), Some("backups"));
        assert_eq!((version("azure://backups/x/16/"), version("azure://backups/16x")), (Some(16), None));
    }

    #[test]
    fn uids_have_their_form() {
        assert!(is_uid("d4b7c1a2-0000-4000-8000-1234567890ab"));
        assert!(!is_uid("acid-orders") && !is_uid("d4b7c1a2-0000-4000-8000-1234567890xy"));
    }
}
