//! The faults of scenarios without a drill: what a scenario breaks can be broken in any account.

use super::error::DrillError;
use super::steps;
use crate::scenario::{BlobsFault, RequestsFault};
use crate::storage::{Account, Blobs, Rule};

/// Damages blobs of an account as the fault does; gives their names.
///
/// # Errors
/// When there is no such blob, or it would stay as it is, or the account does not answer.
pub async fn damaged(name: &str, fault: &BlobsFault, blobs: &Blobs) -> Result<Vec<String>, DrillError> {
    let before = steps::damage(name, fault, blobs).await?;
    Ok(before.into_iter().map(|blob| blob.name).collect())
}

/// What the gateway has to do for a fault of requests to this account, whoever asks.
///
/// # Errors
/// When it means blobs that are not there, or the account does not answer.
pub async fn rule(
    name: &str,
    fault: &RequestsFault,
    account: &Account,
    blobs: &Blobs,
) -> Result<Rule, DrillError> {
    let fault = RequestsFault { of: None, account: Some(account.name.clone()), ..fault.clone() };
    steps::rule(name, &fault, &|_| Ok(blobs.clone())).await
}
