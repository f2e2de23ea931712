//! A request to somebody's address. The address is a secret: who has it can write there.

use std::path::PathBuf;

use http::Uri;

use super::Told;
use super::request::{self, RequestError};
use super::settings::Webhook;
use super::template::{self, TemplateError};
use crate::exit::Verdict;
use crate::secret::Secret;

/// The webhook was not called, or did not take it.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Neither or both of `url_env` and `url_file` are given.
    #[error("find its address: exactly one of `url_env` and `url_file` says where it is")]
    Nowhere,
    /// The name that `url_env` gives.
    #[error("read its address from the environment variable {0}, which is not set")]
    Variable(String),
    /// The file that `url_file` gives cannot be read.
    #[error("read its address from {}: {source}", .path.display())]
    File {
        /// As the drill's file gives it.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// What the variable or the file holds is no address; it is not shown, since it may be a secret.
    #[error("use its address: it does not begin with `https://` or `http://`")]
    Address,
    /// The webhook's template is at fault.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// The report could not be written as JSON.
    #[error("make its body: {0}")]
    Body(serde_json::Error),
    /// Its server was not reached, or did not accept what was sent.
    #[error("{0}")]
    Request(#[from] RequestError),
}

/// Calls it once, of drills that passed only if it is to hear of those too.
///
/// # Errors
/// When there is no address, or its server does not take what is sent.
pub(super) async fn call(webhook: &Webhook, told: Told<'_>) -> Result<(), WebhookError> {
    if told.report.verdict == Verdict::Passed && !webhook.always {
        return Ok(());
    }
    let address = uri(webhook)?;
    let body = match &webhook.template {
        Some(template) => template::body(template, told)?,
        None => serde_json::to_string(told.report).map_err(WebhookError::Body)?,
    };
    Ok(request::post("webhook", address, "application/json", body, request::LIMIT).await?)
}

/// # Errors
/// When its address is not there or is none, or its template cannot be filled in.
pub(super) fn usable(webhook: &Webhook) -> Result<(), WebhookError> {
    uri(webhook)?;
    Ok(webhook.template.as_deref().map_or(Ok(()), template::check_template)?)
}

fn uri(webhook: &Webhook) -> Result<Uri, WebhookError> {
    let address = address(webhook)?;
    let address: Uri = address.reveal().parse().map_err(|_| WebhookError::Address)?;
    match address.scheme_str() {
        Some("http" | "https") => Ok(address),
        _ => Err(WebhookError::Address),
    }
}

fn address(webhook: &Webhook) -> Result<Secret, WebhookError> {
    let text = match (&webhook.url_env, &webhook.url_file) {
        (Some(name), None) => std::env::var(name).map_err(|_| WebhookError::Variable(name.clone()))?,
        (None, Some(path)) => std::fs::read_to_string(path)
            .map_err(|source| WebhookError::File { path: path.clone(), source })?,
        _ => return Err(WebhookError::Nowhere),
    };
    Ok(Secret::new(text.trim()))
}
