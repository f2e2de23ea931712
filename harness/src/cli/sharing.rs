//! Environments that several commands share: who asked for that, and until when.

use super::Failure;
use crate::environment::shared::Share;

/// `<id>:<pid>`: share environments with everybody who has the same id, until the process ends.
const SHARE: &str = "CLONEDRILL_SHARE";

/// With whom to share, where somebody wants that.
///
/// # Errors
/// When the variable has another form.
pub(super) fn asked_for() -> Result<Option<Share>, Failure> {
    let Ok(text) = std::env::var(SHARE) else { return Ok(None) };
    let parsed = text.rsplit_once(':').and_then(|(id, pid)| Some((id.to_owned(), pid.parse().ok()?)));
    match parsed {
        Some((id, owner)) => Ok(Some(Share { id, owner: Some(owner) })),
        None => Err(Failure::invalid(miette::miette!(
            "failed to read {SHARE}: it is not `<id>:<process>` but `{text}`"
        ))),
    }
}
