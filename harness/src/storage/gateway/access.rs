//! One request to a storage account, as the gateway saw it.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::operation::{Effect, Operation};

/// A request and its answer. Holds no header and no query, hence no signature and no key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Access {
    /// When the request's head had arrived.
    pub time: Timestamp,
    /// Of the connection, as the gateway sees it.
    pub source: IpAddr,
    /// Whose that address was at this time.
    pub who: Who,
    /// The host name's first label, whether or not there is such an account.
    pub account: String,
    /// None where the account itself was asked.
    pub container: Option<String>,
    /// The blob's name with percent signs resolved.
    pub blob: Option<String>,
    /// What a listing was limited to.
    pub prefix: Option<String>,
    /// By method and query; [`Operation::Other`] where neither is known.
    pub operation: Operation,
    /// The answer's HTTP status; `None` where there was none, such as a connection that broke.
    pub status: Option<u16>,
    /// For example `BlobNotFound` or `AuthenticationFailed`.
    pub error_code: Option<String>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// The rule of the gateway that decided about it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The error code of a connection whose client did not trust the account's certificate.
const CERTIFICATE_REFUSED: &str = "CertificateRefused";

impl Access {
    /// A connection to an account, before there is a request on it.
    pub(super) fn connection(source: IpAddr, who: Who, account: String) -> Self {
        Access {
            time: Timestamp::now(),
            source,
            who,
            account,
            container: None,
            blob: None,
            prefix: None,
            operation: Operation::Connect,
            status: None,
            error_code: None,
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
        }
    }

    /// The same connection, when its client did not trust the certificate.
    pub(super) fn certificate_refused(self) -> Self {
        Access { error_code: Some(CERTIFICATE_REFUSED.to_owned()), ..self }
    }

    /// Whether it came to nothing since its client did not trust the account's certificate.
    pub fn refuses_certificate(&self) -> bool {
        self.operation == Operation::Connect && self.error_code.as_deref() == Some(CERTIFICATE_REFUSED)
    }

    /// Whether it asked for something to be read or listed, whatever the answer.
    pub fn reads(&self) -> bool {
        self.operation.effect() == Effect::Read
    }

    /// Whether it asked for something to be written or deleted, whatever the answer.
    pub fn writes(&self) -> bool {
        !self.reads()
    }

    /// Whether from now on there is a whole blob that this wrote. Its blocks before do not count.
    pub fn finished_blob(&self) -> bool {
        let finishes =
            matches!(self.operation, Operation::WriteBlob | Operation::CommitBlocks | Operation::CopyBlob);
        finishes && self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Whose an address is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The cluster that it belongs to, or the harness.
    pub who: Who,
    /// The pod's name, where it is one.
    pub pod: Option<String>,
}

impl Asker {
    /// An address that nobody knows, or knows yet.
    pub fn unknown() -> Self {
        Who::Unknown.into()
    }

    /// Whether anybody knows whose the address is.
    pub fn is_known(&self) -> bool {
        self.pod.is_some() || self.who != Who::Unknown
    }
}

impl From<Who> for Asker {
    /// Nobody's pod.
    fn from(who: Who) -> Self {
        Asker { who, pod: None }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// A pod of the cluster with this short name (`source`, `clone`).
    Cluster(String),
    /// The harness itself.
    Harness,
    /// None of the drill's own, such as a pod that a scenario's manifest made.
    Unknown,
}
