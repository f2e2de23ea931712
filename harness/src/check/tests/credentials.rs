//! What opens a storage account: keys, SAS tokens, service principals, identities.

use super::*;

#[test]
fn a_managed_identity_needs_no_credential() {
    let mut case = Case::new().without("CLONE_AZURE_STORAGE_ACCESS_KEY").without("AZURE_STORAGE_ACCESS_KEY");
    let mut found = case.codes();
    found.sort_unstable();
    assert_eq!(found, ["backups-without-credentials", "clone-without-credentials"]);
    case.settings.managed_identity = true;
    assert_eq!(case.codes(), [""; 0]);
}

#[test]
fn a_service_principal_counts_when_it_is_complete() {
    let id = |case: Case| {
        case.with("CLONE_AZURE_CLIENT_ID", value("id")).with("CLONE_AZURE_TENANT_ID", value("tenant"))
    };
    let secret = json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "prod" } } });
    let alone = id(Case::new().without("CLONE_AZURE_STORAGE_ACCESS_KEY"));
    assert_eq!(alone.codes(), ["clone-without-credentials"]);
    assert_eq!(alone.with("CLONE_AZURE_CLIENT_SECRET", secret.clone()).codes(), [""; 0]);
    assert_eq!(
        id(Case::new()).with("CLONE_AZURE_CLIENT_SECRET", secret).codes(),
        ["two-kinds-of-credentials"]
    );
}

#[test]
fn the_clone_may_share_a_key_with_itself_where_the_account_is_one() {
    let key = json!({ "valueFrom": { "secretKeyRef": { "name": "keys", "key": "clone" } } });
    let case = Case::new().with("CLONE_AZURE_STORAGE_ACCESS_KEY", key);
    assert_eq!(case.codes(), ["clone-with-another-accounts-key"]);
    assert_eq!(case.with("CLONE_AZURE_STORAGE_ACCOUNT", value("clonebackups")).codes(), [""; 0]);
}

#[test]
fn identities_and_sas_tokens_are_read() {
    let sas = "sv=2023-11-03&sr=c&sp=rwdl&se=2036-01-01T00:00:00Z&spr=https&sig=abcdef";
    let token = |name: &'static str, text: String| {
        let bare = name
            .strip_prefix("CLONE_")
            .map_or("AZURE_STORAGE_ACCESS_KEY", |_| "CLONE_AZURE_STORAGE_ACCESS_KEY");
        let mut case = Case::new().without(bare);
        case.before = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: sas }}\nstringData: {{ sas: \"{text}\" }}\n---\n{}",
            case.before
        );
        let reference = json!({ "valueFrom": { "secretKeyRef": { "name": "sas", "key": "sas" } } });
        case.with(name, reference)
    };
    let own = |text: String| said(&token("AZURE_STORAGE_SAS_TOKEN", text));
    assert_eq!(own(sas.to_owned()), []);
    assert_eq!(own(format!("?{sas}")), []);
    assert_eq!(own(sas.replace("2036", "2026")), [("sas-token-expired", Severity::Error)]);
    assert_eq!(own(sas.replace("rwdl", "rl")), [("sas-token-refused", Severity::Error)]);
    assert_eq!(own(sas.replace("spr=https", "spr=http")), [("sas-token-refused", Severity::Error)]);
    assert_eq!(own(sas.replace("rwdl", "rwl")), [("sas-token-refused", Severity::Note)]);
    let mut clone = token("CLONE_AZURE_STORAGE_SAS_TOKEN", sas.replace("rwdl", "rl"));
    assert_eq!(said(&clone), []);
    clone = token("CLONE_AZURE_STORAGE_SAS_TOKEN", sas.replace("2036", "2026"));
    assert_eq!(said(&clone), [("sas-token-expired", Severity::Error)]);
    clone.there = There::Unknown;
    assert_eq!(said(&clone), [("sas-token-expired", Severity::Note)], "a clone needs it only once");
    let identity = Case::new().without("AZURE_STORAGE_ACCESS_KEY").with("AZURE_CLIENT_ID", value("id"));
    assert_eq!(said(&identity), [("identity-not-handed-on", Severity::Error)]);
    assert_eq!(with(&[("AZURE_CLIENT_ID", "id")]), [], "beside a key it is somebody else's");
}
