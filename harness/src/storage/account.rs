//! A storage account: its name, and a key that was made for one drill.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;

use crate::secret::Secret;

/// A storage account of one drill.
#[derive(Debug, Clone)]
pub struct Account {
    /// 3 to 24 lowercase letters and digits.
    pub name: String,
    /// 64 random bytes as Base64, as Azure makes them.
    pub key: Secret,
    /// The second one, which is as good: each can be rotated while the other is in use.
    pub other_key: Secret,
}

impl Account {
    /// An account with a fresh key.
    pub fn new(name: impl Into<String>) -> Self {
        Account { name: name.into(), key: fresh_key(), other_key: fresh_key() }
    }

    /// As Azurite is told of it.
    pub fn for_azurite(&self) -> String {
        format!("{}:{}:{}", self.name, self.key.reveal(), self.other_key.reveal())
    }

    /// The host name that Azure has for the account's blobs.
    pub fn host(&self) -> String {
        host_of(&self.name)
    }
}

fn fresh_key() -> Secret {
    let mut key = [0u8; 64];
    rand::rng().fill(&mut key);
    Secret::new(STANDARD.encode(key))
}

/// The host name that Azure has for the blobs of the account called `name`.
pub fn host_of(name: &str) -> String {
    format!("{name}.blob.core.windows.net")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_accounts_of_one_name_have_keys_of_their_own() {
        let (first, second) = (Account::new("prodbackups"), Account::new("prodbackups"));
        assert_ne!(first.key, second.key);
        assert_eq!(STANDARD.decode(first.key.reveal()).unwrap().len(), 64);
    }
}
