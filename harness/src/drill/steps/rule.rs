//! A fault of requests as a rule of the gateway.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::drill::error::DrillError;
use crate::scenario::{
    AtRandom, AzureError, BlobChoice, CloseWhen, HowOften, RequestsAct, RequestsFault, StorageOperation,
};
use crate::storage::{
    Accounts, Act, Answer, Asking, Blobs, Change, Listing, Moment, Often, Operation, Pattern, Rule, Selection,
};

use super::blobs::Chosen;

/// The blobs of an account, by its name.
pub(in crate::drill) type BlobsOf<'a> = &'a (dyn Fn(&str) -> Result<Blobs, DrillError> + Sync);

/// # Errors
/// When it means blobs that are not there, or the account does not answer.
pub(in crate::drill) async fn of(
    name: &str,
    fault: &RequestsFault,
    blobs_of: BlobsOf<'_>,
) -> Result<Rule, DrillError> {
    let of_account = |choice| pattern(name, fault.account.as_deref(), choice, blobs_of);
    let act = match &fault.act {
        RequestsAct::Answer(AzureError { status, code, headers }) => Act::Answer(Answer {
            status: *status,
            code: code.clone(),
            message: format!("fault {name}"),
            headers: headers.clone(),
        }),
        RequestsAct::Hang => Act::Hang,
        RequestsAct::Close(when) => Act::Close(match when {
            CloseWhen::BeforeTheRequest => Moment::BeforeTheRequest,
            CloseWhen::BeforeTheAnswer => Moment::BeforeTheAnswer,
            CloseWhen::AfterBytes(after_bytes) => Moment::InTheBody { after_bytes: *after_bytes },
            CloseWhen::AfterTheAnswer => Moment::AfterTheAnswer,
        }),
        RequestsAct::Truncate(to_bytes) => Act::Change(Change::Truncate { to_bytes: *to_bytes }),
        RequestsAct::Flip(at_byte) => Act::Change(Change::Flip { at_byte: *at_byte }),
        RequestsAct::ContentOf(choice) => {
            let with = content(name, fault.account.as_deref(), choice, blobs_of).await?;
            Act::Change(Change::Replace { with })
        }
        RequestsAct::Empty => Act::Change(Change::Replace { with: Vec::new() }),
        RequestsAct::Swallow => Act::Swallow,
        RequestsAct::Delay(milliseconds) => Act::Delay { milliseconds: *milliseconds },
        RequestsAct::Slow(bytes_per_second) => Act::Slow { bytes_per_second: *bytes_per_second },
        RequestsAct::Hide(choice) => Act::List(Listing::Hide { blobs: of_account(choice).await? }),
        RequestsAct::Phantom(choice) => Act::List(Listing::Phantom { blobs: of_account(choice).await? }),
        RequestsAct::LosePage => Act::List(Listing::LosePage),
        RequestsAct::Reverse => Act::List(Listing::Reverse),
        RequestsAct::ShiftTimes(seconds) => Act::List(Listing::ShiftTimes { seconds: *seconds }),
        RequestsAct::OldList => Act::List(Listing::Before { time: Timestamp::now() }),
    };
    let blobs = match &fault.blobs {
        Some(choice) => Some(of_account(choice).await?),
        None => None,
    };
    Ok(Rule {
        name: name.to_owned(),
        about: Selection {
            who: fault.of.clone().map(Asking::Cluster),
            accounts: fault.account.clone().map_or(Accounts::All, Accounts::One),
            container: None,
            blobs,
            operations: operations(fault),
        },
        often: match fault.often {
            HowOften::Always => Often::Always,
            HowOften::First(count) => Often::First(count),
            HowOften::Nth(nth) => Often::Nth(nth),
            HowOften::EveryNth(nth) => Often::EveryNth(nth),
            HowOften::AtRandom(AtRandom { percent, seed }) => Often::AtRandom { percent, seed },
        },
        act,
    })
}

/// Where the scenario names none, what the act is about is about.
fn operations(fault: &RequestsFault) -> BTreeSet<Operation> {
    let of = |operation: &StorageOperation| match operation {
        StorageOperation::List => vec![Operation::ListBlobs],
        StorageOperation::Read => vec![Operation::ReadBlob],
        StorageOperation::LookAt => vec![Operation::ReadProperties],
        StorageOperation::Write => {
            vec![Operation::WriteBlob, Operation::WriteBlock, Operation::CommitBlocks, Operation::CopyBlob]
        }
        StorageOperation::Delete => vec![Operation::DeleteBlob, Operation::Batch],
    };
    let implied: &[StorageOperation] = match &fault.act {
        RequestsAct::Hide(_)
        | RequestsAct::Phantom(_)
        | RequestsAct::LosePage
        | RequestsAct::Reverse
        | RequestsAct::ShiftTimes(_)
        | RequestsAct::OldList => &[StorageOperation::List],
        RequestsAct::Truncate(_)
        | RequestsAct::Flip(_)
        | RequestsAct::ContentOf(_)
        | RequestsAct::Empty
        | RequestsAct::Slow(_) => &[StorageOperation::Read],
        RequestsAct::Swallow => &[StorageOperation::Write, StorageOperation::Delete],
        _ => &[],
    };
    let named = if fault.operations.is_empty() { implied } else { &fault.operations };
    named.iter().flat_map(of).collect()
}

async fn pattern(
    fault: &str,
    account: Option<&str>,
    choice: &BlobChoice,
    blobs_of: BlobsOf<'_>,
) -> Result<Pattern, DrillError> {
    let text = match choice.pattern() {
        Some(pattern) => pattern,
        None => format!("{}*", first(fault, account, choice, blobs_of).await?.1),
    };
    Pattern::try_from(text)
        .map_err(|error| DrillError::step(format!("begin fault {fault}"), error.to_string()))
}

async fn content(
    fault: &str,
    account: Option<&str>,
    choice: &BlobChoice,
    blobs_of: BlobsOf<'_>,
) -> Result<Vec<u8>, DrillError> {
    let (container, name) = first(fault, account, choice, blobs_of).await?;
    Ok(blobs_of(account.unwrap_or_default())?.read(&container, &name).await?)
}

/// The container and name of the first blob that is meant.
async fn first(
    fault: &str,
    account: Option<&str>,
    choice: &BlobChoice,
    blobs_of: BlobsOf<'_>,
) -> Result<(String, String), DrillError> {
    let what = || format!("begin fault {fault}");
    let account = account.ok_or_else(|| DrillError::step(what(), "it names no account to look into"))?;
    let chosen = Chosen::of(&blobs_of(account)?).await?;
    let first = chosen.meant(choice).first().map(|blob| (blob.container.clone(), blob.name.clone()));
    first.ok_or_else(|| DrillError::step(what(), format!("{account} holds no such blob")))
}
