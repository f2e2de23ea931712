//! Copies of the source's archive in accounts of their own, and what scenarios break in them: done by a process inside of the
//! environment, which alone reaches the storage and its gateway.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

use clonedrill::drill::broken::{damaged, rule};
use clonedrill::environment::local::{enter, rules};
use clonedrill::scenario::{BlobsFault, RequestsFault};
use clonedrill::secret::Secret;
use clonedrill::storage::{Account, Blobs, RuleId, RuleState};
use serde::{Deserialize, Serialize};

use crate::blobs::azurite;
use crate::world::{ACCOUNT, World};

/// The first argument of that process.
pub(crate) const INSIDE: &str = "accounts-inside";

/// What is to be done, one after the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// What the source's account has and these have not, blob by blob.
    Copy { to: Vec<String> },
    /// Blobs of an account are damaged.
    Damage { account: String, fault: BlobsFault },
    /// From now on requests to an account are met.
    Begin { account: String, fault: RequestsFault },
    /// No more.
    End { rule: RuleId },
}

/// What came of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Done {
    Copied,
    Damaged(Vec<String>),
    Begun(RuleId),
    Ended(Box<RuleState>),
    Failed(String),
}

#[derive(Serialize, Deserialize)]
struct Wanted {
    address: SocketAddr,
    keys: BTreeMap<String, String>,
    tasks: Vec<Task>,
}

impl World {
    /// One answer for each.
    pub(crate) fn in_accounts(&self, tasks: Vec<Task>) -> Vec<Done> {
        let wanted = Wanted { address: azurite(self.name()), keys: self.keys(), tasks };
        self.asks_inside(INSIDE, &wanted)
    }
}

pub(crate) fn inside(environment: &str) -> ExitCode {
    let wanted: Wanted = serde_json::from_reader(std::io::stdin()).unwrap();
    enter(environment).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async {
        let mut done = Vec::new();
        for task in &wanted.tasks {
            done.push(task.done(&wanted).await);
        }
        done
    });
    println!("{}", serde_json::to_string(&done).unwrap());
    ExitCode::SUCCESS
}

impl Task {
    async fn done(&self, wanted: &Wanted) -> Done {
        let account =
            |name: &str| Account { key: Secret::new(wanted.keys[name].clone()), ..Account::new(name) };
        let blobs = |name: &str| Blobs::new(&account(name), wanted.address);
        match self {
            Task::Copy { to } => {
                for copy in to {
                    blobs(ACCOUNT).copy_account(&blobs(copy), |_| {}).await.unwrap();
                }
                Done::Copied
            }
            Task::Damage { account, fault } => match damaged("damage", fault, &blobs(account)).await {
                Ok(names) => Done::Damaged(names),
                Err(error) => Done::Failed(error.to_string()),
            },
            Task::Begin { account: name, fault } => {
                let rule = rule("disturbance", fault, &account(name), &blobs(name)).await;
                match rules::begin(rule.unwrap()).await {
                    Ok(id) => Done::Begun(id),
                    Err(error) => Done::Failed(error.to_string()),
                }
            }
            Task::End { rule } => match rules::end(*rule).await {
                Ok(state) => Done::Ended(Box::new(state)),
                Err(error) => Done::Failed(error.to_string()),
            },
        }
    }
}
