//! Service account tokens: asked for, and renewed before they end.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, ServiceAccountTokenProjection};
use kube::api::PostParams;
use kube::{Api, Client};

use super::files::replace;
use crate::secret::Secret;

/// After which part of its life a token is replaced.
const RENEW_AFTER: f64 = 0.8;
/// The pause after a renewal that failed, and the least before any.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// A token in a volume of a pod.
#[derive(Debug, Clone)]
pub(in super::super) struct TokenFile {
    pub path: PathBuf,
    pub wanted: ServiceAccountTokenProjection,
    pub mode: u32,
    pub group: Option<u32>,
    pub renew_in: Duration,
}

/// A fresh token bound to the pod, and after how long it is to be replaced.
pub(super) async fn request(
    client: &Client,
    pod: &Pod,
    wanted: &ServiceAccountTokenProjection,
) -> Result<(Secret, Duration), kube::Error> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let account =
        pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: wanted.audience.iter().cloned().collect(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
            expiration_seconds: wanted.expiration_seconds.or(Some(3600)),
        },
        ..TokenRequest::default()
    };
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let answer: TokenRequest =
        api.create_subresource("token", account, &PostParams::default(), &request).await?;
    let status = answer.status.ok_or_else(|| {
        kube::Error::Service(
            format!("the token request for service account \"{account}\" has no answer").into(),
        )
    })?;
    let lasts = status.expiration_timestamp.0.duration_since(Timestamp::now());
    Ok((Secret::new(status.token), renewal(Duration::try_from(lasts).unwrap_or_default())))
}

fn renewal(lasts: Duration) -> Duration {
    // Of one that is over when it comes, as for a clock that jumped, another is not asked for at once.
    lasts.mul_f64(RENEW_AFTER).max(TRY_AGAIN)
}

/// Replaces the token again and again; ends only by being dropped.
pub(in super::super) async fn keep_fresh(client: Client, pod: Pod, file: TokenFile) {
    let mut pause = file.renew_in;
    loop {
        tokio::time::sleep(pause).await;
        pause = match request(&client, &pod, &file.wanted).await {
            Ok((token, renew_in)) => {
                match replace(&file.path, token.reveal().as_bytes(), file.mode, file.group) {
                    Ok(()) => renew_in,
                    Err(error) => {
                        tracing::warn!(path = %file.path.display(), %error, "could not replace a token");
                        TRY_AGAIN
                    }
                }
            }
            Err(error) => {
                tracing::warn!(path = %file.path.display(), %error, "could not renew a token");
                TRY_AGAIN
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use kube::client::Body;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_replaced_at_four_fifths_of_its_life() {
        assert_eq!(renewal(Duration::from_secs(3600)), Duration::from_secs(2880));
        assert_eq!(renewal(Duration::ZERO), TRY_AGAIN);
    }

    /// The shortest life that the API server grants is ten minutes, so its clock is one that can be moved.
    #[tokio::test(start_paused = true)]
    async fn a_pod_has_a_fresh_token_before_the_last_one_ends_also_after_a_refusal() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        let answers = tower::service_fn(move |_: http::Request<Body>| {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            let ends = (Timestamp::now() + Duration::from_secs(600)).to_string();
            let status = json!({ "token": format!("token {number}"), "expirationTimestamp": ends });
            let (code, body) = match number {
                1 => (
                    503,
                    json!({ "kind": "Status", "code": 503, "message": "busy", "reason": "x", "status": "Failure" }),
                ),
                _ => (201, json!({ "metadata": {}, "spec": { "audiences": [] }, "status": status })),
            };
            let answer =
                http::Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            std::future::ready(answer)
        });
        let client = Client::new(answers, "ns");
        let pod: Pod =
            serde_json::from_value(json!({ "metadata": { "name": "p", "namespace": "ns" } })).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let wanted = ServiceAccountTokenProjection::default();
        let (token, renew_in) = request(&client, &pod, &wanted).await.unwrap();
        replace(&path, token.reveal().as_bytes(), 0o600, None).unwrap();
        let file = TokenFile { path: path.clone(), wanted, mode: 0o600, group: None, renew_in };
        let _kept = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(keep_fresh(client, pod, file)));
        let now = || std::fs::read_to_string(&path).unwrap();
        tokio::time::sleep(Duration::from_secs(470)).await;
        assert_eq!((now(), asked.load(Ordering::Relaxed)), ("token 0".to_owned(), 1));
        // The second request, at 480 s, is refused, and another made ten seconds later.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!((now(), asked.load(Ordering::Relaxed)), ("token 2".to_owned(), 3));
    }
}
