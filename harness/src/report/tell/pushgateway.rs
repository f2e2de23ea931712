//! Metrics to a Pushgateway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use http::Uri;
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

use super::Told;
use super::metrics::{Labels, Metrics};
use super::request::{self, RequestError};

/// The metrics did not get there.
#[derive(Debug, thiserror::Error)]
pub enum PushgatewayError {
    /// As `tell.pushgateway` gives it: no address of a Pushgateway, or one with a secret in it.
    #[error(
        "use the address `{0}`: it must be like `http://pushgateway.monitoring:9091`, without user, password and query"
    )]
    Address(String),
    /// The metrics could not be written as text.
    #[error("lay them out: {0}")]
    Layout(#[from] std::fmt::Error),
    /// The Pushgateway was not reached, or refused them.
    #[error("send them to {address}: {source}")]
    Request {
        /// Without user and password.
        address: String,
        /// Why not.
        source: RequestError,
    },
}

/// By POST, which replaces metrics of the same name only: a run that did not pass leaves the time of the last success
/// where it is.
///
/// # Errors
/// When the Pushgateway is not reached, or does not take them.
pub(super) async fn push(address: &str, told: Told<'_>) -> Result<(), PushgatewayError> {
    let target = group(address, &Labels::of(told))?;
    let text = Metrics::of(told, None).text_format()?;
    let sent = request::post("Pushgateway", target, CONTENT_TYPE, text, request::LIMIT).await;
    sent.map_err(|source| PushgatewayError::Request { address: shown(address), source })
}

/// # Errors
/// When it is no address of a Pushgateway.
pub(super) fn usable(address: &str) -> Result<(), PushgatewayError> {
    base(address).map(drop)
}

fn base(address: &str) -> Result<Uri, PushgatewayError> {
    let refused = || PushgatewayError::Address(shown(address));
    let base: Uri = address.parse().map_err(|_| refused())?;
    let has_password = base.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match !matches!(base.scheme_str(), Some("http" | "https")) || base.query().is_some() || has_password {
        true => Err(refused()),
        false => Ok(base),
    }
}

/// The group that the drill's metrics are kept in: drills of one cluster must not replace each other's.
fn group(address: &str, labels: &Labels) -> Result<Uri, PushgatewayError> {
    base(address)?;
    let Labels { namespace, cluster, drill } = labels;
    let labels = [("namespace", namespace), ("cluster", cluster), ("drill", drill)];
    let path: String = labels.map(|(name, value)| format!("/{name}{}", segment(value))).concat();
    format!("{}/metrics/job/clonedrill{path}", address.trim_end_matches('/'))
        .parse()
        .map_err(|_| PushgatewayError::Address(shown(address)))
}

/// A label's value as the Pushgateway reads it in a path.
fn segment(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !value.is_empty() && value.bytes().all(plain) && !value.bytes().all(|byte| byte == b'.') {
        return format!("/{value}");
    }
    // An empty value, too, must be more than nothing between two slashes.
    let encoded = if value.is_empty() { "=".to_owned() } else { URL_SAFE.encode(value) };
    format!("@base64/{encoded}")
}

/// Without a user's name and password.
fn shown(address: &str) -> String {
    match address.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => address.to_owned(),
    }
}
