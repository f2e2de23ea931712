//! A clone that looks for its source's backups where its source does not write them.

use super::{names_refused, too_deep};
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::prefix::{folder, is_uid};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::search;
use crate::spilo::{Azure, Scope, is_known};

pub(super) static OLDER: Definition = Definition {
    code: "prefix-not-searched",
    severity: Severity::Error,
    title: "the clone's version is above its source's, and Spilo does not search this prefix for older versions",
    page: definition::page!("prefix-not-searched"),
    shown: Shown::By(&["check/prefix-not-searched"]),
    find: |world, found| find(world, found, Why::Older),
};

pub(super) static ELSEWHERE: Definition = Definition {
    code: "clone-reads-elsewhere",
    severity: Severity::Error,
    title: "the clone reads where its source does not write",
    page: definition::page!("clone-reads-elsewhere"),
    shown: Shown::By(&["check/prefix-not-searched", "clone/global-account-wrong-data"]),
    find: |world, found| {
        find(world, found, Why::Elsewhere);
        own_folder(world, found);
    },
};

#[derive(PartialEq)]
enum Why {
    Older,
    Elsewhere,
}

const PREFIX: &str = "CLONE_WALG_AZ_PREFIX";
const ACCOUNT: &str = "CLONE_AZURE_STORAGE_ACCOUNT";

fn find(world: &World<'_>, found: &mut Found, why: Why) {
    for (cluster, rendered) in world.rendered() {
        let Some((source, source_rendered)) = world.source_of(cluster) else { continue };
        let (Some(reads), Some(writes)) = (rendered.pod.source(), source_rendered.pod.own()) else {
            continue;
        };
        if !is_known(&reads.prefix) || !is_known(&writes.prefix) {
            continue;
        }
        let faulty = |rendered: &Rendered<'_>| {
            rendered.in_azure().any(|archive| names_refused::is_faulty(rendered, archive))
        };
        let deep = too_deep::meant(world, cluster, rendered).is_some();
        if faulty(rendered) || faulty(source_rendered) || deep {
            continue;
        }
        let majors = (rendered.pod.major(), source_rendered.pod.major());
        let searched = search::is_searched(&reads.prefix, &writes.prefix, majors.0);
        let older = match majors {
            (Some(clone), Some(source)) if clone > source => Some((clone, source)),
            _ => None,
        };
        let both = ((cluster, rendered), (source, source_rendered));
        match older {
            Some(majors) if !searched && why == Why::Older => {
                older_version(world, found, both, (reads, writes), majors)
            }
            // Of the time before the source was upgraded.
            None if is_of_an_older_version((reads, writes), majors) => {}
            None if !searched && why == Why::Elsewhere => other_prefix(world, found, both, (reads, writes)),
            _ if searched && why == Why::Elsewhere => other_account(world, found, both, (reads, writes)),
            _ => {}
        }
    }
}

/// A prefix for all clusters that ends in $(SCOPE) is that of the clone itself. Where its source is among the manifests, that says more.
fn own_folder(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let (Some(reads), Some(source)) =
            (rendered.pod.source(), cluster.document.text("/spec/clone/cluster"))
        else {
            continue;
        };
        let own = cluster.document.name.as_str();
        let mut parts = folder(&reads.prefix).rsplit('/');
        let last = parts.next().unwrap_or_default();
        let last = if is_uid(last) { parts.next().unwrap_or_default() } else { last };
        let is_written_there = rendered.pod.own().is_some_and(|own| own.prefix == reads.prefix)
            && rendered.pod.account(Scope::Own) == rendered.pod.account(Scope::Clone);
        // Who writes the name itself may well mean it: backups that were copied.
        let written = rendered.entry(PREFIX).and_then(|entry| entry.item.get("value")?.as_str());
        let by_scope = written.is_some_and(|written| written.contains("$(SCOPE)"));
        if !by_scope || own == source || last != own || is_written_there || world.source_of(cluster).is_some()
        {
            continue;
        }
        let message = format!(
            "{}: no backup will be found and the bootstrap will fail: the clone looks below `{}`, which is its own folder and not that of \
             its source {source}",
            cluster.name(),
            reads.prefix
        );
        let place = world.place_of_name(cluster, rendered, PREFIX);
        let meant = reads.prefix.replacen(&format!("/{own}"), &format!("/{source}"), 1);
        let repair =
            format!("set {PREFIX} to {meant}: $(SCOPE) is the name of the cluster that it is set for");
        found.add(cluster.name(), place, "its own folder", message, repair);
    }
}

/// Whether the clone reads what its source archived as it was still of the clone's version.
fn is_of_an_older_version((reads, writes): (&Azure, &Azure), majors: (Option<u16>, Option<u16>)) -> bool {
    let version = |prefix: &str| prefix.rsplit('/').next().and_then(|last| last.parse::<u16>().ok());
    let read = version(&reads.prefix);
    without_version(&reads.prefix) == without_version(&writes.prefix)
        && read.is_some()
        && read < version(&writes.prefix)
        && (read <= majors.0 || majors.0.is_none())
}

type Both<'a, 'w> = ((&'a Cluster<'w>, &'a Rendered<'w>), (&'a Cluster<'w>, &'a Rendered<'w>));

fn older_version(
    world: &World<'_>,
    found: &mut Found,
    both: Both<'_, '_>,
    azure: (&Azure, &Azure),
    majors: (u16, u16),
) {
    let ((cluster, rendered), (source, source_rendered)) = both;
    let (reads, writes) = azure;
    let message = format!(
        "{}: no backup will be found and the bootstrap will fail: the clone is PostgreSQL {}, its source {} is {} and \
         archives into `{}`, but Spilo searches `{}` as it stands. It looks for older versions only below …/spilo/…/wal",
        cluster.name(),
        majors.0,
        source.name(),
        majors.1,
        writes.prefix,
        reads.prefix
    );
    let repair = if search::is_versioned(without_version(&writes.prefix)) {
        format!("set {PREFIX} to {} (without the version)", without_version(&writes.prefix))
    } else {
        format!("set {PREFIX} to {}", writes.prefix)
    };
    let place = world.place_of_name(cluster, rendered, PREFIX);
    let finding = found.add(cluster.name(), place, "searched as it stands", message, repair);
    finding.beside(
        world.place_of_name(source, source_rendered, "WALG_AZ_PREFIX"),
        format!("{} archives here", source.name()),
    );
}

fn without_version(prefix: &str) -> &str {
    match prefix.rsplit_once('/') {
        Some((before, version)) if version.parse::<u16>().is_ok() => before,
        _ => prefix,
    }
}

fn other_prefix(world: &World<'_>, found: &mut Found, both: Both<'_, '_>, azure: (&Azure, &Azure)) {
    let ((cluster, rendered), (source, source_rendered)) = both;
    let (reads, writes) = azure;
    let message = format!(
        "{}: the clone will look for backups below `{}`, but its source {} archives into `{}`: it finds none, or another \
         cluster's",
        cluster.name(),
        reads.prefix,
        source.name(),
        writes.prefix
    );
    let place = world.place_of_name(cluster, rendered, PREFIX);
    let repair = format!("set {PREFIX} to {}", writes.prefix);
    let finding = found.add(cluster.name(), place, "read here", message, repair);
    finding.beside(world.place_of_name(source, source_rendered, "WALG_AZ_PREFIX"), "written here");
}

/// Only where nobody chose the account for this clone: whoever names it may well have copied the backups there.
fn other_account(world: &World<'_>, found: &mut Found, both: Both<'_, '_>, azure: (&Azure, &Azure)) {
    let ((cluster, rendered), (source, source_rendered)) = both;
    let (Some(reads), Some(writes)) = (&azure.0.account, &azure.1.account) else { return };
    let chosen = cluster.spec_env(ACCOUNT).is_some();
    if reads == writes || chosen || !is_known(reads) || !is_known(writes) {
        return;
    }
    let message = format!(
        "{}: the clone will look for backups in the storage account `{reads}`, but its source {} archives into `{writes}`: it \
         finds none, or another cluster's",
        cluster.name(),
        source.name()
    );
    let place = world.place_of_name(cluster, rendered, ACCOUNT);
    let repair = format!(
        "leave wal_az_storage_account out of the operator configuration, and set {ACCOUNT} in the clone's spec.env to {writes}"
    );
    let finding = found.add(cluster.name(), place, "read here", message, repair);
    finding.beside(world.place_of_name(source, source_rendered, "AZURE_STORAGE_ACCOUNT"), "written here");
}
