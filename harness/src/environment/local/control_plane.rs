//! The real control plane: etcd, kube-apiserver, kube-controller-manager.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::network::{API_SERVER, SERVICES};
use super::part::Part;
use crate::environment::EnvironmentError;
use crate::environment::api_client::client;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::storage::{Authority, Issued, Request, Usage};
use crate::toolchain::Tools;

/// From exec to ready took 4.4 s on two busy cores (facts/local-environment.md).
const READY: Limit = Limit::seconds(90);
const ETCD: &str = "http://127.0.0.1:2379";
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// No scheduler and no kube-proxy: the node agent binds pods, DNS answers with endpoints.
const CONTROLLERS: [&str; 14] = [
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "persistentvolumeclaim-protection-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
];

/// The three programs; dropping it ends them.
pub(super) struct ControlPlane {
    parts: [Part; 3],
    credentials: Credentials,
    kubeconfig: String,
    kubelet_client_pem: String,
    client: kube::Client,
}

impl ControlPlane {
    /// Starts everything and waits until the API server is ready. Certificates and keys lie under `state`.
    ///
    /// # Errors
    /// Which part did not come up, with its last lines.
    pub(super) async fn start(
        tools: &Tools,
        authority: &Authority,
        state: &Path,
    ) -> Result<Self, EnvironmentError> {
        let files = Files::write(authority, state)?;
        let logs = state.join("logs");
        make_folder(&logs)?;
        let etcd = Part::start("etcd", &tools.etcd, &etcd_arguments(state), &logs)?;
        let server = Part::start("kube-apiserver", &tools.kube_apiserver, &server_arguments(&files), &logs)?;
        let credentials = Credentials::issue(authority)?;
        let kubeconfig = credentials.kubeconfig(&format!("https://{API_SERVER}"), None);
        write_private(&files.kubeconfig, &kubeconfig)?;
        let client = client(&kubeconfig).await?;
        let ready = poll("the API server", READY, async || {
            if let Some(error) = etcd.ended().or_else(|| server.ended()) {
                return Err(error);
            }
            Ok(match client.request_text(get("/readyz")?).await {
                Ok(text) if text == "ok" => Seen::Done(()),
                Ok(text) => Seen::NotYet(text),
                Err(error) => Seen::NotYet(error.to_string()),
            })
        });
        match ready.await {
            Ok(()) => {}
            Err(PollError::Failed(error)) => return Err(error),
            Err(PollError::TimedOut(late)) => return Err(server.useless(late.to_string())),
        }
        let manager = Part::start(
            "kube-controller-manager",
            &tools.kube_controller_manager,
            &manager_arguments(&files),
            &logs,
        )?;
        let parts = [etcd, server, manager];
        Ok(ControlPlane {
            parts,
            credentials,
            kubeconfig,
            kubelet_client_pem: files.kubelet_client_pem,
            client,
        })
    }

    /// A client with full rights.
    pub(super) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The kubeconfig with full rights, its keys within.
    pub(super) fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The same for who reaches the API server at `address`, with this namespace as the one that `kubectl` means.
    pub(super) fn kubeconfig_at(&self, address: SocketAddr, namespace: &str) -> String {
        self.credentials.kubeconfig(&format!("https://{address}"), Some(namespace))
    }

    /// The certificate that the API server shows to the node.
    pub(super) fn kubelet_client_pem(&self) -> &str {
        &self.kubelet_client_pem
    }

    /// The error for controllers that run and yet do not do their work.
    pub(super) fn useless_controllers(&self, why: String) -> EnvironmentError {
        let [.., manager] = &self.parts;
        manager.useless(why)
    }

    /// Waits as long as all parts run; the error of the first that ended by itself.
    pub(super) async fn end(&self) -> EnvironmentError {
        let ends = self.parts.iter().map(|part| Box::pin(part.end()));
        futures::future::select_all(ends).await.0
    }
}

struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    /// What signs service accounts' tokens, and what proves them.
    tokens_private: PathBuf,
    tokens_public: PathBuf,
    /// What the API server shows to the node.
    kubelet_client: PathBuf,
    kubelet_client_key: PathBuf,
    kubelet_client_pem: String,
    kubeconfig: PathBuf,
}

impl Files {
    fn write(authority: &Authority, state: &Path) -> Result<Self, EnvironmentError> {
        let folder = state.join("pki");
        make_folder(&folder)?;
        let kubelet_client = authority.issue(&Request {
            common_name: "kube-apiserver-kubelet-client".to_owned(),
            organization: None,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            usage: Usage::Client,
        })?;
        let files = Files {
            authority: folder.join("ca.crt"),
            certificate: folder.join("apiserver.crt"),
            key: folder.join("apiserver.key"),
            tokens_private: folder.join("service-accounts.key"),
            tokens_public: folder.join("service-accounts.pub"),
            kubelet_client: folder.join("apiserver-kubelet-client.crt"),
            kubelet_client_key: folder.join("apiserver-kubelet-client.key"),
            kubelet_client_pem: kubelet_client.certificate_pem,
            kubeconfig: state.join("admin.kubeconfig"),
        };
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let server = authority.issue(&Request {
            common_name: "kube-apiserver".to_owned(),
            organization: None,
            dns_names: names.map(str::to_owned).to_vec(),
            // The second for those outside the sandbox.
            addresses: vec![IpAddr::V4(API_SERVER), IpAddr::V4(Ipv4Addr::LOCALHOST)],
            usage: Usage::Server,
        });
        let server = server?;
        write_private(&files.authority, authority.certificate_pem())?;
        write_private(&files.certificate, &server.certificate_pem)?;
        write_private(&files.key, server.key_pem.reveal())?;
        write_private(&files.kubelet_client, &files.kubelet_client_pem)?;
        write_private(&files.kubelet_client_key, kubelet_client.key_pem.reveal())?;
        let tokens =
            rcgen::KeyPair::generate().map_err(|error| EnvironmentError::Connection(error.to_string()))?;
        write_private(&files.tokens_private, &tokens.serialize_pem())?;
        write_private(&files.tokens_public, &tokens.public_key_pem())?;
        Ok(files)
    }
}

fn etcd_arguments(state: &Path) -> Vec<String> {
    let folder = state.join("etcd");
    vec![
        format!("--data-dir={}", folder.display()),
        format!("--listen-client-urls={ETCD}"),
        format!("--advertise-client-urls={ETCD}"),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        // The data need not outlive the environment.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn server_arguments(files: &Files) -> Vec<String> {
    vec![
        format!("--etcd-servers={ETCD}"),
        format!("--bind-address={API_SERVER}"),
        format!("--advertise-address={API_SERVER}"),
        "--secure-port=443".to_owned(),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--endpoint-reconciler-type=lease".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--enable-admission-plugins=ServiceAccount".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
        format!("--kubelet-certificate-authority={}", files.authority.display()),
        format!("--kubelet-client-certificate={}", files.kubelet_client.display()),
        format!("--kubelet-client-key={}", files.kubelet_client_key.display()),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--client-ca-file={}", files.authority.display()),
        format!("--tls-cert-file={}", files.certificate.display()),
        format!("--tls-private-key-file={}", files.key.display()),
        format!("--service-account-issuer={ISSUER}"),
        format!("--service-account-key-file={}", files.tokens_public.display()),
        format!("--service-account-signing-key-file={}", files.tokens_private.display()),
    ]
}

fn manager_arguments(files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.kubeconfig.display()),
        format!("--controllers={}", CONTROLLERS.join(",")),
        format!("--service-account-private-key-file={}", files.tokens_private.display()),
        format!("--root-ca-file={}", files.authority.display()),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--profiling=false".to_owned(),
        // Its default of 20 requests a second would be what a drill waits for.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ]
}

/// What a client with full rights needs.
struct Credentials {
    authority_pem: String,
    admin: Issued,
}

impl Credentials {
    fn issue(authority: &Authority) -> Result<Self, EnvironmentError> {
        let admin = authority.issue(&Request {
            common_name: "clonedrill".to_owned(),
            organization: Some("system:masters".to_owned()),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            usage: Usage::Client,
        })?;
        Ok(Credentials { authority_pem: authority.certificate_pem().to_owned(), admin })
    }

    fn kubeconfig(&self, server: &str, namespace: Option<&str>) -> String {
        use base64::Engine;
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let mut context = serde_json::json!({ "cluster": "local", "user": "clonedrill" });
        if let Some(namespace) = namespace {
            context["namespace"] = serde_json::json!(namespace);
        }
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "local", "cluster": {
                "server": server,
                "certificate-authority-data": base64(&self.authority_pem),
            }}],
            "users": [{ "name": "clonedrill", "user": {
                "client-certificate-data": base64(&self.admin.certificate_pem),
                "client-key-data": base64(self.admin.key_pem.reveal()),
            }}],
            "contexts": [{ "name": "local", "context": context }],
            "current-context": "local",
        });
        config.to_string()
    }
}

fn get(path: &str) -> Result<http::Request<Vec<u8>>, EnvironmentError> {
    http::Request::get(path).body(Vec::new()).map_err(|error| EnvironmentError::Connection(error.to_string()))
}

fn make_folder(folder: &Path) -> Result<(), EnvironmentError> {
    fs::create_dir_all(folder)
        .map_err(|source| EnvironmentError::Sandbox { what: format!("make {}", folder.display()), source })
}

fn write_private(file: &Path, text: &str) -> Result<(), EnvironmentError> {
    let written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file);
    written
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .map_err(|source| EnvironmentError::Sandbox { what: format!("write {}", file.display()), source })
}
