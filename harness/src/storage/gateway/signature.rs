//! Which of an account's keys a request is signed with: as Azure's Blob service has it since version 2015-02-21.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use hyper::header::{AUTHORIZATION, HeaderName};
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use crate::secret::Secret;

/// In the order of the text that is signed.
const HEADERS: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// A request's head, which may be signed with a key.
pub(super) struct Signed<'a>(Option<&'a Parts>);

impl<'a> Signed<'a> {
    pub(super) fn by(head: &'a Parts) -> Self {
        Signed(Some(head))
    }

    /// Not signed at all.
    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Signed(None)
    }

    /// Whether it is signed with this key of this account. A SAS token counts as signed with any: those of a drill are made with
    /// the key that its account begins with, which is the one that is rotated.
    pub(super) fn with(&self, account: &str, key: &Secret) -> bool {
        let Some(head) = self.0 else { return false };
        if head.uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("sig=")) {
            return true;
        }
        let signature = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let signature = signature.and_then(|value| value.strip_prefix("SharedKey ")?.rsplit_once(':'));
        let Some((_, signature)) = signature else { return false };
        let (Ok(signature), Ok(key)) = (STANDARD.decode(signature), STANDARD.decode(key.reveal())) else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.update(text(head, account).as_bytes());
        mac.verify_slice(&signature).is_ok()
    }
}

fn text(head: &Parts, account: &str) -> String {
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // A body that is empty counts as none.
        if name == "content-length" && value == "0" { "" } else { value }
    };
    let mut text = format!("{}\n", head.method);
    for name in HEADERS {
        text += header(name);
        text.push('\n');
    }
    let mut own: Vec<&HeaderName> =
        head.headers.keys().filter(|name| name.as_str().starts_with("x-ms-")).collect();
    own.sort_by_key(|name| name.as_str());
    for name in own {
        text += &format!("{name}:{}\n", header(name.as_str()).trim());
    }
    text += &format!("/{account}{}", head.uri.path());
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (decoded(name).to_ascii_lowercase(), decoded(value))).collect();
    pairs.sort();
    for (name, value) in pairs {
        text += &format!("\n{name}:{value}");
    }
    text
}
