//! The base backup that the launcher takes as soon as the node is running.

use std::convert::Infallible;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::container::of_this_container;
use super::log::Voice;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::spilo::{Settings, Variables, pauses};
use crate::tie::tie;

const PRIMARY: &str = "http://127.0.0.1:8008/primary";

/// As Spilo: at once, when it cannot be the primary yet, and then every minute, for an hour.
const AS_SPILO: Limit = Limit {
    total: pauses::GIVES_FIRST_BACKUP_UP,
    first_interval: pauses::LOOKS_FOR_PRIMARY,
    longest_interval: pauses::LOOKS_FOR_PRIMARY,
};

/// A drill need not wait for that while a bootstrap usually takes.
const AT_FIRST: Limit = Limit {
    total: Duration::from_secs(120),
    first_interval: Duration::from_millis(100),
    longest_interval: Duration::from_millis(100),
};

/// Afterwards it is a replica most likely, which has nothing to do.
const LATER: Limit = Limit {
    total: pauses::GIVES_FIRST_BACKUP_UP.saturating_sub(AT_FIRST.total),
    first_interval: Duration::from_secs(5),
    longest_interval: pauses::LOOKS_FOR_PRIMARY,
};

/// Waits until this node is the primary, then backs it up, with the whole environment and the env dir on top.
///
/// Where it never is, nothing is said, as in Spilo. With `WALG_BACKUP_FROM_REPLICA` the script declines on the primary:
/// then there is no first backup at all, in Spilo neither.
pub(super) async fn run(settings: &Settings, as_spilo: bool) {
    let limits: &[Limit] = if as_spilo { &[AS_SPILO] } else { &[AT_FIRST, LATER] };
    // A minute later, when Spilo looks, one that is started on its own data has been promoted; at once it may not have been.
    let promoted = !as_spilo;
    for limit in limits.iter().copied() {
        if wait_until_primary(PRIMARY, limit, promoted).await.is_ok() {
            return run_backup(first(settings)).await;
        }
    }
}

async fn wait_until_primary(url: &str, limit: Limit, promoted: bool) -> Result<(), PollError<Infallible>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    poll("this node to become the primary", limit, async || {
        let asked = async {
            let answer = client.get(url.parse::<Uri>()?).await?;
            let status = answer.status();
            Ok::<_, tower::BoxError>((status, answer.into_body().collect().await?.to_bytes()))
        };
        Ok(match asked.await {
            Ok((StatusCode::OK, body)) if !promoted || takes_writes(&body) => Seen::Done(()),
            Ok((status, _)) => Seen::NotYet(format!("Patroni answers {status}")),
            Err(error) => Seen::NotYet(error.to_string()),
        })
    })
    .await
}

/// Patroni tells where a server writes its WAL; of one in recovery, how far it has come.
fn takes_writes(status: &[u8]) -> bool {
    let status: serde_json::Value = serde_json::from_slice(status).unwrap_or_default();
    status.pointer("/xlog/location").is_some()
}

/// The launcher's own environment is the pod's: the one place where WAL-G sees all of it.
fn first(settings: &Settings) -> Command {
    backup(settings, &of_this_container())
}

/// The backup script with these variables, the env dir on top, and nothing else.
pub(super) fn backup(settings: &Settings, variables: &Variables) -> Command {
    let mut command = Command::new("envdir");
    command.args([settings.text("WALE_ENV_DIR"), "/scripts/postgres_backup.sh", settings.text("PGDATA")]);
    command.env_clear().envs(variables.iter());
    command
}

/// The script prints what it does; whether it succeeded is seen in the storage.
pub(super) async fn run_backup(mut command: Command) {
    tie(&mut command);
    if let Err(error) = tokio::process::Command::from(command).status().await {
        Voice::Bootstrapping.error(format_args!("failed to run the base backup: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_node_is_waited_for_until_it_is_the_primary() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/primary", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for (status, body) in [
                ("503 Service Unavailable", ""),
                ("200 OK", r#"{"xlog":{"replayed_location":1}}"#),
                ("200 OK", r#"{"xlog":{"location":1}}"#),
            ] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
                let answer = format!("HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        wait_until_primary(&url, Limit::seconds(10), true).await.unwrap();
        server.await.unwrap();
        let gone =
            wait_until_primary(&url, Limit { total: Duration::from_millis(50), ..AT_FIRST }, true).await;
        assert!(matches!(gone, Err(PollError::TimedOut(_))));
    }
    #[test]
    fn the_script_gets_all_that_it_is_given_through_the_env_dir() {
        let pod: Variables = [("WALG_AZ_PREFIX", "azure://b/x"), ("AZURE_ENDPOINT_SUFFIX", "example.org")]
            .into_iter()
            .collect();
        let settings = Settings::of([("PGDATA", "/data")].into_iter().collect(), 1);
        let command = backup(&settings, &pod);
        let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
        assert_eq!(words, ["envdir", "/run/etc/wal-e.d/env", "/scripts/postgres_backup.sh", "/data"]);
        let given: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        assert_eq!(given, ["AZURE_ENDPOINT_SUFFIX", "WALG_AZ_PREFIX"]);
    }
    #[test]
    fn the_first_backup_gets_the_whole_environment_of_the_pod() {
        let command = first(&Settings::of(Variables::default(), 1));
        let given: Vec<_> = command.get_envs().filter_map(|(name, value)| Some((name, value?))).collect();
        let whole = of_this_container();
        assert!(whole.set("PATH").is_some());
        for (name, value) in whole.iter() {
            assert!(given.contains(&(name.as_ref(), value.as_ref())), "{name}");
        }
    }
}
