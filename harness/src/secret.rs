//! Values that nobody may read: keys and passwords, shown as fingerprints.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A key, password or token. `Debug` and `Display` give its fingerprint; only [`Secret::reveal`] gives the value. It is
/// not serialised by itself: a field that must be, between processes of ours, says so with [`Secret::revealed`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a value that nobody may read by accident.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself. Every call is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// For `#[serde(serialize_with = "Secret::revealed")]`. Every use is a place to look at in a review.
    ///
    /// # Errors
    /// The serializer's.
    pub fn revealed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        secret.0.serialize(serializer)
    }

    /// Eight hex digits of a SHA-256: equal secrets look equal, none can be read.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        format!("secret:{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

/// Whether a variable of this name is meant to hold a secret.
pub fn is_told_by_name(name: &str) -> bool {
    static TELLING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("(?i)KEY|PASSWORD|TOKEN|SECRET").expect("a constant, and tested"));
    // How a key is to be read is no key.
    TELLING.is_match(name) && !name.to_ascii_uppercase().ends_with("_TRANSFORM")
}

/// What a name that tells of secrets may hold besides: a switch, a number, a path.
pub fn is_a_word(value: &str) -> bool {
    matches!(value, "" | "true" | "false")
        || value.starts_with('/')
        || value.bytes().all(|byte| byte.is_ascii_digit()) && value.len() < 8
}

/// Whether a text has the form of a storage account's key, or holds the signature of a SAS token.
pub fn is_told_by_form(value: &str) -> bool {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        // 64 bytes in base64, and a query parameter
        Regex::new(r"^[A-Za-z0-9+/]{86}==$|(?:^|[?&])sig=[A-Za-z0-9%+/]{20}").expect("a constant, and tested")
    });
    FORM.is_match(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_name_or_by_form() {
        assert!(is_told_by_name("CLONE_AZURE_STORAGE_ACCESS_KEY") && is_told_by_name("PGPASSWORD_SUPERUSER"));
        assert!(!is_told_by_name("AZURE_STORAGE_ACCOUNT"));
        assert!(!is_told_by_name("CLONE_WALG_LIBSODIUM_KEY_TRANSFORM"));
        assert!(is_told_by_form(&format!("{}==", "aB3+/".repeat(18).split_at(86).0)));
        assert!(is_told_by_form("sv=2024-11-04&sig=abcdefghijklmnopqrstuvwx%3D"));
        assert!(!is_told_by_form("azure://backups/acid-orders") && !is_told_by_form("design=simple"));
    }

    #[test]
    fn switches_numbers_and_paths_are_no_secrets() {
        assert!(["", "true", "5432", "/etc/keys/libsodium"].into_iter().all(is_a_word));
        assert!(!is_a_word("hunter2") && !is_a_word("12345678"));
    }
}
