//! How the storage gateway of an environment that is kept up is told to break something: by whoever has entered the environment,
//! through a file of the sandbox's tmpfs, which no pod sees.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};

use super::sandbox::STATE;
use crate::environment::EnvironmentError;
use crate::environment::protocol::{read, write};
use crate::poll::{Limit, Retry, TimedOut, within};
use crate::storage::{Gateway, Rule, RuleId, RuleState};

/// The gateway answers by itself.
const ANSWER: Duration = Duration::from_secs(20);
/// How long no connection at all may be acceptable.
const ACCEPT: Limit = Limit::seconds(30);

/// What is asked of the gateway, one a connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    Begin(Box<Rule>),
    End(RuleId),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Begun(RuleId),
    Ended(Box<RuleState>),
    Refused(String),
}

/// Answers whoever comes. Comes back only when no connection can be accepted.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(gateway: Arc<Gateway>) -> Result<TimedOut, EnvironmentError> {
    let listener = UnixListener::bind(socket()).map_err(connection)?;
    let mut retry = Retry::new("a connection to the gateway's rules", ACCEPT);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                retry.succeeded();
                let gateway = gateway.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &gateway).await {
                        tracing::debug!(%error, "an answer about the gateway's rules did not arrive");
                    }
                });
            }
            Err(error) => {
                if let Err(late) = retry.failed(error.to_string()).await {
                    return Ok(late);
                }
            }
        }
    }
}

async fn answer(stream: UnixStream, gateway: &Gateway) -> Result<(), EnvironmentError> {
    let mut stream = BufReader::new(stream);
    let answer = match read(&mut stream).await? {
        None => return Ok(()),
        Some(Ask::Begin(rule)) => gateway.add_rule(*rule).map(Answer::Begun),
        Some(Ask::End(id)) => gateway.end_rule(id).map(|state| Answer::Ended(Box::new(state))),
    };
    write(&mut stream, &answer.unwrap_or_else(|error| Answer::Refused(error.to_string()))).await
}

/// From now on the gateway of the entered environment has this rule, before all that were added earlier.
///
/// # Errors
/// When the rule could never act as it says, or there is no such gateway.
pub async fn begin(rule: Rule) -> Result<RuleId, EnvironmentError> {
    match ask(&Ask::Begin(Box::new(rule))).await? {
        Answer::Begun(id) => Ok(id),
        other => Err(unexpected(other)),
    }
}

/// Ends a rule of the entered environment's gateway; gives what became of it.
///
/// # Errors
/// When no such rule acts, or there is no such gateway.
pub async fn end(id: RuleId) -> Result<RuleState, EnvironmentError> {
    match ask(&Ask::End(id)).await? {
        Answer::Ended(state) => Ok(*state),
        other => Err(unexpected(other)),
    }
}

async fn ask(ask: &Ask) -> Result<Answer, EnvironmentError> {
    let answered = within("the gateway's answer", ANSWER, async {
        let mut stream = BufReader::new(UnixStream::connect(socket()).await.map_err(connection)?);
        write(&mut stream, ask).await?;
        read(&mut stream).await
    });
    answered.await??.ok_or_else(|| EnvironmentError::Connection("the gateway has gone".to_owned()))
}

fn unexpected(answer: Answer) -> EnvironmentError {
    EnvironmentError::Connection(match answer {
        Answer::Refused(why) => why,
        Answer::Begun(_) | Answer::Ended(_) => "the gateway answered something else".to_owned(),
    })
}

fn socket() -> PathBuf {
    Path::new(STATE).join("world/rules")
}

fn connection(error: std::io::Error) -> EnvironmentError {
    EnvironmentError::Connection(format!("reach the gateway's rules: {error}"))
}
