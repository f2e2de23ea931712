//! How backups are encrypted: what a clone must have to read them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::model::{Archive, Written};
use super::pod::is_known;

/// A way to encrypt, with the variables that hold its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// WAL-G's own, with one key.
    Libsodium,
    /// OpenPGP, with a key pair.
    Pgp,
}

impl Encryption {
    /// The variables each of which gives a key. `WALG_LIBSODIUM_KEY_TRANSFORM` is none.
    pub fn keys(self) -> [&'static str; 2] {
        match self {
            Encryption::Libsodium => ["WALG_LIBSODIUM_KEY", "WALG_LIBSODIUM_KEY_PATH"],
            Encryption::Pgp => ["WALG_PGP_KEY", "WALG_PGP_KEY_PATH"],
        }
    }

    /// As it is called by people.
    pub fn name(self) -> &'static str {
        match self {
            Encryption::Libsodium => "libsodium",
            Encryption::Pgp => "PGP",
        }
    }

    /// How these backups are encrypted, and the file of the env dir that gives the key.
    pub fn of(archive: &Archive) -> Option<(Encryption, &Written)> {
        // WAL-G takes PGP where both are given.
        [Encryption::Pgp, Encryption::Libsodium].into_iter().find_map(|way| {
            let key = way.keys().into_iter().find_map(|name| archive.written(name))?;
            Some((way, key))
        })
    }
}

/// WAL-G takes a shorter key for a mistake.
const SHORTEST: usize = 25;
const LENGTH: usize = 32;

/// What WAL-G refuses of a libsodium key that is known, given its transform.
pub fn fault_of_key(key: &str, transform: Option<&str>) -> Option<String> {
    if !is_known(key) || transform.is_some_and(|transform| !is_known(transform)) {
        return None;
    }
    match transform.unwrap_or("none") {
        "none" if key.len() < SHORTEST => {
            Some(format!("the key has {} characters, and WAL-G wants at least {SHORTEST}", key.len()))
        }
        "none" => None,
        "hex" => {
            let is_hex = key.len() == 2 * LENGTH && key.bytes().all(|byte| byte.is_ascii_hexdigit());
            (!is_hex).then(|| format!("with the transform `hex` the key must have {} hex digits", 2 * LENGTH))
        }
        "base64" => {
            let is_right = STANDARD.decode(key.trim()).is_ok_and(|bytes| bytes.len() == LENGTH);
            (!is_right)
                .then(|| format!("with the transform `base64` the key must be {LENGTH} bytes in base64"))
        }
        other => Some(format!("WAL-G knows the transforms hex, base64 and none, and not `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_that_their_transform_asks_for() {
        let hex = "8f2d6c0b4a19e7735d0c9b8a7f6e5d4c3b2a19087f6e5d4c3b2a1908f7e6d5c4";
        assert_eq!(fault_of_key(hex, Some("hex")), None);
        assert_eq!(fault_of_key(hex, None), None, "cut off at 32 bytes");
        assert_eq!(fault_of_key(&STANDARD.encode([7; 32]), Some("base64")), None);
        assert_eq!(fault_of_key("\u{fffd}", Some("hex")), None);
        for (key, transform) in
            [(&hex[2..], Some("hex")), (hex, Some("base64")), ("short", None), (hex, Some("HEX"))]
        {
            assert!(fault_of_key(key, transform).is_some(), "{transform:?}");
        }
    }
}
