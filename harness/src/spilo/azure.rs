//! What Azure and WAL-G want of names, prefixes, clouds and tokens.

mod sas;

pub use sas::{SasFault, SasToken};

/// What is wrong with a prefix, as WAL-G reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrefixFault {
    /// Blanks, quotes or line ends around it or in it.
    Blank,
    /// Not `azure://…`; with what stands in its place.
    Scheme(String),
    /// No container behind the scheme.
    NoContainer,
    /// Azure refuses a container of this name; why.
    Container(String, &'static str),
}

/// The clouds that WAL-G knows, by `AZURE_ENVIRONMENT_NAME`; any other name is the public one.
pub const CLOUDS: [(&str, &str); 4] = [
    ("AzurePublicCloud", "core.windows.net"),
    ("AzureUSGovernmentCloud", "core.usgovcloudapi.net"),
    ("AzureChinaCloud", "core.chinacloudapi.cn"),
    ("AzureGermanCloud", "core.cloudapi.de"),
];

/// The end of the storage account's host name in this cloud.
pub fn suffix(environment: Option<&str>) -> &'static str {
    let named = environment.and_then(|name| CLOUDS.iter().find(|(cloud, _)| *cloud == name));
    named.unwrap_or(&CLOUDS[0]).1
}

/// What WAL-G or Azure will not take of a prefix; none where it is sound. What only the cluster knows is not judged.
pub fn fault_of_prefix(prefix: &str) -> Option<PrefixFault> {
    if prefix.contains(super::pod::UNKNOWN) {
        // A part is enough to see another scheme, but no more.
        let known = prefix.split(super::pod::UNKNOWN).next().unwrap_or_default();
        let could = known.len() < SCHEME.len() && SCHEME.starts_with(known) || known.starts_with(SCHEME);
        return (!could).then(|| PrefixFault::Scheme(known.to_owned()));
    }
    if prefix.contains(|symbol: char| symbol.is_whitespace() || matches!(symbol, '"' | '\'')) {
        return Some(PrefixFault::Blank);
    }
    let Some(inside) = prefix.strip_prefix(SCHEME) else {
        return Some(PrefixFault::Scheme(prefix.split(':').next().unwrap_or_default().to_owned()));
    };
    let container = inside.split('/').next().unwrap_or_default();
    if container.is_empty() {
        return Some(PrefixFault::NoContainer);
    }
    fault_of_container(container).map(|why| PrefixFault::Container(container.to_owned(), why))
}

const SCHEME: &str = "azure://";

/// Why Azure refuses a container of this name.
pub fn fault_of_container(name: &str) -> Option<&'static str> {
    // The containers that Azure makes itself.
    if matches!(name, "$root" | "$web") {
        return None;
    }
    let letters = |symbol: char| symbol.is_ascii_lowercase() || symbol.is_ascii_digit();
    if name.contains(|symbol: char| symbol.is_ascii_uppercase()) {
        Some("it has capital letters")
    } else if name.contains(|symbol: char| !letters(symbol) && symbol != '-') {
        Some("it has other symbols than lowercase letters, digits and hyphens")
    } else if name.len() < 3 {
        Some("it has fewer than 3 characters")
    } else if name.len() > 63 {
        Some("it has more than 63 characters")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("it begins or ends with a hyphen")
    } else if name.contains("--") {
        Some("it has two hyphens in a row")
    } else {
        None
    }
}

/// Why Azure has no storage account of this name.
pub fn fault_of_account(name: &str) -> Option<&'static str> {
    if name.contains('.') || name.contains("://") {
        Some("it is an address: only the account's name is wanted")
    } else if name.contains(|symbol: char| !symbol.is_ascii_lowercase() && !symbol.is_ascii_digit()) {
        Some("it has other symbols than lowercase letters and digits")
    } else if !(3..=24).contains(&name.len()) {
        Some("it has not between 3 and 24 characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_prefix_has_no_fault() {
        for prefix in [
            "azure://backups",
            "azure://backups/",
            "azure://backups/acid-orders/16",
            "azure://b-1/x",
            "azure://\u{fffd}/x",
        ] {
            assert_eq!(fault_of_prefix(prefix), None, "{prefix}");
        }
    }

    #[test]
    fn each_fault_of_a_prefix_is_seen() {
        let scheme = |text: &str| Some(PrefixFault::Scheme(text.to_owned()));
        assert_eq!(fault_of_prefix("azure:/wal/x"), scheme("azure"));
        assert_eq!(fault_of_prefix("s3://wal/x"), scheme("s3"));
        assert_eq!(fault_of_prefix("https://prod.blob.core.windows.net/wal"), scheme("https"));
        assert_eq!(fault_of_prefix("wal/x"), scheme("wal/x"));
        assert_eq!(fault_of_prefix("s3://\u{fffd}"), scheme("s3://"));
        assert_eq!(fault_of_prefix("azure:///x"), Some(PrefixFault::NoContainer));
        assert_eq!(fault_of_prefix("azure://"), Some(PrefixFault::NoContainer));
        assert_eq!(fault_of_prefix("azure://wal/x\n"), Some(PrefixFault::Blank));
        for name in ["Wal", "my_wal", "w", "-wal", "wal-", "a--b", "$(BUCKET)", &"a".repeat(64)] {
            let fault = fault_of_prefix(&format!("azure://{name}/x"));
            assert!(matches!(fault, Some(PrefixFault::Container(..))), "{name}: {fault:?}");
        }
    }

    #[test]
    fn accounts_are_names_and_not_addresses() {
        assert_eq!(fault_of_account("prodbackups1"), None);
        for name in ["prod-backups", "Prod", "ab", "prodbackups.blob.core.windows.net", "https://prod"] {
            assert!(fault_of_account(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_cloud_that_wal_g_does_not_know_is_the_public_one() {
        assert_eq!(suffix(None), "core.windows.net");
        assert_eq!(suffix(Some("AzureChinaCloud")), "core.chinacloudapi.cn");
        assert_eq!(suffix(Some("AZURECHINACLOUD")), "core.windows.net");
    }
}
