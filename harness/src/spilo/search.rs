//! Where Spilo's clone script looks for backups.

/// The prefixes that are tried for this one, in order: a path that Spilo made holds one folder a major version, and `majors`
/// are those that the clone's image has, newest first.
pub fn places(prefix: &str, majors: &[u16]) -> Vec<String> {
    let path = prefix.trim_end_matches('/');
    let versioned = majors.iter().filter(|_| is_versioned(path)).map(|major| format!("{path}/{major}/"));
    versioned.chain([prefix.to_owned()]).collect()
}

/// Whether Spilo looks into a folder for each major version below this prefix.
pub fn is_versioned(prefix: &str) -> bool {
    prefix.contains("/spilo/") && prefix.ends_with("/wal")
}

/// Whether a clone of this major version that is given `searched` finds backups that lie at `held`.
pub fn is_searched(searched: &str, held: &str, major: Option<u16>) -> bool {
    let (searched, held) = (inside(searched), inside(held));
    if searched == held {
        return true;
    }
    let below = held
        .strip_prefix(searched)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.parse().ok());
    is_versioned(searched) && below.is_some_and(|held: u16| major.is_none_or(|major| held <= major))
}

/// What WAL-G goes by: it does not look at the scheme.
fn inside(prefix: &str) -> &str {
    prefix.split_once("://").map_or(prefix, |(_, inside)| inside)
}

/// The folders that WAL-G makes below a prefix.
const WALGS: [&str; 2] = ["basebackups_005", "wal_005"];

/// What is above the first folder of WAL-G's own in a prefix, and that folder.
pub fn above_walgs_folders(prefix: &str) -> Option<(&str, &str)> {
    let folder = prefix.split('/').skip(3).find(|part| WALGS.contains(part))?;
    let at = prefix.find(&format!("/{folder}"))?;
    Some((&prefix[..at], folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_wal_g_are_no_part_of_a_prefix() {
        let prefix = "azure://backups/acid-orders/16";
        for below in ["basebackups_005", "basebackups_005/", "wal_005/x"] {
            let deep = format!("{prefix}/{below}");
            assert_eq!(above_walgs_folders(&deep).map(|(above, _)| above), Some(prefix), "{below}");
        }
        assert_eq!(above_walgs_folders(prefix), None);
        assert_eq!(above_walgs_folders("azure://basebackups_005"), None);
    }

    #[test]
    fn only_spilos_own_form_is_searched_by_version() {
        let wal = "azure://backups/spilo/acid-orders/wal";
        assert!(is_searched(wal, &format!("{wal}/15"), Some(16)) && is_searched(wal, wal, Some(16)));
        assert!(!is_searched(wal, &format!("{wal}/17"), Some(16)));
        assert!(is_searched("az://backups/acid-orders", "azure://backups/acid-orders", Some(16)));
        assert!(!is_searched("azure://backups/acid-orders", "azure://backups/acid-orders/15", Some(16)));
        assert!(!is_searched(wal, "azure://backups/spilo/acid-orders/wal-old/15", Some(16)));
    }
}
