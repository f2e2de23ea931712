//! A fault of requests as a rule of the gateway.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::drill::error::DrillError;
use crate::scenario::{
    AtRandom, AzureError, BlobChoice, CertificateFault, CloseWhen, HostNameFault, HostNameLeads, HowOften,
    RequestsAct, RequestsFault, StorageOperation, WrongCertificate,
};
use crate::secret::Secret;
use crate::storage::{
    self, Accounts, Act, Answer, Asking, Blobs, Change, Listing, Moment, Often, Operation, Pattern, Rule,
    Selection,
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
        RequestsAct::OlderVersion => {
            let were = contents(name, fault, blobs_of).await?;
            Act::Change(Change::Older { were })
        }
        RequestsAct::Twice => Act::Twice,
        RequestsAct::Late(milliseconds) => Act::Late { milliseconds: *milliseconds },
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
            signed_with: None,
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

/// A certificate that no client should trust.
pub(super) fn of_certificate(name: &str, fault: &CertificateFault) -> Rule {
    let wrong = match fault.is {
        WrongCertificate::Expired => storage::WrongCertificate::Expired,
        WrongCertificate::OfAnotherName => storage::WrongCertificate::OfAnotherName,
        WrongCertificate::OfAnUnknownAuthority => storage::WrongCertificate::OfAnUnknownAuthority,
    };
    let who = fault.of.clone().map(Asking::Cluster);
    let about = Selection { who, accounts: Accounts::One(fault.account.clone()), ..Selection::default() };
    Rule { name: name.to_owned(), about, often: Often::Always, act: Act::Certificate(wrong) }
}

/// A host name that leads to the wrong place.
pub(super) fn of_host_name(name: &str, fault: &HostNameFault) -> Rule {
    let lose = Rule::lose(&fault.of);
    let name = name.to_owned();
    match &fault.leads {
        HostNameLeads::Nowhere => Rule { name, ..lose },
        HostNameLeads::To(account) => Rule { name, act: Act::LeadTo { account: account.clone() }, ..lose },
    }
}

/// The key of an account that was rotated: Azure says the same of one that never was.
pub(super) fn of_rotated_key(account: &str, old: &Secret) -> Rule {
    let answer = Answer {
        status: 403,
        code: "AuthenticationFailed".to_owned(),
        message: "Server failed to authenticate the request.".to_owned(),
        ..Answer::default()
    };
    let accounts = Accounts::One(account.to_owned());
    Rule {
        name: format!("key of {account} rotated"),
        about: Selection { accounts, signed_with: Some(old.clone()), ..Selection::default() },
        often: Often::Always,
        act: Act::Answer(answer),
    }
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
        | RequestsAct::OlderVersion
        | RequestsAct::Slow(_) => &[StorageOperation::Read],
        RequestsAct::Swallow | RequestsAct::Twice | RequestsAct::Late(_) => {
            &[StorageOperation::Write, StorageOperation::Delete]
        }
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

/// What each blob that is meant holds now, by its name.
async fn contents(
    name: &str,
    fault: &RequestsFault,
    blobs_of: BlobsOf<'_>,
) -> Result<BTreeMap<String, Vec<u8>>, DrillError> {
    let blobs = blobs_of(fault.account.as_deref().unwrap_or_default())?;
    let all = Chosen::of(&blobs).await?;
    let every = BlobChoice::Named("*".to_owned());
    let mut were = BTreeMap::new();
    for blob in all.meant(fault.blobs.as_ref().unwrap_or(&every)) {
        were.insert(blob.name.clone(), blobs.read(&blob.container, &blob.name).await?);
    }
    match were.is_empty() {
        true => Err(DrillError::step(format!("begin fault {name}"), "the account holds no such blob")),
        false => Ok(were),
    }
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
