//! What is in the storage account, asked of the storage itself: by a process inside of the environment.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, ExitCode, Stdio};

use clonedrill::environment::local::enter;
use clonedrill::environment::shared;
use clonedrill::secret::Secret;
use clonedrill::storage::{Account, BlobKind, Blobs, StoredBlob};
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::Api;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, ORDERS, World};

/// The first argument of that process.
pub(crate) const INSIDE: &str = "blobs-inside";

impl World {
    /// By account.
    pub(crate) fn keys(&self) -> BTreeMap<String, String> {
        let secrets: Api<KubeSecret> = Api::namespaced(self.client.clone(), ORDERS);
        let keys = self.runtime.block_on(secrets.get("storage-accounts")).unwrap();
        let text = |(name, key): (String, k8s_openapi::ByteString)| (name, String::from_utf8(key.0).unwrap());
        keys.data.unwrap().into_iter().map(text).collect()
    }

    pub(crate) fn key(&self) -> String {
        self.keys().remove(ACCOUNT).unwrap()
    }

    /// What the process inside answers that has this first argument.
    pub(crate) fn asks_inside<T: DeserializeOwned>(&self, argument: &str, wanted: &impl Serialize) -> T {
        let mut inside = Command::new(std::env::current_exe().unwrap())
            .args([argument, self.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        inside.stdin.take().unwrap().write_all(&serde_json::to_vec(wanted).unwrap()).unwrap();
        let output = inside.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Every blob, as `container/name`.
    pub(crate) fn blobs(&self) -> Vec<String> {
        let blobs: Vec<StoredBlob> = self.at_the_storage(&[]);
        blobs.into_iter().map(|blob| format!("{}/{}", blob.container, blob.name)).collect()
    }

    /// Does these to the container `backups`, one after the other; gives all blobs as they are then.
    pub(crate) fn at_the_storage(&self, todo: &[Do]) -> Vec<StoredBlob> {
        let wanted = json!({ "address": azurite(self.name()), "key": self.key(), "todo": todo });
        self.asks_inside(INSIDE, &wanted)
    }
}

/// What is done to blobs. A name is that of the first blob, in their order, that begins so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Do {
    /// All blobs below a folder into another one, but those whose names hold one of these.
    Copy {
        from: String,
        to: String,
        but: Vec<String>,
    },
    Delete(String),
    /// Some bytes in its middle have other bits.
    Flip(String),
    /// Its second half is gone.
    Cut(String),
    Empty(String),
    /// Another text in place of this one, in all below a folder whose names end so.
    Reword {
        below: String,
        end: String,
        from: String,
        to: String,
    },
    /// The content of one in the place of another.
    Put {
        from: String,
        to: String,
    },
}

const CONTAINER: &str = "backups";

impl Do {
    async fn done(&self, blobs: &Blobs) {
        let all = blobs.list().await.unwrap();
        let named = |begin: &str| -> String {
            let found = all.iter().find(|blob| blob.name.starts_with(begin));
            found.unwrap_or_else(|| panic!("no blob begins with {begin}: {all:#?}")).name.clone()
        };
        let read = async |name: &str| blobs.read(CONTAINER, name).await.unwrap();
        let write = async |name: &str, content: Vec<u8>| {
            blobs.write(CONTAINER, name, content, &BlobKind::default()).await.unwrap();
        };
        match self {
            Do::Copy { from, to, but } => {
                for blob in all.iter().filter(|blob| !but.iter().any(|part| blob.name.contains(part))) {
                    if let Some(rest) = blob.name.strip_prefix(from) {
                        write(&format!("{to}{rest}"), read(&blob.name).await).await;
                    }
                }
            }
            Do::Delete(name) => blobs.delete(CONTAINER, &named(name)).await.unwrap(),
            Do::Flip(name) => {
                let name = named(name);
                let mut content = read(&name).await;
                let middle = content.len() / 2;
                content[middle..].iter_mut().take(64).for_each(|byte| *byte ^= 0x55);
                write(&name, content).await;
            }
            Do::Cut(name) => {
                let name = named(name);
                let mut content = read(&name).await;
                content.truncate(content.len() / 2);
                write(&name, content).await;
            }
            Do::Empty(name) => write(&named(name), Vec::new()).await,
            Do::Reword { below, end, from, to } => {
                let theirs =
                    all.iter().filter(|blob| blob.name.starts_with(below) && blob.name.ends_with(end));
                for blob in theirs {
                    let text = String::from_utf8(read(&blob.name).await).unwrap();
                    write(&blob.name, text.replace(from, to).into_bytes()).await;
                }
            }
            Do::Put { from, to } => write(&named(to), read(&named(from)).await).await,
        }
    }
}

pub(crate) fn inside(environment: &str) -> ExitCode {
    let wanted: Value = serde_json::from_reader(std::io::stdin()).unwrap();
    enter(environment).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = Secret::new(wanted["key"].as_str().unwrap().to_owned());
    let account = Account { key, ..Account::new(ACCOUNT) };
    let address = wanted["address"].as_str().unwrap().parse().unwrap();
    let blobs = Blobs::new(&account, address);
    let todo: Vec<Do> = serde_json::from_value(wanted["todo"].clone()).unwrap();
    let blobs = runtime.block_on(async {
        for one in todo {
            one.done(&blobs).await;
        }
        blobs.list().await.unwrap()
    });
    println!("{}", serde_json::to_string(&blobs).unwrap());
    ExitCode::SUCCESS
}

/// Where it listens, which its command line says. It is below nobody who is still there, but in the environment's network.
pub(crate) fn azurite(environment: &str) -> SocketAddr {
    let network = |id: i32| std::fs::read_link(format!("/proc/{id}/ns/net")).ok();
    let here = network(shared::outermost(environment).unwrap());
    let ids = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut lines = ids.filter(|id| network(*id) == here).filter_map(|id| {
        let line = String::from_utf8(std::fs::read(format!("/proc/{id}/cmdline")).ok()?).ok()?;
        line.contains("--blobHost").then(|| line.split('\0').map(str::to_owned).collect::<Vec<_>>())
    });
    let arguments = lines.next().unwrap();
    let after = |name: &str| arguments.iter().skip_while(|word| *word != name).nth(1).unwrap().clone();
    format!("{}:{}", after("--blobHost"), after("--blobPort")).parse().unwrap()
}
