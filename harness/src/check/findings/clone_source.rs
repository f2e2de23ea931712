//! A clone against its source: its version, its cloud, its name, and itself.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::operator;
use crate::check::world::World;
use crate::spilo::{Scope, Store, azure, is_known};

pub(super) static OLDER: Definition = Definition {
    code: "clone-older-than-source",
    severity: Severity::Error,
    title: "the clone's major version is below that of the backups that it reads",
    page: definition::page!("clone-older-than-source"),
    shown: Shown::By(&["check/clone-of-a-newer-major"]),
    find: older,
};

pub(super) static CLOUD: Definition = Definition {
    code: "clone-in-another-cloud",
    severity: Severity::Error,
    title: "the clone looks for its source's storage account in another cloud",
    page: definition::page!("clone-in-another-cloud"),
    shown: Shown::By(&["check/clones-that-find-nothing"]),
    find: cloud,
};

pub(super) static MISNAMED: Definition = Definition {
    code: "clone-source-misnamed",
    severity: Severity::Warning,
    title: "no cluster has the name that the clone gives for its source, and one has nearly that name",
    page: definition::page!("clone-source-misnamed"),
    shown: Shown::By(&["check/clones-that-find-nothing"]),
    find: misnamed,
};

pub(super) static IN_PLACE: Definition = Definition {
    code: "restore-in-place-keeps-volumes",
    severity: Severity::Warning,
    title: "a restore in place finds the old data, and restores nothing",
    page: definition::page!("restore-in-place-keeps-volumes"),
    shown: Shown::By(&["restore/volume-kept-nothing-restored"]),
    find: in_place,
};

fn older(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let (Some(reads), Some(major)) = (rendered.model.source(), rendered.pod.major()) else { continue };
        let prefix =
            reads.prefix().filter(|prefix| is_known(prefix)).map(|prefix| prefix.trim_end_matches('/'));
        // A prefix that ends in a version says which backups are read, whatever the source is by now.
        let in_prefix = prefix
            .and_then(|prefix| prefix.rsplit('/').next()?.parse::<u16>().ok())
            .filter(|version| (9..100).contains(version));
        let source = world
            .source_of(cluster)
            .filter(|(_, source)| source.pod.own().is_some_and(|own| Some(own.prefix.as_str()) == prefix));
        let (of, whose) = match (in_prefix, source) {
            (Some(version), _) => (version, format!("`{}`", prefix.unwrap_or_default())),
            (None, Some((source, writes))) => match writes.pod.major() {
                Some(version) => (version, source.name()),
                None => continue,
            },
            (None, None) => continue,
        };
        if of <= major {
            continue;
        }
        let message = format!(
            "{}: the clone's bootstrap will fail: it is PostgreSQL {major}, and the backups of {whose} are of {of}. A newer \
             major version can read older data, never the reverse",
            cluster.name()
        );
        let place = cluster.document.place("/spec/postgresql/version");
        let repair = format!("set spec.postgresql.version to \"{of}\"");
        found.add(cluster.name(), place, "older than its backups", message, repair);
    }
}

fn cloud(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "AZURE_ENVIRONMENT_NAME";
    for (cluster, rendered) in world.rendered() {
        let Some(reads) = rendered.model.source().filter(|reads| reads.store == Store::Azure) else {
            continue;
        };
        let Some((source, writing)) = world.source_of(cluster) else { continue };
        let Some(writes) = writing.model.archive.as_ref().filter(|own| own.store == Store::Azure) else {
            continue;
        };
        let (ours, theirs) = (reads.value(NAME), writes.value(NAME));
        let known = |text: Option<&str>| text.is_none_or(is_known);
        let (own, other) = (azure::suffix(ours), azure::suffix(theirs));
        // Backups may be copied to an account in another cloud; then the account has another name as a rule.
        let same_account = reads.value("AZURE_STORAGE_ACCOUNT") == writes.value("AZURE_STORAGE_ACCOUNT");
        if own == other || !known(ours) || !known(theirs) || !same_account {
            continue;
        }
        let message = format!(
            "{}: the clone's bootstrap will fail: it looks for the storage account at <account>.blob.{own}, and its source {} \
             archives to <account>.blob.{other}",
            cluster.name(),
            source.name()
        );
        let repair = match theirs {
            Some(theirs) => format!("set CLONE_{NAME} to {theirs} in spec.env"),
            None => format!("take CLONE_{NAME} out"),
        };
        let name = format!("CLONE_{NAME}");
        let at = if rendered.pod.has(&name) { name.as_str() } else { "CLONE_AZURE_STORAGE_ACCOUNT" };
        let place = world.place_of_name(cluster, rendered, at);
        let finding = found.add(cluster.name(), place, "in another cloud", message, repair);
        let theirs = if theirs.is_some() { NAME } else { "AZURE_STORAGE_ACCOUNT" };
        finding.beside(world.place_of_name(source, writing, theirs), "the source's");
        finding.unless(&rendered.open, &format!("CLONE_{NAME}"), Severity::Warning);
    }
}

fn misnamed(world: &World<'_>, found: &mut Found) {
    for cluster in &world.clusters {
        let Some(named) = cluster.document.text("/spec/clone/cluster").filter(|name| !name.is_empty()) else {
            continue;
        };
        let others = || world.clusters.iter().map(|other| other.document.name.as_str());
        if others().any(|other| other == named) {
            continue;
        }
        let own = cluster.document.name.as_str();
        let near = others()
            .filter(|other| *other != own)
            .map(|other| (strsim::damerau_levenshtein(other, named), other))
            .filter(|(distance, other)| {
                // acid-orders-1 beside acid-orders-2 is another cluster, and no slip of the finger.
                *distance <= 2 && named.len() >= 6 && !differ_by_a_part(named, other)
            })
            .min();
        let Some((_, near)) = near else { continue };
        let message = format!(
            "{}: no cluster among the manifests has the name `{named}` that the clone gives for its source; `{near}` is nearly \
             the same",
            cluster.name()
        );
        let place = cluster.document.place("/spec/clone/cluster");
        let repair = format!("write {near}, where that is meant");
        found.add(cluster.name(), place, "nobody's name", message, repair);
    }
}

/// Whether two names differ in a number, or in one part that is whole: `-a` and `-b`, `-eu` and `-us`.
fn differ_by_a_part(one: &str, other: &str) -> bool {
    let parts = |name: &str| name.split('-').map(ToOwned::to_owned).collect::<Vec<_>>();
    let (a, b) = (parts(one), parts(other));
    let letters = |text: &str| text.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
    if letters(one) == letters(other) {
        return true;
    }
    let differing: Vec<(&String, &String)> = a.iter().zip(&b).filter(|(a, b)| a != b).collect();
    a.len() != b.len() || matches!(differing[..], [(a, b)] if a.len() <= 3 && b.len() <= 3)
}

fn in_place(world: &World<'_>, found: &mut Found) {
    let Some(settings) = world.manifests.settings() else { return };
    let pointer = operator::pointer(settings, "/kubernetes", "enable_persistent_volume_claim_deletion");
    let keeps = match settings.value.pointer(&pointer) {
        Some(Value::Bool(deletes)) => !deletes,
        Some(Value::String(text)) => text == "false",
        _ => false,
    };
    for (cluster, rendered) in world.rendered() {
        if !keeps || !world.is_in_place(cluster) || rendered.model.source().is_none() {
            continue;
        }
        // From another account it is rather the same cluster in another region, which has no volumes yet.
        let account = |scope| rendered.pod.account(scope);
        let elsewhere = account(Scope::Own).is_some_and(|own| Some(own) != account(Scope::Clone));
        let message = format!(
            "{}: its clone section has its own name, so it is to be restored in place; but the operator keeps the volumes of a \
             cluster that is deleted, so Patroni finds the old data there and restores nothing{}",
            cluster.name(),
            if elsewhere {
                ". Where it is made in another Kubernetes cluster than its source, nothing is wrong"
            } else {
                ""
            }
        );
        let repair = format!(
            "delete the cluster's PersistentVolumeClaims (label cluster-name={}) after the cluster and before it is made again; \
             or set enable_persistent_volume_claim_deletion to true",
            cluster.document.name
        );
        let place = cluster.document.place("/spec/clone/cluster");
        let finding = found.add(cluster.name(), place, "restored in place", message, repair);
        finding.beside(settings.place(&pointer), "volumes are kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_a_number_or_a_part_are_of_two_clusters() {
        assert!(differ_by_a_part("acid-orders-1", "acid-orders-2"));
        assert!(differ_by_a_part("acid-orders-eu", "acid-orders-us"));
        assert!(differ_by_a_part("acid-orders", "acid-orders2"));
        assert!(differ_by_a_part("acid-orders", "acid-orders-b"));
        assert!(!differ_by_a_part("acid-ordres", "acid-orders"));
        assert!(!differ_by_a_part("acid-order", "acid-orders"));
    }
}
