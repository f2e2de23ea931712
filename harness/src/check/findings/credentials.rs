//! What WAL-G shows the storage accounts: nothing, too much, or what opens another account.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::identity;
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::manifests::Kind;
use crate::secret::is_told_by_form;
use crate::spilo::{Azure, CredentialKind, Scope, is_known};

pub(super) static CLONE_WITHOUT: Definition = Definition {
    code: "clone-without-credentials",
    severity: Severity::Error,
    title: "the clone has no credential for the account that it reads",
    page: definition::page!("clone-without-credentials"),
    shown: Shown::By(&["check/clone-without-credentials"]),
    find: |world, found| without(world, found, Scope::Clone),
};

pub(super) static BACKUPS_WITHOUT: Definition = Definition {
    code: "backups-without-credentials",
    severity: Severity::Error,
    title: "the cluster has no credential for the account that it writes its backups into",
    page: definition::page!("backups-without-credentials"),
    shown: Shown::By(&["check/backups-without-credentials"]),
    find: |world, found| without(world, found, Scope::Own),
};

pub(super) static TWO: Definition = Definition {
    code: "two-kinds-of-credentials",
    severity: Severity::Warning,
    title: "two kinds of credentials are given, and only one is used",
    page: definition::page!("two-kinds-of-credentials"),
    shown: Shown::By(&["check/two-kinds-of-credentials"]),
    find: two,
};

pub(super) static OF_ANOTHER_ACCOUNT: Definition = Definition {
    code: "clone-with-another-accounts-key",
    severity: Severity::Error,
    title: "the clone's credential opens another account than the one that it reads",
    page: definition::page!("clone-with-another-accounts-key"),
    shown: Shown::By(&["clone/wrong-key"]),
    find: of_another_account,
};

pub(super) static NO_KEY: Definition = Definition {
    code: "access-key-no-key",
    severity: Severity::Error,
    title: "what is given as the storage account's access key is something else",
    page: definition::page!("access-key-no-key"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: no_key,
};

/// Only what is plainly another thing that Azure's portal shows beside the key.
fn no_key(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "AZURE_STORAGE_ACCESS_KEY";
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.in_azure() {
            let Some(value) = archive.value(NAME) else { continue };
            let full = format!("{}{NAME}", archive.scope.prefix());
            let (what, instead) = if is_raw(world, cluster, rendered, &full) {
                (
                    "the bytes of a key and not its text: the key stands below `data`, which Kubernetes decodes,",
                    "put the key below stringData, or encode it once more",
                )
            } else if is_encoded_twice(value) {
                (
                    "a key that was encoded in base64 once more,",
                    "put what you encoded below `data`, or the key as Azure shows it below stringData",
                )
            } else if value.contains("AccountKey=") {
                ("a connection string", "take what stands behind AccountKey= in it, up to the next semicolon")
            } else if value.trim_start_matches('?').split('&').any(|pair| pair.starts_with("sig=")) {
                ("a SAS token", "give it as AZURE_STORAGE_SAS_TOKEN")
            } else {
                continue;
            };
            let name = full;
            let fails = match archive.scope {
                Scope::Own => "every backup and WAL file fails",
                Scope::Clone => "the clone's bootstrap fails and is tried again for ever",
            };
            let message = format!("{}: {name} holds {what} and no access key, so {fails}", cluster.name());
            let instead = match archive.scope {
                Scope::Clone => instead.replace("AZURE_STORAGE_SAS", "CLONE_AZURE_STORAGE_SAS"),
                Scope::Own => instead.to_owned(),
            };
            let place = world.place_of_name(cluster, rendered, &name);
            found.add(cluster.name(), place, "no access key", message, instead);
        }
    }
}

/// Whether the text that is decoded for the container is the key itself.
fn is_raw(world: &World<'_>, cluster: &Cluster<'_>, rendered: &Rendered<'_>, name: &str) -> bool {
    let reference = rendered.pod.item(name).and_then(|item| item.pointer("/valueFrom/secretKeyRef"));
    let text = |key: &str| reference.and_then(|reference| reference.get(key)?.as_str());
    let (Some(secret), Some(key)) = (text("name"), text("key")) else { return false };
    let secret = world.manifests.find(Kind::Secret, &cluster.document.namespace, secret);
    let encoded = secret.and_then(|secret| secret.value.get("data")?.get(key)?.as_str());
    let is_overridden = secret.is_some_and(|secret| {
        secret.value.pointer("/stringData").is_some_and(|data| data.get(key).is_some())
    });
    !is_overridden && encoded.is_some_and(|encoded| is_told_by_form(encoded.trim()))
}

/// Whether a key has the form of one only when it is decoded.
fn is_encoded_twice(value: &str) -> bool {
    let decoded = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.is_some_and(|decoded| is_told_by_form(decoded.trim()))
}

const SCOPES: [Scope; 2] = [Scope::Own, Scope::Clone];

fn account(azure: &Azure) -> String {
    azure
        .account
        .as_ref()
        .map_or("the storage account".to_owned(), |account| format!("the storage account `{account}`"))
}

fn without(world: &World<'_>, found: &mut Found, scope: Scope) {
    if world.settings.managed_identity {
        return;
    }
    for (cluster, rendered) in world.rendered() {
        // What was meant for one, and what says which identity, are findings of their own.
        let prefix = scope.prefix();
        let names = ["AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET"];
        let misspelt = names.iter().any(|name| rendered.meant_by(&format!("{prefix}{name}")).is_some());
        if misspelt || identity::names(world, rendered, scope).is_some() {
            continue;
        }
        let Some(azure) = rendered.pod.azure(scope).filter(|azure| azure.credential.is_none()) else {
            continue;
        };
        let account = account(azure);
        let message = match scope {
            Scope::Own => format!(
                "{}: every backup and WAL file will be refused: WAL-G gets no credential for {account}",
                cluster.name()
            ),
            Scope::Clone => format!(
                "{}: the clone's bootstrap will fail: WAL-G gets no credential for {account}, since only names that begin \
                 with CLONE_ count there",
                cluster.name()
            ),
        };
        let principal = ["AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"];
        let (there, missing): (Vec<&str>, Vec<&str>) =
            principal.into_iter().partition(|name| rendered.pod.has(&format!("{prefix}{name}")));
        let message = match (there.len(), missing.first()) {
            (2, Some(missing)) => format!("{message}; of a service principal {prefix}{missing} is missing"),
            _ => message,
        };
        let repair = format!(
            "set {prefix}AZURE_STORAGE_ACCESS_KEY in spec.env from a Secret; where the nodes' managed identity opens the \
             account, say `check: {{ managed-identity: true }}` in clonedrill.yaml"
        );
        let place = world.place_of_name(cluster, rendered, &format!("{prefix}WALG_AZ_PREFIX"));
        let finding = found.add(cluster.name(), place, "nothing opens its account", message, repair);
        // A Secret that is not in the repository is where credentials belong.
        finding.unless(&rendered.open, &format!("{prefix}AZURE_STORAGE_ACCESS_KEY"), Severity::Note);
    }
}

fn two(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for scope in SCOPES {
            let Some(azure) = rendered.pod.azure(scope).filter(|azure| azure.warning.is_some()) else {
                continue;
            };
            let Some(taken) = azure.credential else { continue };
            let prefix = scope.prefix();
            let left: Vec<CredentialKind> = [CredentialKind::SasToken, CredentialKind::ServicePrincipal]
                .into_iter()
                .filter(|kind| *kind != taken && rendered.pod.has(&format!("{prefix}{}", kind.variable())))
                .collect();
            let names: Vec<&str> = left.iter().map(|kind| kind.name()).collect();
            let message = format!(
                "{}: WAL-G will use the {} for {}, and the {} will be without effect",
                cluster.name(),
                taken.name(),
                account(azure),
                names.join(" and ")
            );
            let repair = format!(
                "keep one of them; Spilo takes {prefix}AZURE_STORAGE_ACCESS_KEY before {prefix}AZURE_STORAGE_SAS_TOKEN before a service principal"
            );
            let place = |kind: CredentialKind| {
                world.place_of_name(cluster, rendered, &format!("{prefix}{}", kind.variable()))
            };
            let first = left.first().copied().unwrap_or(taken);
            let finding = found.add(cluster.name(), place(first), "without effect", message, repair);
            finding.beside(place(taken), "this one is used");
        }
    }
}

/// A credential that some cluster archives with belongs to the account that it archives into.
fn of_another_account(world: &World<'_>, found: &mut Found) {
    let mut opens: BTreeMap<String, Vec<(String, &Cluster<'_>)>> = BTreeMap::new();
    for (cluster, rendered) in world.rendered() {
        let account =
            rendered.pod.own().and_then(|azure| azure.account.clone()).filter(|name| is_known(name));
        if let (Some(account), Some(credential)) = (account, rendered.pod.credential(Scope::Own)) {
            opens.entry(credential).or_default().push((account, cluster));
        }
    }
    for (cluster, rendered) in world.rendered() {
        let Some(azure) = rendered.pod.source() else { continue };
        // What overrides the account is a finding of its own.
        if rendered.entries().iter().any(|entry| entry.hidden && entry.name == "CLONE_AZURE_STORAGE_ACCOUNT")
        {
            continue;
        }
        // A service principal may open any number of accounts.
        let Some(kind) = azure.credential.filter(|kind| *kind != CredentialKind::ServicePrincipal) else {
            continue;
        };
        let reads = azure.account.as_ref().filter(|name| is_known(name));
        let (Some(reads), Some(credential)) = (reads, rendered.pod.credential(Scope::Clone)) else {
            continue;
        };
        let Some(known) = opens.get(&credential) else { continue };
        let Some((other, user)) = known.first().filter(|_| known.iter().all(|(account, _)| account != reads))
        else {
            continue;
        };
        let message = format!(
            "{}: the storage account `{reads}` will refuse the clone: its {} is the one that {} uses for `{other}`",
            cluster.name(),
            kind.name(),
            if std::ptr::eq(*user, cluster) { "this cluster itself".to_owned() } else { user.name() },
        );
        let name = format!("CLONE_{}", kind.variable());
        let repair = format!("set {name} to the {} of `{reads}`", kind.name());
        let place = world.place_of_name(cluster, rendered, &name);
        found.add(cluster.name(), place, format!("opens `{other}`"), message, repair);
    }
}
