//! What came of a request, as far as two runs have it in common.

use crate::storage::Access;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Done,
    /// There is no such blob.
    NotThere,
    /// With Azure's error code, or the status where there was none.
    Refused(String),
    /// No answer, or one that says that the service itself failed: it may have been done.
    Failed,
}

impl Outcome {
    pub(super) fn of(access: &Access) -> Outcome {
        let code = access.error_code.as_deref();
        match (access.status, code) {
            (Some(200..=399), _) => Outcome::Done,
            (Some(404), None | Some("BlobNotFound")) => Outcome::NotThere,
            (Some(status @ 400..=499), code) => {
                Outcome::Refused(code.map_or_else(|| status.to_string(), str::to_owned))
            }
            (None, Some(code)) if access.refuses_certificate() => Outcome::Refused(code.to_owned()),
            _ => Outcome::Failed,
        }
    }

    /// How a line of the text ends.
    pub(super) fn suffix(&self) -> String {
        match self {
            Outcome::Done => String::new(),
            Outcome::NotThere => " (not there)".to_owned(),
            Outcome::Refused(code) => format!(" (refused: {code})"),
            Outcome::Failed => " (no answer)".to_owned(),
        }
    }
}
