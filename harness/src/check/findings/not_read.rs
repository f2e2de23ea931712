//! Variables that do nothing, though somebody wrote them for backups.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::azure::CLOUDS;
use crate::spilo::{Scope, Store, Why};

pub(super) static DEFINITION: Definition = Definition {
    code: "variable-not-read",
    severity: Severity::Error,
    title: "nobody reads a variable that was written for backups",
    page: definition::page!("variable-not-read"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find,
};

pub(super) static NOT_HANDED_ON: Definition = Definition {
    code: "variable-not-handed-on",
    severity: Severity::Warning,
    title: "WAL-G would read a variable that Spilo does not hand on",
    page: definition::page!("variable-not-handed-on"),
    shown: Shown::By(&["check/backups-otherwise-than-written"]),
    find: not_handed_on,
};

/// Without these there are no backups, no clone, or no way to read them.
const NEEDED: [&str; 7] = [
    "WALG_AZ_PREFIX",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_CLIENT_SECRET",
    "WALG_LIBSODIUM_KEY",
    "WALG_PGP_KEY",
];

/// Written by a person, and not for a kind of cluster that this is not.
fn is_written(world: &World<'_>, cluster: &Cluster<'_>, rendered: &Rendered<'_>, name: &str) -> bool {
    let concerned = (!name.starts_with("CLONE_") || rendered.is_clone())
        && (!name.starts_with("STANDBY_") || cluster.document.value.pointer("/spec/standby").is_some());
    let written = rendered.entry(name).is_some_and(|entry| world.written(entry).is_some());
    concerned && (written || cluster.spec_env(name).is_some())
}

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for dropped in &rendered.model.without_effect {
            let Why::Unread { meant, only_case } = &dropped.why else { continue };
            if !is_written(world, cluster, rendered, &dropped.name) {
                continue;
            }
            let name = &dropped.name;
            let (message, repair, severity) = match meant {
                Some(meant) => {
                    let why =
                        if *only_case { "capital and small letters count" } else { "nobody has this name" };
                    let is_there = rendered.pod.has(meant);
                    let and = if is_there { String::new() } else { consequence(rendered, meant) };
                    let severity = match (is_there, and.is_empty()) {
                        // Somebody else's, beside the right one.
                        (true, _) => Severity::Note,
                        (false, true) => Severity::Warning,
                        (false, false) => Severity::Error,
                    };
                    (
                        format!("nobody reads {name} ({why}); the nearest that is read is {meant}{and}"),
                        match is_there {
                            true => format!(
                                "take {name} out, so that nobody relies on it: {meant} is set already"
                            ),
                            false => format!("call it {meant}"),
                        },
                        severity,
                    )
                }
                None => (
                    format!("nobody reads {name}: neither Spilo nor the operator knows it"),
                    format!("take {name} out, so that nobody relies on it"),
                    Severity::Warning,
                ),
            };
            let message = format!("{}: {message}", cluster.name());
            let place = world.place_of_name(cluster, rendered, name);
            let finding = found.add(cluster.name(), place, "read by nobody", message, repair);
            finding.as_bad_as(severity);
            if let Some(meant) = meant.as_ref().filter(|_| severity == Severity::Error) {
                let open = if rendered.open.is_empty() { &[][..] } else { &rendered.open[..] };
                finding.unless(open, meant, Severity::Warning);
            }
        }
    }
}

/// What is lost because the variable that was meant is missing; empty where that is nothing much.
fn consequence(rendered: &Rendered<'_>, meant: &str) -> String {
    let (scope, bare) = match meant.strip_prefix("CLONE_") {
        Some(bare) => (Scope::Clone, bare),
        None => (Scope::Own, meant),
    };
    let has_credential = rendered.pod.azure(scope).is_some_and(|azure| azure.credential.is_some());
    let text = match (scope, bare) {
        (Scope::Own, "WALG_AZ_PREFIX") if !rendered.pod.archives() => "so there will be no backups at all",
        (Scope::Clone, "WALG_AZ_PREFIX") if rendered.model.source().is_none() => {
            "so the clone will come up empty and say Running"
        }
        (Scope::Own, "AZURE_STORAGE_ACCOUNT") => "so nothing says into which storage account the backups go",
        (Scope::Clone, "AZURE_STORAGE_ACCOUNT") => "so nothing says in which storage account the clone reads",
        (_, "AZURE_STORAGE_ACCESS_KEY" | "AZURE_STORAGE_SAS_TOKEN" | "AZURE_CLIENT_SECRET")
            if has_credential =>
        {
            ""
        }
        (Scope::Own, "AZURE_STORAGE_ACCESS_KEY" | "AZURE_STORAGE_SAS_TOKEN" | "AZURE_CLIENT_SECRET") => {
            "so WAL-G has no credential, and every backup is refused"
        }
        (Scope::Clone, "AZURE_STORAGE_ACCESS_KEY" | "AZURE_STORAGE_SAS_TOKEN" | "AZURE_CLIENT_SECRET") => {
            "so WAL-G has no credential, and the clone's bootstrap fails"
        }
        (Scope::Own, "WALG_LIBSODIUM_KEY" | "WALG_PGP_KEY") => "so the backups are not encrypted",
        (Scope::Clone, "WALG_LIBSODIUM_KEY" | "WALG_PGP_KEY") => {
            "so the clone cannot decrypt its source's backups"
        }
        (Scope::Clone, "USE_WALG_RESTORE") => {
            "so Spilo restores with WAL-E, which cannot read Azure, and the bootstrap fails"
        }
        _ => "",
    };
    // A name that is needed only where something of the store is there.
    if text.is_empty() || (!NEEDED.contains(&bare) && bare != "USE_WALG_RESTORE") {
        return String::new();
    }
    format!(", {text}")
}

fn not_handed_on(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for dropped in rendered.model.without_effect.iter().filter(|dropped| dropped.why == Why::NotHandedOn)
        {
            let name = &dropped.name;
            let (scope, bare) = match name.strip_prefix("CLONE_") {
                Some(bare) => (Scope::Clone, bare),
                None => (Scope::Own, name.as_str()),
            };
            // Those of an identity are a finding of their own.
            let of_identity = matches!(bare, "AZURE_FEDERATED_TOKEN_FILE" | "AZURE_AUTHORITY_HOST");
            if of_identity || !is_written(world, cluster, rendered, name) {
                continue;
            }
            let azure = rendered.in_azure().find(|archive| archive.scope == scope);
            let (consequence, repair, severity) = match bare {
                "AZURE_ENDPOINT_SUFFIX" => {
                    let Some(azure) = azure else { continue };
                    let goes = crate::spilo::azure::suffix(azure.value("AZURE_ENVIRONMENT_NAME"));
                    let wanted = rendered.pod.value(name).unwrap_or_default();
                    if wanted == goes {
                        continue;
                    }
                    let cloud = CLOUDS.iter().find(|(_, suffix)| *suffix == wanted).map(|(cloud, _)| *cloud);
                    let repair = match cloud {
                        Some(cloud) => {
                            format!("set {}AZURE_ENVIRONMENT_NAME to {cloud} in its place", scope.prefix())
                        }
                        None => format!(
                            "take it out: WAL-G below Spilo reaches only the clouds that AZURE_ENVIRONMENT_NAME names, {}",
                            CLOUDS.map(|(cloud, _)| cloud).join(", ")
                        ),
                    };
                    (format!("so WAL-G asks <account>.blob.{goes}"), repair, Severity::Error)
                }
                "AZURE_BUFFER_SIZE" | "AZURE_MAX_BUFFERS" => (
                    "so WAL-G keeps its default".to_owned(),
                    format!("call it {}WALG_{bare}", scope.prefix()),
                    Severity::Warning,
                ),
                "WALG_GPG_KEY_ID"
                | "WALG_CSE_KMS_ID"
                | "WALG_YC_KMS_KEY_ID"
                | "WALG_ENVELOPE_PGP_KEY"
                | "WALG_ENVELOPE_PGP_KEY_PATH" => (
                    "so the backups are not encrypted by it".to_owned(),
                    "encrypt with WALG_LIBSODIUM_KEY or WALG_PGP_KEY, which Spilo hands on".to_owned(),
                    Severity::Error,
                ),
                _ => (
                    "so it changes nothing".to_owned(),
                    format!("take {name} out, so that nobody relies on it"),
                    Severity::Warning,
                ),
            };
            let store =
                rendered.archives().find(|archive| archive.scope == scope).map(|archive| archive.store);
            // Who has no backups of this kind at all has other worries.
            if store.is_none() || (bare.starts_with("AZURE_") && store != Some(Store::Azure)) {
                continue;
            }
            let message = format!(
                "{}: {name} never reaches WAL-G: Spilo writes only the names that it knows into the env dir, {consequence}",
                cluster.name()
            );
            let place = world.place_of_name(cluster, rendered, name);
            found.add(cluster.name(), place, "never handed on", message, repair).as_bad_as(severity);
        }
    }
}
