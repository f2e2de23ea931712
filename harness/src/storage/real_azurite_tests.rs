//! The real Azurite, where the toolchain has all programs already; without them these tests tell so and end.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::poll::{Limit, Seen, poll};
use crate::toolchain::{AzuriteTool, ready};

fn tool() -> Option<AzuriteTool> {
    ready().map(|tools| tools.azurite)
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

async fn start(tool: &AzuriteTool, accounts: &[Account], folder: &Path) -> Azurite {
    Azurite::start(tool, Ipv4Addr::LOCALHOST, free_port(), accounts, folder, None).await.unwrap()
}

#[tokio::test]
async fn a_copied_account_holds_the_same_blobs() {
    let Some(tool) = tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let accounts = [Account::new("prodbackups"), Account::new("clonebackups")];
    let azurite = start(&tool, &accounts, folder.path()).await;
    let [from, to] = accounts.each_ref().map(|account| Blobs::new(account, azurite.address()));
    // More than one piece, and a last piece that is not full.
    let big = "0123456789".repeat(900_001);
    let kind = BlobKind {
        content_type: "application/x-lz4".to_owned(),
        content_encoding: Some("identity".to_owned()),
        metadata: BTreeMap::from([("lsn".to_owned(), "0/3000028".to_owned())]),
    };
    from.make_container("backups").await.unwrap();
    for (name, content) in [("a/b c+d/ä.lz4", "hello".to_owned()), ("empty", String::new()), ("big", big)] {
        from.write("backups", name, content, &kind).await.unwrap();
    }
    let mut seen = Vec::new();
    let copied = from.copy_account(&to, |progress| seen.push(progress)).await.unwrap();
    assert_eq!((copied.blobs_done, copied.blobs_in_all, copied.bytes_done), (3, 3, 9_000_015));
    assert_eq!(seen.last(), Some(&copied));
    for blob in from.list().await.unwrap() {
        assert_eq!(to.kind("backups", &blob.name).await.unwrap(), kind, "{}", blob.name);
        let (left, right) = (from.read("backups", &blob.name).await, to.read("backups", &blob.name).await);
        assert!(left.unwrap() == right.unwrap(), "{} differs", blob.name);
    }
    let again = from.copy_account(&to, |_| {}).await.unwrap();
    assert_eq!(again.blobs_in_all, 0, "nothing has changed since");
    from.write("backups", "empty", "no longer", &kind).await.unwrap();
    let again = from.copy_account(&to, |_| {}).await.unwrap();
    assert_eq!(again.blobs_in_all, 1, "one has");
    to.delete("backups", "big").await.unwrap();
    assert!(!to.exists("backups", "big").await.unwrap());
    assert!(from.exists("backups", "big").await.unwrap());
    assert_eq!(to.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_of_another_drill_opens_nothing() {
    let Some(tool) = tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let azurite = start(&tool, &[Account::new("prodbackups")], folder.path()).await;
    let error = Blobs::new(&Account::new("prodbackups"), azurite.address()).list().await.unwrap_err();
    assert!(error.to_string().contains("403"), "{error}");
}

#[tokio::test]
async fn an_azurite_whose_port_is_taken_says_so() {
    let Some(tool) = tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let accounts = [Account::new("prodbackups")];
    let started = Azurite::start(&tool, Ipv4Addr::LOCALHOST, port, &accounts, folder.path(), None).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("EADDRINUSE"), "{error}");
}

#[tokio::test]
async fn an_azurite_that_dies_later_is_noticed() {
    let Some(tool) = tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let azurite = start(&tool, &[Account::new("prodbackups")], folder.path()).await;
    assert_eq!(azurite.failed(), None);
    let process = Pid::from_raw(azurite.process().unwrap().try_into().unwrap());
    kill(process, Signal::SIGKILL).unwrap();
    let probe = async || match azurite.failed() {
        Some(failure) => Ok::<_, std::convert::Infallible>(Seen::Done(failure)),
        None => Ok(Seen::NotYet("it runs".to_owned())),
    };
    let failure = poll("Azurite's end", Limit::seconds(5), probe).await.unwrap();
    assert!(failure.contains("SIGKILL"), "{failure}");
}
