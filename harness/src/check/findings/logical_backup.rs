//! Logical backups (`pg_dump` by the operator's job) against what the rest is set to.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::operator;
use crate::check::world::World;
use crate::manifests::Document;
use crate::spilo::azure::{fault_of_account, fault_of_container};

pub(super) static DEFINITION: Definition = Definition {
    code: "logical-backup-elsewhere",
    severity: Severity::Error,
    title: "logical backups are asked for, and the operator's settings bring them nowhere",
    page: definition::page!("logical-backup-elsewhere"),
    shown: Shown::Not(
        "the operator's job runs an image of its own, by CronJobs: no environment of one's own has either",
    ),
    find,
};

const GROUP: &str = "/logical_backup";
/// The bucket of the release's own configuration, which is nobody's.
const NOBODYS: &str = "my-bucket-url";

const KEY: &str = "logical_backup_azure_storage_account_key";

/// The job's script knows no other way in than an account key.
fn has_key(settings: &Document) -> bool {
    [KEY, "logical_backup_cronjob_environment_secret"]
        .iter()
        .any(|name| operator::text(settings, GROUP, name).is_some())
}

fn find(world: &World<'_>, found: &mut Found) {
    let Some(settings) = world.manifests.settings() else { return };
    let text = |name: &str| operator::text(settings, GROUP, name);
    let provider = text("logical_backup_provider").unwrap_or_else(|| "s3".to_owned());
    let wanted = world.rendered().filter(|(cluster, _)| {
        cluster.document.value.pointer("/spec/enableLogicalBackup") == Some(&Value::Bool(true))
    });
    for (cluster, rendered) in wanted {
        let is_azure = rendered.in_azure().next().is_some();
        let account = text("logical_backup_azure_storage_account_name");
        let container = text("logical_backup_azure_storage_container");
        let (setting, why, repair, severity) = if provider == "az" {
            let (at, why) = match (&account, &container) {
                (None, _) => {
                    ("logical_backup_azure_storage_account_name", "no storage account is named".to_owned())
                }
                (_, None) => ("logical_backup_azure_storage_container", "no container is named".to_owned()),
                (Some(account), Some(container)) => {
                    match (fault_of_account(account), fault_of_container(container)) {
                        (Some(why), _) => (
                            "logical_backup_azure_storage_account_name",
                            format!("Azure has no storage accounts of the name `{account}`: {why}"),
                        ),
                        (_, Some(why)) => (
                            "logical_backup_azure_storage_container",
                            format!("Azure has no containers of the name `{container}`: {why}"),
                        ),
                        _ if has_key(settings) => continue,
                        _ => (KEY, format!("no key opens the storage account `{account}`")),
                    }
                }
            };
            let repair = if at == KEY {
                "set logical_backup_cronjob_environment_secret to a Secret with LOGICAL_BACKUP_AZURE_STORAGE_ACCOUNT_KEY, \
                 or logical_backup_azure_storage_account_key"
            } else {
                "set logical_backup_azure_storage_account_name and logical_backup_azure_storage_container"
            };
            (at, why, repair, Severity::Error)
        } else if provider == "s3" && text("logical_backup_s3_bucket").is_none_or(|bucket| bucket == NOBODYS)
        {
            let why = format!("the provider is s3, and the bucket is `{NOBODYS}`, which is nobody's");
            let repair = "set logical_backup_provider to az with its account and container, or name a bucket of your own";
            ("logical_backup_provider", why, repair, Severity::Error)
        } else if is_azure && account.is_some() {
            let why = format!(
                "the provider is {provider}, so the storage account `{}` is without effect",
                account.unwrap_or_default()
            );
            ("logical_backup_provider", why, "set logical_backup_provider to az", Severity::Warning)
        } else {
            continue;
        };
        let message = format!("{}: each logical backup fails or goes elsewhere: {why}", cluster.name());
        // Of many clusters it is told once, at what decides.
        let place = settings.place(&operator::pointer(settings, GROUP, setting));
        let finding = found.add(cluster.name(), place, "decided here", message, repair);
        finding.as_bad_as(severity);
        finding.beside(cluster.document.place("/spec/enableLogicalBackup"), "asked for here");
    }
}
