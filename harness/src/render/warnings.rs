//! What the API server warns of when a StatefulSet is created.

use kube::Client;
use kube::api::DynamicObject;
use kube::client::Body;
use serde_json::json;

use super::error::RenderError;

/// The warnings for this very StatefulSet. The operator's log has them without saying of which cluster, so the API
/// server is asked again, with a dry run under another name.
///
/// # Errors
/// When the API server does not answer.
pub(super) async fn of(client: &Client, set: &DynamicObject) -> Result<Vec<String>, RenderError> {
    let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
    let body = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "generateName": "warnings-", "annotations": set.metadata.annotations, "labels": set.metadata.labels },
        "spec": set.data["spec"],
    });
    let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    let request =
        http::Request::post(format!("/apis/apps/v1/namespaces/{namespace}/statefulsets?dryRun=All"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(kube::Error::HttpError)?;
    let response = client.send(request).await?;
    let warnings = response.headers().get_all(http::header::WARNING).iter();
    Ok(warnings.filter_map(|value| text_of(value.to_str().ok()?)).collect())
}

/// The text in `299 - "…"`.
fn text_of(warning: &str) -> Option<String> {
    let quoted = warning.strip_prefix("299 - ")?;
    serde_json::from_str(quoted).ok()
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn a_warning_is_what_is_quoted_in_the_header() {
        let header = r#"299 - "spec.env[3]: hides previous definition of \"A\"""#;
        assert_eq!(text_of(header).as_deref(), Some(r#"spec.env[3]: hides previous definition of "A""#));
        assert_eq!(text_of("199 x"), None);
    }
}
