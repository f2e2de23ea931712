//! The certificates of a gateway: the one that pods trust, and those that nobody should.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, ServerConfig};
use serde::{Deserialize, Serialize};

use super::GatewayError;
use super::rule::Act;
use super::rules::Decision;
use crate::storage::authority::{Authority, Issued, Request, Usage};

/// Every account's host name.
const NAME: &str = "*.blob.core.windows.net";
/// What a proxy that breaks TLS open, or a name that leads elsewhere, may show.
const OTHER_NAME: &str = "storage.example.com";

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrongCertificate {
    /// It was valid until an hour ago.
    Expired,
    /// It is for another host's name.
    OfAnotherName,
    /// An authority signed it that pods do not know.
    OfAnUnknownAuthority,
}

/// One for each case.
pub(super) struct Certificates {
    right: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    of_another_name: Arc<ServerConfig>,
    of_an_unknown_authority: Arc<ServerConfig>,
}

impl Certificates {
    /// # Errors
    /// When one cannot be made or used.
    pub(super) fn make(authority: &Authority, address: IpAddr) -> Result<Self, GatewayError> {
        let wanted = |name: &str, addresses: Vec<IpAddr>| Request {
            common_name: "clonedrill storage gateway".to_owned(),
            organization: None,
            dns_names: vec![name.to_owned()],
            addresses,
            usage: Usage::Server,
        };
        let right = wanted(NAME, vec![address]);
        Ok(Certificates {
            right: tls(&authority.issue(&right)?)?,
            expired: tls(&authority.issue_expired(&right)?)?,
            of_another_name: tls(&authority.issue(&wanted(OTHER_NAME, Vec::new()))?)?,
            of_an_unknown_authority: tls(&Authority::new()?.issue(&right)?)?,
        })
    }

    /// The one that a connection is shown.
    pub(super) fn shown(&self, decided: Option<Decision>) -> Arc<ServerConfig> {
        let Some(decision) = decided else { return self.right.clone() };
        let Act::Certificate(wrong) = decision.act else { return self.right.clone() };
        decision.hits.fetch_add(1, Ordering::Relaxed);
        match wrong {
            WrongCertificate::Expired => self.expired.clone(),
            WrongCertificate::OfAnotherName => self.of_another_name.clone(),
            WrongCertificate::OfAnUnknownAuthority => self.of_an_unknown_authority.clone(),
        }
    }
}

/// Whether a handshake ended since the client did not trust the certificate.
pub(super) fn is_refusal(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        tls,
        Some(rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                // What some say of a signature that does not hold.
                | AlertDescription::DecryptError
        ))
    )
}

fn tls(issued: &Issued) -> Result<Arc<ServerConfig>, GatewayError> {
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.reveal().as_bytes())?;
    // Other crates may bring a second provider, so that there is no default one to rely on.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
