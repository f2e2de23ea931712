//! Which storage holds the WAL and the backups, and what WAL-G is told about it.
//!
//! In full for Azure. For the other stores the plain names are written, with the prefix that Spilo makes of a bucket;
//! what it derives for S3 (endpoint, region, server-side encryption) is not, and the log says so.

use super::store::Store;
use super::variables::Variables;

/// Whose backups: the cluster's own, or those that it is cloned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Variables without anything before their names; where the cluster archives to.
    Own,
    /// Variables with `CLONE_` before their names; where a clone reads.
    Clone,
}

impl Scope {
    /// What stands before the names of the variables.
    pub fn prefix(self) -> &'static str {
        match self {
            Scope::Own => "",
            Scope::Clone => "CLONE_",
        }
    }
}

/// What stands before the names of the variables that say what a standby cluster reads again and again.
pub const STANDBY: &str = "STANDBY_";

/// Names that switch WAL-G's restore on by themselves.
const WALG_STORES: &[&str] =
    &["WAL_S3_BUCKET", "WALE_S3_PREFIX", "WALG_S3_PREFIX", "WALG_AZ_PREFIX", "WALG_SSH_PREFIX"];
const GS_STORES: &[&str] = &["WAL_GS_BUCKET", "WALE_GS_PREFIX", "WALG_GS_PREFIX"];
const OTHER_STORES: &[&str] = &["WAL_SWIFT_BUCKET", "WALE_SWIFT_PREFIX", "WAL_GCS_BUCKET"];
const SSH: &[&str] = &["WALG_SSH_PREFIX", "SSH_PRIVATE_KEY_PATH", "SSH_USERNAME", "SSH_PORT"];

const AZURE: &[&str] = &[
    "WALG_AZ_PREFIX",
    "AZURE_STORAGE_ACCOUNT",
    "WALG_AZURE_BUFFER_SIZE",
    "WALG_AZURE_MAX_BUFFERS",
    "AZURE_ENVIRONMENT_NAME",
];
const AZURE_PRINCIPAL: &[&str] = &["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"];
const S3: &[&str] = &[
    "WALE_S3_PREFIX",
    "WALG_S3_PREFIX",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "WALE_S3_ENDPOINT",
    "AWS_ENDPOINT",
    "AWS_REGION",
    "AWS_INSTANCE_PROFILE",
    "WALE_DISABLE_S3_SSE",
    "WALG_S3_SSE_KMS_ID",
    "WALG_S3_SSE",
    "WALG_DISABLE_S3_SSE",
    "AWS_S3_FORCE_PATH_STYLE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
];
const GS: &[&str] = &["WALE_GS_PREFIX", "WALG_GS_PREFIX", "GOOGLE_APPLICATION_CREDENTIALS"];
const SWIFT: &[&str] = &[
    "WALE_SWIFT_PREFIX",
    "SWIFT_AUTHURL",
    "SWIFT_TENANT",
    "SWIFT_TENANT_ID",
    "SWIFT_USER",
    "SWIFT_USER_ID",
    "SWIFT_USER_DOMAIN_NAME",
    "SWIFT_USER_DOMAIN_ID",
    "SWIFT_PASSWORD",
    "SWIFT_AUTH_VERSION",
    "SWIFT_ENDPOINT_TYPE",
    "SWIFT_REGION",
    "SWIFT_DOMAIN_NAME",
    "SWIFT_DOMAIN_ID",
    "SWIFT_PROJECT_NAME",
    "SWIFT_PROJECT_ID",
    "SWIFT_PROJECT_DOMAIN_NAME",
    "SWIFT_PROJECT_DOMAIN_ID",
];

/// Tuning, encryption and proxies: the same for every store.
const WALG: &[&str] = &[
    "WALG_DELTA_MAX_STEPS",
    "WALG_DELTA_ORIGIN",
    "WALG_DOWNLOAD_CONCURRENCY",
    "WALG_UPLOAD_CONCURRENCY",
    "WALG_UPLOAD_DISK_CONCURRENCY",
    "WALG_DISK_RATE_LIMIT",
    "WALG_NETWORK_RATE_LIMIT",
    "WALG_COMPRESSION_METHOD",
    "USE_WALG_BACKUP",
    "USE_WALG_RESTORE",
    "WALG_BACKUP_COMPRESSION_METHOD",
    "WALG_BACKUP_FROM_REPLICA",
    "WALG_SENTINEL_USER_DATA",
    "WALG_PREVENT_WAL_OVERWRITE",
    "WALG_S3_CA_CERT_FILE",
    "WALG_LIBSODIUM_KEY",
    "WALG_LIBSODIUM_KEY_PATH",
    "WALG_LIBSODIUM_KEY_TRANSFORM",
    "WALG_PGP_KEY",
    "WALG_PGP_KEY_PATH",
    "WALG_PGP_KEY_PASSPHRASE",
    "no_proxy",
    "http_proxy",
    "https_proxy",
];

/// Every variable of which an env dir is made, without `CLONE_`: those for Azure first.
pub fn names() -> impl Iterator<Item = &'static str> {
    const CREDENTIALS: &[&str] = &["AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"];
    [AZURE, CREDENTIALS, AZURE_PRINCIPAL, WALG, SSH, S3, GS, WALG_STORES, GS_STORES, OTHER_STORES, SWIFT]
        .into_iter()
        .flatten()
        .copied()
}

/// Whether a variable (without its `CLONE_`) goes into an env dir, and for which store; `Some(None)` for any.
pub fn store_of(name: &str) -> Option<Option<Store>> {
    const CREDENTIALS: &[&str] = &["AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"];
    let of = [
        (Store::Azure, [AZURE, CREDENTIALS, AZURE_PRINCIPAL].concat()),
        (Store::S3, [S3, &["WAL_S3_BUCKET"]].concat()),
        (Store::GoogleStorage, [GS, &["WAL_GS_BUCKET", "WAL_GCS_BUCKET"]].concat()),
        (Store::Swift, [SWIFT, &["WAL_SWIFT_BUCKET"]].concat()),
        (Store::Ssh, SSH.to_vec()),
    ];
    let store = of.iter().find(|(_, names)| names.contains(&name)).map(|(store, _)| *store);
    let tuning = WALG.contains(&name) && !name.ends_with("_proxy");
    store.map(Some).or(tuning.then_some(None))
}

/// Whether it is part of a way to authenticate to Azure.
pub fn is_azure_credential(name: &str) -> bool {
    matches!(name, "AZURE_STORAGE_ACCESS_KEY" | "AZURE_STORAGE_SAS_TOKEN") || AZURE_PRINCIPAL.contains(&name)
}

/// The variables each of which switches archiving on.
pub fn switches() -> Vec<&'static str> {
    [WALG_STORES, GS_STORES, OTHER_STORES].concat()
}

/// Whether the cluster's own WAL is archived.
pub fn is_on(variables: &Variables) -> bool {
    variables.any_set(switches())
}

/// The first kind of store that another cluster's backups can be read from, or `None` where the variables with this
/// prefix (`CLONE_`, `STANDBY_`) do not suffice.
pub fn source(variables: &Variables, prefix: &str) -> Option<&'static str> {
    let set = |name: String| variables.set(&format!("{prefix}{name}")).is_some();
    ["S3", "GS", "GCS", "SWIFT", "AZ"].into_iter().find(|store| {
        set(format!("WALE_{store}_PREFIX"))
            || (matches!(*store, "S3" | "GS" | "AZ") && set(format!("WALG_{store}_PREFIX")))
            || (set(format!("WAL_{store}_BUCKET")) && set("SCOPE".to_owned()))
    })
}

/// Stores that only WAL-G can use switch it on, where nobody said otherwise.
pub fn switch_walg_on(variables: &mut Variables) {
    if variables.any_set(WALG_STORES) {
        variables.fill("USE_WALG_RESTORE", "true");
    }
    if variables.set("WALG_AZ_PREFIX").is_some() || SSH.iter().all(|name| variables.set(name).is_some()) {
        variables.fill("USE_WALG_BACKUP", "true");
    }
}

/// Settles `USE_WALG_BACKUP` and `USE_WALG_RESTORE` of the variables with this prefix (`CLONE_`, `STANDBY_`, or none): `true`, or
/// empty.
pub fn settle_walg(variables: &mut Variables, prefix: &str) {
    let supported =
        variables.any_set([WALG_STORES, GS_STORES].concat().iter().map(|name| format!("{prefix}{name}")));
    let fallback = variables.text("USE_WALG").to_owned();
    variables.fill(&format!("{prefix}USE_WALG"), fallback);
    for name in ["USE_WALG_BACKUP", "USE_WALG_RESTORE"] {
        let name = format!("{prefix}{name}");
        let given = if variables.is_there(&name) { &name } else { &format!("{prefix}USE_WALG") };
        let on = supported && variables.text(given).eq_ignore_ascii_case("true");
        variables.put(&name, if on { "true" } else { "" });
    }
}

/// An env dir's content, and what was odd about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EnvDir {
    /// Name and value, in the order in which they are written.
    pub entries: Vec<(String, String)>,
    /// In Spilo's words.
    pub warnings: Vec<String>,
    /// What Spilo would derive and this does not.
    pub left_out: Option<&'static str>,
}

/// What the env dir of a scope holds, or `None` where no store is configured: then none is written.
pub fn env_dir(variables: &Variables, scope: Scope) -> Option<EnvDir> {
    env_dir_of(variables, scope.prefix())
}

/// The same of the variables with this prefix (`CLONE_`, `STANDBY_`, or none).
pub fn env_dir_of(variables: &Variables, prefix: &str) -> Option<EnvDir> {
    let value = |name: &str| variables.set(&format!("{prefix}{name}"));
    let mut warnings = Vec::new();
    let store: Vec<&str> =
        if ["WAL_S3_BUCKET", "WALE_S3_PREFIX", "WALG_S3_PREFIX"].iter().any(|n| value(n).is_some()) {
            S3.to_vec()
        } else if ["WAL_GCS_BUCKET", "WAL_GS_BUCKET", "WALE_GS_PREFIX", "WALG_GS_PREFIX"]
            .iter()
            .any(|name| value(name).is_some())
        {
            GS.to_vec()
        } else if ["WAL_SWIFT_BUCKET", "WALE_SWIFT_PREFIX"].iter().any(|name| value(name).is_some()) {
            SWIFT.to_vec()
        } else if value("WALG_AZ_PREFIX").is_some() {
            let (credentials, warning) = azure_credentials(value);
            warnings.extend(warning);
            [AZURE, credentials].concat()
        } else if value("WALG_SSH_PREFIX").is_some() {
            SSH.to_vec()
        } else {
            return None;
        };
    // Swift is the only one that WAL-G's own names do not go with.
    let tuning: &[&str] = if store[0] == SWIFT[0] { &[] } else { WALG };
    let own: &[&str] = if prefix.is_empty() { &["BACKUP_NUM_TO_RETAIN"] } else { &[] };
    let made = made_prefixes(&store, value);
    let mut entries: Vec<(String, String)> = [&store, tuning, &["PGPORT"], own]
        .concat()
        .into_iter()
        .filter_map(|name| {
            let made = made.iter().find(|(made, _)| *made == name).map(|(_, value)| value.as_str());
            Some((name.to_owned(), value(name).or(made)?.to_owned()))
        })
        .collect();
    entries.push(("WALE_LOG_DESTINATION".to_owned(), "stderr".to_owned()));
    entries.push(("TMPDIR".to_owned(), variables.text("WALE_TMPDIR").to_owned()));
    let left_out = (store[0] == S3[0]).then_some("the endpoint, region and encryption of S3");
    Some(EnvDir { entries, warnings, left_out })
}

/// A value as a program gets it from a file of an env dir: its first line without trailing blanks. So the line end that
/// `echo … | base64` brings is harmless.
pub fn as_read(value: &str) -> &str {
    value.split('\n').next().unwrap_or_default().trim_end_matches([' ', '\t'])
}

/// The prefixes that Spilo makes where a store is given by its bucket, one folder a major version.
fn made_prefixes<'v>(
    store: &[&'static str],
    value: impl Fn(&str) -> Option<&'v str>,
) -> Vec<(&'static str, String)> {
    let text = |name: &str| value(name).unwrap_or_default();
    let kind = match store[0] {
        "WALE_S3_PREFIX" => "S3",
        "WALE_GS_PREFIX" => "GS",
        "WALE_SWIFT_PREFIX" => "SWIFT",
        _ => return Vec::new(),
    };
    let bucket = match kind {
        "GS" if value("WAL_GCS_BUCKET").is_some() => text("WAL_GCS_BUCKET"),
        kind => text(&format!("WAL_{kind}_BUCKET")),
    };
    let path = value(store[0]).map(str::to_owned).unwrap_or_else(|| {
        format!(
            "{}://{bucket}/spilo/{}{}{}/wal/{}",
            kind.to_lowercase(),
            text("WAL_BUCKET_SCOPE_PREFIX"),
            text("SCOPE"),
            text("WAL_BUCKET_SCOPE_SUFFIX"),
            text("PGVERSION"),
        )
    });
    // WAL-G's own name beside WAL-E's, which Swift has not.
    store[..if kind == "SWIFT" { 1 } else { 2 }].iter().map(|name| (*name, path.clone())).collect()
}

/// The first way to authenticate that is complete; the others are not written.
fn azure_credentials<'v>(
    value: impl Fn(&str) -> Option<&'v str>,
) -> (&'static [&'static str], Option<String>) {
    const WAYS: [&[&str]; 3] = [&["AZURE_STORAGE_ACCESS_KEY"], &["AZURE_STORAGE_SAS_TOKEN"], AZURE_PRINCIPAL];
    let complete: Vec<&'static [&'static str]> =
        WAYS.into_iter().filter(|way| way.iter().all(|name| value(name).is_some())).collect();
    let chosen = complete.first().copied().unwrap_or(&[]);
    let warning = (complete.len() > 1).then(|| {
        format!(
            "Multiple authentication options configured for wal-g backup to Azure, using {}. Provide either \
             AZURE_STORAGE_ACCESS_KEY or AZURE_STORAGE_SAS_TOKEN or Service Principal (AZURE_CLIENT_ID, \
             AZURE_CLIENT_SECRET, AZURE_TENANT_ID) for authentication (or use MSI).",
            chosen.join("/")
        )
    });
    (chosen, warning)
}

#[cfg(test)]
mod tests;
