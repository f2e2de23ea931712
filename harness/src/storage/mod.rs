//! Storage accounts: Azurite, the gateway before it, blobs.

mod account;
mod authority;
pub(crate) mod azurite;
mod blobs;
mod gateway;
#[cfg(test)]
mod real_azurite_tests;
mod sas;

pub use account::{Account, host_of};
pub use authority::{Authority, AuthorityError, AuthorityPem, Issued, Request, Usage};
pub use azurite::{Azurite, AzuriteError};
pub use blobs::{BlobKind, Blobs, BlobsError, CopyProgress, StoredBlob};
pub use gateway::{
    Access, Accounts, Act, Answer, Asker, Asking, Change, Effect, Gateway, GatewayError, GatewaySettings,
    Listing, Moment, Often, Operation, Pattern, Requests, Rule, RuleError, RuleId, RuleState, Selection, Who,
    WhoIs, WrongCertificate, is_lost,
};
