//! What becomes of a request: the one place where the gateway could do other than forward it.

use std::collections::BTreeSet;

use hyper::StatusCode;

use super::access::Access;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Forward,
    /// The gateway itself answers, in the form of Azure's errors.
    Refuse {
        status: StatusCode,
        code: &'static str,
        message: &'static str,
    },
}

/// An account that Azure does not have has no host name there, so WAL-G fails before its first request; here the
/// name resolves, and the request fails with an answer that WAL-G does not repeat.
const NO_SUCH_ACCOUNT: Decision = Decision::Refuse {
    status: StatusCode::NOT_FOUND,
    code: "AccountNotFound",
    message: "There is no storage account of this name in this drill.",
};

pub(super) fn decide(access: &Access, accounts: &BTreeSet<String>) -> Decision {
    if accounts.contains(&access.account) { Decision::Forward } else { NO_SUCH_ACCOUNT }
}
