//! Which variables Spilo reads, and what becomes of the others.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::archive;

/// What a variable of this name does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Spilo reads it, or hands it on.
    Read,
    /// Nobody reads it; this one was probably meant.
    Misspelt {
        /// A name that is read.
        meant: String,
        /// It is that name but for upper and lower case.
        only_case: bool,
    },
    /// WAL-G would read it, and Spilo does not hand it on.
    NotHandedOn,
    /// It looks as if it were for backups, and nobody reads it.
    Nobody,
    /// It is for something else.
    Foreign,
}

/// Read without a `CLONE_` or `STANDBY_` before it.
const GENERAL: &[&str] = &[
    "ALLOW_NOSSL",
    "APIPORT",
    "BACKUP_NUM_TO_RETAIN",
    "BACKUP_SCHEDULE",
    "BGMON_LISTEN_IP",
    "CALLBACK_SCRIPT",
    "CRONTAB",
    "ENABLE_PG_MON",
    "ENABLE_WAL_PATH_COMPAT",
    "HUMAN_ROLE",
    "INITDB_LOCALE",
    "LOG_SHIP_SCHEDULE",
    "LOG_SHIP_HOURLY",
    "LOG_S3_BUCKET",
    "NAMESPACE",
    "PATRONI_CONFIGURATION",
    "PGDATA",
    "PGHOME",
    "PGLOG",
    "PGROOT",
    "PGVERSION",
    "SCOPE",
    "SPILO_CONFIGURATION",
    "SPILO_PROVIDER",
    "USE_ADMIN",
    "USE_OLD_LOCALES",
    "USE_PAUSE_AT_RECOVERY_TARGET",
    "WALE_BACKUP_THRESHOLD_MEGABYTES",
    "WALE_BACKUP_THRESHOLD_PERCENTAGE",
    "WALE_TMPDIR",
    "WAL_RESTORE_TIMEOUT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
];
/// Read with `CLONE_` before it alone.
const OF_CLONES: &[&str] = &[
    "CLONE_HOST",
    "CLONE_METHOD",
    "CLONE_PASSWORD",
    "CLONE_PGPASS",
    "CLONE_PORT",
    "CLONE_TARGET_INCLUSIVE",
    "CLONE_TARGET_TIME",
    "CLONE_TARGET_TIMELINE",
    "CLONE_USER",
    "CLONE_WALE_AZ_PREFIX",
    "CLONE_WALE_GCS_PREFIX",
    "CLONE_WAL_AZ_BUCKET",
];
const OF_STANDBYS: &[&str] = &[
    "STANDBY_CLUSTER",
    "STANDBY_HOST",
    "STANDBY_METHOD",
    "STANDBY_PORT",
    "STANDBY_PRIMARY_SLOT_NAME",
    "STANDBY_WALE_AZ_PREFIX",
];
/// What each scope has of its own.
const SCOPED: &[&str] = &[
    "PGPORT",
    "PGVERSION",
    "SCOPE",
    "USE_WALG",
    "WALE_ENV_DIR",
    "WAL_BUCKET_SCOPE_PREFIX",
    "WAL_BUCKET_SCOPE_SUFFIX",
];
/// What WAL-G itself knows and Spilo's env dirs never have.
const NOT_HANDED_ON: &[&str] = &[
    "AZURE_AUTHORITY_HOST",
    "AZURE_BLOB_STORE_API_VERSION",
    "AZURE_BUFFER_SIZE",
    "AZURE_ENDPOINT_SUFFIX",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_MAX_BUFFERS",
    "AZURE_TRY_TIMEOUT",
    "WALG_ALIVE_CHECK_INTERVAL",
    "WALG_AZURE_TRY_TIMEOUT",
    "WALG_CSE_KMS_ID",
    "WALG_CSE_KMS_REGION",
    "WALG_DELTA_FROM_NAME",
    "WALG_DELTA_FROM_USER_DATA",
    "WALG_DOWNLOAD_FILE_RETRIES",
    "WALG_ENVELOPE_PGP_KEY",
    "WALG_ENVELOPE_PGP_KEY_PATH",
    "WALG_FAILOVER_STORAGES",
    "WALG_FILE_PREFIX",
    "WALG_GPG_KEY_ID",
    "WALG_INTEGRITY_MAX_DELAYED_WALS",
    "WALG_LOG_LEVEL",
    "WALG_PG_WAL_SIZE",
    "WALG_PREFETCH_DIR",
    "WALG_S3_STORAGE_CLASS",
    "WALG_SERIALIZER_TYPE",
    "WALG_SKIP_REDUNDANT_TARS",
    "WALG_SLOTNAME",
    "WALG_STATSD_ADDRESS",
    "WALG_STOP_BACKUP_TIMEOUT",
    "WALG_STORE_ALL_CORRUPT_BLOCKS",
    "WALG_TAR_DISABLE_FSYNC",
    "WALG_TAR_SIZE_THRESHOLD",
    "WALG_UPLOAD_QUEUE",
    "WALG_UPLOAD_WAL_METADATA",
    "WALG_USE_WAL_DELTA",
    "WALG_VERIFY_PAGE_CHECKSUMS",
    "WALG_WITHOUT_FILES_METADATA",
    "WALG_YC_KMS_KEY_ID",
];
/// What other programs call what Spilo has another name for.
const CALLED_OTHERWISE: &[(&str, &str)] = &[
    ("AZURE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    ("AZURE_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    ("AZURE_SAS_TOKEN", "AZURE_STORAGE_SAS_TOKEN"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"),
    ("AZURE_STORAGE_SAS", "AZURE_STORAGE_SAS_TOKEN"),
    ("WABS_ACCESS_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    ("WABS_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
    ("WABS_SAS_TOKEN", "AZURE_STORAGE_SAS_TOKEN"),
    ("WALE_AZ_PREFIX", "WALG_AZ_PREFIX"),
    ("WALE_WABS_PREFIX", "WALG_AZ_PREFIX"),
    ("WAL_AZ_BUCKET", "WALG_AZ_PREFIX"),
];
const SCOPES: [&str; 3] = ["", "CLONE_", "STANDBY_"];

/// All names that are read, those for Azure first.
static READ: LazyLock<Vec<String>> = LazyLock::new(|| {
    let scoped = archive::names().chain(SCOPED.iter().copied());
    let scoped: Vec<String> = scoped.map(str::to_owned).collect();
    let with = |scope: &'static str| scoped.iter().map(move |name| format!("{scope}{name}"));
    let plain = [GENERAL, OF_CLONES, OF_STANDBYS].concat();
    SCOPES.into_iter().flat_map(with).chain(plain.into_iter().map(str::to_owned)).collect()
});
static READ_SET: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| READ.iter().map(String::as_str).collect());

/// What a variable of this name does in Spilo's container.
pub fn effect_of(name: &str) -> Effect {
    if is_read(name) {
        return Effect::Read;
    }
    let (scope, bare) =
        SCOPES[1..].iter().find_map(|scope| Some((*scope, name.strip_prefix(scope)?))).unwrap_or(("", name));
    if let Some((_, meant)) = CALLED_OTHERWISE.iter().find(|(other, _)| *other == bare) {
        return Effect::Misspelt { meant: format!("{scope}{meant}"), only_case: false };
    }
    if NOT_HANDED_ON.contains(&bare) {
        return Effect::NotHandedOn;
    }
    if let Some(meant) = READ.iter().find(|read| read.eq_ignore_ascii_case(name)) {
        return Effect::Misspelt { meant: meant.clone(), only_case: true };
    }
    if !is_of_the_family(name) {
        return Effect::Foreign;
    }
    match nearest(name) {
        Some(meant) => Effect::Misspelt { meant, only_case: false },
        // Other programs have names of these too.
        None if bare.starts_with("AZURE_") || bare.starts_with("BACKUP_") => Effect::Foreign,
        None => Effect::Nobody,
    }
}

/// Whether Spilo reads it or hands it on. `PGPASSWORD_…`, `KUBERNETES_…`, `SSL_…` and `LOG_…` are not looked at.
pub fn is_read(name: &str) -> bool {
    READ_SET.contains(name)
}

fn is_of_the_family(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let bare = SCOPES[1..].iter().find_map(|scope| name.strip_prefix(scope)).unwrap_or(&name);
    // Nobody else has names with these words before them.
    name != bare
        || ["WAL_", "WALG", "WALE_", "WABS_", "USE_WAL", "AZURE_", "AZ_", "BACKUP_", "BACKUPS_"]
            .iter()
            .any(|start| bare.starts_with(start))
        || bare.ends_with("_AZ_PREFIX")
}

/// Less than a word too many and another one missing, which is another name.
const FARTHEST: f64 = 1.15;

/// The read name that is most like this one, by its words, where one is like it at all.
fn nearest(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    let cost = |candidate: &str| {
        // A slip of the finger anywhere, also in an underscore.
        let letters = strsim::damerau_levenshtein(&name, candidate);
        if letters <= 2 && name.len() > 8 { 0.1 * letters as f64 } else { by_words(&name, candidate) }
    };
    let costs = READ.iter().map(|candidate| (cost(candidate), candidate));
    let best = costs.filter(|(cost, _)| *cost <= FARTHEST).min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, candidate)| candidate.clone())
}

/// How far apart two names are: words that are missing, too many, or written otherwise.
fn by_words(name: &str, candidate: &str) -> f64 {
    const MISSING: f64 = 0.6;
    let (own, other): (Vec<&str>, Vec<&str>) = (name.split('_').collect(), candidate.split('_').collect());
    let alike = |a: &str, b: &str| {
        let letters = strsim::damerau_levenshtein(a, b) as f64 / a.len().max(b.len()).max(1) as f64;
        if letters <= 0.6 { letters } else { 2.0 }
    };
    let mut row: Vec<f64> = (0..=other.len()).map(|at| at as f64 * MISSING).collect();
    for word in &own {
        let mut next = vec![row[0] + MISSING];
        for (at, theirs) in other.iter().enumerate() {
            let same = row[at] + alike(word, theirs);
            next.push(same.min(row[at + 1] + MISSING).min(next[at] + MISSING));
        }
        row = next;
    }
    // The last word says what it is: a key, a token, a prefix.
    let last = if own.last() == other.last() { 0.0 } else { 0.5 };
    row[other.len()] + last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str) -> Option<String> {
        match effect_of(name) {
            Effect::Misspelt { meant, .. } => Some(meant),
            _ => None,
        }
    }

    #[test]
    fn what_is_nearly_right_gets_the_name_that_was_meant() {
        for (name, right) in [
            ("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", "AZURE_STORAGE_ACCESS_KEY"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"),
            ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY"),
            ("AZURE_STORAGE_ACESS_KEY", "AZURE_STORAGE_ACCESS_KEY"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
            ("AZURE_ACCOUNT", "AZURE_STORAGE_ACCOUNT"),
            ("WALG_AZURE_PREFIX", "WALG_AZ_PREFIX"),
            ("WAL_AZ_PREFIX", "WALG_AZ_PREFIX"),
            ("WAL_G_AZ_PREFIX", "WALG_AZ_PREFIX"),
            ("WALG_AZ_PREFX", "WALG_AZ_PREFIX"),
            ("WALE_AZ_PREFIX", "WALG_AZ_PREFIX"),
            ("WABS_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
            ("CLONE_AZ_PREFIX", "CLONE_WALG_AZ_PREFIX"),
            ("CLONE_AZURE_STORAGE_KEY", "CLONE_AZURE_STORAGE_ACCESS_KEY"),
            ("CLONE_WALG_RESTORE", "CLONE_USE_WALG_RESTORE"),
            ("CLONE_USE_WAL_G_RESTORE", "CLONE_USE_WALG_RESTORE"),
            ("BACKUP_NUM_RETAIN", "BACKUP_NUM_TO_RETAIN"),
            ("BACKUPS_NUM_TO_RETAIN", "BACKUP_NUM_TO_RETAIN"),
            ("WALG_LIBSODIUM_KEY_TRANSFROM", "WALG_LIBSODIUM_KEY_TRANSFORM"),
            ("walg_az_prefix", "WALG_AZ_PREFIX"),
            ("HTTPS_PROXY", "https_proxy"),
        ] {
            assert_eq!(meant(name).as_deref(), Some(right), "{name}");
        }
    }

    #[test]
    fn what_is_read_and_what_is_somebody_elses_is_left_alone() {
        for name in
            ["WALG_AZ_PREFIX", "CLONE_AZURE_CLIENT_ID", "CLONE_WAL_BUCKET_SCOPE_PREFIX", "https_proxy"]
        {
            assert_eq!(effect_of(name), Effect::Read, "{name}");
        }
        for name in [
            "TZ",
            "PGTZ",
            "WALLET_PATH",
            "AZURE_SUBSCRIPTION_ID",
            "AZURE_KEYVAULT_NAME",
            "BACKUP_OWNER",
            "POSTGRES_USER",
            "KUBERNETES_LABELS",
            "DCS_ENABLE_KUBERNETES_API",
        ] {
            assert_eq!(effect_of(name), Effect::Foreign, "{name}");
        }
        assert_eq!(effect_of("CLONE_AZURE_ENDPOINT_SUFFIX"), Effect::NotHandedOn);
        assert_eq!(effect_of("WALG_FANCY_NEW_THING"), Effect::Nobody);
    }
}
