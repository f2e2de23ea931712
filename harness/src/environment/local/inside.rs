//! Asking the environment from inside of its namespaces.

use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use crate::environment::EnvironmentError;
use crate::environment::protocol::{self, INNER, Request, Response};
use crate::poll::within;

/// For what the environment's process does by itself: a place takes it a second or two.
pub(super) const ANSWER: Duration = Duration::from_secs(120);

pub(super) async fn ask(request: Request) -> Result<Response, EnvironmentError> {
    ask_within("the environment's answer", ANSWER, &request).await
}

pub(super) async fn ask_within(
    what: &str,
    limit: Duration,
    request: &Request,
) -> Result<Response, EnvironmentError> {
    match within(what, limit, talk(request)).await?? {
        (_, Some(Response::Failed { why })) => Err(EnvironmentError::Connection(why)),
        (_, Some(response)) => Ok(response),
        (_, None) => Err(unexpected(None)),
    }
}

/// Whoever is no longer interested closes the connection, and the environment stops what it does for it.
pub(super) async fn talk(
    request: &Request,
) -> Result<(BufReader<UnixStream>, Option<Response>), EnvironmentError> {
    let mut stream = BufReader::new(UnixStream::connect(INNER).await.map_err(connection)?);
    protocol::write(&mut stream, request).await?;
    let response = protocol::read(&mut stream).await?;
    Ok((stream, response))
}

/// Whether this host name of a storage account resolves for pods of a place's namespace from now on.
pub(super) async fn set_host(namespace: &str, host: &str, resolves: bool) -> Result<(), EnvironmentError> {
    let request = Request::SetHost { namespace: namespace.to_owned(), host: host.to_owned(), resolves };
    ask(request).await.map(drop)
}

/// For what is answered with a number.
pub(super) async fn count(request: Request) -> Result<u64, EnvironmentError> {
    match ask(request).await? {
        Response::Count { count } => Ok(count),
        other => Err(unexpected(Some(other))),
    }
}

pub(super) fn unexpected(response: Option<Response>) -> EnvironmentError {
    EnvironmentError::Connection(match response {
        Some(Response::Failed { why }) => why,
        Some(_) => "it answered something else".to_owned(),
        None => "it has gone".to_owned(),
    })
}

fn connection(error: std::io::Error) -> EnvironmentError {
    EnvironmentError::Connection(format!("connect to {INNER}: {error}"))
}
