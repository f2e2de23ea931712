//! A prefix without the major version, and an operator that upgrades in place.

use serde_json::Value;

use super::names_refused;
use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::operator;
use crate::check::world::World;
use crate::spilo::is_known;

pub(super) static DEFINITION: Definition = Definition {
    code: "prefix-without-version",
    severity: Severity::Warning,
    title: "the prefix has no major version, and an upgrade in place goes on in the same folder",
    page: definition::page!("prefix-without-version"),
    shown: Shown::Not(
        "the operator upgrades in place by a script of Spilo's image, which the stand-in has not",
    ),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    let Some(settings) = world.manifests.settings() else { return };
    let mode = operator::text(settings, "/major_version_upgrade", "major_version_upgrade_mode");
    let mode = mode.unwrap_or_else(|| "manual".to_owned());
    let teams =
        operator::pointer(settings, "/major_version_upgrade", "major_version_upgrade_team_allow_list");
    for (cluster, rendered) in world.rendered() {
        let Some(archive) = rendered.model.archive.as_ref() else { continue };
        let Some(prefix) = archive.prefix().filter(|prefix| is_known(prefix)) else { continue };
        let Some(major) = rendered.pod.major() else { continue };
        let version = major.to_string();
        let has_version = prefix.split('/').any(|part| {
            part == version
                || part.ends_with(&format!("-{version}"))
                || part == format!("pg{version}")
                || part == format!("v{version}")
        });
        if names_refused::is_faulty(rendered, archive) || has_version {
            continue;
        }
        let team = cluster.document.text("/spec/teamId").unwrap_or_default();
        let allowed = match settings.value.pointer(&teams) {
            Some(Value::Array(teams)) => teams.iter().any(|allowed| allowed == team),
            Some(Value::String(teams)) => teams.split(',').any(|allowed| allowed.trim() == team),
            _ => false,
        };
        let (how, severity) = match mode.as_str() {
            "full" => ("the operator upgrades it in place", Severity::Warning),
            "off" if !allowed => continue,
            // Somebody must raise the version for it.
            _ => ("the operator upgrades it in place as soon as its version is raised", Severity::Note),
        };
        let message = format!(
            "{}: its prefix `{prefix}` has no major version, and {how} (major_version_upgrade_mode `{mode}`). After that \
             timelines begin at 1 again in the same folder: replicas and clones take history files of the old version, and \
             WAL-G may delete the new backups before the old ones",
            cluster.name()
        );
        let name = archive.decided_by.as_str();
        let place = world.place_of_name(cluster, rendered, name);
        let written = rendered.entry(name).and_then(|entry| entry.item.get("value")?.as_str());
        let written = written.unwrap_or(prefix).trim_end_matches('/');
        let repair = format!("put the version into it: {written}/$(PGVERSION)");
        let finding = found.add(cluster.name(), place, "no version in it", message, repair);
        finding.as_bad_as(severity);
    }
}
