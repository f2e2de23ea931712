//! Images in a registry.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use tokio::io::AsyncWrite;
use tokio::runtime::Runtime;

use super::super::configuration::ImageSettings;
use super::super::progress::PartProgress;
use super::config::Descriptor;
use super::error::ImagesError;
use super::image::{Found, FoundLayer, Origin};
use super::layer::{Slice, digest_of};
use super::remote;

/// What may come for a manifest.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const MEGABYTE: u64 = 1_000_000;
/// A registry that says nothing for so long has gone.
const SILENT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(30);
/// Where Docker keeps the login of its own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// An image in a registry that is asked.
pub(super) struct Registry {
    /// As a person gave it.
    given: String,
    /// Where it is had from, a mirror's where there is one.
    reference: Reference,
    client: Client,
    auth: RegistryAuth,
    runtime: Runtime,
}

impl Registry {
    /// The registry of a reference, or its mirror.
    pub(super) fn of(given: &str, settings: &ImageSettings) -> Result<Self, ImagesError> {
        let parsed = |text: &str| {
            text.parse::<Reference>()
                .map_err(|error| ImagesError::Reference(text.to_owned(), error.to_string()))
        };
        let named = parsed(given)?;
        let reference = match settings.mirrors.get(named.registry()) {
            Some(mirror) => parsed(&mirrored(&named, mirror))?,
            None => named,
        };
        let host = reference.resolve_registry().to_owned();
        let plain = if is_loopback(&host) { vec![host.clone()] } else { Vec::new() };
        let client = Client::new(ClientConfig {
            protocol: ClientProtocol::HttpsExcept(plain),
            read_timeout: Some(SILENT),
            connect_timeout: Some(CONNECT),
            ..ClientConfig::default()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ImagesError::Worker(error.to_string()))?;
        let auth = login(&host)?;
        Ok(Registry { given: given.to_owned(), reference, client, auth, runtime })
    }

    /// What the reference leads to.
    pub(super) fn find(&self, progress: &dyn PartProgress) -> Result<Found, ImagesError> {
        let host = self.host();
        self.until(progress, async {
            let auth = self.client.auth(&self.reference, &self.auth, RegistryOperation::Pull).await;
            auth.map(drop).map_err(|error| self.failed("the login", error, &host))
        })?;
        let asking = self.client.pull_manifest_raw(&self.reference, &self.auth, &MANIFESTS);
        let (text, _) = self.until(progress, async {
            asking.await.map_err(|error| self.failed("the manifest", error, &host))
        })?;
        let found = digest_of(&text);
        if let Some(wanted) = self.reference.digest()
            && wanted != found
        {
            return Err(self.another("the manifest", wanted, found));
        }
        let descriptor =
            Descriptor { digest: found, size: text.len() as u64, annotations: None, platform: None };
        Found::of(&Asked { registry: self, first: &text, progress }, &self.given, &descriptor)
    }

    /// A layer in a file without a name, which goes with this process.
    pub(super) fn download(
        &self,
        (digest, size): &(String, u64),
        folder: &Path,
        progress: &dyn PartProgress,
    ) -> Result<Downloaded, ImagesError> {
        let file = tempfile::tempfile_in(folder).map_err(ImagesError::file("write", folder))?;
        let copy = file.try_clone().map_err(ImagesError::file("write", folder))?;
        let to = Counted { file: copy, written: 0, of: *size, progress, full: None };
        let written = self.blob(digest, to, progress, folder)?;
        // The process that unpacks finds it by its number.
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))
            .map_err(|errno| ImagesError::file("share", folder)(errno.into()))?;
        Ok(Downloaded { file, length: written })
    }

    /// Writes a layer; how much was written. Whoever unpacks it holds it against its digest.
    fn blob(
        &self,
        digest: &str,
        mut to: Counted<'_>,
        progress: &dyn PartProgress,
        folder: &Path,
    ) -> Result<u64, ImagesError> {
        let host = self.host();
        let pulled = self
            .until(progress, async { Ok(self.client.pull_blob(&self.reference, digest, &mut to).await) })?;
        match (pulled, to.full) {
            (_, Some(error)) => Err(ImagesError::file("write", folder)(error)),
            // It is told with what is there, when it is held against its digest and size.
            (Ok(()) | Err(OciDistributionError::DigestError(_)), None) => Ok(to.written),
            (Err(error), None) if is_missing(&error) => Err(ImagesError::Missing {
                image: self.given.clone(),
                what: "the layer",
                digest: digest.to_owned(),
            }),
            (Err(error), None) => Err(self.failed(&format!("the layer {digest}"), error, &host)),
        }
    }

    fn small(
        &self,
        what: &'static str,
        digest: &str,
        progress: &dyn PartProgress,
    ) -> Result<Vec<u8>, ImagesError> {
        let host = self.host();
        let mut text = Vec::new();
        let pulled = self
            .until(progress, async { Ok(self.client.pull_blob(&self.reference, digest, &mut text).await) })?;
        match pulled {
            Ok(()) | Err(OciDistributionError::DigestError(_)) => Ok(text),
            Err(error) if is_missing(&error) => {
                Err(ImagesError::Missing { image: self.given.clone(), what, digest: digest.to_owned() })
            }
            Err(error) => Err(self.failed(what, error, &host)),
        }
    }

    /// Waits for the answer, or for nobody to want it any more.
    fn until<T>(
        &self,
        progress: &dyn PartProgress,
        answer: impl Future<Output = Result<T, ImagesError>>,
    ) -> Result<T, ImagesError> {
        const LOOK: Duration = Duration::from_millis(200);
        self.runtime.block_on(async {
            let mut answer = std::pin::pin!(answer);
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    answer = answer.as_mut() => return answer,
                    _ = look.tick() => if progress.stopped() {
                        return Err(ImagesError::Interrupted);
                    },
                }
            }
        })
    }

    fn host(&self) -> String {
        self.reference.resolve_registry().to_owned()
    }

    fn another(&self, what: &'static str, wanted: &str, found: String) -> ImagesError {
        ImagesError::Digest { image: self.given.clone(), what, wanted: wanted.to_owned(), found }
    }

    fn failed(&self, what: &str, error: OciDistributionError, host: &str) -> ImagesError {
        let login = |why: &str| ImagesError::Login {
            registry: host.to_owned(),
            why: match self.auth {
                RegistryAuth::Anonymous => format!("it wants a login, and there is none ({why})"),
                _ => format!("it refuses the login that there is ({why})"),
            },
        };
        match error {
            OciDistributionError::UnauthorizedError { .. } => login("401"),
            OciDistributionError::AuthenticationFailure(why) => login(first_line(&why)),
            OciDistributionError::ServerError { code: code @ (401 | 403), .. } => login(&code.to_string()),
            OciDistributionError::DigestError(error) => ImagesError::Registry {
                image: self.given.clone(),
                registry: host.to_owned(),
                what: what.to_owned(),
                why: format!("it has another digest ({error})"),
            },
            error => ImagesError::Registry {
                image: self.given.clone(),
                registry: host.to_owned(),
                what: what.to_owned(),
                why: whole(&error),
            },
        }
    }
}

/// The registry, and the manifest that it has given already.
struct Asked<'r> {
    registry: &'r Registry,
    first: &'r [u8],
    progress: &'r dyn PartProgress,
}

impl Origin for Asked<'_> {
    fn small(
        &self,
        image: &str,
        descriptor: &Descriptor,
        what: &'static str,
    ) -> Result<Vec<u8>, ImagesError> {
        if digest_of(self.first) == descriptor.digest {
            return Ok(self.first.to_vec());
        }
        if what != "the manifest" {
            return self.registry.small(what, &descriptor.digest, self.progress);
        }
        let registry = self.registry;
        let reference = registry.reference.clone_with_digest(descriptor.digest.clone());
        let asking = registry.client.pull_manifest_raw(&reference, &registry.auth, &MANIFESTS);
        let pulled = registry.until(self.progress, async { Ok(asking.await) })?;
        match pulled {
            Ok((text, _)) => Ok(text.to_vec()),
            Err(error) if is_missing(&error) => {
                Err(ImagesError::Missing { image: image.to_owned(), what, digest: descriptor.digest.clone() })
            }
            Err(error) => Err(registry.failed(what, error, &registry.host())),
        }
    }

    fn layer(&self, _image: &str, descriptor: &Descriptor) -> Result<FoundLayer, ImagesError> {
        Ok(remote(&descriptor.digest, descriptor.size))
    }
}

/// A layer that is here now.
pub(super) struct Downloaded {
    file: File,
    length: u64,
}

impl Downloaded {
    /// As a child of this process finds it.
    pub(super) fn slice(&self) -> Slice {
        let file = format!("/proc/self/fd/{}", self.file.as_raw_fd()).into();
        Slice { file, offset: 0, length: self.length }
    }
}

/// A file that is written to, and what was wrong with that.
struct Counted<'p> {
    file: File,
    written: u64,
    of: u64,
    progress: &'p dyn PartProgress,
    full: Option<io::Error>,
}

impl AsyncWrite for Counted<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.file.write(bytes);
        match written {
            Ok(count) => {
                self.written += count as u64;
                self.progress.reached(self.written / MEGABYTE, self.of / MEGABYTE);
                self.progress.says("fetching, in MB");
                Poll::Ready(Ok(count))
            }
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.full = Some(error);
                Poll::Ready(Err(told))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The same image at a mirror: a host, or a host with a path before the repository.
fn mirrored(named: &Reference, mirror: &str) -> String {
    let mut text = format!("{}/{}", mirror.trim_end_matches('/'), named.repository());
    if let Some(tag) = named.tag() {
        text.push_str(&format!(":{tag}"));
    }
    if let Some(digest) = named.digest() {
        text.push_str(&format!("@{digest}"));
    }
    text
}

/// Only what never leaves this machine may come without TLS.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What Docker's configuration has for this registry, or its helper.
fn login(host: &str) -> Result<RegistryAuth, ImagesError> {
    if !docker_configuration().is_some_and(|file| file.exists()) {
        return Ok(RegistryAuth::Anonymous);
    }
    let server = if host == "index.docker.io" || host == "docker.io" { DOCKER_HUB } else { host };
    match get_credential(server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(token)) => Ok(RegistryAuth::Bearer(token)),
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::HelperFailure { .. },
        ) => Ok(RegistryAuth::Anonymous),
        // What they say may have what they read in it.
        Err(_) => Err(ImagesError::Login {
            registry: host.to_owned(),
            why: "Docker's config.json, or the helper that it names, cannot be understood".to_owned(),
        }),
    }
}

/// Where Docker looks for it, too.
fn docker_configuration() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let at_home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    folder.or_else(at_home).map(|folder| folder.join("config.json"))
}

fn is_missing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RequestError(error) => {
            error.status().is_some_and(|status| status.as_u16() == 404)
        }
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::RegistryError { envelope, .. } => {
            let text = format!("{envelope:?}").to_lowercase();
            text.contains("unknown")
        }
        _ => false,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim()
}

/// With its causes: the first of them only says that a request failed.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = first_line(&error.to_string()).to_owned();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_registry_comes_without_tls() {
        for host in ["localhost:5000", "127.0.0.1:1", "[::1]:5000", "127.9.9.9"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["registry", "10.0.0.1:5000", "localhost.example", "128.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_mirror_has_the_image_under_its_own_path() {
        let named: Reference = "ghcr.io/zalando/spilo-17:4.0-p3".parse().unwrap();
        assert_eq!(mirrored(&named, "mirror:5000"), "mirror:5000/zalando/spilo-17:4.0-p3");
        assert_eq!(mirrored(&named, "mirror/ghcr/"), "mirror/ghcr/zalando/spilo-17:4.0-p3");
    }
}
