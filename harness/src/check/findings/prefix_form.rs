//! A prefix that does not say whose backups are below it.

use super::{names_refused, shared_prefix};
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::prefix::{container, version};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::is_known;
use crate::toolchain::PrefixNames;

pub(super) static WITHOUT_CLUSTER: Definition = Definition {
    code: "prefix-without-own-name",
    severity: Severity::Warning,
    title: "the prefix has neither the cluster's own name nor its uid in it",
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
        let message = format!(
            "{}: its backups will lie below `{prefix}`, in which the cluster's own name is no part: nothing keeps another cluster out \
             of it, and nobody can tell whose they are",
            cluster.name(),
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(
            cluster.name(),
            place,
            "does not say whose",
            message,
            repair(world, cluster, rendered, prefix),
        );
    }
}

fn against_convention(world: &World<'_>, found: &mut Found) {
    let convention = &world.settings.prefix;
    for (cluster, rendered) in world.rendered() {
        let Some(prefix) = own_prefix(rendered) else { continue };
        // That is said already.
        let named = says_whose(prefix, cluster, rendered);
        if !named || convention.holds(prefix, &names(cluster, rendered)) {
            continue;
        }
        let message = match (convention.is_given(), version(prefix), rendered.pod.major()) {
            (true, ..) => format!(
                "{}: its backups will lie below `{prefix}`, which is not of the form {}: whoever looks for them by the convention \
                 will not find them",
                cluster.name(),
                convention.text()
            ),
            // Where nobody agreed on a form, each is as good as another; but a version says of which one the backups are.
            (false, Some(written), Some(major)) if written != major => format!(
                "{}: its backups will lie below `{prefix}`, and it is PostgreSQL {major}: a clone of it looks for backups of {written}, \
                 and nobody can tell of which version they are",
                cluster.name()
            ),
            (false, ..) => continue,
        };
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(
            cluster.name(),
            place,
            if convention.is_given() { "against the convention" } else { "another version" },
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

/// What is behind these is another cluster's name: `acid-orders-clone` is none of `acid-orders`.
const PARTS: [char; 3] = ['-', '_', '.'];

/// Its name or its uid is a part of it: a folder, or a whole end of one (`prod-acid-orders`), and with a version behind it; or
/// `$(SCOPE)` was written, wherever that is.
fn says_whose(prefix: &str, cluster: &Cluster<'_>, rendered: &Rendered<'_>) -> bool {
    let written = rendered.entry(NAME).and_then(|entry| entry.item.get("value")?.as_str());
    if written.is_some_and(|written| written.contains("$(SCOPE)")) {
        return true;
    }
    let name = cluster.document.name.as_str();
    let uids = [
        rendered.pod.value("WAL_BUCKET_SCOPE_SUFFIX").map(|suffix| suffix.trim_start_matches('/')),
        cluster.document.text("/metadata/uid"),
    ];
    let version = rendered.pod.major().map(|major| major.to_string()).unwrap_or_default();
    let is_name = |folder: &str| {
        let bare = folder.strip_suffix(&version).unwrap_or(folder).trim_end_matches(PARTS);
        [folder, bare].into_iter().any(|folder| {
            folder.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with(PARTS))
        })
    };
    let mut folders = prefix.split_once("://").map_or(prefix, |(_, inside)| inside).split('/');
    // A container of its own may well say what is in it.
    let of_container = folders
        .next()
        .is_some_and(|container| is_name(container) || container.starts_with(&format!("{name}-")));
    of_container || folders.any(|folder| is_name(folder) || uids.contains(&Some(folder)))
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
