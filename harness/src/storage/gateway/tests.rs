//! The gateway through its front door, with an upstream of the test's own that says what it got.

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use hyper::{HeaderMap, Method, Request as HttpRequest, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::mpsc;

use super::*;
use crate::poll::{Limit, Seen, poll};

mod places;

/// What the upstream was asked: method, path with query, host, authorization.
type Asked = (Method, String, String, String);

/// An HTTP server that tells what it was asked and answers with the request's body, as far as it has come.
async fn upstream() -> (SocketAddr, mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = asked.clone();
            let service = service_fn(move |request: HttpRequest<Incoming>| {
                let header = |name| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
                let path = request.uri().path_and_query().unwrap().to_string();
                let (host, authorization) = (header(HOST), header(AUTHORIZATION));
                let method = request.method().clone();
                asked.send((method, path, host.unwrap(), authorization.unwrap_or_default())).unwrap();
                let missing = request.uri().path().ends_with("missing");
                async move {
                    let mut response = Response::new(request.into_body());
                    if missing {
                        *response.status_mut() = StatusCode::NOT_FOUND;
                        response.headers_mut().insert("x-ms-error-code", "BlobNotFound".parse().unwrap());
                    }
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, receiver)
}

async fn gateway(authority: &Authority, upstream: SocketAddr) -> Gateway {
    let settings = GatewaySettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        upstream,
        authority,
        accounts: BTreeSet::from(["prodbackups".to_owned()]),
        who_is: Arc::new(|address| match address.to_string().as_str() {
            "127.0.0.1" => Who::Cluster("source".to_owned()).into(),
            _ => Asker::unknown(),
        }),
    };
    Gateway::start(settings).await.unwrap()
}

type TestBody = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

fn whole(text: &'static str) -> TestBody {
    Full::new(Bytes::from(text)).boxed()
}

/// As a client that trusts the authority, and nobody else.
async fn handshake(
    authority: &Authority,
    address: SocketAddr,
    host: &'static str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(host.try_into().unwrap(), stream).await
}

async fn connect(
    authority: &Authority,
    address: SocketAddr,
    host: &'static str,
) -> client::SendRequest<TestBody> {
    let stream = handshake(authority, address, host).await.unwrap();
    let (sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: Method, host: &str, path: &str, body: TestBody) -> HttpRequest<TestBody> {
    let signed = HttpRequest::builder().method(method).uri(path).header(HOST, host);
    signed.header(AUTHORIZATION, "SharedKey prodbackups:c2lnbmF0dXJl").body(body).unwrap()
}

const HOST_NAME: &str = "prodbackups.blob.core.windows.net";

#[tokio::test]
async fn what_is_signed_arrives_unchanged() {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let path = "/backups/a%20b/%C3%A4+c?comp=block&blockid=QUJD%3D&sig=a%2Fb";
    let answer = sender.send_request(request(Method::PUT, HOST_NAME, path, whole("content"))).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "content");
    let expected =
        (Method::PUT, path.to_owned(), HOST_NAME.to_owned(), "SharedKey prodbackups:c2lnbmF0dXJl".to_owned());
    assert_eq!(asked.recv().await.unwrap(), expected);
}

#[tokio::test]
async fn requests_are_recorded_without_their_signatures() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    for (method, path) in
        [(Method::PUT, "/backups/there?sig=topsecret"), (Method::GET, "/backups/missing?sig=topsecret")]
    {
        let answer = sender.send_request(request(method, HOST_NAME, path, whole("12345"))).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    let records = gateway.stop().await;
    let seen: Vec<_> = records
        .iter()
        .map(|access| {
            let code = access.error_code.as_deref();
            (
                access.operation,
                access.blob.as_deref().unwrap(),
                access.status,
                code,
                access.bytes_in,
                access.bytes_out,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Operation::WriteBlob, "there", Some(200), None, 5, 5),
            (Operation::ReadBlob, "missing", Some(404), Some("BlobNotFound"), 5, 5),
        ]
    );
    assert_eq!(records[0].who, Who::Cluster("source".to_owned()));
    assert_eq!(records[0].account, "prodbackups");
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains("topsecret") && !text.contains("c2lnbmF0dXJl"), "{text}");
}

#[tokio::test]
async fn a_body_flows_before_it_is_whole() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let (pieces, receiver) = mpsc::unbounded_channel();
    let frames = futures::stream::unfold(receiver, |mut receiver| async move {
        let piece: &'static str = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from(piece))), receiver))
    });
    pieces.send("first").unwrap();
    let mut put = request(Method::PUT, HOST_NAME, "/backups/big", StreamBody::new(frames).boxed());
    put.headers_mut().insert(CONTENT_LENGTH, 11.into());
    let mut body = sender.send_request(put).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    assert_eq!(gateway.records()[0].bytes_in, 5);
    assert!(!gateway.requests().at_rest);
    pieces.send("second").unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "second");
}

#[tokio::test]
async fn records_are_at_rest_once_every_answer_was_given() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let get = request(Method::GET, HOST_NAME, "/backups/x", whole("12345"));
    sender.send_request(get).await.unwrap().into_body().collect().await.unwrap();
    let probe = async || {
        Ok::<_, std::convert::Infallible>(match gateway.requests() {
            Requests { accesses, at_rest: true } => Seen::Done(accesses),
            Requests { .. } => Seen::NotYet("a request is going on".to_owned()),
        })
    };
    let records = poll("the answer", Limit::seconds(2), probe).await.unwrap();
    assert_eq!((records.len(), records[0].status), (1, Some(200)));
}

#[tokio::test]
async fn a_copy_reads_from_its_source() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let mut copy = request(Method::PUT, HOST_NAME, "/backups/copy", whole(""));
    let source = "https://prodnorth.blob.core.windows.net/backups/there?sig=topsecret".parse().unwrap();
    copy.headers_mut().insert("x-ms-copy-source", source);
    sender.send_request(copy).await.unwrap();
    let seen = gateway.stop().await;
    assert!(!serde_json::to_string(&seen).unwrap().contains("topsecret"));
    let seen: Vec<_> =
        seen.iter().map(|access| (access.account.as_str(), access.operation, access.status)).collect();
    let expected =
        [("prodbackups", Operation::CopyBlob, Some(200)), ("prodnorth", Operation::ReadBlob, Some(200))];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_account_that_is_not_there_is_refused_and_recorded_but_never_forwarded() {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let host = "prodbackup.blob.core.windows.net";
    let mut sender = connect(&authority, gateway.address(), host).await;
    let list = request(Method::GET, host, "/backups?restype=container&comp=list", whole(""));
    let answer = sender.send_request(list).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let records = gateway.stop().await;
    assert_eq!((records[0].account.as_str(), records[0].status), ("prodbackup", Some(404)));
    assert_eq!(records[0].error_code.as_deref(), Some("AccountNotFound"));
    assert_eq!(records[0].rule.as_deref(), Some("no such account"));
    asked.try_recv().unwrap_err();
}

#[tokio::test]
async fn a_storage_that_gives_no_answer_is_a_bad_gateway() {
    let authority = Authority::new().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = gateway(&authority, nobody).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let answer = sender.send_request(request(Method::GET, HOST_NAME, "/backups/x", whole(""))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.records()[0].status, Some(502));
}

#[tokio::test]
async fn a_gateway_that_stopped_takes_no_more_connections() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let _idle = connect(&authority, gateway.address(), HOST_NAME).await;
    gateway.stop().await;
    let probe = async || match TcpStream::connect(gateway.address()).await {
        Err(error) => Ok::<_, std::convert::Infallible>(Seen::Done(error)),
        Ok(_) => Ok(Seen::NotYet("a connection".to_owned())),
    };
    poll("the closed port", Limit::seconds(2), probe).await.unwrap();
}

/// A gateway with one rule about everything, asked once; the rule's state, and what the upstream was asked.
async fn with_rule(
    act: Act,
    wanted: HttpRequest<TestBody>,
) -> (Result<(StatusCode, HeaderMap, Result<Bytes, hyper::Error>), hyper::Error>, RuleState, usize) {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let about = Selection {
        operations: [Operation::ReadBlob, Operation::WriteBlob, Operation::DeleteBlob].into(),
        ..Selection::default()
    };
    let about = if act == Act::Swallow {
        Selection { operations: [Operation::WriteBlob].into(), ..about }
    } else {
        about
    };
    let id = gateway.add_rule(Rule { name: "fault".to_owned(), about, often: Often::Always, act }).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let seen = match sender.send_request(wanted).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            Ok((head.status, head.headers, body.collect().await.map(|body| body.to_bytes())))
        }
        Err(error) => Err(error),
    };
    let state = gateway.end_rule(id).unwrap();
    let shown = gateway.records()[0].rule.clone();
    assert_eq!(shown.is_some(), state.hits > 0, "the record shows who decided: {shown:?}");
    let mut count = 0;
    while asked.try_recv().is_ok() {
        count += 1;
    }
    (seen, state, count)
}

/// The connection ended before an answer did; TLS says so in its own words.
fn closed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    let kind = source.map(std::io::Error::kind);
    error.is_incomplete_message()
        || matches!(kind, Some(std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset))
}

fn header(value: &'static str) -> hyper::header::HeaderValue {
    hyper::header::HeaderValue::from_static(value)
}

/// The upstream answers with what it got.
fn reading(content: &'static str) -> HttpRequest<TestBody> {
    request(Method::GET, HOST_NAME, "/backups/x", whole(content))
}

#[tokio::test]
async fn a_rule_answers_as_azure_does() {
    let busy = Answer {
        status: 503,
        code: "ServerBusy".to_owned(),
        message: "The server is busy.".to_owned(),
        headers: [("Retry-After".to_owned(), "3".to_owned())].into(),
    };
    let (seen, state, asked) = with_rule(Act::Answer(busy), reading("")).await;
    let (status, headers, body) = seen.unwrap();
    assert_eq!((status, asked, state.hits), (StatusCode::SERVICE_UNAVAILABLE, 0, 1));
    assert_eq!((&headers["x-ms-error-code"], &headers["retry-after"]), (&header("ServerBusy"), &header("3")));
    assert!(
        body.unwrap().ends_with(b"<Code>ServerBusy</Code><Message>The server is busy.</Message></Error>")
    );
}

#[tokio::test]
async fn a_connection_closes_when_a_rule_says_so() {
    let (seen, state, asked) = with_rule(Act::Close(Moment::BeforeTheRequest), reading("12345")).await;
    assert!(closed(&seen.unwrap_err()));
    assert_eq!((asked, state.hits), (0, 1));

    let (seen, state, asked) = with_rule(Act::Close(Moment::BeforeTheAnswer), reading("12345")).await;
    assert!(closed(&seen.unwrap_err()));
    assert_eq!((asked, state.hits), (1, 1), "the storage has done it");

    let in_the_body = Act::Close(Moment::InTheBody { after_bytes: 3 });
    let (seen, state, _) = with_rule(in_the_body.clone(), reading("12345")).await;
    seen.unwrap().2.unwrap_err();
    assert_eq!(state.hits, 1);
    let (seen, state, _) = with_rule(in_the_body, reading("123")).await;
    assert_eq!((seen.unwrap().2.unwrap().as_ref(), state.matched, state.hits), (&b"123"[..], 1, 0));

    let (seen, state, _) = with_rule(Act::Close(Moment::AfterTheAnswer), reading("12345")).await;
    let (_, headers, body) = seen.unwrap();
    assert_eq!((body.unwrap().as_ref(), state.hits), (&b"12345"[..], 1));
    assert_eq!(headers["connection"], header("close"));
}

#[tokio::test]
async fn a_rule_changes_the_bytes_of_what_was_found() {
    for (change, expected, hits) in [
        (Change::Truncate { to_bytes: 3 }, &b"123"[..], 1),
        (Change::Truncate { to_bytes: 0 }, b"", 1),
        (Change::Truncate { to_bytes: 5 }, b"12345", 0),
        (Change::Flip { at_byte: 1 }, b"1\xcd345", 1),
        (Change::Flip { at_byte: 5 }, b"12345", 0),
        (Change::Replace { with: b"something else".to_vec() }, b"something else", 1),
    ] {
        let (seen, state, _) = with_rule(Act::Change(change.clone()), reading("12345")).await;
        let body = seen.unwrap().2.unwrap();
        assert_eq!((body.as_ref(), state.hits), (expected, hits), "{change:?}");
    }
    let missing = request(Method::GET, HOST_NAME, "/backups/missing", whole("12345"));
    let (seen, state, _) = with_rule(Act::Change(Change::Truncate { to_bytes: 0 }), missing).await;
    let (status, _, body) = seen.unwrap();
    assert_eq!((status, body.unwrap().as_ref(), state.hits), (StatusCode::NOT_FOUND, &b"12345"[..], 0));
}

#[tokio::test]
async fn a_write_that_is_swallowed_is_answered_and_never_done() {
    let put = request(Method::PUT, HOST_NAME, "/backups/x", whole("12345"));
    let (seen, state, asked) = with_rule(Act::Swallow, put).await;
    let (status, headers, _) = seen.unwrap();
    assert_eq!((status, asked, state.hits), (StatusCode::CREATED, 0, 1));
    assert!(headers.contains_key("etag") && headers.contains_key("last-modified"), "{headers:?}");
}

#[tokio::test]
async fn a_request_that_hangs_ends_with_its_rule() {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let rule = |act| Rule { name: "hang".to_owned(), about: Selection::default(), often: Often::Always, act };
    let id = gateway.add_rule(rule(Act::Hang)).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let mut waiting = Box::pin(sender.send_request(reading("")));
    let hits = poll("the request", Limit::seconds(10), async || {
        tokio::select! {
            answer = &mut waiting => Err(format!("{answer:?}")),
            () = tokio::task::yield_now() => Ok(match gateway.rules()[1].hits {
                0 => Seen::NotYet("no hit".to_owned()),
                hits => Seen::Done(hits),
            }),
        }
    });
    assert_eq!(hits.await.unwrap(), 1);
    gateway.end_rule(id).unwrap();
    assert!(closed(&waiting.await.unwrap_err()));
    assert_eq!(gateway.records()[0].status, None);
    asked.try_recv().unwrap_err();

    let id = gateway.add_rule(rule(Act::Delay { milliseconds: 3_600_000 })).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let (answer, _) = tokio::join!(sender.send_request(reading("late")), async {
        let begun = poll("the request", Limit::seconds(10), async || {
            Ok::<_, std::convert::Infallible>(match gateway.rules()[2].hits {
                0 => Seen::NotYet("no hit".to_owned()),
                hits => Seen::Done(hits),
            })
        });
        begun.await.unwrap();
        gateway.end_rule(id).unwrap()
    });
    assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "late");
}

#[tokio::test]
async fn a_lost_account_is_not_there_for_connections_from_before() {
    let authority = Authority::new().unwrap();
    let (upstream, mut asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let id = gateway.add_rule(Rule::lose("prodbackups")).unwrap();
    assert!(is_lost("prodbackups", &gateway.rules()) && !is_lost("other", &gateway.rules()));
    let answer = sender.send_request(reading("")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    asked.try_recv().unwrap_err();
    assert!(!gateway.end_rule(id).unwrap().active && !is_lost("prodbackups", &gateway.rules()));
    assert_eq!(gateway.records()[0].rule.as_deref(), Some("lose account prodbackups"));
}

#[tokio::test]
async fn a_rule_for_one_cluster_waits_until_the_pods_address_is_known() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let looks = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let settings = GatewaySettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        upstream,
        authority: &authority,
        accounts: BTreeSet::from(["prodbackups".to_owned()]),
        who_is: Arc::new(move |_| match looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0..3 => Asker::unknown(),
            _ => Asker { who: Who::Cluster("clone".to_owned()), pod: Some("acid-clone-0".to_owned()) },
        }),
    };
    let gateway = Gateway::start(settings).await.unwrap();
    let about = Selection { who: Some(Asking::Pod("acid-clone-0".to_owned())), ..Selection::default() };
    let denied = Answer { status: 403, code: "AuthorizationFailure".to_owned(), ..Answer::default() };
    let often = Often::Nth(1);
    gateway.add_rule(Rule { name: "denied".to_owned(), about, often, act: Act::Answer(denied) }).unwrap();
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    assert_eq!(sender.send_request(reading("")).await.unwrap().status(), StatusCode::FORBIDDEN);
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    assert_eq!(sender.send_request(reading("")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_listing_says_something_else_and_a_slow_answer_comes_whole() {
    let authority = Authority::new().unwrap();
    let (upstream, _asked) = upstream().await;
    let gateway = gateway(&authority, upstream).await;
    let add = |name: &str, operation, act| {
        let about = Selection { operations: [operation].into(), ..Selection::default() };
        gateway.add_rule(Rule { name: name.to_owned(), about, often: Often::Always, act }).unwrap()
    };
    let reversed = add("reversed", Operation::ListBlobs, Act::List(Listing::Reverse));
    let slow = add("slow", Operation::ReadBlob, Act::Slow { bytes_per_second: 100 });
    let mut sender = connect(&authority, gateway.address(), HOST_NAME).await;
    let list = "/backups?restype=container&comp=list";
    let listing = "<Blobs><Blob><Name>a</Name></Blob><Blob><Name>b</Name></Blob></Blobs>";
    let answer = sender.send_request(request(Method::GET, HOST_NAME, list, whole(listing))).await.unwrap();
    let expected = "<Blobs><Blob><Name>b</Name></Blob><Blob><Name>a</Name></Blob></Blobs>";
    assert_eq!(answer.headers()[CONTENT_LENGTH], expected.len().to_string().as_str());
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected);
    // What is no listing is left as it is, and is no hit.
    let answer = sender.send_request(request(Method::GET, HOST_NAME, list, whole("none"))).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "none");
    let begin = std::time::Instant::now();
    let read = request(Method::GET, HOST_NAME, "/backups/x", whole("twenty bytes of text"));
    let answer = sender.send_request(read).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "twenty bytes of text");
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    assert_eq!((gateway.end_rule(reversed).unwrap().hits, gateway.end_rule(slow).unwrap().hits), (1, 1));
    let about = Selection { operations: [Operation::ReadBlob].into(), ..Selection::default() };
    let act = Act::List(Listing::LosePage);
    let refused = gateway.add_rule(Rule { name: "r".to_owned(), about, often: Often::Always, act });
    assert!(refused.unwrap_err().to_string().contains("about other operations"));
}
