//! Which storage holds the WAL and the backups, and what WAL-G is told about it.
//!
//! In full for Azure. For the other stores the plain names are written; what Spilo derives for S3
//! (endpoint, region, server-side encryption) is not.

use super::variables::Variables;

/// Whose backups: the cluster's own, or those that it is cloned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Own,
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
const SWIFT: &[&str] =
    &["WALE_SWIFT_PREFIX", "SWIFT_AUTHURL", "SWIFT_TENANT", "SWIFT_USER", "SWIFT_PASSWORD"];

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

/// Whether the cluster's own WAL is archived.
pub fn is_on(variables: &Variables) -> bool {
    variables.any_set([WALG_STORES, GS_STORES, OTHER_STORES].concat())
}

/// The first kind of store that a clone can be made from, or `None` where the variables do not suffice.
pub fn clone_source(variables: &Variables) -> Option<&'static str> {
    ["S3", "GS", "GCS", "SWIFT", "AZ"].into_iter().find(|store| {
        variables.set(&format!("CLONE_WALE_{store}_PREFIX")).is_some()
            || (matches!(*store, "S3" | "GS" | "AZ")
                && variables.set(&format!("CLONE_WALG_{store}_PREFIX")).is_some())
            || (variables.set(&format!("CLONE_WAL_{store}_BUCKET")).is_some()
                && variables.set("CLONE_SCOPE").is_some())
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

/// Settles `USE_WALG_BACKUP` and `USE_WALG_RESTORE` of one scope: `true`, or empty.
pub fn settle_walg(variables: &mut Variables, scope: Scope) {
    let prefix = scope.prefix();
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
    pub warnings: Vec<String>,
}

/// What the env dir of a scope holds, or `None` where no store is configured: then none is written.
pub fn env_dir(variables: &Variables, scope: Scope) -> Option<EnvDir> {
    let value = |name: &str| variables.set(&format!("{}{name}", scope.prefix()));
    let mut warnings = Vec::new();
    let store: Vec<&str> =
        if ["WAL_S3_BUCKET", "WALE_S3_PREFIX", "WALG_S3_PREFIX"].iter().any(|n| value(n).is_some()) {
            S3.to_vec()
        } else if ["WAL_GCS_BUCKET", "WAL_GS_BUCKET", "WALE_GCS_PREFIX", "WALE_GS_PREFIX", "WALG_GS_PREFIX"]
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
    let own: &[&str] = if scope == Scope::Own { &["BACKUP_NUM_TO_RETAIN"] } else { &[] };
    let mut entries: Vec<(String, String)> = [&store, tuning, &["PGPORT"], own]
        .concat()
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), value(name)?.to_owned())))
        .collect();
    entries.push(("WALE_LOG_DESTINATION".to_owned(), "stderr".to_owned()));
    entries.push(("TMPDIR".to_owned(), variables.text("WALE_TMPDIR").to_owned()));
    Some(EnvDir { entries, warnings })
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
