//! What writers had acknowledged, and what a database may hold at a time: the judge of random sabotage.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// What one transaction did to its writer's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put(i32, String),
    Delete(i32),
}

/// A transaction that was acknowledged; times are the server's, in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub change: Change,
    /// Before it began.
    pub begun: i64,
    /// After its commit was answered.
    pub answered: i64,
}

/// All that one writer had acknowledged, in its order: it does one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(pub Vec<Acknowledged>);

/// What a column of the view `held` shows of one writer's rows.
pub(crate) const SHOWN: &str =
    "encode(sha256(convert_to(coalesce(string_agg(n || '=' || value, ',' ORDER BY n), ''), 'UTF8')), 'hex')";

impl History {
    /// Its rows after so many transactions, as [`SHOWN`] shows them.
    pub(crate) fn after(&self, count: usize) -> String {
        let mut rows = BTreeMap::new();
        for Acknowledged { change, .. } in &self.0[..count] {
            match change {
                Change::Put(n, value) => rows.insert(*n, value.clone()),
                Change::Delete(n) => rows.remove(n),
            };
        }
        let text: Vec<String> = rows.iter().map(|(n, value)| format!("{n}={value}")).collect();
        Sha256::digest(text.join(",")).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a database that was recovered to this time may show this: nothing that was acknowledged before may be missing,
    /// and nothing that began after may be there. Of what was under way, either will do.
    pub(crate) fn allows(&self, target: i64, shown: &str) -> Result<(), String> {
        let least = self.0.iter().filter(|one| one.answered <= target).count();
        let most = self.0.iter().filter(|one| one.begun <= target).count();
        if (least..=most).any(|count| self.after(count) == shown) {
            return Ok(());
        }
        let is = (0..=self.0.len()).find(|count| self.after(*count) == shown);
        Err(match is {
            Some(count) if count < least => {
                format!("{} acknowledged transactions are missing", least - count)
            }
            Some(count) => format!("{} transactions are there that began later", count - most),
            None => "its rows are those of no moment of the history".to_owned(),
        })
    }
}

/// The judge can fail.
pub(crate) fn a_lost_row_is_noticed() {
    let put = |n: i32, at: i64| Acknowledged {
        change: Change::Put(n, format!("v{n}")),
        begun: at,
        answered: at + 5,
    };
    let mut history = History(vec![put(1, 10), put(2, 20), put(3, 30)]);
    history.0.push(Acknowledged { change: Change::Delete(1), begun: 40, answered: 45 });
    let at = |target, count| history.allows(target, &history.after(count));
    assert_eq!(at(29, 2), Ok(()));
    assert!(at(29, 1).unwrap_err().contains("1 acknowledged transactions are missing"));
    assert!(at(29, 3).unwrap_err().contains("1 transactions are there that began later"));
    // One that was under way may be there or not, and no other.
    assert_eq!((at(32, 2), at(32, 3)), (Ok(()), Ok(())));
    assert!(at(32, 1).is_err() && at(32, 4).is_err());
    // A row is lost in the middle: no moment of the history looks so.
    let lost = History(vec![history.0[0].clone(), history.0[2].clone()]);
    assert!(history.allows(35, &lost.after(2)).unwrap_err().contains("no moment"));
    assert!(history.allows(35, "").is_err());
    assert_eq!(at(1, 0), Ok(()));
    assert_eq!(at(99, 4), Ok(()));
}
