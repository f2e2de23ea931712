//! A store that wins against Azure, or that Azure wins against.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::{Archive, Scope, Store, is_known};

pub(super) static DEFINITION: Definition = Definition {
    code: "another-store-wins",
    severity: Severity::Error,
    title: "another store decides, and what is said of Azure is without effect",
    page: definition::page!("another-store-wins"),
    shown: Shown::By(&["check/clones-that-find-nothing"]),
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

/// Where the variable that decides about these backups was written: one setting of the operator may decide about both.
fn decided_at(world: &World<'_>, rendered: &Rendered<'_>, archive: &Archive) -> Option<(String, String)> {
    let (document, pointer) = world.written(rendered.entry(&archive.decided_by)?)?;
    Some((document.to_string(), pointer.to_owned()))
}

/// Whether what decides about the cluster's own backups is a finding already, and decides about these too.
fn is_told(world: &World<'_>, rendered: &Rendered<'_>, archive: &Archive) -> bool {
    let Some(own) = rendered.model.archive.as_ref().filter(|_| archive.scope == Scope::Clone) else {
        return false;
    };
    let at = |archive| decided_at(world, rendered, archive);
    own.store != Store::Azure
        && is_meant(rendered, own).is_some()
        && at(own).is_some()
        && at(own) == at(archive)
}

/// What shows that Azure was meant, if only by the form of a value.
fn is_meant(rendered: &Rendered<'_>, archive: &Archive) -> Option<Option<String>> {
    let scope = archive.scope.prefix();
    let names = [format!("{scope}WALG_AZ_PREFIX"), format!("{scope}AZURE_STORAGE_ACCOUNT")];
    let value = rendered.pod.value(&archive.decided_by).unwrap_or_default();
    let meant = names.into_iter().find(|name| rendered.pod.has(name));
    (meant.is_some() || value.starts_with("azure:")).then_some(meant)
}

/// Another store than Azure decides; only what shows that Azure was meant makes a fault of it.
fn wins(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    archive: &Archive,
) {
    let Some(meant) = is_meant(rendered, archive).filter(|_| !is_told(world, rendered, archive)) else {
        return;
    };
    // An account alone is a leftover rather than a wish.
    let account_alone = meant.as_ref().is_some_and(|name| name.ends_with("_ACCOUNT"));
    let is_azure = rendered.pod.value(&archive.decided_by).is_some_and(|value| value.starts_with("azure:"));
    let severity = if account_alone && !is_azure { Severity::Warning } else { Severity::Error };
    add(world, found, cluster, rendered, archive, (meant, severity));
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
    let reads_too = rendered.model.source().filter(|source| {
        archive.scope == Scope::Own && source.store != Store::Azure && is_told(world, rendered, source)
    });
    let what = match archive.scope {
        Scope::Own if reads_too.is_some() => {
            format!("backups and WAL go to {store}, and the clone reads its source's backups there")
        }
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
