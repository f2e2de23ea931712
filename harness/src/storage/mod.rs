//! Storage accounts: Azurite, the gateway before it, blobs.

mod authority;

pub use authority::{Authority, AuthorityError, AuthorityPem, Issued, Request, Usage};
