//! The certificate that PostgreSQL shows: the one that was given, or a self-made one.

use std::io;
use std::path::Path;

use super::env_dir::write_new;
use super::log::Voice;
use crate::spilo::Settings;

/// Why PostgreSQL has no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("make a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("write the certificate: {0}")]
    Write(#[from] io::Error),
}

/// Writes key and certificate, unless the key is there already (a Secret that is mounted, or a restart).
///
/// # Errors
/// When no certificate can be made or written.
pub(super) fn write(settings: &Settings) -> Result<(), CertificateError> {
    let certificate_file = Path::new(settings.text("SSL_CERTIFICATE_FILE"));
    let key_file = Path::new(settings.text("SSL_PRIVATE_KEY_FILE"));
    let given = |name: &str| settings.variables.is_there(name).then(|| settings.text(name));
    if let (Some(certificate), Some(key)) = (given("SSL_CERTIFICATE"), given("SSL_PRIVATE_KEY")) {
        Voice::Bootstrapping.info("Writing custom ssl certificate");
        write_new(certificate_file, certificate, 0o644)?;
        write_new(key_file, key, 0o600)?;
        for (name, file) in [("SSL_CA", "SSL_CA_FILE"), ("SSL_CRL", "SSL_CRL_FILE")] {
            if let Some(text) = given(name) {
                write_new(Path::new(settings.text(file)), text, 0o644)?;
            }
        }
        return Ok(());
    }
    if key_file.exists() {
        Voice::Bootstrapping
            .warning("Private key already exists, not overwriting. (Use option --force if necessary)");
        return Ok(());
    }
    Voice::Bootstrapping.info("Generating ssl self-signed certificate");
    let made = rcgen::generate_simple_self_signed(vec!["spilo.example.org".to_owned()])?;
    write_new(certificate_file, &made.cert.pem(), 0o644)?;
    write_new(key_file, &made.signing_key.serialize_pem(), 0o600)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spilo::Variables;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn settings(rw: &Path, more: &[(&str, &str)]) -> Settings {
        fs::create_dir_all(rw.join("certs")).unwrap();
        let mut variables: Variables = more.iter().copied().collect();
        variables.put("RW_DIR", rw.to_string_lossy());
        Settings::of(variables, 1)
    }

    #[test]
    fn a_self_made_pair_is_written_once_with_a_key_that_only_the_user_reads() {
        let rw = tempfile::tempdir().unwrap();
        let settings = settings(rw.path(), &[]);
        write(&settings).unwrap();
        let key = rw.path().join("certs/server.key");
        let first = fs::read_to_string(&key).unwrap();
        assert!(first.contains("PRIVATE KEY"));
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            fs::read_to_string(rw.path().join("certs/server.crt")).unwrap().contains("BEGIN CERTIFICATE")
        );
        write(&settings).unwrap();
        assert_eq!(fs::read_to_string(&key).unwrap(), first);
    }

    #[test]
    fn a_pair_that_is_given_is_used() {
        let rw = tempfile::tempdir().unwrap();
        let pair = [("SSL_CERTIFICATE", "C"), ("SSL_PRIVATE_KEY", "K"), ("SSL_CA", "A")];
        write(&settings(rw.path(), &pair)).unwrap();
        let read = |name: &str| fs::read_to_string(rw.path().join("certs").join(name)).unwrap();
        assert_eq!(
            (read("server.crt"), read("server.key"), read("ca.crt")),
            ("C".into(), "K".into(), "A".into())
        );
    }
}
