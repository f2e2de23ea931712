//! What leads elsewhere or is not trusted, and changes that are done twice or late.

use std::time::Duration;

use super::*;
use crate::secret::Secret;
use crate::storage::{Account, Blobs};

fn rule(about: Selection, act: Act) -> Rule {
    Rule { name: "r".to_owned(), about, often: Often::Always, act }
}

fn about(account: &str) -> Selection {
    Selection { accounts: Accounts::One(account.to_owned()), ..Selection::default() }
}

fn writes() -> Selection {
    let operations = [Operation::WriteBlob, Operation::WriteBlock, Operation::CommitBlocks].into();
    Selection { operations, ..Selection::default() }
}

/// Why a client that trusts the authority does not take the connection.
async fn refused(authority: &Authority, address: SocketAddr, host: &'static str) -> Option<String> {
    handshake(authority, address, host).await.err().map(|error| error.to_string())
}

#[tokio::test]
async fn a_wrong_certificate_is_shown_to_those_it_is_for_and_only_while_its_rule_acts() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let other = "clonebackups.blob.core.windows.net";
    for (wrong, says) in [
        (WrongCertificate::Expired, "expired"),
        (WrongCertificate::OfAnotherName, "not valid for name"),
        (WrongCertificate::OfAnUnknownAuthority, "BadSignature"),
    ] {
        let id = gateway.add_rule(rule(about("prodbackups"), Act::Certificate(wrong))).unwrap();
        let why = refused(&authority, gateway.address(), HOST_NAME).await.unwrap();
        assert!(why.contains(says), "{wrong:?}: {why}");
        assert_eq!(refused(&authority, gateway.address(), other).await, None);
        let state = gateway.end_rule(id).unwrap();
        assert_eq!((state.matched, state.hits), (1, 1), "{wrong:?}");
        assert_eq!(refused(&authority, gateway.address(), HOST_NAME).await, None);
    }
    let written = async || {
        let refusals: Vec<Access> =
            gateway.records().into_iter().filter(Access::refuses_certificate).collect();
        Ok::<_, std::convert::Infallible>(if refusals.len() == 3 {
            Seen::Done(refusals)
        } else {
            Seen::NotYet(format!("{refusals:?}"))
        })
    };
    // No request tells of them.
    let refusals = poll("the refusals", Limit::seconds(5), written).await.unwrap();
    assert_eq!((refusals[0].account.as_str(), refusals[0].rule.as_deref()), ("prodbackups", Some("r")));
    let why = gateway.add_rule(rule(writes(), Act::Certificate(WrongCertificate::Expired))).unwrap_err();
    assert!(why.to_string().contains("before anything is asked for"), "{why}");
}

#[tokio::test]
async fn a_name_that_leads_to_another_account_is_asked_for_there() {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let leads = Act::LeadTo { account: "clonebackups".to_owned() };
    gateway.add_rule(rule(about("prodbackups"), leads)).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    sender.send_request(request(Method::GET, HOST_NAME, "/backups/x", whole(""))).await.unwrap();
    assert_eq!(asked.recv().await.unwrap().2, "clonebackups.blob.core.windows.net");
    assert_eq!(gateway.records()[0].account, "prodbackups", "that is what was asked for");
}

/// How often the upstream heard of a write, at once and in the end.
async fn written(act: Act, path: &str) -> (StatusCode, usize, usize) {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let id = gateway.add_rule(rule(writes(), act)).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let answer = sender.send_request(request(Method::PUT, HOST_NAME, path, whole("12345"))).await.unwrap();
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    let heard =
        |asked: &mut mpsc::UnboundedReceiver<Asked>| std::iter::from_fn(|| asked.try_recv().ok()).count();
    let at_once = heard(&mut asked);
    gateway.end_rule(id).unwrap();
    let probe = async || {
        let Requests { accesses, at_rest } = gateway.requests();
        Ok::<_, std::convert::Infallible>(if at_rest {
            Seen::Done(accesses)
        } else {
            Seen::NotYet("no".to_owned())
        })
    };
    let records = poll("the write", Limit::seconds(5), probe).await.unwrap();
    assert_eq!(records.len(), 1);
    (status, at_once, at_once + heard(&mut asked))
}

#[tokio::test]
async fn a_change_is_done_twice_or_after_it_was_answered() {
    assert_eq!(written(Act::Twice, "/backups/x").await, (StatusCode::OK, 2, 2));
    let late = || Act::Late { milliseconds: 600_000 };
    assert_eq!(written(late(), "/backups/x").await, (StatusCode::CREATED, 0, 1));
    // Nobody sees a block before it is committed.
    let block = "/backups/x?comp=block&blockid=QUJD";
    assert_eq!(written(late(), block).await, (StatusCode::OK, 1, 1));
    for act in [Act::Twice, late()] {
        let why = rule(Selection::default(), act).check().unwrap_err().to_string();
        assert!(why.contains("has to name operations"), "{why}");
    }
}

#[tokio::test]
async fn a_blob_that_was_changed_comes_as_it_was() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let were = [("x".to_owned(), b"before".to_vec()), ("y".to_owned(), b"same".to_vec())].into();
    let read = Selection { operations: [Operation::ReadBlob].into(), ..Selection::default() };
    let id = gateway.add_rule(rule(read, Act::Change(Change::Older { were }))).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    // The upstream answers with what it is sent.
    for (path, now, comes) in
        [("/backups/x", "after", "before"), ("/backups/y", "same", "same"), ("/backups/z", "new", "new")]
    {
        let answer = sender.send_request(request(Method::GET, HOST_NAME, path, whole(now))).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), comes, "{path}");
    }
    let state = gateway.end_rule(id).unwrap();
    assert_eq!((state.matched, state.hits), (3, 1));
}

/// The head of what a client that knows the account's key sends, as Azure's own library for Rust signs it.
async fn signed_by(account: &Account) -> Vec<hyper::http::request::Parts> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, mut receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heads = heads.clone();
            let service = service_fn(move |request: HttpRequest<Incoming>| {
                heads.send(request.into_parts().0).unwrap();
                async { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::new()))) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let blobs = Blobs::new(account, address);
    let _ = blobs.containers().await;
    let _ = blobs.read("backups", "a b/ä+c").await;
    let _ = blobs.delete("backups", "x").await;
    let mut all = Vec::new();
    while let Ok(head) = tokio::time::timeout(Duration::from_millis(200), receiver.recv()).await {
        all.push(head.unwrap());
    }
    all
}

#[tokio::test]
async fn a_rule_knows_which_key_a_request_is_signed_with() {
    let account = Account::new("prodbackups");
    let heads = signed_by(&account).await;
    assert!(heads.len() >= 3, "{} requests", heads.len());
    for head in &heads {
        // Azurite's own form of addresses has the account in the path, too.
        let signed = signature::Signed::by(head);
        assert!(signed.with("prodbackups", &account.key), "{} {}", head.method, head.uri);
        assert!(!signed.with("prodbackups", &account.other_key) && !signed.with("other", &account.key));
    }
    let uri = "/backups/x?sp=rl&sig=c2lnbmF0dXJl";
    let token = HttpRequest::builder().uri(uri).body(()).unwrap().into_parts().0;
    assert!(signature::Signed::by(&token).with("prodbackups", &account.key), "a token goes with its key");
    let about = Selection { signed_with: Some(account.key.clone()), ..Selection::default() };
    let kept = serde_json::to_string(&rule(about.clone(), Act::Hang)).unwrap();
    assert_eq!(serde_json::from_str::<Rule>(&kept).unwrap().about, about);
    assert!(!format!("{about:?}").contains(account.key.reveal()));
    let _: &Option<Secret> = &about.signed_with;
}
