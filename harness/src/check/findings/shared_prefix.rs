//! Two clusters that archive into one place, or the one inside of the other's.

use std::collections::BTreeMap;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::{Scope, is_known, search};

pub(super) static SHARED: Definition = Definition {
    code: "prefix-shared-by-clusters",
    severity: Severity::Error,
    title: "two clusters archive into the same place",
    page: definition::page!("prefix-shared-by-clusters"),
    shown: Shown::By(&["check/prefix-shared-by-clusters"]),
    find: shared,
};

pub(super) static INTO_SOURCE: Definition = Definition {
    code: "prefix-shared-with-source",
    severity: Severity::Error,
    title: "the clone archives into the place that it is restored from",
    page: definition::page!("prefix-shared-with-source"),
    shown: Shown::By(&["check/prefix-shared-with-source"]),
    find: into_source,
};

pub(super) static INSIDE: Definition = Definition {
    code: "prefix-inside-of-another",
    severity: Severity::Error,
    title: "a cluster archives inside of another one's prefix, whose WAL-G deletes what is old there",
    page: definition::page!("prefix-inside-of-another"),
    shown: Shown::Test {
        name: "wal_g_deletes_the_wal_of_whoever_archives_inside_of_its_prefix",
        why: "Spilo deletes only what is two days old, and a drill takes minutes",
    },
    find: inside,
};

const NAME: &str = "WALG_AZ_PREFIX";

type Member<'a, 'w> = (&'a Cluster<'w>, &'a Rendered<'w>);

fn shared(world: &World<'_>, found: &mut Found) {
    let mut places: BTreeMap<(String, &str), Vec<Member<'_, '_>>> = BTreeMap::new();
    for (cluster, rendered) in world.rendered() {
        // A reference that stays as it stands is a finding of its own, and what they share with it no second one.
        // Where no account is named nothing is archived, which is another one.
        let own = rendered.pod.own().filter(|own| !rendered.is_literal(NAME) && is_known(&own.prefix));
        if let Some((own, account)) = own.zip(rendered.pod.account(Scope::Own)) {
            places.entry((account, &own.prefix)).or_default().push((cluster, rendered));
        }
    }
    for ((account, prefix), members) in places {
        let [(first, first_rendered), others @ ..] = &members[..] else { continue };
        for (cluster, rendered) in others {
            // The clone's own finding says more.
            if writes_into(rendered, first_rendered) || writes_into(first_rendered, rendered) {
                continue;
            }
            let message = format!(
                "{} and {} will archive into the same place, `{prefix}`{}: each overwrites or refuses the other's WAL, and a \
                 restore of either may get the other's data",
                first.name(),
                cluster.name(),
                in_account(Some(&account))
            );
            let place = world.place_of_name(cluster, rendered, NAME);
            let first_place = world.place_of_name(first, first_rendered, NAME);
            let repair = "give each a prefix of its own, such as azure://<container>/$(SCOPE)/$(PGVERSION)";
            let finding = found.add(cluster.name(), place, "the same place", message, repair);
            finding.beside(first_place, format!("{} archives here", first.name()));
        }
    }
}

/// Whether another cluster's backups are where this one's go: that says more than how the place is called.
pub(super) fn is_shared(world: &World<'_>, rendered: &Rendered<'_>) -> bool {
    let place = |rendered: &Rendered<'_>| {
        rendered.pod.own().map(|own| (rendered.pod.account(Scope::Own), own.prefix.clone()))
    };
    let own = place(rendered);
    let others = world.rendered().filter(|(_, other)| place(other) == own).count();
    own.is_some() && (others > 1 || writes_into(rendered, rendered))
}

/// Whether the one is restored from where both write.
fn writes_into(clone: &Rendered<'_>, source: &Rendered<'_>) -> bool {
    let (Some(own), Some(reads)) = (clone.pod.own(), clone.pod.source()) else { return false };
    let account = clone.pod.account(Scope::Own);
    source.pod.own().is_some()
        && account == source.pod.account(Scope::Own)
        && account == clone.pod.account(Scope::Clone)
        && search::is_searched(&reads.prefix, &own.prefix, clone.pod.major())
}

fn into_source(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some(own) = rendered.pod.own().filter(|own| is_known(&own.prefix)) else { continue };
        if !writes_into(rendered, rendered) {
            continue;
        }
        // On a timeline of its own, which PostgreSQL chooses by those that it finds there.
        if world.is_in_place(cluster) {
            let message = format!(
                "{}: it is restored in place, and goes on archiving where it is restored from, `{}`: on a new timeline, beside what \
                 the old cluster archived after that moment",
                cluster.name(),
                own.prefix
            );
            let place = world.place_of_name(cluster, rendered, NAME);
            let repair =
                "nothing; with a new prefix the old backups stay as they are, and are no longer deleted";
            found.add(cluster.name(), place, "written here", message, repair).as_bad_as(Severity::Note);
            continue;
        }
        let message = format!(
            "{}: the clone will archive into the very place that it is restored from, `{}`{}: its WAL gets between its \
             source's, and the source can no longer be restored past this moment",
            cluster.name(),
            own.prefix,
            in_account(own.account.as_deref())
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        let repair =
            "give the clone a WALG_AZ_PREFIX of its own, such as azure://<container>/$(SCOPE)/$(PGVERSION)";
        let finding = found.add(cluster.name(), place, "written here", message, repair);
        finding.beside(world.place_of_name(cluster, rendered, "CLONE_WALG_AZ_PREFIX"), "and read here");
    }
}

/// Whether the one archives below the other's prefix, in the same account.
fn is_inside(inner: &Rendered<'_>, outer: &Rendered<'_>) -> bool {
    let own = |rendered: &Rendered<'_>| {
        let own = rendered.pod.own().filter(|own| !rendered.is_literal(NAME) && is_known(&own.prefix));
        own.map(|own| own.prefix.clone()).zip(rendered.pod.account(Scope::Own))
    };
    let (Some((inner, account)), Some((outer, others))) = (own(inner), own(outer)) else { return false };
    account == others && inner.strip_prefix(&outer).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether other clusters archive below this one's prefix.
pub(super) fn has_others_inside(world: &World<'_>, outer: &Rendered<'_>) -> bool {
    world.rendered().any(|(_, inner)| is_inside(inner, outer))
}

fn inside(world: &World<'_>, found: &mut Found) {
    for (cluster, inner) in world.rendered() {
        let Some((other, outer)) = world.rendered().find(|(_, outer)| is_inside(inner, outer)) else {
            continue;
        };
        let prefix =
            |rendered: &Rendered<'_>| rendered.pod.own().map(|own| own.prefix.clone()).unwrap_or_default();
        let message = format!(
            "{}: its backups will lie in `{}`, inside of {}'s prefix `{}`{}: when that cluster's old backups are deleted, WAL-G goes by \
             the names of WAL files and backups in all folders below, and deletes this cluster's too",
            cluster.name(),
            prefix(inner),
            other.name(),
            prefix(outer),
            in_account(inner.pod.own().and_then(|own| own.account.as_deref()))
        );
        let place = world.place_of_name(cluster, inner, NAME);
        let repair = "give each a prefix that does not begin with another's, such as azure://<container>/$(SCOPE)/$(PGVERSION)";
        let finding = found.add(cluster.name(), place, "inside of another's", message, repair);
        finding.beside(
            world.place_of_name(other, outer, NAME),
            format!("{} deletes from here down", other.name()),
        );
    }
}

fn in_account(account: Option<&str>) -> String {
    account
        .filter(|account| is_known(account))
        .map_or(String::new(), |account| format!(" in the storage account `{account}`"))
}
