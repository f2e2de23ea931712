use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::metrics::{LAST_SUCCESS, Metrics};
use super::*;
use crate::exit::Verdict;
use crate::report::samples;

/// Somebody who is told: answers with one status, and hands on what came.
struct Listener {
    address: String,
    requests: mpsc::UnboundedReceiver<(http::request::Parts, String)>,
    _serving: AbortOnDropHandle<()>,
}

async fn listener(status: StatusCode) -> Listener {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let (send, requests) = mpsc::unbounded_channel();
    let serve = async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            let send = send.clone();
            let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let send = send.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    send.send((head, String::from_utf8(body.to_vec()).unwrap())).unwrap();
                    let answer = hyper::Response::builder().status(status).body(Full::new(Bytes::new()));
                    Ok::<_, hyper::Error>(answer.unwrap())
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
            );
        }
    };
    Listener { address, requests, _serving: AbortOnDropHandle::new(tokio::spawn(serve)) }
}

fn told(report: &DrillReport) -> Told<'_> {
    let at = "2026-11-24T03:19:00Z".parse().unwrap();
    Told { report, restore: report.restore.as_deref().unwrap(), at }
}

fn at(report: &DrillReport, time: &str) -> Told<'static> {
    let report: &'static DrillReport = Box::leak(Box::new(report.clone()));
    Told { at: time.parse().unwrap(), ..told(report) }
}

fn success(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .find(|line| line.starts_with(LAST_SUCCESS))
        .map(|line| line.split(' ').next_back().unwrap().to_owned())
}

fn to_file(path: &Path) -> Tell {
    Tell { metrics_file: Some(path.to_owned()), ..Tell::default() }
}

fn to_webhook(folder: &Path, address: &str) -> Webhook {
    let path = folder.join("address");
    std::fs::write(&path, format!("{address}\n")).unwrap();
    Webhook { url_env: None, url_file: Some(path), template: None, always: false }
}

async fn webhook_told(report: &DrillReport, webhook: Webhook) -> Vec<TellError> {
    tell(report, &Tell { webhook: Some(webhook), ..Tell::default() }, None).await
}

#[test]
fn metrics_are_written_as_their_readers_want_them() {
    insta::assert_snapshot!(
        Metrics::of(told(&samples::not_restored()), Some(1_795_000_000.0)).open_metrics().unwrap()
    );
}

#[test]
fn what_was_not_measured_does_not_keep_the_last_runs_value() {
    let text = Metrics::of(told(&samples::restore_broken()), None).text_format().unwrap();
    let labels = r#"namespace="prod",cluster="acid-orders",drill="orders-nightly""#;
    for series in [
        "rpo_seconds{L}",
        "rto_budget_seconds{L}",
        "backup_age_seconds{L}",
        r#"phase_seconds{L,phase="fetch"}"#,
    ] {
        let line = format!("clonedrill_{} NaN\n", series.replace('L', labels));
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(!text.contains(LAST_SUCCESS), "{text}");
}

#[test]
fn budgets_are_told_of_a_drill_that_came_to_no_measure() {
    let mut report = samples::restore_broken();
    let restore = report.restore.as_mut().unwrap();
    (restore.rpo_budget, restore.rto_budget) = (Some(2_100_000), Some(1_800_000));
    let text = Metrics::of(told(&report), None).text_format().unwrap();
    let labels = r#"namespace="prod",cluster="acid-orders",drill="orders-nightly""#;
    for (series, value) in
        [("rpo_seconds", "NaN"), ("rpo_budget_seconds", "2100.0"), ("rto_budget_seconds", "1800.0")]
    {
        let line = format!("clonedrill_{series}{{{labels}}} {value}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[test]
fn the_last_success_outlives_runs_that_do_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.prom");
    let mut report = samples::not_restored();
    report.scenario = "the \"orders\" drill\\n".to_owned();
    metrics_file::write(&path, at(&report, "2026-11-23T03:00:00Z")).unwrap();
    assert_eq!(success(&path), None);
    let passed = DrillReport { scenario: report.scenario.clone(), ..samples::restored() };
    metrics_file::write(&path, at(&passed, "2026-11-24T03:00:00.5Z")).unwrap();
    assert_eq!(success(&path).as_deref(), Some("1795489200.5"));
    for verdict in [Verdict::Failed, Verdict::Broken, Verdict::Interrupted] {
        let report = DrillReport { verdict, ..report.clone() };
        metrics_file::write(&path, at(&report, "2026-11-25T03:00:00Z")).unwrap();
        assert_eq!(success(&path).as_deref(), Some("1795489200.5"), "{verdict:?}");
    }
    let other = DrillReport { scenario: "another".to_owned(), ..report };
    metrics_file::write(&path, at(&other, "2026-11-25T03:00:00Z")).unwrap();
    assert_eq!(success(&path), None, "another drill's success is none of this one's");
}

#[tokio::test]
async fn a_metrics_file_is_there_whole_or_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.prom");
    assert!(tell(&samples::restored(), &to_file(&path), None).await.is_empty());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("# EOF\n"));
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["orders.prom"]);

    let taken = folder.path().join("taken.prom");
    std::fs::create_dir_all(taken.join("by-a-folder")).unwrap();
    let errors = tell(&samples::restored(), &to_file(&taken), None).await;
    assert!(errors[0].to_string().starts_with("write the metrics: read "), "{errors:?}");
    let errors = tell(&samples::restored(), &to_file(&folder.path().join("missing/orders.prom")), None).await;
    assert!(errors[0].to_string().starts_with("write the metrics: replace "), "{errors:?}");
}

#[tokio::test]
async fn a_pushgateway_is_sent_the_drills_own_group() {
    let mut gateway = listener(StatusCode::OK).await;
    let push = Tell { pushgateway: Some(format!("{}/", gateway.address)), ..Tell::default() };
    let mut report = samples::restored();
    report.scenario = "orders / nightly".to_owned();
    assert!(tell(&report, &push, None).await.is_empty());
    let (head, body) = gateway.requests.recv().await.unwrap();
    assert_eq!(head.method, "POST", "a PUT would remove the last success of a drill that did not pass");
    let path =
        "/metrics/job/clonedrill/namespace/prod/cluster/acid-orders/drill@base64/b3JkZXJzIC8gbmlnaHRseQ==";
    assert_eq!(head.uri.path(), path);
    assert_eq!(head.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        body.contains("clonedrill_verdict{") && body.contains(LAST_SUCCESS) && !body.contains("# UNIT"),
        "{body}"
    );
}

#[tokio::test]
async fn a_pushgateway_that_refuses_or_is_none_is_named() {
    let gateway = listener(StatusCode::BAD_REQUEST).await;
    let push = |address: &str| Tell { pushgateway: Some(address.to_owned()), ..Tell::default() };
    let errors = tell(&samples::restored(), &push(&gateway.address), None).await;
    let expected = format!(
        "push the metrics: send them to {}: have it accepted: the server answered 400 Bad Request",
        gateway.address
    );
    assert_eq!(errors[0].to_string(), expected);
    for wrong in ["pushgateway:9091", "ftp://gateway", "http://me:hush@gateway:9091"] {
        let error = tell(&samples::restored(), &push(wrong), None).await[0].to_string();
        assert!(error.starts_with("push the metrics: use the address") && !error.contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn a_webhook_hears_of_drills_that_did_not_pass_and_of_others_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = listener(StatusCode::NO_CONTENT).await;
    let webhook = to_webhook(folder.path(), &format!("{}/T000/hush", server.address));
    assert!(webhook_told(&samples::restored(), webhook.clone()).await.is_empty());
    assert!(server.requests.try_recv().is_err(), "it passed");
    assert!(webhook_told(&samples::not_restored(), webhook.clone()).await.is_empty());
    let (head, body) = server.requests.recv().await.unwrap();
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/T000/hush"));
    let result: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(result["verdict"], "failed");
    assert_eq!(result["restore"]["proofs"][3]["seen"], "0");
    let always = Webhook { always: true, ..webhook };
    assert!(webhook_told(&samples::restored(), always).await.is_empty());
    assert!(server.requests.recv().await.unwrap().1.contains("\"verdict\":\"passed\""));
}

#[tokio::test]
async fn a_template_is_filled_in_and_stays_json() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = listener(StatusCode::OK).await;
    let template = r#"{ "text": "${drill} ${verdict}: ${finding}", "fields": [{ "RPO": "${rpo}", "to": "${recovered_to}" }], "cost": "$${x}", "n": 1 }"#;
    let webhook =
        Webhook { template: Some(template.to_owned()), ..to_webhook(folder.path(), &server.address) };
    let mut report = samples::not_restored();
    report.findings[0].seen = "a \"quoted\"\nline, and ${drill}".to_owned();
    assert!(webhook_told(&report, webhook).await.is_empty());
    let body = server.requests.recv().await.unwrap().1;
    let expected = r#"{"text":"orders-nightly failed: orders: SELECT count(*) FROM orders: expected at least 1000, seen a \"quoted\" line, and ${drill}","fields":[{"RPO":"at most 1 min 45 s (budget 5 min 00 s)","to":"2026-11-24T02:58:12.304518Z"}],"cost":"${x}","n":1}"#;
    assert_eq!(body, expected);
}

#[test]
fn a_template_is_checked_before_any_drill() {
    assert!(check_template(r#"{ "text": "${summary}\n${report}" }"#).is_ok());
    let error = |template: &str| check_template(template).unwrap_err().to_string();
    let unknown = error(r#"{ "text": "${verdct}" }"#);
    assert_eq!(
        unknown,
        "fill in `${verdct}` of the webhook's template: there is no such name; did you mean `verdict`?"
    );
    assert!(error(r#"{ "rpo": ${rpo} }"#).starts_with("read the webhook's template as JSON: "));
    assert!(error(r#"["${rpo"]"#).contains("no `}` after `${`"));
}

#[tokio::test]
async fn a_webhooks_address_is_in_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let refusing = listener(StatusCode::FORBIDDEN).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = silent.local_addr().unwrap();
    drop(silent);
    for (address, expected) in [
        (format!("{}/T000/hush", refusing.address), "have it accepted: the server answered 403 Forbidden"),
        (format!("http://{gone}/T000/hush"), "Connection refused"),
        ("https://no-such-host.invalid/T000/hush".to_owned(), "reach the server"),
        ("ftp://hush".to_owned(), "use its address"),
        ("hush hush".to_owned(), "use its address"),
    ] {
        let errors = webhook_told(&samples::not_restored(), to_webhook(folder.path(), &address)).await;
        let text = format!("{} {errors:?}", errors[0]);
        assert!(text.starts_with("call the webhook: ") && text.contains(expected), "{text}");
        assert!(!text.contains("hush") && !text.contains("no-such-host"), "{text}");
    }
    let nowhere = Webhook { url_env: None, url_file: None, template: None, always: true };
    assert!(
        webhook_told(&samples::restored(), nowhere.clone()).await[0].to_string().contains("exactly one of")
    );
    let unset = Webhook { url_env: Some("CLONEDRILL_NOT_SET".to_owned()), ..nowhere.clone() };
    assert!(
        webhook_told(&samples::restored(), unset).await[0]
            .to_string()
            .contains("CLONEDRILL_NOT_SET, which is not set")
    );
    let no_address = Webhook { url_env: Some("PATH".to_owned()), ..nowhere };
    assert!(webhook_told(&samples::restored(), no_address).await[0].to_string().contains("use its address"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let limit = std::time::Duration::from_millis(50);
    let error = request::post("webhook", address, "text/plain", String::new(), limit).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "wait for the answer of the webhook: gave up after 50.0ms, last seen: no answer"
    );
}

#[tokio::test]
async fn one_who_cannot_be_told_keeps_nobody_else_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = listener(StatusCode::OK).await;
    let everybody = Tell {
        metrics_file: Some(folder.path().join("missing/orders.prom")),
        pushgateway: Some("nowhere".to_owned()),
        events: true,
        webhook: Some(to_webhook(folder.path(), &server.address)),
    };
    let errors = tell(&samples::restore_broken(), &everybody, None).await;
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[2].starts_with("make the event: reach the cluster"), "{texts:?}");
    assert!(server.requests.recv().await.unwrap().1.contains("ErrImagePull"));
    assert!(matches!(tell(&samples::passed(), &everybody, None).await[..], [TellError::NotARestore]));
    assert!(tell(&samples::passed(), &Tell::default(), None).await.is_empty());
}

#[test]
fn the_key_lines_of_a_log_are_the_verdict_and_what_matters() {
    let expected = "\
FAILED  orders-nightly, restore of prod/acid-orders
        orders: SELECT count(*) FROM orders: expected at least 1000, seen 0
        restored to 2026-11-24T02:58:12.304518Z
        RPO at most 1 min 45 s (budget 5 min 00 s)
        RTO 38 min 13 s (budget 30 min 00 s)
        3 of 4 proofs hold, 1 fails
";
    assert_eq!(key_lines(&samples::not_restored()), expected);
    assert_eq!(key_lines(&samples::passed()), "");
}

#[test]
fn what_cannot_be_told_is_known_before_the_drill() {
    let folder = tempfile::tempdir().unwrap();
    let webhook = |name: &str| Webhook {
        url_env: Some(name.to_owned()),
        url_file: None,
        template: Some("{ broken".to_owned()),
        always: false,
    };
    let everybody = Tell {
        metrics_file: Some(folder.path().join("missing/orders.prom")),
        pushgateway: Some("nowhere".to_owned()),
        events: true,
        webhook: Some(webhook("CLONEDRILL_NOT_SET")),
    };
    let found = unusable(&everybody);
    let places: Vec<&str> = found.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, ["/metrics_file", "/pushgateway", "/webhook/url_env"]);
    assert!(found[0].1.to_string().starts_with("write the metrics: replace "), "{found:?}");
    assert!(found[2].1.to_string().contains("CLONEDRILL_NOT_SET, which is not set"), "{found:?}");
    let address = folder.path().join("address");
    std::fs::write(&address, "https://hooks.example/T000").unwrap();
    let with_file = Webhook { url_env: None, url_file: Some(address), ..webhook("") };
    let of = |webhook: Webhook| {
        let found = unusable(&Tell { webhook: Some(webhook), ..Tell::default() });
        found.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(of(with_file.clone()), ["/webhook/template"]);
    assert_eq!(of(Webhook { template: None, ..with_file }), [""; 0]);
    // Nothing is left of the attempt, and what was there stays.
    let metrics = folder.path().join("orders.prom");
    std::fs::write(&metrics, "before\n").unwrap();
    assert!(unusable(&to_file(&metrics)).is_empty());
    assert_eq!(std::fs::read_to_string(&metrics).unwrap(), "before\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_line_says_what_matters_first() {
    let interrupted =
        DrillReport { verdict: Verdict::Interrupted, findings: Vec::new(), ..samples::restore_broken() };
    let lines = [samples::restored(), samples::not_restored(), samples::restore_broken(), interrupted];
    let lines: Vec<String> = lines.iter().map(|report| line::line(told(report))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
