//! An identity that is named, and whose name never reaches WAL-G.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Rendered, World};
use crate::spilo::{Archive, Scope};

pub(super) static DEFINITION: Definition = Definition {
    code: "identity-not-handed-on",
    severity: Severity::Error,
    title: "the identity that is named never reaches WAL-G",
    page: definition::page!("identity-not-handed-on"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find,
};

const CLIENT: &str = "AZURE_CLIENT_ID";
const OTHERS: [&str; 2] = ["AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"];

/// The variable that names an identity for this scope, where nothing else opens the account.
pub(super) fn names(world: &World<'_>, rendered: &Rendered<'_>, scope: Scope) -> Option<String> {
    let has = |name: &str| rendered.pod.has(&format!("{}{name}", scope.prefix()));
    // Two of the three of a service principal are rather one that is not complete; workload identities have no secret, though.
    let is_identity = world.settings.managed_identity || has(OTHERS[0]);
    let incomplete = has("AZURE_CLIENT_SECRET") || (has("AZURE_TENANT_ID") && !is_identity);
    if rendered.pod.azure(scope)?.credential.is_some() || incomplete {
        return None;
    }
    let named = [CLIENT, OTHERS[0], OTHERS[1]].into_iter().find(|name| has(name));
    named.map(|name| format!("{}{name}", scope.prefix()))
}

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for Archive { scope, .. } in rendered.in_azure() {
            let Some(name) = names(world, rendered, *scope) else { continue };
            let what = match scope {
                Scope::Own => "every backup and WAL file is refused",
                Scope::Clone => "the clone's bootstrap fails",
            };
            let message = format!(
                "{}: {name} never reaches WAL-G: Spilo hands it on only together with {}AZURE_CLIENT_SECRET and \
                 {}AZURE_TENANT_ID, and takes the rest of the environment away. On a node with several identities nothing says \
                 which one to use, and {what}",
                cluster.name(),
                scope.prefix(),
                scope.prefix(),
            );
            let repair = format!(
                "give {}AZURE_STORAGE_ACCESS_KEY, a SAS token or all three of a service principal, from a Secret; where the \
                 nodes have one identity alone and it opens the account, take {name} out and say `check: {{ managed-identity: \
                 true }}` in clonedrill.yaml",
                scope.prefix()
            );
            let place = world.place_of_name(cluster, rendered, &name);
            found.add(cluster.name(), place, "never handed on", message, repair).unless(
                &rendered.open,
                &format!("{}AZURE_STORAGE_ACCESS_KEY", scope.prefix()),
                Severity::Note,
            );
        }
    }
}
