//! Clients of the API server. No request waits for ever, but for a watch, which is there to wait.

use std::time::Duration;

use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::BoxError;

use crate::environment::EnvironmentError;
use crate::poll::within;

/// As long as the API server itself works on a request before it gives up.
const ANSWER: Duration = Duration::from_secs(60);

/// A client from the text of a kubeconfig.
///
/// # Errors
/// When the text is none, or its keys cannot be used.
pub(super) async fn client(kubeconfig: &str) -> Result<kube::Client, EnvironmentError> {
    limited_client(kubeconfig, ANSWER).await
}

async fn limited_client(kubeconfig: &str, limit: Duration) -> Result<kube::Client, EnvironmentError> {
    Ok(bounded(kube::Client::try_from(configuration(kubeconfig).await?)?, limit))
}

/// A client for what goes on, such as followed logs and forwarded ports.
///
/// # Errors
/// As [`client`].
pub(super) async fn unlimited(kubeconfig: &str) -> Result<kube::Client, EnvironmentError> {
    let mut config = configuration(kubeconfig).await?;
    // A forwarded port may be silent for as long as a query takes.
    config.read_timeout = None;
    Ok(kube::Client::try_from(config)?)
}

async fn configuration(kubeconfig: &str) -> Result<kube::Config, EnvironmentError> {
    let unusable =
        |error: &dyn std::fmt::Display| EnvironmentError::Connection(format!("use the kubeconfig: {error}"));
    let parsed = Kubeconfig::from_yaml(kubeconfig).map_err(|error| unusable(&error))?;
    let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await;
    config.map_err(|error| unusable(&error))
}

/// The same client, none of whose requests waits for ever. Not for what goes on, such as followed logs.
pub(super) fn limited(client: kube::Client) -> kube::Client {
    bounded(client, ANSWER)
}

fn bounded(client: kube::Client, limit: Duration) -> kube::Client {
    let namespace = client.default_namespace().to_owned();
    let limited = tower::service_fn(move |request| answer(client.clone(), request, limit));
    kube::Client::new(limited, namespace)
}

/// The whole answer, or the error that it did not come in time.
async fn answer(
    client: kube::Client,
    request: http::Request<Body>,
    limit: Duration,
) -> Result<http::Response<Body>, BoxError> {
    if is_watch(request.uri()) {
        return Ok(client.send(request).await?);
    }
    let what = format!("the API server's answer to {} {}", request.method(), request.uri().path());
    let whole = async {
        let (head, body) = client.send(request).await?.into_parts();
        Ok::<_, kube::Error>(http::Response::from_parts(head, Body::from(body.collect_bytes().await?)))
    };
    Ok(within(what, limit, whole).await??)
}

fn is_watch(uri: &http::Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|one| one == "watch=true"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::Api;

    use super::*;

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_named_with_what_was_asked() {
        // It accepts connections, since the kernel does, and never says a word.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", silent.local_addr().unwrap()) } }],
            "users": [{ "name": "c", "user": {} }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
        });
        let client = limited_client(&kubeconfig.to_string(), Duration::from_millis(50)).await.unwrap();
        let error = Api::<Pod>::namespaced(client, "ns").get("db-0").await.unwrap_err().to_string();
        assert!(error.contains("GET /api/v1/namespaces/ns/pods/db-0: gave up after 50.0ms"), "{error}");
    }

    #[test]
    fn only_watches_may_wait() {
        let is_watch = |uri: &str| is_watch(&uri.parse().unwrap());
        assert!(is_watch("/api/v1/pods?&watch=true&timeoutSeconds=290"));
        assert!(!is_watch("/api/v1/pods?limit=500"));
        assert!(!is_watch("/api/v1/pods/watch"));
    }
}
