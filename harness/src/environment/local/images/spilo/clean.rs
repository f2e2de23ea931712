//! The few variables that Patroni, and with it PostgreSQL and every command that they start, gets.
//!
//! One differs from Spilo's, since this machine is not its image: `LC_ALL` is the nearest locale that there is.

use super::patroni::Locales;
use crate::spilo::Variables;
use crate::spilo::cleaned::is_kept;

/// The locale of Spilo's shells where the image's is taken away.
const FALLBACK_LOCALE: &str = "C.UTF-8";

/// What Patroni is started with.
pub(super) fn of_patroni(variables: &Variables, locales: &Locales) -> Variables {
    let mut cleaned = clean(variables);
    cleaned.put("LC_ALL", locales.nearest(variables.set("LC_ALL").unwrap_or(FALLBACK_LOCALE)));
    cleaned
}

/// Spilo's cleaned environment, so that nothing else of the pod's settings reaches WAL-G there.
fn clean(variables: &Variables) -> Variables {
    let mut kept: Variables = variables.iter().filter(|(name, _)| is_kept(name)).collect();
    kept.put("HOME", "/home/postgres");
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_names_are_left() {
        let kept = [
            "ENABLE_PG_MON",
            "HOME",
            "HOSTNAME",
            "KUBERNETES_PORT",
            "KUBERNETES_PORT_443_TCP",
            "KUBERNETES_ROLE_LABEL",
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_SERVICE_PORT",
            "LC_ALL",
            "PATH",
            "PGHOME",
            "POD_IP",
            "POD_NAMESPACE",
        ];
        let dropped = [
            "AZURE_ENDPOINT_SUFFIX",
            "AZURE_STORAGE_ACCESS_KEY",
            "CLONE_AZURE_STORAGE_ACCOUNT",
            "KUBERNETES_LABELS",
            "KUBERNETES_SCOPE_LABEL",
            "KUBERNETES_SERVICES",
            "PATHS",
            "PGPASSWORD_SUPERUSER",
            "SPILO_CONFIGURATION",
            "SSL_CERT_FILE",
            "WALG_AZ_PREFIX",
        ];
        let all: Variables = kept.iter().chain(&dropped).map(|name| (*name, "x")).collect();
        let cleaned = clean(&all);
        assert_eq!(cleaned.iter().map(|(name, _)| name).collect::<Vec<_>>(), kept);
        assert_eq!(cleaned.text("HOME"), "/home/postgres");
    }
    #[test]
    fn what_patroni_gets_beside_them_is_a_locale_that_this_machine_has() {
        let pod: Variables = [
            ("LC_ALL", "en_US.utf-8"),
            ("PATH", "/bin"),
            ("POD_IP", "10.244.1.5"),
            ("WALG_AZ_PREFIX", "azure://backups/x"),
        ]
        .into_iter()
        .collect();
        let given = |locales: &[&str]| {
            let given = of_patroni(&pod, &Locales::new(locales));
            given.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let home = "HOME=/home/postgres";
        assert_eq!(
            given(&["C", "en_US.utf8"]),
            [home, "LC_ALL=en_US.utf-8", "PATH=/bin", "POD_IP=10.244.1.5"]
        );
        assert_eq!(given(&["C", "C.utf8"]), [home, "LC_ALL=C.UTF-8", "PATH=/bin", "POD_IP=10.244.1.5"]);
    }
}
