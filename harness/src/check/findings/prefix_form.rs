//! A prefix that does not say whose backups are below it.

use super::{names_refused, shared_prefix};
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::prefix::{container, folder, is_uid};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::is_known;
use crate::toolchain::PrefixNames;

pub(super) static WITHOUT_CLUSTER: Definition = Definition {
    code: "prefix-without-own-name",
    severity: Severity::Warning,
    title: "the prefix does not end in the cluster's own name or uid",
    page: definition::page!("prefix-without-own-name"),
    shown: Shown::By(&["check/prefix-shared-by-clusters"]),
    find: without_cluster,
};

pub(super) static AGAINST_CONVENTION: Definition = Definition {
    code: "prefix-against-convention",
    severity: Severity::Warning,
    title: "the prefix does not follow the naming convention",
    page: definition::page!("prefix-against-convention"),
    shown: Shown::Not("a convention is a team's own: that a prefix does not follow it needs no drill"),
    find: against_convention,
};

const NAME: &str = "WALG_AZ_PREFIX";

fn without_cluster(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some(prefix) = own_prefix(rendered) else { continue };
        let says_more =
            shared_prefix::is_shared(world, rendered) || shared_prefix::has_others_inside(world, rendered);
        if says_whose(prefix, cluster, rendered) || says_more {
            continue;
        }
        let last = folder(prefix).rsplit('/').next().unwrap_or_default();
        let message = format!(
            "{}: its backups will lie below `{prefix}`, which ends in `{last}` and not in the cluster's own name: nothing keeps \
             another cluster out of it, and nobody can tell whose they are",
            cluster.name(),
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(
            cluster.name(),
            place,
            format!("`{last}` is not this cluster"),
            message,
            repair(world, cluster, rendered, prefix),
        );
    }
}

fn against_convention(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some(prefix) = own_prefix(rendered) else { continue };
        // That is said already.
        let named = says_whose(prefix, cluster, rendered);
        if !named || world.settings.prefix.holds(prefix, &names(cluster, rendered)) {
            continue;
        }
        let message = format!(
            "{}: its backups will lie below `{prefix}`, which is not of the form {}: whoever looks for them by the convention \
             will not find them",
            cluster.name(),
            world.settings.prefix.text()
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(
            cluster.name(),
            place,
            "against the convention",
            message,
            repair(world, cluster, rendered, prefix),
        );
    }
}

fn own_prefix<'r>(rendered: &'r Rendered<'_>) -> Option<&'r str> {
    // What is no prefix at all is a finding of its own.
    let archive = rendered.model.archive.as_ref()?;
    let sound = !names_refused::is_faulty(rendered, archive);
    rendered.pod.own().map(|own| own.prefix.as_str()).filter(|prefix| sound && is_known(prefix))
}

/// Its folder is the cluster's name, its uid, or a uid below the name.
fn says_whose(prefix: &str, cluster: &Cluster<'_>, rendered: &Rendered<'_>) -> bool {
    let name = cluster.document.name.as_str();
    let uids = [
        rendered.pod.value("WAL_BUCKET_SCOPE_SUFFIX").map(|suffix| suffix.trim_start_matches('/')),
        cluster.document.text("/metadata/uid"),
    ];
    let mut segments = folder(prefix).rsplit('/');
    match segments.next() {
        Some(last) if last == name || uids.contains(&Some(last)) => true,
        Some(last) if is_uid(last) => segments.next() == Some(name),
        _ => false,
    }
}

fn names<'n>(cluster: &'n Cluster<'_>, rendered: &'n Rendered<'_>) -> PrefixNames<'n> {
    PrefixNames {
        account: rendered.pod.own().and_then(|own| own.account.as_deref()),
        namespace: &cluster.document.namespace,
        team: cluster.document.text("/spec/teamId"),
        cluster: &cluster.document.name,
        version: rendered.pod.major(),
    }
}

fn repair(world: &World<'_>, cluster: &Cluster<'_>, rendered: &Rendered<'_>, prefix: &str) -> String {
    let container = container(prefix).unwrap_or("<container>");
    format!("for example {}", world.settings.prefix.example(&names(cluster, rendered), container))
}
