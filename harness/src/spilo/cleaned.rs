//! The variables of a pod that Patroni, and with it PostgreSQL and every command that they start, gets.

const KEPT: &[&str] = &["POD_IP", "POD_NAMESPACE", "HOSTNAME", "PATH", "PGHOME", "LC_ALL", "ENABLE_PG_MON"];
const KEPT_GROUPS: &[&str] = &["KUBERNETES_SERVICE", "KUBERNETES_PORT", "KUBERNETES_ROLE"];

/// Whether Patroni gets the variable of this name.
pub fn is_kept(name: &str) -> bool {
    KEPT.contains(&name)
        || KEPT_GROUPS.iter().any(|group| {
            name.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
}
