//! What a request asks of Azure's Blob service.

use hyper::Method;
use serde::{Deserialize, Serialize};

/// An operation of the Blob service's REST API, those that WAL-G and people's tools use by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `GET ?comp=list` of the account.
    ListContainers,
    /// Get Blob Service Properties, Stats, Account Information, User Delegation Key.
    ReadAccount,
    /// `PUT ?comp=properties` of the account.
    ChangeAccount,
    /// `PUT ?restype=container`.
    CreateContainer,
    /// `DELETE ?restype=container`, with all blobs in it.
    DeleteContainer,
    /// A container's properties, metadata or access policy.
    ReadContainer,
    /// `PUT ?restype=container&comp=…`: a container's metadata, access policy or lease.
    ChangeContainer,
    /// `GET ?restype=container&comp=list`; a prefix may limit it.
    ListBlobs,
    /// `GET` of a blob, in whole or a range.
    ReadBlob,
    /// A blob's properties, metadata or tags.
    ReadProperties,
    /// `GET ?comp=blocklist`: the blocks that are committed, or are not yet.
    ReadBlockList,
    /// A whole blob in one request.
    WriteBlob,
    /// One block, which is part of no blob until the blocks are committed.
    WriteBlock,
    /// `PUT ?comp=blocklist`: the blocks that it names become the blob.
    CommitBlocks,
    /// From another blob, within Azure.
    CopyBlob,
    /// A blob's metadata, properties, tags, tier, lease or snapshots.
    ChangeBlob,
    /// `DELETE` of a blob, or of one of its snapshots.
    DeleteBlob,
    /// Several deletions or changes of tier in one request.
    Batch,
    /// No request: a connection that came to none.
    Connect,
    /// What the Blob service has no operation for.
    Other,
}

/// What an operation does to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It changes nothing.
    Read,
    /// It makes or changes something; what is not known counts as this.
    Write,
    /// It removes something.
    Delete,
}

/// How deep a request's path goes into an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Account,
    Container,
    Blob,
}

/// The parts of a request that tell its operation.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) level: Level,
    /// The query's `comp`, empty where there is none.
    pub(super) comp: &'a str,
    /// The query's `restype`, empty where there is none.
    pub(super) restype: &'a str,
    /// There is an `x-ms-copy-source` header.
    pub(super) copies: bool,
}

impl Operation {
    pub(super) fn of(asked: &Asked<'_>) -> Operation {
        // A blob of the root container has a path like a container's; only `restype` tells them apart.
        match asked.level {
            Level::Account => Self::on_account(asked),
            Level::Container if asked.restype == "container" => Self::on_container(asked),
            Level::Container | Level::Blob => Self::on_blob(asked),
        }
    }

    fn on_account(asked: &Asked<'_>) -> Operation {
        match (asked.method.as_str(), asked.comp) {
            ("GET", "list") => Operation::ListContainers,
            ("POST", "batch") => Operation::Batch,
            ("PUT", "properties") => Operation::ChangeAccount,
            ("GET" | "HEAD", _) | ("POST", "userdelegationkey") => Operation::ReadAccount,
            _ => Operation::Other,
        }
    }

    fn on_container(asked: &Asked<'_>) -> Operation {
        match (asked.method.as_str(), asked.comp) {
            ("GET", "list") => Operation::ListBlobs,
            ("PUT", "") => Operation::CreateContainer,
            ("DELETE", "") => Operation::DeleteContainer,
            ("POST", "batch") => Operation::Batch,
            ("GET" | "HEAD", _) => Operation::ReadContainer,
            ("PUT", _) => Operation::ChangeContainer,
            _ => Operation::Other,
        }
    }

    fn on_blob(asked: &Asked<'_>) -> Operation {
        match (asked.method.as_str(), asked.comp) {
            ("GET", "") => Operation::ReadBlob,
            ("GET", "blocklist") => Operation::ReadBlockList,
            ("GET" | "HEAD", _) => Operation::ReadProperties,
            ("PUT", "" | "block" | "page" | "appendblock") if asked.copies => Operation::CopyBlob,
            ("PUT", "") => Operation::WriteBlob,
            ("PUT", "block" | "page" | "appendblock") => Operation::WriteBlock,
            ("PUT", "blocklist") => Operation::CommitBlocks,
            ("PUT", _) => Operation::ChangeBlob,
            ("DELETE", _) => Operation::DeleteBlob,
            _ => Operation::Other,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Operation::ListContainers => "list containers",
            Operation::ReadAccount => "read the account's properties",
            Operation::ChangeAccount => "change the account's properties",
            Operation::CreateContainer => "create a container",
            Operation::DeleteContainer => "delete a container",
            Operation::ReadContainer => "read a container's properties",
            Operation::ChangeContainer => "change a container's properties",
            Operation::ListBlobs => "list blobs",
            Operation::ReadBlob => "read a blob",
            Operation::ReadProperties => "read a blob's properties",
            Operation::ReadBlockList => "list a blob's blocks",
            Operation::WriteBlob => "write a blob",
            Operation::WriteBlock => "write a block",
            Operation::CommitBlocks => "commit blocks",
            Operation::CopyBlob => "copy a blob",
            Operation::ChangeBlob => "change a blob's properties",
            Operation::DeleteBlob => "delete a blob",
            Operation::Batch => "change several blobs",
            Operation::Connect => "connect",
            Operation::Other => "an operation that the Blob service does not have",
        }
    }

    /// What this does to the account. What is not known counts as a write, so that no harm goes unseen.
    pub fn effect(self) -> Effect {
        match self {
            Operation::Connect
            | Operation::ListContainers
            | Operation::ReadAccount
            | Operation::ReadContainer
            | Operation::ListBlobs
            | Operation::ReadBlob
            | Operation::ReadProperties
            | Operation::ReadBlockList => Effect::Read,
            Operation::DeleteContainer | Operation::DeleteBlob => Effect::Delete,
            Operation::ChangeAccount
            | Operation::CreateContainer
            | Operation::ChangeContainer
            | Operation::WriteBlob
            | Operation::WriteBlock
            | Operation::CommitBlocks
            | Operation::CopyBlob
            | Operation::ChangeBlob
            | Operation::Batch
            | Operation::Other => Effect::Write,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(method: Method, level: Level, restype: &str, comp: &str) -> Operation {
        Operation::of(&Asked { method: &method, level, comp, restype, copies: false })
    }

    #[test]
    fn requests_of_wal_g_are_named() {
        use Level::{Blob, Container};
        assert_eq!(operation(Method::GET, Container, "container", "list"), Operation::ListBlobs);
        assert_eq!(operation(Method::GET, Blob, "", ""), Operation::ReadBlob);
        assert_eq!(operation(Method::HEAD, Blob, "", ""), Operation::ReadProperties);
        assert_eq!(operation(Method::PUT, Blob, "", "block"), Operation::WriteBlock);
        assert_eq!(operation(Method::PUT, Blob, "", "blocklist"), Operation::CommitBlocks);
        assert_eq!(operation(Method::DELETE, Blob, "", ""), Operation::DeleteBlob);
    }

    #[test]
    fn containers_and_accounts_are_told_from_blobs() {
        assert_eq!(operation(Method::PUT, Level::Container, "container", ""), Operation::CreateContainer);
        assert_eq!(operation(Method::DELETE, Level::Container, "container", ""), Operation::DeleteContainer);
        assert_eq!(
            operation(Method::HEAD, Level::Container, "container", "metadata"),
            Operation::ReadContainer
        );
        assert_eq!(operation(Method::GET, Level::Account, "", "list"), Operation::ListContainers);
        assert_eq!(operation(Method::PUT, Level::Container, "", ""), Operation::WriteBlob);
    }

    #[test]
    fn a_write_from_another_blob_is_a_copy() {
        let asked = Asked { method: &Method::PUT, level: Level::Blob, comp: "", restype: "", copies: true };
        assert_eq!(Operation::of(&asked), Operation::CopyBlob);
    }

    #[test]
    fn what_is_not_known_counts_as_a_write() {
        let unknown = operation(Method::PATCH, Level::Blob, "", "something-new");
        assert_eq!((unknown, unknown.effect()), (Operation::Other, Effect::Write));
    }
}
