//! The certificate authority of one environment: pods trust it, and it signs what serves or asks there.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

const NAME: &str = "clonedrill environment authority";
/// Clocks of containers and hosts may differ a little.
const BEFORE: Duration = Duration::from_secs(3600);
const A_DAY: Duration = Duration::from_secs(24 * 3600);
const AFTER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A certificate authority (ECDSA P-256). Cheap to clone; crosses process borders as [`AuthorityPem`].
#[derive(Debug, Clone)]
pub struct Authority {
    pem: AuthorityPem,
}

/// An authority as two PEM texts, for a socket to another process of the same sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthorityPem {
    /// The authority's own; no secret.
    pub certificate: String,
    /// PKCS #8.
    #[serde(serialize_with = "Secret::revealed")]
    pub key: Secret,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// For who is connected to.
    Server,
    /// For who connects.
    Client,
}

/// The certificate that is wanted.
#[derive(Debug, Clone)]
pub struct Request {
    /// For Kubernetes the user's name.
    pub common_name: String,
    /// For Kubernetes the user's group.
    pub organization: Option<String>,
    /// Names that the server is called by; a leading `*.` stands for one label.
    pub dns_names: Vec<String>,
    /// Addresses that the server is called by.
    pub addresses: Vec<IpAddr>,
    /// Which end of a connection shows it.
    pub usage: Usage,
}

/// A certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The leaf alone, without the authority's.
    pub certificate_pem: String,
    /// PKCS #8.
    pub key_pem: Secret,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate could not be made or signed.
    #[error("sign a certificate for {name}: {source}")]
    Sign {
        /// The common name that it was for.
        name: String,
        /// What rcgen says.
        source: rcgen::Error,
    },
    /// A name that no certificate can hold, such as one that is not ASCII.
    #[error("name a certificate's server {name:?}: {source}")]
    Name {
        /// The name that was asked for.
        name: String,
        /// What rcgen says.
        source: rcgen::Error,
    },
    /// The text is no private key in PEM.
    #[error("read the authority's key: {0}")]
    Key(rcgen::Error),
}

impl Authority {
    /// A new authority with a key of its own, valid from an hour ago and for ten years.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn new() -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError::Sign { name: NAME.to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = own_params().self_signed(&key).map_err(failed)?;
        Ok(Authority {
            pem: AuthorityPem { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) },
        })
    }

    /// The authority that [`Authority::to_pem`] gave elsewhere.
    ///
    /// # Errors
    /// When the key is not one that it can sign with.
    pub fn from_pem(pem: AuthorityPem) -> Result<Self, AuthorityError> {
        KeyPair::from_pem(pem.key.reveal()).map_err(AuthorityError::Key)?;
        Ok(Authority { pem })
    }

    /// Both PEM texts, the key in the clear once serialised.
    pub fn to_pem(&self) -> AuthorityPem {
        self.pem.clone()
    }

    /// The certificate that those who trust this authority need.
    pub fn certificate_pem(&self) -> &str {
        &self.pem.certificate
    }

    /// A certificate with a new key, signed by this authority, valid from an hour ago and for ten years.
    ///
    /// # Errors
    /// When a DNS name is not ASCII, or the machine gives no randomness.
    pub fn issue(&self, request: &Request) -> Result<Issued, AuthorityError> {
        self.sign(request, leaf_params(request)?)
    }

    /// The same, which was valid for a day and is not since an hour ago.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_expired(&self, request: &Request) -> Result<Issued, AuthorityError> {
        let mut params = leaf_params(request)?;
        params.not_after = params.not_before;
        params.not_before -= A_DAY;
        self.sign(request, params)
    }

    fn sign(&self, request: &Request, params: CertificateParams) -> Result<Issued, AuthorityError> {
        let failed = |source| AuthorityError::Sign { name: request.common_name.clone(), source };
        // The issuer's name and key id follow from the constant name and the key, so its certificate needs no parsing.
        let own_key = KeyPair::from_pem(self.pem.key.reveal()).map_err(AuthorityError::Key)?;
        let issuer = Issuer::new(own_params(), own_key);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: Secret::new(key.serialize_pem()) })
    }
}

fn own_params() -> CertificateParams {
    let mut params = valid_params();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(request: &Request) -> Result<CertificateParams, AuthorityError> {
    let mut params = valid_params();
    params.distinguished_name.push(DnType::CommonName, request.common_name.as_str());
    if let Some(organization) = &request.organization {
        params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
    }
    for name in &request.dns_names {
        let ascii =
            name.as_str().try_into().map_err(|source| AuthorityError::Name { name: name.clone(), source })?;
        params.subject_alt_names.push(SanType::DnsName(ascii));
    }
    params.subject_alt_names.extend(request.addresses.iter().map(|address| SanType::IpAddress(*address)));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match request.usage {
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    Ok(params)
}

fn valid_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BEFORE);
    params.not_after = epoch + (now + AFTER);
    params.use_authority_key_identifier_extension = true;
    params
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

    use super::*;

    fn gateway_request() -> Request {
        Request {
            common_name: "storage gateway".to_owned(),
            organization: Some("clonedrill".to_owned()),
            dns_names: vec!["*.blob.core.windows.net".to_owned()],
            addresses: vec!["10.244.254.1".parse().unwrap()],
            usage: Usage::Server,
        }
    }

    /// A TLS handshake in memory: `Ok` when the client, which trusts `authority`, accepts the server as `name`.
    fn handshake(authority: &Authority, issued: &Issued, name: &'static str) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.reveal().as_bytes()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut client =
            rustls::ClientConnection::new(Arc::new(client), ServerName::try_from(name).unwrap()).unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn clients_accept_the_names_and_addresses_of_a_certificate_and_no_others() {
        let authority = Authority::new().unwrap();
        let issued = authority.issue(&gateway_request()).unwrap();
        handshake(&authority, &issued, "prodbackups.blob.core.windows.net").unwrap();
        handshake(&authority, &issued, "10.244.254.1").unwrap();
        handshake(&authority, &issued, "prodbackups.queue.core.windows.net").unwrap_err();
        handshake(&authority, &issued, "10.244.254.2").unwrap_err();
    }

    #[test]
    fn an_authority_that_crossed_a_socket_still_signs_for_those_who_trust_the_first() {
        let authority = Authority::new().unwrap();
        let json = serde_json::to_string(&authority.to_pem()).unwrap();
        let other = Authority::from_pem(serde_json::from_str(&json).unwrap()).unwrap();
        let issued = other.issue(&gateway_request()).unwrap();
        handshake(&authority, &issued, "prodbackups.blob.core.windows.net").unwrap();
    }

    #[test]
    fn another_authority_is_not_trusted() {
        let issued = Authority::new().unwrap().issue(&gateway_request()).unwrap();
        handshake(&Authority::new().unwrap(), &issued, "prodbackups.blob.core.windows.net").unwrap_err();
    }

    #[test]
    fn a_client_certificate_does_not_serve() {
        let authority = Authority::new().unwrap();
        let issued = authority.issue(&Request { usage: Usage::Client, ..gateway_request() }).unwrap();
        handshake(&authority, &issued, "prodbackups.blob.core.windows.net").unwrap_err();
    }

    #[test]
    fn a_certificate_that_has_expired_does_not_serve() {
        let authority = Authority::new().unwrap();
        let issued = authority.issue_expired(&gateway_request()).unwrap();
        let error = handshake(&authority, &issued, "prodbackups.blob.core.windows.net").unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    }

    #[test]
    fn keys_are_not_shown() {
        let authority = Authority::new().unwrap();
        let issued = authority.issue(&gateway_request()).unwrap();
        let shown = format!("{authority:?} {issued:?}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}
