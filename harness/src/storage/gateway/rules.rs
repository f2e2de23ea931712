//! The rules that a gateway has by now, and what became of each. They may change while requests go on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::access::{Access, Asker};
use super::rule::{Accounts, Act, Answer, Often, Rule, RuleError, Selection};
use super::signature::Signed;

/// A rule's number; no other rule of the gateway ever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(u64);

/// A rule, and what became of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// By which it is ended.
    pub id: RuleId,
    /// As it was given.
    pub rule: Rule,
    /// Requests that it was about.
    pub matched: u64,
    /// Requests on which it acted. A fault that hit nothing proves nothing.
    pub hits: u64,
    /// It still acts.
    pub active: bool,
}

/// Whether a rule that still acts has lost this account.
pub fn is_lost(account: &str, rules: &[RuleState]) -> bool {
    rules.iter().any(|state| state.active && state.rule.lost_account() == Some(account))
}

/// All rules that there ever were. Clones share one list.
#[derive(Clone)]
pub(super) struct Rules {
    all: Arc<Mutex<Vec<Entry>>>,
    stopping: CancellationToken,
}

struct Entry {
    id: RuleId,
    rule: Rule,
    chance: StdRng,
    matched: u64,
    hits: Arc<AtomicU64>,
    ended: CancellationToken,
}

/// A rule decided about a request.
pub(super) struct Decision {
    pub(super) rule: String,
    pub(super) act: Act,
    pub(super) hits: Arc<AtomicU64>,
    /// The rule has ended, or the gateway has.
    pub(super) ended: CancellationToken,
}

/// What the gateway says of an account that is not there. Azure has no host name for one, so WAL-G fails before its
/// first request there; where the name resolves all the same, this is an answer that WAL-G does not repeat.
pub(super) fn no_such_account() -> Answer {
    Answer {
        status: 404,
        code: "AccountNotFound".to_owned(),
        message: "There is no storage account of this name in this drill.".to_owned(),
        ..Answer::default()
    }
}

impl Rules {
    /// Those that every gateway has: only `accounts` are there.
    pub(super) fn new(accounts: BTreeSet<String>, stopping: CancellationToken) -> Self {
        let rules = Rules { all: Arc::default(), stopping };
        let about = Selection { accounts: Accounts::AllBut(accounts), ..Selection::default() };
        let act = Act::Answer(no_such_account());
        rules.push(Rule { name: "no such account".to_owned(), about, often: Often::Always, act });
        rules
    }

    /// From now on this rule decides before all that were added earlier.
    pub(super) fn add(&self, rule: Rule) -> Result<RuleId, RuleError> {
        rule.check()?;
        Ok(self.push(rule))
    }

    fn push(&self, rule: Rule) -> RuleId {
        let seed = if let Often::AtRandom { seed, .. } = rule.often { seed } else { 0 };
        let mut all = self.all();
        let id = RuleId(all.len() as u64 + 1);
        all.push(Entry {
            id,
            rule,
            chance: StdRng::seed_from_u64(seed),
            matched: 0,
            hits: Arc::default(),
            ended: self.stopping.child_token(),
        });
        id
    }

    /// From now on this rule decides nothing; requests that it holds back end.
    pub(super) fn end(&self, id: RuleId) -> Result<RuleState, RuleError> {
        let all = self.all();
        let entry = all.iter().find(|entry| entry.id == id && !entry.ended.is_cancelled());
        let entry = entry.ok_or(RuleError::NotThere(id.0))?;
        entry.ended.cancel();
        Ok(entry.state())
    }

    pub(super) fn states(&self) -> Vec<RuleState> {
        self.all().iter().map(Entry::state).collect()
    }

    /// Whether who asks decides about this request.
    pub(super) fn asks_for_name(&self, access: &Access) -> bool {
        let all = self.all();
        all.iter().any(|entry| {
            entry.acts() && entry.rule.about.asks_for_names() && entry.rule.about.matches_what(access)
        })
    }

    /// What becomes of a connection; nothing where it goes its way.
    pub(super) fn decide_connection(&self, access: &Access, asker: &Asker) -> Option<Decision> {
        self.first(|entry| entry.rule.act.is_of_connections() && entry.takes(access, asker))
    }

    /// What becomes of a request; nothing where it goes its way. A rule that a later one is before does not count it.
    pub(super) fn decide(&self, access: &Access, asker: &Asker, signed: &Signed<'_>) -> Option<Decision> {
        self.first(|entry| {
            let key = entry.rule.about.signed_with.as_ref();
            !entry.rule.act.is_of_connections()
                && key.is_none_or(|key| signed.with(&access.account, key))
                && entry.takes(access, asker)
        })
    }

    fn first(&self, mut takes: impl FnMut(&mut Entry) -> bool) -> Option<Decision> {
        let mut all = self.all();
        let entry = all.iter_mut().rev().find_map(|entry| takes(entry).then_some(entry))?;
        Some(Decision {
            rule: entry.rule.name.clone(),
            act: entry.rule.act.clone(),
            hits: entry.hits.clone(),
            ended: entry.ended.clone(),
        })
    }

    fn all(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn acts(&self) -> bool {
        !self.ended.is_cancelled()
    }

    fn takes(&mut self, access: &Access, asker: &Asker) -> bool {
        let about = &self.rule.about;
        if !self.acts() || !about.matches_what(access) || !about.matches_who(access.source, asker) {
            return false;
        }
        self.matched += 1;
        match self.rule.often {
            Often::Always => true,
            Often::Nth(nth) => self.matched == nth,
            Often::EveryNth(nth) => self.matched.is_multiple_of(nth),
            Often::First(count) => self.matched <= count,
            Often::AtRandom { percent, .. } => self.chance.random_range(0..100) < percent,
        }
    }

    fn state(&self) -> RuleState {
        RuleState {
            id: self.id,
            rule: self.rule.clone(),
            matched: self.matched,
            hits: self.hits.load(Ordering::Relaxed),
            active: self.acts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::Who;
    use super::super::operation::Operation;
    use std::net::IpAddr;

    use super::super::rule::{Asking, Pattern};
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 1, 7));

    fn reading(account: &str, blob: &str) -> Access {
        Access {
            time: jiff::Timestamp::UNIX_EPOCH,
            source: SOURCE,
            who: Who::Unknown,
            account: account.to_owned(),
            container: Some("backups".to_owned()),
            blob: Some(blob.to_owned()),
            prefix: None,
            operation: Operation::ReadBlob,
            status: None,
            error_code: None,
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
        }
    }

    fn rules() -> Rules {
        Rules::new(["prod".to_owned()].into(), CancellationToken::new())
    }

    fn rule(name: &str, about: Selection, often: Often) -> Rule {
        Rule { name: name.to_owned(), about, often, act: Act::Hang }
    }

    fn clone_0() -> Asker {
        Asker { who: Who::Cluster("clone".to_owned()), pod: Some("acid-clone-0".to_owned()) }
    }

    /// The rule that decides about a request for `blob` of `account`.
    fn decides(rules: &Rules, account: &str, blob: &str) -> Option<String> {
        rules.decide(&reading(account, blob), &clone_0(), &Signed::nothing()).map(|decision| decision.rule)
    }

    #[test]
    fn an_account_that_is_not_there_is_a_rule_as_others_are() {
        let rules = rules();
        assert_eq!(decides(&rules, "prod", "x"), None);
        assert_eq!(decides(&rules, "other", "x").as_deref(), Some("no such account"));
        assert_eq!(rules.states()[0].matched, 1);
    }

    #[test]
    fn how_often_a_rule_acts_is_counted_over_what_it_is_about() {
        for (often, expected) in [
            (Often::Always, "xxxxxxx"),
            (Often::Nth(3), "--x----"),
            (Often::EveryNth(3), "--x--x-"),
            (Often::First(2), "xx-----"),
        ] {
            let rules = rules();
            let wal = Pattern::try_from("*/wal_005/*".to_owned()).unwrap();
            let about = Selection { blobs: Some(wal), ..Selection::default() };
            let id = rules.add(rule("r", about, often)).unwrap();
            let mut acted = String::new();
            for _ in 0..7 {
                assert_eq!(decides(&rules, "prod", "spilo/basebackups_005/x"), None);
                acted.push(if decides(&rules, "prod", "spilo/wal_005/x").is_some() { 'x' } else { '-' });
            }
            assert_eq!(acted, expected, "{often:?}");
            assert_eq!(rules.end(id).unwrap().matched, 7);
        }
    }

    #[test]
    fn a_seed_chooses_the_same_requests_again() {
        let chosen = |seed| {
            let rules = rules();
            let often = Often::AtRandom { percent: 30, seed };
            rules.add(rule("r", Selection::default(), often)).unwrap();
            (0..200).map(|_| decides(&rules, "prod", "x").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(chosen(42), chosen(42));
        assert_ne!(chosen(42), chosen(43));
        let count = chosen(42).into_iter().filter(|acted| *acted).count();
        assert!((30..90).contains(&count), "{count} of 200");
    }

    #[test]
    fn a_later_rule_is_before_an_earlier_one_until_it_ends() {
        let rules = rules();
        rules.add(rule("first", Selection::default(), Often::Always)).unwrap();
        let second = rules.add(rule("second", Selection::default(), Often::Nth(1))).unwrap();
        assert_eq!(decides(&rules, "prod", "x").as_deref(), Some("second"));
        assert_eq!(decides(&rules, "prod", "x").as_deref(), Some("first"));
        assert!(!rules.end(second).unwrap().active);
        assert_eq!(rules.end(second), Err(RuleError::NotThere(3)));
        assert_eq!(decides(&rules, "prod", "x").as_deref(), Some("first"));
        let matched: Vec<_> = rules.states().iter().map(|state| (state.matched, state.active)).collect();
        assert_eq!(matched, [(0, true), (2, true), (2, false)]);
    }

    #[test]
    fn a_rule_is_about_those_that_it_names() {
        let address = |last| Asking::Address(IpAddr::from([10, 244, 1, last]));
        for (who, acts) in [
            (Asking::Cluster("clone".to_owned()), true),
            (Asking::Cluster("source".to_owned()), false),
            (Asking::Pod("acid-clone-0".to_owned()), true),
            (Asking::Pod("acid-clone-1".to_owned()), false),
            (address(7), true),
            (address(8), false),
        ] {
            let rules = rules();
            let about = Selection { who: Some(who.clone()), ..Selection::default() };
            rules.add(rule("r", about, Often::Always)).unwrap();
            assert_eq!(decides(&rules, "prod", "x").is_some(), acts, "{who:?}");
            assert_eq!(rules.asks_for_name(&reading("prod", "x")), !matches!(who, Asking::Address(_)));
        }
    }

    #[test]
    fn container_and_operation_limit_a_rule() {
        let rules = rules();
        let other = Selection { container: Some("other".to_owned()), ..Selection::default() };
        rules.add(rule("r", other, Often::Always)).unwrap();
        let writes = Selection { operations: [Operation::WriteBlob].into(), ..Selection::default() };
        rules.add(rule("r", writes, Often::Always)).unwrap();
        assert_eq!(decides(&rules, "prod", "x"), None);
        let mut writing = reading("prod", "x");
        writing.operation = Operation::WriteBlob;
        assert!(rules.decide(&writing, &clone_0(), &Signed::nothing()).is_some());
    }
}
