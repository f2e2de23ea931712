//! Names that Azure or WAL-G will not take.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::azure::{
    CLOUDS, PrefixFault, fault_of_account, fault_of_container, fault_of_prefix, is_public,
};
use crate::spilo::{Archive, Scope, is_known};

pub(super) static NO_URL: Definition = Definition {
    code: "prefix-not-a-url",
    severity: Severity::Error,
    title: "the prefix is not of the form azure://<container>/<path>",
    page: definition::page!("prefix-not-a-url"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: no_url,
};

pub(super) static CONTAINER: Definition = Definition {
    code: "container-name-refused",
    severity: Severity::Error,
    title: "Azure has no containers of this name",
    page: definition::page!("container-name-refused"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: container,
};

pub(super) static ACCOUNT: Definition = Definition {
    code: "account-name-refused",
    severity: Severity::Error,
    title: "Azure has no storage accounts of this name",
    page: definition::page!("account-name-refused"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: account,
};

pub(super) static CLOUD: Definition = Definition {
    code: "cloud-unknown",
    severity: Severity::Error,
    title: "WAL-G does not know the cloud that is named, and takes the public one",
    page: definition::page!("cloud-unknown"),
    shown: Shown::By(&["check/backups-otherwise-than-written"]),
    find: cloud,
};

/// Whether the prefix of these backups has a fault of its own.
pub(super) fn is_faulty(rendered: &Rendered<'_>, archive: &Archive) -> bool {
    let name = format!("{}WALG_AZ_PREFIX", archive.scope.prefix());
    archive.prefix().and_then(fault_of_prefix).is_some() || rendered.is_literal(&name)
}

fn faults<'a, 'w>(
    world: &'a World<'w>,
) -> impl Iterator<Item = (&'a Cluster<'w>, &'a Rendered<'w>, String, Scope, PrefixFault)> {
    world.rendered().flat_map(|(cluster, rendered)| {
        rendered.in_azure().filter_map(move |archive| {
            let name = format!("{}WALG_AZ_PREFIX", archive.scope.prefix());
            let fault = fault_of_prefix(archive.prefix()?).filter(|_| !rendered.is_literal(&name))?;
            Some((cluster, rendered, name, archive.scope, fault))
        })
    })
}

fn no_url(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered, name, scope, fault) in faults(world) {
        let value = shown(rendered, &name);
        // As it is written, with what Kubernetes replaces.
        let written = rendered.entry(&name).and_then(|entry| entry.item.get("value")?.as_str());
        let written = written.unwrap_or(&value);
        let why = match &fault {
            PrefixFault::Container(..) => continue,
            PrefixFault::Blank => "has a blank, a quote or a line end in it",
            PrefixFault::NoContainer => "names no container",
            PrefixFault::Scheme(_) => "is no azure://<container>/<path>",
        };
        let message = format!(
            "{}: {name} `{value}` {why}, so WAL-G finds no container, and {}",
            cluster.name(),
            consequence(scope)
        );
        let repair = match (&fault, written.trim().trim_matches(['"', '\''])) {
            (PrefixFault::Blank, trimmed) if repaired(trimmed).is_some() => format!("write {trimmed}"),
            (PrefixFault::Scheme(_), text) => repaired(text).map_or_else(
                || "write azure://<container>/<path>, with two slashes before the container".to_owned(),
                |repaired| format!("write {repaired}"),
            ),
            _ => "write azure://<container>/<path>, with two slashes before the container".to_owned(),
        };
        let place = world.place_of_name(cluster, rendered, &name);
        found.add(cluster.name(), place, "no container is named", message, repair);
    }
}

/// `azure:/wal/x` and `wal/x` with what is missing of the scheme.
fn repaired(text: &str) -> Option<String> {
    let path = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("azure") => rest,
        Some(("az" | "azblob" | "wabs" | "abfs", rest)) => rest,
        Some(_) => return None,
        None => text,
    };
    let repaired = format!("azure://{}", path.trim_start_matches('/'));
    let container = repaired["azure://".len()..].split('/').next().unwrap_or_default();
    (container.contains("$(") || fault_of_container(container).is_none()).then_some(repaired)
}

fn container(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered, name, scope, fault) in faults(world) {
        let PrefixFault::Container(container, why) = fault else { continue };
        let message = format!(
            "{}: Azure has no containers of the name `{container}`: {why}. So {}",
            cluster.name(),
            consequence(scope)
        );
        let repair = "name a container with 3 to 63 lowercase letters, digits and single hyphens";
        let place = world.place_of_name(cluster, rendered, &name);
        found.add(cluster.name(), place, "no name of a container", message, repair);
    }
}

fn account(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.in_azure() {
            let name = format!("{}AZURE_STORAGE_ACCOUNT", archive.scope.prefix());
            let Some(account) = archive.value("AZURE_STORAGE_ACCOUNT").filter(|account| is_known(account))
            else {
                continue;
            };
            let Some(why) = fault_of_account(account).filter(|_| !rendered.is_literal(&name)) else {
                continue;
            };
            let message = format!(
                "{}: Azure has no storage accounts of the name `{account}`: {why}. So {}",
                cluster.name(),
                consequence(archive.scope)
            );
            let host = account.trim_start_matches("https://").split('.').next().unwrap_or_default();
            let repair = match fault_of_account(host) {
                None => format!("write {host}"),
                Some(_) => "write the account's name, 3 to 24 lowercase letters and digits".to_owned(),
            };
            let place = world.place_of_name(cluster, rendered, &name);
            found.add(cluster.name(), place, "no name of an account", message, repair);
        }
    }
}

fn cloud(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.in_azure() {
            let Some(cloud) = archive.value("AZURE_ENVIRONMENT_NAME").filter(|cloud| is_known(cloud)) else {
                continue;
            };
            if CLOUDS.iter().any(|(known, _)| *known == cloud) {
                continue;
            }
            let names = CLOUDS.map(|(cloud, _)| cloud);
            let name = format!("{}AZURE_ENVIRONMENT_NAME", archive.scope.prefix());
            let message = format!(
                "{}: WAL-G does not know the cloud `{cloud}`, and takes the public one without a word: it asks \
                 <account>.blob.core.windows.net",
                cluster.name()
            );
            let place = world.place_of_name(cluster, rendered, &name);
            let is_public = is_public(cloud);
            let (message, repair) = match is_public {
                true => (
                    format!(
                        "{}: WAL-G does not know the cloud `{cloud}`, and takes the public one, which is what is meant",
                        cluster.name()
                    ),
                    format!("write AzurePublicCloud, or take {name} out"),
                ),
                false => (message, crate::yaml::help(cloud, &names)),
            };
            let finding = found.add(cluster.name(), place, "no cloud that WAL-G knows", message, repair);
            if is_public {
                finding.as_bad_as(Severity::Note);
            }
        }
    }
}

fn consequence(scope: Scope) -> &'static str {
    match scope {
        Scope::Own => "every backup and WAL file fails",
        Scope::Clone => "the clone's bootstrap fails and is tried again for ever",
    }
}

fn shown(rendered: &Rendered<'_>, name: &str) -> String {
    rendered.pod.raw(name).unwrap_or_default().replace('\u{fffd}', "…")
}
