//! The SAS tokens that a scenario asks for: made once, so that every place has the same one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scenario::{Sas, Scenario, Step, Variable, fill};
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;
use crate::storage::Account;

/// By account and what they open.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<(String, Sas), Secret>);

impl Tokens {
    /// Those that the scenario's objects, settings, clusters and steps name.
    pub(super) fn of(scenario: &Scenario, accounts: &BTreeMap<String, Account>, begun: Timestamp) -> Tokens {
        let made = |(account, sas): (String, Sas)| {
            let token = accounts.get(&account)?.sas(&sas.permissions, sas.ends(begun));
            Some(((account, sas), token))
        };
        Tokens(named(scenario).into_iter().filter_map(made).collect())
    }

    pub(super) fn get(&self, account: &str, sas: &Sas) -> Option<&Secret> {
        self.0.get(&(account.to_owned(), sas.clone()))
    }

    /// The tokens, and the signature of each: what a program says of a request may show that alone.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Secret> + '_ {
        self.0.values().flat_map(forms)
    }

    pub(super) fn known_to(&self, redactor: Redactor) -> Redactor {
        let all = self.0.iter().flat_map(|(name, token)| forms(token).map(move |form| (name, form)));
        all.fold(redactor, |redactor, ((account, sas), form)| redactor.sas_token(account, sas, &form))
    }
}

fn forms(token: &Secret) -> impl Iterator<Item = Secret> {
    iter::once(token.clone()).chain(signature(token))
}

/// What stands behind `sig=`, with its `%2B` and the like read.
fn signature(token: &Secret) -> Option<Secret> {
    let (_, signature) = token.reveal().rsplit_once("sig=")?;
    let read = percent_encoding::percent_decode_str(signature).decode_utf8().ok()?;
    Some(Secret::new(read))
}

fn named(scenario: &Scenario) -> BTreeSet<(String, Sas)> {
    let found = RefCell::new(BTreeSet::new());
    let look = |variable: &Variable| {
        if let Variable::AccountSas(account, sas) = variable {
            found.borrow_mut().insert((account.clone(), sas.clone()));
        }
        Some(String::new())
    };
    let of_step = |step: &Step| match step {
        Step::Apply(step) => Some(json!(step.changes)),
        Step::SetSecret(step) => Some(json!(step.values)),
        _ => None,
    };
    let settings = json!(scenario.operator.configuration);
    let steps: Vec<Value> = scenario.steps.iter().filter_map(of_step).collect();
    for value in scenario.objects.iter().chain(scenario.clusters.values()).chain(&steps).chain([&settings]) {
        // What cannot be filled is told by whoever fills it.
        let _ = fill(value, &look);
    }
    found.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        serde_json::from_value(json!({
            "name": "tokens",
            "about": "Tokens.",
            "operator": { "versions": ["v1.15.1"] },
            "storage": { "accounts": ["prodbackups"] },
            "objects": [{ "kind": "Secret", "stringData": { "a": "?${storage.prodbackups.sas.rl}" } }],
            "clusters": {},
            "steps": [{ "set-secret": { "name": "s", "values": { "a": "${storage.prodbackups.sas.r.ended}" } } }],
            "expect": {},
        }))
        .unwrap()
    }

    #[test]
    fn each_token_is_made_once_and_neither_it_nor_its_signature_is_shown() {
        let accounts = BTreeMap::from([("prodbackups".to_owned(), Account::new("prodbackups"))]);
        let tokens = Tokens::of(&scenario(), &accounts, Timestamp::now());
        let sas = |permissions: &str, ended| Sas { permissions: permissions.to_owned(), ended };
        assert!(tokens.get("prodbackups", &sas("r", false)).is_none(), "nothing names it");
        assert!(tokens.get("prodbackups", &sas("r", true)).is_some());
        let token = tokens.get("prodbackups", &sas("rl", false)).unwrap();
        let encoded = token.reveal().rsplit_once("sig=").unwrap().1;
        let plain = signature(token).unwrap();
        let text = format!("{} | {encoded} | {}", token.reveal(), plain.reveal());
        let shown = tokens.known_to(Redactor::new()).redact(&text);
        assert_eq!(shown, ["<sas.rl of prodbackups>"; 3].join(" | "));
        assert!(tokens.secrets().any(|secret| secret == plain));
    }
}
