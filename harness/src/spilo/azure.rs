//! What Azure and WAL-G want of names, prefixes, clouds and tokens.

mod sas;

pub use sas::{SasFault, SasToken};

/// What is wrong with a prefix, as WAL-G reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrefixFault {
    /// Blanks, quotes or line ends before the container or in its name, and quotes or line ends behind it.
    Blank,
    /// No `azure://` with a container behind it; with what stands in its place.
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

/// Whether a name that WAL-G does not know is meant for the public cloud, which it takes then.
pub fn is_public(environment: &str) -> bool {
    ["AzurePublicCloud", "AzureCloud", "AzurePublic", "Public", "Azure"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(environment.trim()))
}

/// What WAL-G or Azure will not take of a prefix; none where it is sound. What only the cluster knows is not judged.
///
/// WAL-G wants a URL with a host, which is the container, and does not look at the scheme: `az://backups/x` is the same place.
pub fn fault_of_prefix(prefix: &str) -> Option<PrefixFault> {
    if prefix.contains(super::pod::UNKNOWN) {
        // A part is enough to see that there is no scheme, but no more.
        let known = prefix.split(super::pod::UNKNOWN).next().unwrap_or_default();
        let scheme = known.split(':').next().unwrap_or_default();
        let could = match known.split_once(':') {
            Some((scheme, rest)) => is_scheme(scheme) && (rest.starts_with("//") || "//".starts_with(rest)),
            None => scheme.is_empty() || is_scheme(scheme),
        };
        return (!could).then(|| PrefixFault::Scheme(known.to_owned()));
    }
    let is_blank = |symbol: char| symbol.is_whitespace() || is_never(symbol);
    let (scheme, inside) = prefix.split_once("://").unwrap_or((prefix, ""));
    let container = inside.split('/').next().unwrap_or_default();
    // A path may well have blanks.
    if prefix.contains(is_never) || scheme.contains(is_blank) || container.contains(is_blank) {
        return Some(PrefixFault::Blank);
    }
    if !prefix.contains("://") || !is_scheme(scheme) {
        return Some(PrefixFault::Scheme(prefix.split(':').next().unwrap_or_default().to_owned()));
    }
    if container.is_empty() {
        return Some(PrefixFault::NoContainer);
    }
    match fault_of_container(container) {
        // The address of a container, and the like.
        Some(_) if scheme != SCHEME => Some(PrefixFault::Scheme(scheme.to_owned())),
        Some(why) => Some(PrefixFault::Container(container.to_owned(), why)),
        None => None,
    }
}

const SCHEME: &str = "azure";

/// What no prefix is meant to have anywhere.
fn is_never(symbol: char) -> bool {
    symbol.is_control() || matches!(symbol, '"' | '\'')
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|symbol| symbol.is_ascii_alphanumeric() || matches!(symbol, '+' | '-' | '.'))
}

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
            "az://backups/acid-orders/16",
            "s3://wal/x",
            "s3://\u{fffd}",
            "\u{fffd}://backups",
            "azure:\u{fffd}",
            "azure://backups/Orders of 2026/16",
        ] {
            assert_eq!(fault_of_prefix(prefix), None, "{prefix}");
        }
    }

    #[test]
    fn each_fault_of_a_prefix_is_seen() {
        let scheme = |text: &str| Some(PrefixFault::Scheme(text.to_owned()));
        assert_eq!(fault_of_prefix("azure:/wal/x"), scheme("azure"));
        assert_eq!(fault_of_prefix("https://prod.blob.core.windows.net/wal"), scheme("https"));
        assert_eq!(fault_of_prefix("wal/x"), scheme("wal/x"));
        assert_eq!(fault_of_prefix("wal/\u{fffd}"), scheme("wal/"));
        assert_eq!(fault_of_prefix("azure:/wal/\u{fffd}"), scheme("azure:/wal/"));
        assert_eq!(fault_of_prefix("azure:///x"), Some(PrefixFault::NoContainer));
        assert_eq!(fault_of_prefix("azure://"), Some(PrefixFault::NoContainer));
        for blank in
            ["azure://wal/x\n", " azure://wal/x", "azure://my wal/x", "'azure://wal/x'", "azure://wal/x\""]
        {
            assert_eq!(fault_of_prefix(blank), Some(PrefixFault::Blank), "{blank}");
        }
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
        assert!(is_public("AzureCloud") && is_public("AZUREPUBLICCLOUD") && !is_public("AzureUSGovernment"));
    }
}
