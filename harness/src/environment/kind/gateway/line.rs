//! What a drill and its gateway's pod say to each other.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use crate::environment::EnvironmentError;
use crate::environment::protocol::{read, write};
use crate::poll::{Limit, Patience, within};
use crate::storage::{Asker, Requests, Rule, RuleId, RuleState, WhoIs};

const ANSWER: Duration = Duration::from_secs(60);

/// What a drill asks its gateway, one request a connection.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(super) enum Ask {
    Requests,
    /// Whether a name resolves in this pod.
    Resolve {
        host: String,
    },
    AddRule {
        rule: Box<Rule>,
    },
    EndRule {
        id: RuleId,
    },
    Rules,
    /// The addresses that a rule waits to know the pods of; answered when there are some.
    Unnamed,
    /// Whose some addresses are.
    Name {
        named: Vec<(IpAddr, Asker)>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(super) enum Answer {
    Requests {
        requests: Requests,
    },
    Resolved {
        addresses: Vec<IpAddr>,
    },
    Added {
        id: RuleId,
    },
    Ended {
        state: Box<RuleState>,
    },
    Rules {
        rules: Vec<RuleState>,
    },
    Unnamed {
        addresses: Vec<IpAddr>,
    },
    Named,
    /// What was asked cannot be done.
    Refused {
        why: String,
    },
}

/// The way to the gateway's pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) address: SocketAddr,
}

impl Line {
    pub(super) async fn ask(self, ask: &Ask) -> Result<Answer, EnvironmentError> {
        let asked = async {
            let connected = TcpStream::connect(self.address).await;
            let connected = connected.map_err(|error| EnvironmentError::Connection(error.to_string()))?;
            let mut stream = BufReader::new(connected);
            write(&mut stream, ask).await?;
            read(&mut stream).await
        };
        let silent =
            || EnvironmentError::Connection("ask the storage gateway: it has not answered".to_owned());
        within("the storage gateway's answer", ANSWER, asked).await??.ok_or_else(silent)
    }

    /// Tells the pod whose the addresses are that a rule waits for. One that nobody knows yet is asked for again.
    pub(super) async fn name_for_ever(self, who_is: WhoIs) {
        loop {
            if let Err(error) = self.name_once(&who_is).await {
                tracing::warn!(%error, "the storage gateway does not know whose pod asks");
                let mut patience = Patience::new("the storage gateway", Limit::seconds(1));
                let _ = patience.pause(error.to_string()).await;
            }
        }
    }

    async fn name_once(self, who_is: &WhoIs) -> Result<(), EnvironmentError> {
        let addresses = match self.ask(&Ask::Unnamed).await? {
            Answer::Unnamed { addresses } => addresses,
            other => return Err(unexpected(&other)),
        };
        let named = addresses.into_iter().map(|address| (address, who_is(address))).collect();
        match self.ask(&Ask::Name { named }).await? {
            Answer::Named => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

pub(super) fn unexpected(answer: &Answer) -> EnvironmentError {
    EnvironmentError::Connection(match answer {
        Answer::Refused { why } => why.clone(),
        _ => "ask the storage gateway: it answered something else".to_owned(),
    })
}
