//! What the environment asks for: Spilo's defaults and switches, before anything is written.

use super::archive::{self, Scope};
use super::variables::Variables;

/// A variable that has a default, as Spilo's list of them.
const DEFAULTS: &[(&str, &str)] = &[
    ("ALLOW_NOSSL", ""),
    ("APIPORT", "8008"),
    ("BACKUP_NUM_TO_RETAIN", "5"),
    ("BACKUP_SCHEDULE", "0 1 * * *"),
    ("CLONE_METHOD", ""),
    ("CLONE_TARGET_INCLUSIVE", "true"),
    ("CLONE_TARGET_TIME", ""),
    ("CLONE_TARGET_TIMELINE", "latest"),
    ("HUMAN_ROLE", "zalandos"),
    ("INITDB_LOCALE", "en_US"),
    ("KUBERNETES_BOOTSTRAP_LABELS", "{}"),
    ("KUBERNETES_BYPASS_API_SERVICE", "true"),
    ("KUBERNETES_LABELS", r#"{"application": "spilo"}"#),
    ("KUBERNETES_LEADER_LABEL_VALUE", "master"),
    ("KUBERNETES_ROLE_LABEL", "spilo-role"),
    ("KUBERNETES_SCOPE_LABEL", "version"),
    ("KUBERNETES_STANDBY_LEADER_LABEL_VALUE", "master"),
    ("KUBERNETES_USE_CONFIGMAPS", ""),
    ("PAM_OAUTH2", ""),
    ("PGHOME", "/home/postgres"),
    ("PGPASSWORD_STANDBY", "standby"),
    ("PGPASSWORD_SUPERUSER", "zalando"),
    ("PGPORT", "5432"),
    ("PGUSER_ADMIN", "admin"),
    ("PGUSER_STANDBY", "standby"),
    ("PGUSER_SUPERUSER", "postgres"),
    ("RW_DIR", "/run"),
    ("SCOPE", "dummy"),
    ("USE_PAUSE_AT_RECOVERY_TARGET", ""),
    ("WALE_BACKUP_THRESHOLD_MEGABYTES", "102400"),
    ("WALE_BACKUP_THRESHOLD_PERCENTAGE", "30"),
    ("WAL_BUCKET_SCOPE_SUFFIX", ""),
    ("WAL_RESTORE_TIMEOUT", "0"),
];

/// What the cluster is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloneMethod {
    /// `initdb`: also where a clone was asked for, but with too little to go on.
    Nothing,
    /// The backups that the `CLONE_` variables name; its env dir.
    Backups {
        /// Where Spilo writes what WAL-G reads them with.
        env_dir: String,
    },
    /// A running cluster; the file with its password.
    RunningCluster {
        /// Its path.
        pgpass: String,
    },
}

/// The environment with every default in its place, and what follows from it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// With all defaults filled in.
    pub variables: Variables,
    /// Whether WAL is archived, and base backups are taken.
    pub archiving: bool,
    /// What it is made from; says nothing of one that follows another cluster.
    pub clone: CloneMethod,
    /// The variable that asks for a cluster which follows another one, where one does.
    pub standby: Option<&'static str>,
    /// Where Spilo writes what WAL-G reads the backups with that it follows; none where it follows a running cluster alone.
    pub standby_env_dir: Option<String>,
    /// What was wrong with it, in Spilo's words.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Spilo's reading of a container's environment, on a machine with so many processors.
    pub fn of(mut variables: Variables, processors: usize) -> Self {
        let mut warnings = Vec::new();
        fill_in_defaults(&mut variables, processors);
        let clone = clone_method(&mut variables, &mut warnings);
        let standby_env_dir = standby_env_dir(&mut variables);
        let standby = standby(&variables, standby_env_dir.is_some());
        archive::switch_walg_on(&mut variables);
        archive::settle_walg(&mut variables, Scope::Own.prefix());
        if matches!(clone, CloneMethod::Backups { .. }) {
            archive::settle_walg(&mut variables, Scope::Clone.prefix());
        }
        if standby_env_dir.is_some() {
            archive::settle_walg(&mut variables, archive::STANDBY);
        }
        if let Some(value) = variables.set("WALG_BACKUP_FROM_REPLICA") {
            let lower = value.to_lowercase();
            variables.put("WALG_BACKUP_FROM_REPLICA", lower);
        }
        let archiving = archive::is_on(&variables);
        Settings { variables, archiving, clone, standby, standby_env_dir, warnings }
    }

    /// A variable that has a default, or the empty text.
    pub fn text(&self, name: &str) -> &str {
        self.variables.text(name)
    }

    /// Spilo's templates ask only whether there is a value: `false` is one.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.set(name).is_some()
    }

    /// What PostgreSQL is told to archive a WAL file with.
    pub fn archive_command(&self) -> String {
        if !self.archiving {
            return "/bin/true".to_owned();
        }
        let program = if self.text("USE_WALG_BACKUP") == "true" { "wal-g" } else { "wal-e" };
        format!(r#"envdir "{}" {program} wal-push "%p""#, self.text("WALE_ENV_DIR"))
    }

    /// What fetches a WAL file, for the cluster's replicas or for its recovery as a clone.
    pub fn restore_command(&self, env_dir: &str) -> String {
        let timeout = self.text("WAL_RESTORE_TIMEOUT");
        format!(r#"envdir "{env_dir}" timeout "{timeout}" /scripts/restore_command.sh "%f" "%p""#)
    }
}

fn fill_in_defaults(variables: &mut Variables, processors: usize) {
    for (name, value) in DEFAULTS {
        variables.fill(name, *value);
    }
    let home = variables.text("PGHOME").to_owned();
    variables.fill("PGROOT", format!("{home}/pgroot"));
    let root = variables.text("PGROOT").to_owned();
    variables.fill("PGDATA", format!("{root}/pgdata"));
    variables.fill("PGLOG", format!("{root}/pg_log"));
    let above = std::path::Path::new(&root).parent().map_or("/".into(), |parent| parent.join("tmp"));
    variables.fill("WALE_TMPDIR", above.to_string_lossy());

    let rw = variables.text("RW_DIR").to_owned();
    variables.fill("WALE_ENV_DIR", format!("{rw}/etc/wal-e.d/env"));
    variables.fill("SSL_CERTIFICATE_FILE", format!("{rw}/certs/server.crt"));
    variables.fill("SSL_PRIVATE_KEY_FILE", format!("{rw}/certs/server.key"));
    for (given, file, name) in
        [("SSL_CA", "SSL_CA_FILE", "ca.crt"), ("SSL_CRL", "SSL_CRL_FILE", "server.crl")]
    {
        if variables.is_there(given) && variables.set(file).is_none() {
            variables.put(file, format!("{rw}/certs/{name}"));
        }
    }

    // Only Kubernetes as the store gives a cluster the namespace of its pod.
    let namespace =
        match (variables.set("KUBERNETES_SERVICE_HOST"), variables.set("DCS_ENABLE_KUBERNETES_API")) {
            (Some(_), Some(_)) => variables.set("POD_NAMESPACE").unwrap_or("default").to_owned(),
            _ => String::new(),
        };
    variables.fill("NAMESPACE", namespace);
    let prefix = match variables.text("NAMESPACE") {
        "" | "default" => String::new(),
        other => format!("{other}-"),
    };
    variables.fill("WAL_BUCKET_SCOPE_PREFIX", prefix);

    let concurrency = processors.min(10).to_string();
    variables.fill("WALG_DOWNLOAD_CONCURRENCY", concurrency.clone());
    variables.fill("WALG_UPLOAD_CONCURRENCY", concurrency);
}

fn clone_method(variables: &mut Variables, warnings: &mut Vec<String>) -> CloneMethod {
    match variables.text("CLONE_METHOD") {
        "CLONE_WITH_WALE" => match archive::source(variables, "CLONE_") {
            Some(store) => {
                if store == "S3" {
                    variables.fill("CLONE_USE_WALG", "true");
                }
                let suffix = variables.set("CLONE_SCOPE").map_or(String::new(), |scope| format!("-{scope}"));
                let env_dir = format!("{}/etc/wal-e.d/env-clone{suffix}", variables.text("RW_DIR"));
                CloneMethod::Backups { env_dir }
            }
            None => {
                warnings.push(
                    "Cloning with WAL-E is only possible when CLONE_WALE_*_PREFIX or CLONE_WALG_*_PREFIX or \
                     CLONE_WAL_*_BUCKET and CLONE_SCOPE are set."
                        .to_owned(),
                );
                CloneMethod::Nothing
            }
        },
        "CLONE_WITH_BASEBACKUP" => {
            let needed = ["CLONE_SCOPE", "CLONE_HOST", "CLONE_USER", "CLONE_PASSWORD"];
            if needed.iter().all(|name| variables.set(name).is_some()) {
                let pgpass =
                    format!("{}/.pgpass_{}", variables.text("PGHOME"), variables.text("CLONE_SCOPE"));
                variables.fill("CLONE_PGPASS", pgpass);
                variables.fill("CLONE_PORT", "5432");
                CloneMethod::RunningCluster { pgpass: variables.text("CLONE_PGPASS").to_owned() }
            } else {
                warnings.push(
                    "Clone method is set to basebackup, but no 'CLONE_SCOPE' or 'CLONE_HOST' or 'CLONE_USER' or \
                     'CLONE_PASSWORD' specified"
                        .to_owned(),
                );
                CloneMethod::Nothing
            }
        }
        _ => CloneMethod::Nothing,
    }
}

/// A cluster that is to be a clone follows no backups, whatever else it is told.
fn standby_env_dir(variables: &mut Variables) -> Option<String> {
    if matches!(variables.text("CLONE_METHOD"), "CLONE_WITH_WALE" | "CLONE_WITH_BASEBACKUP") {
        return None;
    }
    if archive::source(variables, archive::STANDBY)? == "S3" {
        variables.fill("STANDBY_USE_WALG", "true");
    }
    let suffix = variables.set("STANDBY_SCOPE").map_or(String::new(), |scope| format!("-{scope}"));
    Some(format!("{}/etc/wal-e.d/env-standby{suffix}", variables.text("RW_DIR")))
}

/// What makes Spilo configure a standby cluster; `STANDBY_METHOD`, which the operator sets, does nothing by itself.
fn standby(variables: &Variables, by_backups: bool) -> Option<&'static str> {
    let mut given = ["STANDBY_CLUSTER", "STANDBY_HOST"].into_iter();
    given.find(|name| variables.set(name).is_some()).or(by_backups.then_some("STANDBY_WAL*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::of(pairs.iter().copied().collect(), 2)
    }

    #[test]
    fn folders_follow_from_each_other() {
        let made = settings(&[("PGROOT", "/home/postgres/pgdata/pgroot")]);
        assert_eq!(made.text("PGDATA"), "/home/postgres/pgdata/pgroot/pgdata");
        assert_eq!(made.text("WALE_TMPDIR"), "/home/postgres/pgdata/tmp");
        assert_eq!(settings(&[]).text("PGDATA"), "/home/postgres/pgroot/pgdata");
    }

    #[test]
    fn a_value_that_is_there_beats_the_default() {
        let made = settings(&[("PGDATA", "/data"), ("APIPORT", "9000"), ("BACKUP_NUM_TO_RETAIN", "7")]);
        assert_eq!((made.text("PGDATA"), made.text("APIPORT")), ("/data", "9000"));
        assert_eq!((made.text("BACKUP_NUM_TO_RETAIN"), made.text("BACKUP_SCHEDULE")), ("7", "0 1 * * *"));
    }

    #[test]
    fn concurrency_is_the_processors_up_to_ten() {
        assert_eq!(settings(&[]).text("WALG_UPLOAD_CONCURRENCY"), "2");
        assert_eq!(Settings::of(Variables::default(), 64).text("WALG_DOWNLOAD_CONCURRENCY"), "10");
    }

    #[test]
    fn the_scope_prefix_is_the_namespace_unless_it_is_set_even_to_nothing() {
        let kubernetes = [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("DCS_ENABLE_KUBERNETES_API", "true")];
        let with = |more: &[(&str, &str)]| settings(&[&kubernetes, more].concat());
        assert_eq!(with(&[("POD_NAMESPACE", "drill-1")]).text("WAL_BUCKET_SCOPE_PREFIX"), "drill-1-");
        assert_eq!(with(&[("POD_NAMESPACE", "default")]).text("WAL_BUCKET_SCOPE_PREFIX"), "");
        let set = with(&[("POD_NAMESPACE", "drill-1"), ("WAL_BUCKET_SCOPE_PREFIX", "")]);
        assert_eq!(set.text("WAL_BUCKET_SCOPE_PREFIX"), "");
    }

    #[test]
    fn only_the_azure_prefix_switches_archiving_on() {
        assert!(!settings(&[("AZURE_STORAGE_ACCOUNT", "prod"), ("AZURE_STORAGE_ACCESS_KEY", "k")]).archiving);
        assert!(!settings(&[("WAL_AZ_BUCKET", "backups")]).archiving);
        assert!(!settings(&[("WALG_AZ_PREFIX", "")]).archiving);
        assert!(settings(&[("WALG_AZ_PREFIX", "azure://backups/x")]).archiving);
    }

    #[test]
    fn the_archive_command_follows_the_switches() {
        assert_eq!(settings(&[]).archive_command(), "/bin/true");
        let azure = ("WALG_AZ_PREFIX", "azure://backups/x");
        assert_eq!(
            settings(&[azure]).archive_command(),
            r#"envdir "/run/etc/wal-e.d/env" wal-g wal-push "%p""#
        );
        let wale = settings(&[azure, ("USE_WALG_BACKUP", "false")]);
        assert_eq!(wale.archive_command(), r#"envdir "/run/etc/wal-e.d/env" wal-e wal-push "%p""#);
    }

    #[test]
    fn a_clone_without_a_prefix_is_an_empty_cluster_with_a_warning() {
        let made = settings(&[("CLONE_METHOD", "CLONE_WITH_WALE"), ("CLONE_SCOPE", "acid-orders")]);
        assert_eq!(made.clone, CloneMethod::Nothing);
        assert_eq!(
            made.warnings,
            ["Cloning with WAL-E is only possible when CLONE_WALE_*_PREFIX or CLONE_WALG_*_PREFIX or \
              CLONE_WAL_*_BUCKET and CLONE_SCOPE are set."]
        );
    }

    #[test]
    fn a_clone_with_a_prefix_gets_an_env_dir_named_after_its_scope() {
        let method = ("CLONE_METHOD", "CLONE_WITH_WALE");
        let prefix = ("CLONE_WALG_AZ_PREFIX", "azure://backups/x");
        let named = settings(&[method, prefix, ("CLONE_SCOPE", "acid-orders")]);
        assert_eq!(
            named.clone,
            CloneMethod::Backups { env_dir: "/run/etc/wal-e.d/env-clone-acid-orders".into() }
        );
        let unnamed = settings(&[method, prefix]);
        assert_eq!(unnamed.clone, CloneMethod::Backups { env_dir: "/run/etc/wal-e.d/env-clone".into() });
        assert_eq!(settings(&[prefix]).clone, CloneMethod::Nothing);
    }

    #[test]
    fn another_cluster_to_follow_is_recognised() {
        let backups = ("STANDBY_WALG_AZ_PREFIX", "azure://backups/x");
        assert_eq!(settings(&[("STANDBY_HOST", "acid-source")]).standby, Some("STANDBY_HOST"));
        assert_eq!(settings(&[backups]).standby, Some("STANDBY_WAL*"));
        assert_eq!(settings(&[("STANDBY_WALE_S3_PREFIX", "s3://b/x")]).standby, Some("STANDBY_WAL*"));
        assert_eq!(settings(&[backups, ("CLONE_METHOD", "CLONE_WITH_WALE")]).standby, None);
        for nothing in
            [("STANDBY_METHOD", "STANDBY_WITH_WALE"), ("STANDBY_HOST", ""), ("STANDBY_PORT", "5432")]
        {
            assert_eq!(settings(&[nothing]).standby, None, "{nothing:?}");
        }
    }

    #[test]
    fn backups_to_follow_get_an_env_dir_and_wal_g_only_where_it_is_asked_for() {
        let backups = ("STANDBY_WALG_AZ_PREFIX", "azure://backups/x");
        let made = settings(&[backups]);
        assert_eq!(made.standby_env_dir.as_deref(), Some("/run/etc/wal-e.d/env-standby"));
        assert_eq!(made.text("STANDBY_USE_WALG_RESTORE"), "");
        let asked =
            settings(&[backups, ("STANDBY_USE_WALG_RESTORE", "true"), ("STANDBY_SCOPE", "acid-orders")]);
        assert_eq!(asked.standby_env_dir.as_deref(), Some("/run/etc/wal-e.d/env-standby-acid-orders"));
        assert_eq!(asked.text("STANDBY_USE_WALG_RESTORE"), "true");
        let s3 = settings(&[("STANDBY_WALE_S3_PREFIX", "s3://b/x")]);
        assert_eq!(s3.text("STANDBY_USE_WALG_RESTORE"), "true");
        assert_eq!(settings(&[("STANDBY_HOST", "acid-orders")]).standby_env_dir, None);
    }

    #[test]
    fn a_basebackup_clone_needs_all_four() {
        let all = [
            ("CLONE_METHOD", "CLONE_WITH_BASEBACKUP"),
            ("CLONE_SCOPE", "acid-orders"),
            ("CLONE_HOST", "acid-orders"),
            ("CLONE_USER", "standby"),
            ("CLONE_PASSWORD", "secret"),
        ];
        let pgpass = "/home/postgres/.pgpass_acid-orders".to_owned();
        assert_eq!(settings(&all).clone, CloneMethod::RunningCluster { pgpass });
        for missing in 1..all.len() {
            let mut some = all.to_vec();
            some.remove(missing);
            let made = settings(&some);
            assert_eq!(made.clone, CloneMethod::Nothing, "without {}", all[missing].0);
            assert!(made.warnings[0].starts_with("Clone method is set to basebackup, but no 'CLONE_SCOPE'"));
        }
    }
}
