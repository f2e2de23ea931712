//! One thing that was to be proved, and what came of it.

use serde::{Deserialize, Serialize};

/// What came of a proof. What was not checked does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofState {
    /// All of it was checked.
    Holds,
    /// The opposite was seen.
    Fails,
    /// What was checked holds, and something could not be checked: [`Proof::unchecked`] says what and why.
    Partly,
}

impl ProofState {
    /// All states.
    pub const ALL: [ProofState; 3] = [ProofState::Holds, ProofState::Fails, ProofState::Partly];

    /// As it stands in reports, metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            ProofState::Holds => "holds",
            ProofState::Fails => "fails",
            ProofState::Partly => "partly",
        }
    }
}

impl From<bool> for ProofState {
    fn from(holds: bool) -> Self {
        if holds { ProofState::Holds } else { ProofState::Fails }
    }
}

/// A part of a proof that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchecked {
    /// For example `orders: indexes`, `orders: public.notes_idx`.
    pub what: String,
    /// Fits after "not checked: … since ": `the extension amcheck is not available`.
    pub why: String,
}

/// One thing that was proved, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Proof {
    /// For example `system identifier`, `tables readable`, `orders: SELECT count(*) FROM orders`.
    pub what: String,
    /// Whether it holds.
    pub state: ProofState,
    /// What was asked for, one line; empty where the title says it.
    pub expected: String,
    /// What was seen, one line.
    pub seen: String,
    /// What could not be checked, and why. Where it is not empty, the proof does not hold.
    pub unchecked: Vec<Unchecked>,
    /// Lines that show it, where it does not hold.
    pub evidence: Vec<String>,
    /// What a person can do about it, where it does not hold and something is known.
    pub help: String,
}

impl Proof {
    /// One with nothing to add.
    pub fn new(what: impl Into<String>, state: impl Into<ProofState>, seen: impl Into<String>) -> Self {
        Proof {
            what: what.into(),
            state: state.into(),
            expected: String::new(),
            seen: seen.into(),
            unchecked: Vec::new(),
            evidence: Vec::new(),
            help: String::new(),
        }
    }

    /// Entirely.
    pub fn holds(&self) -> bool {
        self.state == ProofState::Holds
    }

    /// The same, less what could not be checked: what held is only partly proved then.
    #[must_use]
    pub fn without(self, unchecked: Vec<Unchecked>) -> Self {
        let state = match self.state {
            ProofState::Holds if !unchecked.is_empty() => ProofState::Partly,
            state => state,
        };
        Proof { state, unchecked, ..self }
    }
}

/// `7 of 9 proofs hold, 1 partly, 1 fails`
pub(super) fn counted(proofs: &[Proof]) -> String {
    let number = |state| proofs.iter().filter(|proof| proof.state == state).count();
    let mut text =
        format!("{} of {} hold", number(ProofState::Holds), super::text::count(proofs.len(), "proof"));
    for state in [ProofState::Partly, ProofState::Fails] {
        match (number(state), state) {
            (0, _) => {}
            (1, ProofState::Fails) => text.push_str(", 1 fails"),
            (fail, ProofState::Fails) => text.push_str(&format!(", {fail} fail")),
            (partly, _) => text.push_str(&format!(", {partly} partly")),
        }
    }
    text
}

/// A proof as JSON has it. `holds` is what readers know who have never heard of states: true only where all of it holds.
#[derive(Serialize, Deserialize)]
struct Written {
    what: String,
    holds: bool,
    #[serde(default)]
    state: Option<ProofState>,
    #[serde(default)]
    expected: String,
    seen: String,
    #[serde(default)]
    unchecked: Vec<Unchecked>,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    help: String,
}

impl From<Written> for Proof {
    fn from(written: Written) -> Self {
        let Written { what, holds, state, expected, seen, unchecked, evidence, help } = written;
        let state = state.unwrap_or_else(|| holds.into());
        Proof { what, state, expected, seen, unchecked, evidence, help }
    }
}

impl From<Proof> for Written {
    fn from(proof: Proof) -> Self {
        let holds = proof.holds();
        let Proof { what, state, expected, seen, unchecked, evidence, help } = proof;
        Written { what, holds, state: Some(state), expected, seen, unchecked, evidence, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_checked_does_not_hold() {
        let gap =
            || vec![Unchecked { what: "shop: indexes".to_owned(), why: "there was no time".to_owned() }];
        let holds = Proof::new("amcheck", true, "1 table");
        assert_eq!(holds.clone().without(Vec::new()), holds);
        let partly = holds.without(gap());
        assert!(partly.state == ProofState::Partly && !partly.holds());
        assert_eq!(Proof::new("amcheck", false, "damage").without(gap()).state, ProofState::Fails);
        let json = serde_json::to_value(&partly).unwrap();
        assert_eq!((&json["holds"], &json["state"]), (&false.into(), &"partly".into()));
        assert_eq!(json["unchecked"][0]["why"], "there was no time");
        assert_eq!(serde_json::from_value::<Proof>(json).unwrap(), partly);
    }

    #[test]
    fn a_report_from_before_there_were_states_is_read() {
        let read = |holds: bool| -> Proof {
            serde_json::from_value(serde_json::json!({ "what": "timeline", "holds": holds, "seen": "2" }))
                .unwrap()
        };
        assert_eq!((read(true).state, read(false).state), (ProofState::Holds, ProofState::Fails));
    }

    #[test]
    fn proofs_are_counted_by_what_came_of_them() {
        let of = |states: &[ProofState]| -> Vec<Proof> {
            states.iter().map(|state| Proof::new("timeline", *state, "2")).collect()
        };
        use ProofState::{Fails, Holds, Partly};
        assert_eq!(counted(&of(&[Holds, Holds])), "2 of 2 proofs hold");
        assert_eq!(counted(&of(&[Holds, Partly, Fails])), "1 of 3 proofs hold, 1 partly, 1 fails");
        assert_eq!(counted(&of(&[Fails, Fails])), "0 of 2 proofs hold, 2 fail");
    }
}
