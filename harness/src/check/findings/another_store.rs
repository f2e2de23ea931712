//! A store that wins against Azure, or that Azure wins against.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::{Archive, Scope, Store, is_known};

pub(super) static DEFINITION: Definition = Definition {
    code: "another-store-wins",
    severity: Severity::Error,
    title: "another store decides, and what is said of Azure is without effect",
    page: definition::page!("another-store-wins"),
    shown_by: &[],
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.archives() {
            match archive.store {
                Store::Azure => beaten(world, found, cluster, rendered, archive),
                _ => wins(world, found, cluster, rendered, archive),
            }
        }
    }
}

/// Another store than Azure decides; only what shows that Azure was meant makes a fault of it.
fn wins(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    archive: &Archive,
) {
    let scope = archive.scope.prefix();
    let prefix = format!("{scope}WALG_AZ_PREFIX");
    let account = format!("{scope}AZURE_STORAGE_ACCOUNT");
    let value = rendered.pod.value(&archive.decided_by).unwrap_or_default();
    let is_azure = value.starts_with("azure:");
    let meant = [&prefix, &account].into_iter().find(|name| rendered.pod.has(name));
    if meant.is_none() && !is_azure {
        return;
    }
    // An account alone is a leftover rather than a wish.
    let severity = if is_azure || meant == Some(&prefix) { Severity::Error } else { Severity::Warning };
    add(world, found, cluster, rendered, archive, (meant.cloned(), severity));
}

fn add(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    archive: &Archive,
    (meant, severity): (Option<String>, Severity),
) {
    let (name, store) = (&archive.decided_by, archive.store.name());
    let written = field(world, rendered, name);
    let what = match archive.scope {
        Scope::Own => format!("backups and WAL go to {store}"),
        Scope::Clone => format!("the clone reads its source's backups from {store}"),
    };
    let whatever = match &meant {
        Some(meant) => format!(", whatever {meant} says"),
        None => String::new(),
    };
    let value = rendered.pod.value(name).filter(|value| is_known(value)).unwrap_or_default();
    let scheme = archive.store.scheme();
    // A bucket has no scheme.
    let no_path = name.ends_with("_PREFIX") && !value.is_empty() && !value.starts_with(scheme);
    let and = match (no_path, archive.scope) {
        (true, Scope::Clone) => {
            format!(". `{value}` is no {scheme}… path, so the bootstrap fails and is tried again for ever")
        }
        (true, Scope::Own) => format!(". `{value}` is no {scheme}… path, so each of them fails"),
        (false, _) => String::new(),
    };
    let message = format!(
        "{}: {written} makes Spilo take {store}: {what}{whatever}. Spilo looks for S3, Google, Swift, Azure and SSH in this \
         order, and the first that is configured decides{and}",
        cluster.name()
    );
    let repair = match &meant {
        Some(meant) if meant.ends_with("_PREFIX") => format!("take {written} out, so that {meant} decides"),
        _ => format!("take {written} out, and set {}WALG_AZ_PREFIX", archive.scope.prefix()),
    };
    let place = world.place_of_name(cluster, rendered, name);
    let finding = found.add(cluster.name(), place, "this one decides", message, repair);
    finding.as_bad_as(severity);
    if let Some(meant) = meant {
        finding.beside(world.place_of_name(cluster, rendered, &meant), "without effect");
    }
}

/// Azure decides, and something else is configured that never counts.
fn beaten(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    archive: &Archive,
) {
    for (store, name) in &archive.beaten {
        let written = field(world, rendered, name);
        let message = format!(
            "{}: {written} is without effect: {} is configured too, and Spilo takes Azure before {}",
            cluster.name(),
            archive.decided_by,
            store.name()
        );
        let repair = format!("take {written} out, so that nobody relies on it; or {}", archive.decided_by);
        let place = world.place_of_name(cluster, rendered, name);
        let finding = found.add(cluster.name(), place, "without effect", message, repair);
        finding.as_bad_as(Severity::Warning);
        finding.beside(world.place_of_name(cluster, rendered, &archive.decided_by), "this one decides");
    }
}

/// The field that a variable was made from, where it has another name than the variable.
pub(super) fn field(world: &World<'_>, rendered: &Rendered<'_>, name: &str) -> String {
    let written = rendered.entry(name).and_then(|entry| world.written(entry));
    let last = written.map(|(_, pointer)| pointer.rsplit('/').next().unwrap_or_default());
    match last {
        Some(last) if last.contains("s3") || last.contains("wal_") || last.contains("gs_") => {
            format!("{last} ({name})")
        }
        _ => name.to_owned(),
    }
}
