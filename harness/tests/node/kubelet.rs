//! What the node's port tells, and whom.

use std::sync::Arc;

use clonedrill::environment::Environment;
use clonedrill::storage::{Request, Usage};
use k8s_openapi::api::core::v1::Pod;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::{RUNS, World, container};

const NODE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 244, 0, 1);

/// Asks the node itself, with a certificate of this name and group or with none; all that it answers.
async fn ask(world: &World, client: Option<(&str, &str)>) -> std::io::Result<String> {
    let authority = world.environment.authority();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some((name, group)) => {
            let issued = authority.issue(&Request {
                common_name: name.to_owned(),
                organization: Some(group.to_owned()),
                dns_names: Vec::new(),
                addresses: Vec::new(),
                usage: Usage::Client,
            });
            let issued = issued.unwrap();
            let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(issued.key_pem.reveal().as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect((NODE, 10_250)).await.unwrap();
    let name = ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(NODE)));
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let path = format!("/containerLogs/{}/secretive/it", world.environment.namespace());
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub(crate) async fn it_answers_nobody_but_the_api_server(world: &World) {
    let script = format!("echo for few; {RUNS}");
    world.pod("secretive", json!({ "containers": [container("it", &script, json!({}))] })).await;
    world.until_logged("secretive", "it", 0, "for few").await;
    let asked = world.api::<Pod>().logs("secretive", &Default::default()).await.unwrap();
    assert_eq!(asked, "for few\n");
    let refused = ask(world, None).await.unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    // The authority vouches for the last three too, yet they are somebody else's.
    for client in [("clonedrill", "system:masters"), ("kube-apiserver-kubelet-client", "system:masters")] {
        let answer = ask(world, Some(client)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && !answer.contains("for few"), "{answer}");
    }
}

pub(crate) async fn what_listens_on_localhost_only_is_forwarded(world: &World) {
    let serve = "import http.server as s; s.HTTPServer(('127.0.0.1', 8000), s.SimpleHTTPRequestHandler).serve_forever()";
    let script = format!("cd /tmp; echo forwarded > it; exec python3 -c \"{serve}\"");
    let listens =
        json!({ "readinessProbe": { "exec": { "command": ["sh", "-c", "grep -q :1F40 /proc/net/tcp"] } } });
    world.pod("serves", json!({ "containers": [container("it", &script, listens)] })).await;
    world.until_ready("serves", true).await;
    let mut forwarder = world.api::<Pod>().portforward("serves", &[8000, 8001]).await.unwrap();
    let nobody = forwarder.take_error(8001).unwrap();
    let mut stream = forwarder.take_stream(8000).unwrap();
    stream.write_all(b"GET /it HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nforwarded\n"), "{answer}");
    let why = nobody.await.unwrap_or_default();
    assert!(why.contains("error forwarding port 8001") && why.contains("refused"), "{why}");
}
