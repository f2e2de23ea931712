//! Faults: each of one kind, about what is there, and healed after it has begun.

use std::collections::BTreeMap;

use super::super::fault::{
    BlobChoice, FaultStep, HostNameLeads, HowOften, RequestsAct, RequestsFault, StorageOperation,
};
use super::super::problem::{ProblemKind, What};
use super::{Checker, name_problem};

/// Faults by name, and whether they act at a step.
pub(super) type Faults<'a> = BTreeMap<&'a str, bool>;

impl<'a> Checker<'a> {
    pub(super) fn fault(&mut self, at: &str, fault: &'a FaultStep, faults: &mut Faults<'a>) {
        let name = fault.name.as_str();
        if let Some(why) = name_problem(name) {
            let kind = ProblemKind::BadName { what: What::Fault, name: name.to_owned(), why };
            self.add(&format!("{at}/as"), kind, None);
        }
        if faults.insert(name, true).is_some() {
            let kind = ProblemKind::Duplicate { what: What::Fault, name: name.to_owned() };
            self.add(&format!("{at}/as"), kind, None);
        }
        if fault.kinds() != 1 {
            let kind = ProblemKind::Contradiction("a fault is of exactly one kind".to_owned());
            let help = "give one of `requests`, `blobs`, `pods`, `operator`, `certificate`, `host-name`, `volumes` and `node`; \
                        for two faults, two steps";
            self.add(at, kind, Some(help.to_owned()));
        }
        if let Some(requests) = &fault.requests {
            self.requests(&format!("{at}/requests"), requests);
        }
        if let Some(blobs) = &fault.blobs {
            self.known(&format!("{at}/blobs/account"), What::Account, &blobs.account, &self.account_names());
        }
        if let Some(pods) = &fault.pods {
            self.known(&format!("{at}/pods/of"), What::Cluster, &pods.of, &self.cluster_names());
        }
        if let Some(certificate) = &fault.certificate {
            let account = &certificate.account;
            self.known(&format!("{at}/certificate/account"), What::Account, account, &self.account_names());
            if let Some(of) = &certificate.of {
                self.known(&format!("{at}/certificate/of"), What::Cluster, of, &self.cluster_names());
            }
        }
        if let Some(name) = &fault.host_name {
            self.known(&format!("{at}/host-name/of"), What::Account, &name.of, &self.account_names());
            if let HostNameLeads::To(account) = &name.leads {
                let at = format!("{at}/host-name/leads/to");
                if self.known(&at, What::Account, account, &self.account_names()) && *account == name.of {
                    let kind = ProblemKind::Contradiction("that is where it leads by itself".to_owned());
                    self.add(&at, kind, None);
                }
            }
        }
        if let Some(volumes) = &fault.volumes {
            self.known(&format!("{at}/volumes/of"), What::Cluster, &volumes.of, &self.cluster_names());
            if volumes.hold == 0 {
                let kind = ProblemKind::Contradiction("there are no volumes that hold nothing".to_owned());
                self.add(&format!("{at}/volumes/hold"), kind, None);
            }
        }
        if fault.ends_after.is_some() && !fault.can_end() {
            let kind =
                ProblemKind::Contradiction("what it does is done at once, and does not end".to_owned());
            self.add(&format!("{at}/ends-after"), kind, Some("take it out".to_owned()));
        }
    }

    pub(super) fn heal(&mut self, at: &str, name: &str, faults: &mut Faults<'a>) {
        match faults.get_mut(name) {
            Some(acts @ true) => *acts = false,
            Some(false) => {
                let kind =
                    ProblemKind::Contradiction(format!("fault `{name}` was healed by an earlier step"));
                self.add(at, kind, None);
            }
            None => {
                let names: Vec<&str> = faults.keys().copied().collect();
                self.known(at, What::Fault, name, &names);
            }
        }
    }

    fn requests(&mut self, at: &str, fault: &RequestsFault) {
        if let Some(cluster) = &fault.of {
            self.known(&format!("{at}/of"), What::Cluster, cluster, &self.cluster_names());
        }
        if let Some(account) = &fault.account {
            self.known(&format!("{at}/account"), What::Account, account, &self.account_names());
        } else if needs_account(fault) {
            let help = "the blobs are looked for in that account".to_owned();
            self.add(at, ProblemKind::MissingField("account".to_owned()), Some(help));
        }
        for (place, why) in contradictions(fault) {
            self.add(&format!("{at}/{place}"), ProblemKind::Contradiction(why.to_owned()), None);
        }
    }
}

/// Which blobs are meant is only known once the account was looked into.
fn needs_account(fault: &RequestsFault) -> bool {
    let by_number = |choice: &BlobChoice| matches!(choice, BlobChoice::WalFile(_));
    match &fault.act {
        RequestsAct::ContentOf(_) | RequestsAct::OlderVersion => true,
        RequestsAct::Hide(choice) | RequestsAct::Phantom(choice) if by_number(choice) => true,
        _ => fault.blobs.as_ref().is_some_and(by_number),
    }
}

/// What could never act as it says, with its place.
fn contradictions(fault: &RequestsFault) -> Vec<(&'static str, &'static str)> {
    use StorageOperation::{Delete, List, Read, Write};
    let mut found = Vec::new();
    let only = |allowed: &[StorageOperation]| fault.operations.iter().all(|one| allowed.contains(one));
    match &fault.act {
        RequestsAct::Hide(_)
        | RequestsAct::Phantom(_)
        | RequestsAct::LosePage
        | RequestsAct::Reverse
        | RequestsAct::ShiftTimes(_)
        | RequestsAct::OldList => {
            if !only(&[List]) {
                found.push(("operations", "only a listing can be changed so"));
            }
            if fault.blobs.is_some() {
                found.push(("blobs", "a listing is about no blob"));
            }
        }
        RequestsAct::Swallow if !only(&[Write, Delete]) => {
            found.push(("operations", "only a write or a deletion can be swallowed"));
        }
        RequestsAct::Twice | RequestsAct::Late(_) if !only(&[Write, Delete]) => {
            found.push(("operations", "only a write or a deletion can be done twice or late"));
        }
        RequestsAct::Truncate(_)
        | RequestsAct::Flip(_)
        | RequestsAct::ContentOf(_)
        | RequestsAct::Empty
        | RequestsAct::OlderVersion
            if !only(&[Read]) =>
        {
            found.push(("operations", "only what is read has other bytes"));
        }
        RequestsAct::Answer(error) if !(400..600).contains(&error.status) => {
            found.push(("do/answer/status", "an error has a status from 400 to 599"));
        }
        RequestsAct::Slow(0) => found.push(("do/slow", "nothing would ever come; `hang` does that")),
        _ => {}
    }
    match fault.often {
        HowOften::First(0) | HowOften::Nth(0) | HowOften::EveryNth(0) => {
            found.push(("often", "the first one is 1"));
        }
        HowOften::AtRandom(chance) if !(1..=100).contains(&chance.percent) => {
            found.push(("often/at-random/percent", "it is from 1 to 100"));
        }
        _ => {}
    }
    found
}
