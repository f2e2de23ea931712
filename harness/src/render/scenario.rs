//! A scenario as something to render: its `${…}` filled with valid stand-ins.

use std::cell::RefCell;

use base64::Engine;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::types::{InputObject, RenderInput, Settings};
use crate::scenario::{FillError, LoadedScenario, Sas, Variable, fill};
use crate::secret::Secret;
use crate::storage::Account;

/// Where everything of a scenario is: it has one namespace, whose name only a drill knows.
const NAMESPACE: &str = "default";
/// When every mark was taken.
const MARKED: &str = "2026-01-01T12:00:00.000000+00:00";
/// When SAS tokens ended, and when those end that are open: seconds since 1970, in 2026 and in 2099.
const ENDED: i64 = 1_767_268_800;
const OPEN: i64 = 4_070_908_800;

/// The scenario's world before its first step, and the keys that were made up for it.
///
/// # Errors
/// Where a `${…}` is none, which loading rules out.
pub fn input_of(
    loaded: &LoadedScenario,
    postgres_major: u16,
) -> Result<(RenderInput, Vec<Secret>), FillError> {
    let scenario = &loaded.scenario;
    let uid = |short: &str| {
        let index = scenario.clusters.keys().position(|name| name == short);
        format!("c1a0ed00-0000-4000-8000-{:012}", index.unwrap_or_default() + 1)
    };
    let tokens = RefCell::new(Vec::new());
    let lookup = |variable: &Variable| {
        Some(match variable {
            Variable::ClusterUid(name) => uid(name),
            Variable::MarkTime(_) => MARKED.to_owned(),
            Variable::MarkLsn(_) => "0/3000148".to_owned(),
            Variable::AccountName(name) => name.clone(),
            Variable::AccountKey(name) => key(name),
            Variable::AccountSas(name, sas) => {
                let token = token(name, sas);
                tokens.borrow_mut().push(Secret::new(token.clone()));
                token
            }
            Variable::PostgresVersion => postgres_major.to_string(),
            Variable::DrillNamespace => NAMESPACE.to_owned(),
        })
    };
    let here = |value: &Value| {
        let mut filled = fill(value, &lookup)?;
        if let Some(metadata) = filled.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("namespace");
        }
        Ok(filled)
    };
    let configuration = here(&Value::Object(scenario.operator.configuration.clone()))?;
    let with_uid = |(short, manifest): (&String, &Value)| {
        let mut manifest = here(manifest)?;
        if manifest["metadata"].is_object() {
            manifest["metadata"]["uid"] = json!(uid(short));
        }
        Ok(manifest)
    };
    let input = RenderInput {
        settings: Settings::OverRelease(json!({ "configuration": configuration })),
        objects: scenario.objects.iter().map(here).collect::<Result<_, _>>()?,
        clusters: scenario.clusters.iter().map(with_uid).collect::<Result<_, _>>()?,
    };
    let keys = scenario.storage.accounts.iter().map(|account| Secret::new(key(account)));
    Ok((input, keys.chain(tokens.take()).collect()))
}

/// The place of one of the input's values in the scenario file, as a JSON pointer.
pub fn pointer_in(loaded: &LoadedScenario, object: InputObject, pointer: &str) -> String {
    match object {
        InputObject::Settings => format!("/operator{pointer}"),
        InputObject::Object(index) => format!("/objects/{index}{pointer}"),
        InputObject::Cluster(index) => {
            let short = loaded.scenario.clusters.keys().nth(index).map(String::as_str).unwrap_or_default();
            format!("/clusters/{short}{pointer}")
        }
    }
}

/// A token of the same account: its time is over, or will not be for long.
fn token(account: &str, sas: &Sas) -> String {
    let ends = Timestamp::constant(if sas.ended { ENDED } else { OPEN }, 0);
    let account = Account { key: Secret::new(key(account)), ..Account::new(account) };
    account.sas(&sas.permissions, ends).reveal().to_owned()
}

/// A text of the form of a storage account's key, always the same for one account.
fn key(account: &str) -> String {
    let half = Sha256::digest(account.as_bytes());
    base64::engine::general_purpose::STANDARD.encode([half, half].concat())
}
