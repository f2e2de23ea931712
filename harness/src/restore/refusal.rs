//! Why a backup could not be cloned back, from what Spilo and WAL-G print.

use super::clone::Clone;
use super::source::Source;
use crate::check::is_known;
use crate::observe::catalogue;
use crate::observe::logs;

/// What the storage itself says of a key or token that it does not take.
const REFUSED: [&str; 5] = [
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "Server failed to authenticate the request",
    "StatusCode=403",
];
const NO_ACCOUNT: [&str; 2] = ["no such host", "AccountIsDisabled"];
const NO_BACKUPS: [&str; 2] = ["Could not find any backups", "No backups found"];
/// WAL-G remarks it of a listing that came out empty, for whatever reason: before 2.0 it takes a refusal for an empty place.
const NOTHING_LISTED: &str = "No backups found";
/// Spilo's script, before each listing.
const LISTS: &str = " for clone";

pub struct Refusal {
    pub why: String,
    pub help: String,
}

/// Variables that hold what opens the account, the one that WAL-G prefers first.
const CREDENTIALS: [&str; 3] =
    ["CLONE_AZURE_STORAGE_ACCESS_KEY", "CLONE_AZURE_STORAGE_SAS_TOKEN", "CLONE_AZURE_CLIENT_SECRET"];

/// Where the clone has from what it shows to the account.
fn credential(clone: &Clone) -> String {
    let found = CREDENTIALS.iter().find_map(|name| Some((*name, clone.variable(name)?)));
    let Some((name, variable)) = found else { return "the clone's credentials".to_owned() };
    let reference = &variable["valueFrom"]["secretKeyRef"];
    match (reference["name"].as_str(), reference["key"].as_str()) {
        (Some(secret), Some(key)) => {
            format!("the key `{key}` of the Secret {secret} in the namespace {} ({name})", clone.namespace)
        }
        _ => format!("the clone's {name}"),
    }
}

/// The most telling reason in the logs.
pub fn refusal(logs: &[&str], source: &Source, clone: &Clone) -> Refusal {
    let says = |texts: &[&str]| logs.iter().any(|log| texts.iter().any(|text| log.contains(text)));
    let account = source.backups.account.as_deref().filter(|account| is_known(account));
    let account = account.unwrap_or("that a Secret names");
    let place = clone.reads();
    if says(&REFUSED) {
        return Refusal {
            why: format!("the storage account {account} refuses {}", credential(clone)),
            help: format!(
                "give the clone a valid key of the account: compare {} with the source's own; and look whether the account's \
                 firewall lets this network in",
                credential(clone)
            ),
        };
    }
    if says(&NO_ACCOUNT) {
        return Refusal {
            why: format!("the storage account {account} cannot be reached"),
            help: "its name, or the way to it from the clone's namespace, is wrong; `clone.egress_ports` opens ports of the \
                   clone's NetworkPolicy"
                .to_owned(),
        };
    }
    let count = |text: &str| logs.iter().map(|log| log.matches(text).count()).sum::<usize>();
    if says(&[NOTHING_LISTED]) && count(NOTHING_LISTED) >= count(LISTS) {
        return Refusal {
            why: format!("WAL-G finds no backup at all in {place} of the account {account}"),
            help: format!(
                "either none was taken, or the account refuses {}: WAL-G before 2.0 prints the same for both. If the source's \
                 log says `Wrote backup with name`, look at the key first",
                credential(clone)
            ),
        };
    }
    if says(&NO_BACKUPS) {
        return Refusal {
            why: format!(
                "no backup in {place} of the account {account} is older than {}",
                super::target::in_manifest(clone.target)
            ),
            help: "an earlier target needs backups that are kept for longer (BACKUP_NUM_TO_RETAIN)"
                .to_owned(),
        };
    }
    let mut lines = logs.iter().rev().flat_map(|log| log.lines().rev());
    let known = lines.find_map(|line| logs::names(line).into_iter().next_back());
    match known.and_then(catalogue::by_name) {
        Some(entry) => Refusal { why: entry.means.to_owned(), help: entry.do_.to_owned() },
        None => Refusal {
            why: "Spilo could not restore it".to_owned(),
            help: "the log in the evidence folder says why".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use jiff::Timestamp;

    use super::*;
    use crate::restore::samples::source;
    use crate::restore::{Into, SourceName, named};

    fn clone() -> Clone {
        let from = SourceName { namespace: "prod".to_owned(), name: "acid-orders".to_owned() };
        let into = Into { namespace: "drills".to_owned(), source_namespace_allowed: false };
        let time: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
        Clone::of(&source(), &named(from, into), "acid-orders-drill-abcde", (time, time), "lease").unwrap()
    }

    #[test]
    fn a_key_that_is_refused_is_named_with_its_namespace_secret_and_key() {
        let named = "the key `prod` of the Secret backup-keys in the namespace drills (CLONE_AZURE_STORAGE_ACCESS_KEY)";
        let new = "ERROR: 2026/11/25 22:00:01 ... RESPONSE 403 ERROR CODE: AuthorizationFailure";
        let Refusal { why, help } = refusal(&[new], &source(), &clone());
        assert_eq!(why, format!("the storage account prod refuses {named}"));
        assert!(help.contains("firewall"), "{help}");
        // WAL-G before 2.0 says nothing of the refusal, so that it can only be guessed at.
        let old = "INFO: No backups found\n";
        let Refusal { why, help } = refusal(&[old], &source(), &clone());
        assert!(why.contains("finds no backup at all") && help.contains(named), "{why}: {help}");
    }
}
