//! Why a backup could not be cloned back, from what Spilo and WAL-G print.

use super::clone::Clone;
use super::source::Source;
use crate::observe::catalogue;
use crate::observe::logs;
use crate::spilo::is_known;

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

/// The most telling reason in the logs.
pub fn refusal(logs: &[&str], source: &Source, clone: &Clone) -> Refusal {
    let says = |texts: &[&str]| logs.iter().any(|log| texts.iter().any(|text| log.contains(text)));
    let account = source.backups.account.as_deref().filter(|account| is_known(account));
    let account = account.unwrap_or("that a Secret names");
    let place = clone.reads();
    if says(&REFUSED) {
        return Refusal {
            why: format!("the storage account {account} refuses the key"),
                        help: "the Secret in the clone's namespace must hold a valid key of the source's account, and the account let \
                   this network in"
                .to_owned(),
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
            help: "either none was taken, or the account refuses the key: WAL-G before 2.0 prints the same for both. Where \
                   the source's log says `Wrote backup with name`, look at the Secret in the clone's namespace first"
                .to_owned(),
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
