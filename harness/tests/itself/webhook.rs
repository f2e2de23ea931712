//! A webhook by TLS, trusted by the system's authorities alone. This binary is also the process that tells, since where
//! those authorities are is said by its environment.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;

use bytes::Bytes;
use clonedrill::exit::Verdict;
use clonedrill::report::tell::tell;
use clonedrill::report::{DrillReport, Restore};
use clonedrill::restore::{Tell, Webhook};
use clonedrill::storage::{Authority, Request, Usage};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use libtest_mimic::Failed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// This binary as the process that tells; the file with the address comes after it.
pub(crate) const TELLS: &str = "tells";

pub(crate) fn tells(address: &Path) -> ExitCode {
    let restore = Restore { source: "prod/acid-orders".to_owned(), ..Restore::default() };
    let (file, evidence) = (Path::new("drills/orders.yaml"), Path::new("evidence"));
    let report = DrillReport {
        verdict: Verdict::Failed,
        ..DrillReport::of_restore("orders-nightly", file, evidence, restore)
    };
    let webhook =
        Webhook { url_env: None, url_file: Some(address.to_owned()), template: None, always: false };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let errors = runtime.block_on(tell(&report, &Tell { webhook: Some(webhook), ..Tell::default() }, None));
    for error in &errors {
        println!("{error}");
    }
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(crate) fn trusted() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new()?;
    let vouches = folder.path().join("authorities.pem");
    std::fs::write(&vouches, authority.certificate_pem())?;
    let another = folder.path().join("another.pem");
    std::fs::write(&another, Authority::new()?.certificate_pem())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let address = runtime.block_on(serve(&authority));
    let file = folder.path().join("address");
    std::fs::write(&file, format!("https://{address}/hush"))?;

    let told = process(&file, &vouches)?;
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
    let refused = process(&file, &another)?;
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success());
    assert!(said.contains("reach the server") && said.contains("certificate"), "{said}");
    assert!(!said.contains("hush"), "{said}");
    Ok(())
}

fn process(address: &Path, authorities: &Path) -> std::io::Result<Output> {
    let mut process = Command::new(std::env::current_exe()?);
    process.arg(TELLS).arg(address).env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR").output()
}

/// Answers everything with 204 for as long as the runtime is there.
async fn serve(authority: &Authority) -> String {
    let request = Request {
        common_name: "webhook".to_owned(),
        organization: None,
        dns_names: Vec::new(),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        usage: Usage::Server,
    };
    let issued = authority.issue(&request).unwrap();
    let certificate = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.reveal().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            // One that does not trust us hangs up.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let answer = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
                request.into_body().collect().await?;
                let answer = hyper::Response::builder().status(204).body(Full::new(Bytes::new()));
                Ok::<_, hyper::Error>(answer.unwrap())
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        }
    });
    address
}
