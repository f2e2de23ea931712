//! Where a cluster keeps its own backups, as its container was told.

use crate::observe::env::EnvObservation;
use crate::storage::Access;

/// The variable that switches archiving to Azure on.
pub(super) const OWN_PREFIX: &str = "WALG_AZ_PREFIX";
const OWN_ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnPlace {
    account: String,
    container: String,
    /// Without slashes at its ends.
    path: String,
}

impl OwnPlace {
    /// None where the cluster does not archive to Azure.
    pub(super) fn of(env: &EnvObservation) -> Option<OwnPlace> {
        Self::parse(env.value(OWN_ACCOUNT)?, env.value(OWN_PREFIX)?)
    }

    /// Where the backups are that a cluster follows in Azure.
    pub(super) fn followed(env: &EnvObservation) -> Option<OwnPlace> {
        Self::parse(env.value("STANDBY_AZURE_STORAGE_ACCOUNT")?, env.value("STANDBY_WALG_AZ_PREFIX")?)
    }

    /// `azure://<container>/<path>`, or a whole container
    fn parse(account: &str, prefix: &str) -> Option<OwnPlace> {
        let place = prefix.strip_prefix("azure://")?;
        let (container, path) = place.split_once('/').unwrap_or((place, ""));
        let path = path.trim_matches('/').to_owned();
        Some(OwnPlace { account: account.to_owned(), container: container.to_owned(), path })
    }

    /// Whether a request is about a blob or a listing below this place.
    pub(super) fn holds(&self, access: &Access) -> bool {
        let path = access.blob.as_deref().or(access.prefix.as_deref()).unwrap_or_default();
        let below = path.trim_start_matches('/').strip_prefix(self.path.as_str());
        access.account == self.account
            && access.container.as_deref() == Some(&self.container)
            && below.is_some_and(|rest| self.path.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Operation, Who};

    fn listing(account: &str, prefix: &str) -> Access {
        Access {
            time: jiff::Timestamp::UNIX_EPOCH,
            source: std::net::IpAddr::from([10, 244, 1, 7]),
            who: Who::Unknown,
            account: account.to_owned(),
            container: Some("backups".to_owned()),
            blob: None,
            prefix: Some(prefix.to_owned()),
            operation: Operation::ListBlobs,
            status: Some(200),
            error_code: None,
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
        }
    }

    #[test]
    fn only_what_is_below_its_own_path_in_its_own_account_is_its_own() {
        let own = OwnPlace::parse("prod", "azure://backups/acid-orders/15");
        let holds = |account: &str, prefix: &str| {
            own.as_ref().is_some_and(|own| own.holds(&listing(account, prefix)))
        };
        assert!(holds("prod", "acid-orders/15/basebackups_005/"));
        assert!(!holds("clone", "acid-orders/15/basebackups_005/"));
        assert!(!holds("prod", "acid-orders/155/basebackups_005/"));
        assert!(!holds("prod", "acid-orders-clone/15/basebackups_005/"));
        let whole = OwnPlace::parse("prod", "azure://backups");
        assert!(whole.is_some_and(|own| own.holds(&listing("prod", "basebackups_005/"))));
    }
}
