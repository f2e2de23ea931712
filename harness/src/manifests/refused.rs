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
    if let Some(problem) = document.filter(|_| refused.field.is_none()).and_then(no_text) {
        return problem;
    }
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

/// A variable whose value is no text, for which the operator takes the whole object for unreadable, and says nothing.
fn no_text(document: &Document) -> Option<Diagnosis> {
    let env = document.value.pointer("/spec/env")?.as_array()?;
    let (at, item, value) = env.iter().enumerate().find_map(|(at, item)| {
        let value = item.get("value").filter(|value| value.is_boolean() || value.is_number())?;
        Some((at, item, value))
    })?;
    let name = item.get("name").and_then(serde_json::Value::as_str).unwrap_or("a variable");
    let why = format!(
        "the value of {name} in spec.env is no text, and it reads nothing of an object that has such a one"
    );
    let kind = ProblemKind::RefusedByOperator { object: document.to_string(), why };
    let place = document.place(&format!("/spec/env/{at}/value"));
    Some(Diagnosis::new(&kind, Some(place)).with_help(format!("write it in quotes: \"{value}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_text_is_the_reason_where_the_operator_says_none() {
        let text = "apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata: { name: a }\nspec: { env: [{ name: USE_WALG, value: true }] }\n";
        let manifests = crate::manifests::Manifests::of_text(std::path::Path::new("a.yaml"), text);
        let refused = Refused { by: RefusedBy::Operator, message: "nothing".to_owned(), field: None };
        let problem = super::refused(manifests.documents.first(), &refused, &[]);
        assert!(problem.to_string().contains("the value of USE_WALG in spec.env is no text"), "{problem}");
        assert_eq!(problem.help.as_deref(), Some("write it in quotes: \"true\""));
    }

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
