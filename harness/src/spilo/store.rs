//! Which kind of store decides, where several are configured.

use super::archive::Scope;
use super::variables::Variables;

/// A kind of storage, in the order in which Spilo looks for them: the first that is configured decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// Amazon S3, or what speaks as it does.
    S3,
    /// Google Cloud Storage.
    GoogleStorage,
    /// OpenStack Swift, by WAL-E alone.
    Swift,
    /// Azure Blob Storage.
    Azure,
    /// A host with SSH.
    Ssh,
}

/// Each store with the variables that configure it, by Spilo's order.
const SWITCHES: [(Store, &[&str]); 5] = [
    (Store::S3, &["WAL_S3_BUCKET", "WALE_S3_PREFIX", "WALG_S3_PREFIX"]),
    (Store::GoogleStorage, &["WAL_GCS_BUCKET", "WAL_GS_BUCKET", "WALE_GS_PREFIX", "WALG_GS_PREFIX"]),
    (Store::Swift, &["WAL_SWIFT_BUCKET", "WALE_SWIFT_PREFIX"]),
    (Store::Azure, &["WALG_AZ_PREFIX"]),
    (Store::Ssh, &["WALG_SSH_PREFIX"]),
];

impl Store {
    /// As it is called by people.
    pub fn name(self) -> &'static str {
        match self {
            Store::S3 => "S3",
            Store::GoogleStorage => "Google Cloud Storage",
            Store::Swift => "Swift",
            Store::Azure => "Azure",
            Store::Ssh => "SSH",
        }
    }

    /// For programs.
    pub fn slug(self) -> &'static str {
        match self {
            Store::S3 => "s3",
            Store::GoogleStorage => "gs",
            Store::Swift => "swift",
            Store::Azure => "azure",
            Store::Ssh => "ssh",
        }
    }

    /// What its prefixes begin with.
    pub fn scheme(self) -> &'static str {
        match self {
            Store::S3 => "s3://",
            Store::GoogleStorage => "gs://",
            Store::Swift => "swift://",
            Store::Azure => "azure://",
            Store::Ssh => "ssh://",
        }
    }

    /// The variable that WAL-G, or WAL-E for Swift, has the prefix from.
    pub fn prefix_variable(self) -> &'static str {
        match self {
            Store::S3 => "WALG_S3_PREFIX",
            Store::GoogleStorage => "WALG_GS_PREFIX",
            Store::Swift => "WALE_SWIFT_PREFIX",
            Store::Azure => "WALG_AZ_PREFIX",
            Store::Ssh => "WALG_SSH_PREFIX",
        }
    }
}

/// Every store that is configured, the one that decides first, each with the variable (with its `CLONE_`) that configures it.
pub(super) fn configured(variables: &Variables, scope: Scope) -> Vec<(Store, String)> {
    let found = SWITCHES.iter().filter_map(|(store, names)| {
        let full = names.iter().map(|name| format!("{}{name}", scope.prefix()));
        Some((*store, full.into_iter().find(|name| variables.set(name).is_some())?))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_beats_google_beats_swift_beats_azure_beats_ssh() {
        let all =
            ["WALG_SSH_PREFIX", "WALG_AZ_PREFIX", "WALE_SWIFT_PREFIX", "WALG_GS_PREFIX", "WALE_S3_PREFIX"];
        let variables: Variables = all.iter().map(|name| (format!("CLONE_{name}"), "x")).collect();
        let found = configured(&variables, Scope::Clone);
        let stores: Vec<Store> = found.iter().map(|(store, _)| *store).collect();
        assert_eq!(stores, [Store::S3, Store::GoogleStorage, Store::Swift, Store::Azure, Store::Ssh]);
        assert_eq!(found[0].1, "CLONE_WALE_S3_PREFIX");
        assert_eq!(configured(&variables, Scope::Own), []);
    }
}
