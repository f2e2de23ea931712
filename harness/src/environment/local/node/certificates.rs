//! What pods trust: the host's authorities and the environment's own.

use std::fs;
use std::path::Path;

/// Where distributions keep their bundle.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Writes the folder that becomes `/etc/ssl/certs` in every container.
pub(super) fn write(folder: &Path, authority_pem: &str) -> std::io::Result<()> {
    let host = BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    fs::write(folder.join("ca-certificates.crt"), format!("{}\n{authority_pem}", host.trim_end()))?;
    fs::write(folder.join("clonedrill.pem"), authority_pem)
}
