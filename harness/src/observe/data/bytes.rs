//! Texts of the catalogs, byte for byte: a database whose encoding is SQL_ASCII holds whatever was once written to it.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type};

/// A text of a catalog. Bytes that are no UTF-8 are shown as `\xe9`: a text differs where its bytes do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub String);

impl<'a> FromSql<'a> for Text {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Text(readable(raw)))
    }

    fn accepts(of: &Type) -> bool {
        <String as FromSql>::accepts(of)
    }
}

/// The texts of a list.
pub(super) fn plain(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|Text(text)| text).collect()
}

pub(super) fn readable(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn what_is_no_utf_8_is_shown_byte_for_byte() {
        assert_eq!(readable("größe".as_bytes()), "größe");
        assert_eq!(readable(b"gr\xf6\xdfe"), "gr\\xf6\\xdfe");
        assert_ne!(readable(b"\xe8"), readable(b"\xe9"));
    }
}
