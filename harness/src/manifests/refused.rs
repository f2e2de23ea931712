//! What becomes of an object that the API server or the operator refused: a problem at its place.

use super::Document;
use super::problem::ProblemKind;
use crate::diagnosis::Diagnosis;
use crate::render::{Refused, RefusedBy};
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;

/// The problem of a document, or of the operator's settings where they are the release's own, with its place. A refusal
/// may repeat the value that it is about: `secrets` are hidden in it.
pub(crate) fn refused(document: Option<&Document>, refused: &Refused, secrets: &[Secret]) -> Diagnosis {
    let object = document.map_or_else(|| "the operator's settings".to_owned(), ToString::to_string);
    let why = secrets.iter().fold(Redactor::new(), Redactor::password).hide(&refused.message);
    let kind = match refused.by {
        RefusedBy::ApiServer => ProblemKind::RefusedByApiServer { object, why },
        RefusedBy::Operator => ProblemKind::RefusedByOperator { object, why },
    };
    let place = document.map(|document| match &refused.field {
        Some(field) => document.place_of_field(field),
        None => document.place_of_name(),
    });
    Diagnosis::new(&kind, place)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_repeats_a_secret_shows_its_fingerprint() {
        let secret = Secret::new("a-key-that-was-put-in-the-wrong-place");
        let refused = Refused {
            by: RefusedBy::ApiServer,
            message: format!("spec.teamId: Invalid value: \"{}\"", secret.reveal()),
            field: None,
        };
        let text = super::refused(None, &refused, std::slice::from_ref(&secret)).to_string();
        assert!(!text.contains(secret.reveal()) && text.contains(&secret.fingerprint()), "{text}");
    }
}
