//! A rule of the gateway: which requests it is about, how often it acts on them, and what it does then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::access::{Access, Asker, Who};
use super::certificates::WrongCertificate;
use super::listing::Listing;
use super::operation::{Effect, Operation};
use crate::secret::Secret;

/// What the gateway does with some requests instead of handing them on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// What records call it.
    pub name: String,
    /// Which requests it looks at.
    #[serde(default)]
    pub about: Selection,
    /// On which of those it acts.
    #[serde(default)]
    pub often: Often,
    /// What it does then.
    pub act: Act,
}

/// Which requests a rule is about. What is left open stands for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Selection {
    /// None for whoever asks.
    pub who: Option<Asking>,
    /// By the first label of the host's name.
    pub accounts: Accounts,
    /// None for all; a request about the account itself is in no container.
    pub container: Option<String>,
    /// Of a blob's name, or of what a listing is limited to.
    pub blobs: Option<Pattern>,
    /// Empty: all.
    pub operations: BTreeSet<Operation>,
    /// Only requests that are signed with this key of the account.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "signed_with")]
    pub signed_with: Option<Secret>,
}

fn signed_with<S: serde::Serializer>(key: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(Secret::reveal).serialize(serializer)
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asking {
    /// Any pod of the cluster with this short name.
    Cluster(String),
    /// The pod of this name.
    Pod(String),
    /// Whoever asks from it.
    Address(IpAddr),
}

/// Which accounts are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accounts {
    /// Each that there is.
    #[default]
    All,
    /// The one of this name.
    One(String),
    /// Each but those of these names.
    AllBut(BTreeSet<String>),
}

/// A pattern of a name, in which `*` stands for any text, slashes included, and `?` for one character.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    compiled: Regex,
}

/// How often a rule acts, counted over the requests that it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Often {
    /// On each of them.
    #[default]
    Always,
    /// Only this one; the first is 1.
    Nth(u64),
    /// This one and every multiple of it.
    EveryNth(u64),
    /// The first so many.
    First(u64),
    /// So many of a hundred, at random; the same seed chooses the same ones.
    AtRandom {
        /// From 1 to 100.
        percent: u8,
        /// What the random numbers begin with.
        seed: u64,
    },
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The gateway itself answers, in the form of Azure's errors; the storage hears nothing of it.
    Answer(Answer),
    /// No answer at all, until the rule ends; then the connection closes.
    Hang,
    /// The connection closes.
    Close(Moment),
    /// A successful answer has other bytes.
    Change(Change),
    /// A successful listing of blobs says something else.
    List(Listing),
    /// The bytes of the answer come at most so fast.
    Slow {
        /// At least 1.
        bytes_per_second: u64,
    },
    /// A change of the account is answered as done, and not done.
    Swallow,
    /// The storage gets a change twice, one right after the other; the second answer is given.
    Twice,
    /// A change of a whole blob is answered as done at once, and done this much later. Blocks, which nobody sees before they are
    /// committed, come when they come.
    Late {
        /// Counted from the moment when the request had arrived.
        milliseconds: u64,
    },
    /// Another account than the one that is asked gets the request, as where a host name leads to the wrong place.
    LeadTo {
        /// The account's name.
        account: String,
    },
    /// New connections are shown a certificate that no client can trust.
    Certificate(WrongCertificate),
    /// The storage hears of the request this much later.
    Delay {
        /// Counted from the moment when the request had arrived.
        milliseconds: u64,
    },
    /// The account's host name does not resolve; a connection from before is answered that there is no such account.
    Lose,
}

/// An error as Azure answers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    /// For example 503.
    pub status: u16,
    /// Azure's error code, such as `ServerBusy`.
    pub code: String,
    /// In the error's body, for people.
    #[serde(default)]
    pub message: String,
    /// More headers, such as `Retry-After`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// When a connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Nothing is done, and nothing answered.
    BeforeTheRequest,
    /// What was asked for is done, and not answered.
    BeforeTheAnswer,
    /// At most so many bytes of the answer's body came, and its header promised more.
    InTheBody {
        /// Counted in the body as the storage sent it.
        after_bytes: u64,
    },
    /// The whole answer came.
    AfterTheAnswer,
}

/// What an answer's body has instead of its own bytes. Its length is told as it is then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only so many of its first bytes. For fewer bytes than promised there is [`Moment::InTheBody`].
    Truncate {
        /// Longer answers are cut; shorter ones stay as they are.
        to_bytes: u64,
    },
    /// All bits of one byte are turned, counted from the blob's beginning.
    Flip {
        /// From 0; an answer without this byte stays as it is.
        at_byte: u64,
    },
    /// Other bytes altogether.
    Replace {
        /// All of the new body.
        with: Vec<u8>,
    },
    /// What the blob was before it was changed, by names; others stay as they are.
    Older {
        /// Each blob's content as it was.
        were: BTreeMap<String, Vec<u8>>,
    },
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule that could never act, or not as it says.
    #[error("use the rule {rule:?}: {why}")]
    Unusable {
        /// By its name.
        rule: String,
        /// What of it cannot be.
        why: String,
    },
    /// The number that was given.
    #[error("find rule {0}: there is none that acts")]
    NotThere(u64),
}

impl Rule {
    /// An account that is gone, as after its deletion.
    pub fn lose(account: &str) -> Rule {
        Rule {
            name: format!("lose account {account}"),
            about: Selection { accounts: Accounts::One(account.to_owned()), ..Selection::default() },
            often: Often::Always,
            act: Act::Lose,
        }
    }

    /// The account whose host name does not resolve while this rule acts.
    pub fn lost_account(&self) -> Option<&str> {
        match (&self.act, &self.about.accounts) {
            (Act::Lose, Accounts::One(account)) => Some(account),
            _ => None,
        }
    }

    /// What cannot be meant is refused, since a rule that never acts would look like a fault that does no harm.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RuleError> {
        let problem = self.often.problem().or_else(|| self.problem());
        problem.map_or(Ok(()), |why| Err(RuleError::Unusable { rule: self.name.clone(), why }))
    }

    fn problem(&self) -> Option<String> {
        match &self.act {
            Act::Answer(answer) => answer.problem(),
            Act::Swallow | Act::Twice | Act::Late { .. } if self.about.operations.is_empty() => Some(
                format!("only changes can be {}, so it has to name operations that change", self.act.done()),
            ),
            Act::Swallow | Act::Twice | Act::Late { .. } => {
                let reads = self.about.operations.iter().any(|operation| operation.effect() == Effect::Read);
                reads.then(|| {
                    format!("one of its operations changes nothing that could be {}", self.act.done())
                })
            }
            Act::Certificate(_) => {
                let about = &self.about;
                let whole = Selection {
                    who: about.who.clone(),
                    accounts: about.accounts.clone(),
                    ..Selection::default()
                };
                (*about != whole)
                    .then(|| "a certificate is shown before anything is asked for or signed".to_owned())
            }
            Act::Lose => {
                let whole = Selection { accounts: self.about.accounts.clone(), ..Selection::default() };
                let one = matches!(self.about.accounts, Accounts::One(_));
                let plain = one && self.about == whole && self.often == Often::Always;
                (!plain).then(|| "one account is lost as a whole, for everybody and always".to_owned())
            }
            Act::List(_) => (self.about.operations != [Operation::ListBlobs].into())
                .then(|| "it changes listings of blobs, and is about other operations".to_owned()),
            Act::Slow { bytes_per_second: 0 } => Some("nothing would ever come".to_owned()),
            Act::Hang
            | Act::Close(_)
            | Act::Change(_)
            | Act::Delay { .. }
            | Act::Slow { .. }
            | Act::LeadTo { .. } => None,
        }
    }
}

impl Act {
    /// Whether it decides about connections, before there is a request.
    pub(super) fn is_of_connections(&self) -> bool {
        matches!(self, Act::Certificate(_))
    }

    /// What becomes of a change, after "can be".
    fn done(&self) -> &'static str {
        match self {
            Act::Twice => "done twice",
            Act::Late { .. } => "done later",
            _ => "swallowed",
        }
    }
}

impl Selection {
    /// Whether it is about this request, as far as that is known without who asks.
    pub(super) fn matches_what(&self, access: &Access) -> bool {
        let account = match &self.accounts {
            Accounts::All => true,
            Accounts::One(name) => *name == access.account,
            Accounts::AllBut(names) => !names.contains(&access.account),
        };
        let name = access.blob.as_deref().or(access.prefix.as_deref());
        account
            && self.container.as_deref().is_none_or(|wanted| access.container.as_deref() == Some(wanted))
            && self.blobs.as_ref().is_none_or(|wanted| name.is_some_and(|name| wanted.matches(name)))
            && (self.operations.is_empty() || self.operations.contains(&access.operation))
    }

    pub(super) fn matches_who(&self, source: IpAddr, asker: &Asker) -> bool {
        match &self.who {
            None => true,
            Some(Asking::Cluster(cluster)) => matches!(&asker.who, Who::Cluster(name) if name == cluster),
            Some(Asking::Pod(pod)) => asker.pod.as_deref() == Some(pod),
            Some(Asking::Address(address)) => *address == source,
        }
    }

    /// Whether somebody has to say whose address it is.
    pub fn asks_for_names(&self) -> bool {
        matches!(self.who, Some(Asking::Cluster(_) | Asking::Pod(_)))
    }
}

impl Often {
    fn problem(self) -> Option<String> {
        match self {
            Often::Nth(0) | Often::EveryNth(0) | Often::First(0) => Some("the first one is 1".to_owned()),
            Often::AtRandom { percent: 0, .. } => Some("it would never act".to_owned()),
            Often::AtRandom { percent: 101.., .. } => Some("there are only 100 of a hundred".to_owned()),
            _ => None,
        }
    }
}

impl Answer {
    fn problem(&self) -> Option<String> {
        if StatusCode::from_u16(self.status).is_err() {
            return Some(format!("{} is no HTTP status", self.status));
        }
        if HeaderValue::from_str(&self.code).is_err() {
            return Some(format!("{:?} is no error code", self.code));
        }
        let unusable = |(name, value): &(&String, &String)| {
            HeaderName::try_from(name.as_str()).is_err() || HeaderValue::from_str(value).is_err()
        };
        self.headers
            .iter()
            .find(unusable)
            .map(|(name, _)| format!("{name:?} is no header, or its value none"))
    }
}

impl Pattern {
    /// Whether a name is one that it means.
    pub fn matches(&self, name: &str) -> bool {
        self.compiled.is_match(name)
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let escaped = regex::escape(&text).replace(r"\*", ".*").replace(r"\?", ".");
        let compiled = Regex::new(&format!("(?s)^{escaped}$"))?;
        Ok(Pattern { text, compiled })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_pattern_is_about_the_whole_name() {
        let parts = pattern("*/base_*/tar_partitions/part_???.tar.*");
        assert!(parts.matches("spilo/a/15/basebackups_005/base_0000/tar_partitions/part_001.tar.lz4"));
        assert!(!parts.matches("spilo/a/15/basebackups_005/base_0000/tar_partitions/part_001.tar"));
        assert!(!parts.matches("spilo/a/15/basebackups_005/base_0000/tar_partitions/part_1.tar.lz4"));
        assert!(!pattern("a.b").matches("axb"));
        assert!(!pattern("wal").matches("spilo/wal"));
    }

    fn why(rule: &Rule) -> String {
        rule.check().unwrap_err().to_string()
    }

    #[test]
    fn a_rule_that_could_never_act_as_it_says_is_refused() {
        let rule =
            |act| Rule { name: "r".to_owned(), about: Selection::default(), often: Often::Always, act };
        rule(Act::Hang).check().unwrap();
        assert!(why(&Rule { often: Often::First(0), ..rule(Act::Hang) }).contains("the first one is 1"));
        let never = Often::AtRandom { percent: 0, seed: 1 };
        assert!(why(&Rule { often: never, ..rule(Act::Hang) }).contains("never act"));
        assert!(why(&rule(Act::Swallow)).contains("has to name operations"));
        let about = Selection { operations: [Operation::ReadBlob].into(), ..Selection::default() };
        let seen = why(&Rule { about, ..rule(Act::Swallow) });
        assert_eq!(seen, "use the rule \"r\": one of its operations changes nothing that could be swallowed");
        assert!(why(&rule(Act::Lose)).contains("one account is lost as a whole"));
        let wrong = Answer { status: 99, ..Answer::default() };
        assert!(why(&rule(Act::Answer(wrong))).contains("99 is no HTTP status"));
        let headers = [("Retry After".to_owned(), "3".to_owned())].into();
        let wrong = Answer { status: 503, headers, ..Answer::default() };
        assert!(why(&rule(Act::Answer(wrong))).contains("\"Retry After\" is no header"));
    }

    #[test]
    fn a_rule_crosses_a_socket_as_it_is() {
        let rule = Rule {
            name: "wal".to_owned(),
            about: Selection {
                who: Some(Asking::Cluster("clone".to_owned())),
                blobs: Some(pattern("*/wal_005/*")),
                operations: [Operation::ReadBlob].into(),
                ..Selection::default()
            },
            often: Often::AtRandom { percent: 5, seed: 7 },
            act: Act::Close(Moment::InTheBody { after_bytes: 10 }),
        };
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule, "{text}");
        assert_eq!(Rule::lose("prod").lost_account(), Some("prod"));
    }
}
