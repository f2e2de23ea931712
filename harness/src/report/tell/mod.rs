//! Who hears of a restore drill at its end, besides the exit code and the report. Everything is made of the report alone.

mod events;
mod line;
mod metrics;
mod metrics_file;
mod pushgateway;
mod request;
mod settings;
mod template;
mod webhook;

pub use events::EventError;
pub use metrics_file::MetricsFileError;
pub use pushgateway::PushgatewayError;
pub use request::RequestError;
pub use settings::{Tell, Webhook};
pub use template::{TemplateError, check_template};
pub use webhook::WebhookError;

use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;

use super::{DrillReport, Restore};

/// Somebody was not told. What became of the drill stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// Nobody who reads the textfile hears of the drill.
    #[error("write the metrics: {0}")]
    MetricsFile(#[from] MetricsFileError),
    /// The Pushgateway has the numbers of an earlier drill, if any.
    #[error("push the metrics: {0}")]
    Pushgateway(#[from] PushgatewayError),
    /// The source's namespace has no event of the drill.
    #[error("make the event: {0}")]
    Event(#[from] EventError),
    /// The webhook's server was not called, or did not take it.
    #[error("call the webhook: {0}")]
    Webhook(#[from] WebhookError),
    /// The report is that of a scenario: there is no source that it could be told of.
    #[error("tell of a drill that restored nothing: it has no source")]
    NotARestore,
}

/// Tells everybody whom `to` names, all at the same time, each within its own limit of 30 seconds. One who cannot be
/// told keeps nobody else from it. `client` is needed for events only, and may be missing where the cluster was never
/// reached.
pub async fn tell(report: &DrillReport, to: &Tell, client: Option<kube::Client>) -> Vec<TellError> {
    let asked = to.metrics_file.is_some() || to.pushgateway.is_some() || to.events || to.webhook.is_some();
    let Some(restore) = report.restore.as_deref() else {
        return if asked { vec![TellError::NotARestore] } else { Vec::new() };
    };
    let told = Told { report, restore, at: Timestamp::now() };
    let mut channels: Vec<BoxFuture<'_, Result<(), TellError>>> = Vec::new();
    if let Some(path) = &to.metrics_file {
        channels.push(Box::pin(async move { Ok(metrics_file::write(path, told)?) }));
    }
    if let Some(address) = &to.pushgateway {
        channels.push(Box::pin(async move { Ok(pushgateway::push(address, told).await?) }));
    }
    if to.events {
        channels.push(Box::pin(async move { Ok(events::publish(client, told).await?) }));
    }
    if let Some(webhook) = &to.webhook {
        channels.push(Box::pin(async move { Ok(webhook::call(webhook, told).await?) }));
    }
    join_all(channels).await.into_iter().filter_map(Result::err).collect()
}

/// The verdict and what matters most of a restore drill, a line each: what the log of a pod ends with. Nothing of a drill that
/// restored nothing.
pub fn key_lines(report: &DrillReport) -> String {
    let told = |restore| Told { report, restore, at: Timestamp::now() };
    report.restore.as_deref().map(told).map(line::key_lines).unwrap_or_default()
}

/// What of it is known not to work, before anything is done: each error with its JSON pointer below `tell`. Nobody is told
/// of anything, and no server is asked whether it is there.
pub fn unusable(to: &Tell) -> Vec<(&'static str, TellError)> {
    let mut found: Vec<(&'static str, TellError)> = Vec::new();
    if let Some(Err(error)) = to.metrics_file.as_deref().map(metrics_file::can_be_written) {
        found.push(("/metrics_file", error.into()));
    }
    if let Some(Err(error)) = to.pushgateway.as_deref().map(pushgateway::usable) {
        found.push(("/pushgateway", error.into()));
    }
    if let Some(webhook) = &to.webhook
        && let Err(error) = webhook::usable(webhook)
    {
        let place = match error {
            WebhookError::Template(_) => "/webhook/template",
            _ if webhook.url_env.is_some() => "/webhook/url_env",
            _ if webhook.url_file.is_some() => "/webhook/url_file",
            _ => "/webhook",
        };
        found.push((place, error.into()));
    }
    found
}

/// What is told: a drill that is over.
#[derive(Debug, Clone, Copy)]
struct Told<'r> {
    report: &'r DrillReport,
    restore: &'r Restore,
    /// When it was over.
    at: Timestamp,
}

impl<'r> Told<'r> {
    /// The source's namespace and name.
    fn source(self) -> (&'r str, &'r str) {
        self.restore.source.split_once('/').unwrap_or(("", &self.restore.source))
    }
}

#[cfg(test)]
mod tests;
