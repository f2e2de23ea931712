//! The base backup that the launcher takes as soon as the node is running.

use std::convert::Infallible;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::child;
use super::log::Voice;
use super::settings::Settings;
use crate::poll::{Limit, PollError, Seen, poll};

/// Spilo looks every minute; a drill cannot wait for that.
const LIMIT: Limit = Limit {
    total: Duration::from_secs(3600),
    first_interval: Duration::from_millis(100),
    longest_interval: Duration::from_millis(100),
};

/// Waits until this node is the primary, then backs it up, with the whole environment and the env dir on top.
pub async fn run(settings: &Settings) {
    match wait_until_primary("http://127.0.0.1:8008/primary", LIMIT).await {
        Ok(()) => back_up(settings).await,
        Err(PollError::TimedOut(timeout)) => Voice::Bootstrapping.error(format_args!("failed to {timeout}")),
        Err(PollError::Failed(never)) => match never {},
    }
}

async fn wait_until_primary(url: &str, limit: Limit) -> Result<(), PollError<Infallible>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    poll("this node to become the primary", limit, async || {
        let answer = match url.parse::<Uri>() {
            Ok(uri) => client.get(uri).await.map(|answer| answer.status()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        Ok(match answer {
            Ok(StatusCode::OK) => Seen::Done(()),
            Ok(status) => Seen::NotYet(format!("Patroni answers {status}")),
            Err(error) => Seen::NotYet(error),
        })
    })
    .await
}

/// Runs the backup script with the env dir on top of this process's environment.
pub async fn back_up(settings: &Settings) {
    let mut command = Command::new("envdir");
    command.args([settings.text("WALE_ENV_DIR"), "/scripts/postgres_backup.sh", settings.text("PGDATA")]);
    run_backup(command).await;
}

/// The script prints what it does; whether it succeeded is seen in the storage.
pub async fn run_backup(mut command: Command) {
    child::tie(&mut command);
    if let Err(error) = tokio::process::Command::from(command).status().await {
        Voice::Bootstrapping.error(format_args!("failed to run the base backup: {error}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_node_is_waited_for_until_it_is_the_primary() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/primary", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
                let answer = format!("HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        wait_until_primary(&url, Limit::seconds(10)).await.unwrap();
        server.await.unwrap();
        let gone = wait_until_primary(&url, Limit { total: Duration::from_millis(50), ..LIMIT }).await;
        assert!(matches!(gone, Err(PollError::TimedOut(_))));
    }
}
