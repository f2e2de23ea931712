//! SAS tokens of a storage account: signed with its key, as Azure has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::account::Account;
use crate::secret::Secret;

/// Tokens of this version sign the fields below; newer ones sign one more, the encryption scope.
const VERSION: &str = "2018-11-09";
const BLOBS: &str = "b";
/// WAL-G lists containers, and reads and writes what is in them. Azure's library signs for one of the two only.
const CONTAINERS_AND_OBJECTS: &str = "co";

impl Account {
    /// A token for all containers of this account. `permissions` are the letters of `sp` in Azure's order (`racwdl`);
    /// equal times give equal tokens.
    ///
    /// The fields that are signed, and their order:
    /// <https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string>.
    pub fn sas(&self, permissions: &str, ends: Timestamp) -> Secret {
        let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        // No begin, no range of addresses, and both protocols: behind the gateway the emulator is asked by plain HTTP.
        let signed = format!(
            "{}\n{permissions}\n{BLOBS}\n{CONTAINERS_AND_OBJECTS}\n\n{ends}\n\n\n{VERSION}\n",
            self.name
        );
        let signature = self.signature(&signed);
        let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
        Secret::new(format!(
            "sv={VERSION}&ss={BLOBS}&srt={CONTAINERS_AND_OBJECTS}&sp={permissions}&se={ends}&sig={signature}"
        ))
    }

    fn signature(&self, text: &str) -> String {
        let key = STANDARD.decode(self.key.reveal()).unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}
