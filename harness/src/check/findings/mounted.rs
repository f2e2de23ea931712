//! A volume over the folder that Spilo writes for WAL-G.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Rendered, World};

pub(super) static DEFINITION: Definition = Definition {
    code: "env-dir-mounted",
    severity: Severity::Error,
    title: "a Secret or ConfigMap is mounted where Spilo writes what WAL-G reads",
    page: definition::page!("env-dir-mounted"),
    shown: Shown::Not(
        "with the mount Spilo's configuration ends with an exception, which is no outcome of a drill; the stand-in writes its env dir elsewhere",
    ),
    find,
};

/// What is mounted read-only, and where, of what covers the folder or lies in it.
pub(super) fn over<'r>(rendered: &'r Rendered<'_>) -> Option<(&'r str, String)> {
    let folder = rendered.pod.setting("WALE_ENV_DIR");
    let items = |value: Option<&'r Value>| value.and_then(Value::as_array).into_iter().flatten();
    let text = |value: &'r Value, key: &str| value.get(key).and_then(Value::as_str);
    let mounts = items(rendered.set.container().and_then(|container| container.get("volumeMounts")));
    let volumes = || items(rendered.set.stateful_set.pointer("/spec/template/spec/volumes"));
    mounts.into_iter().find_map(|mount| {
        let path = text(mount, "mountPath")?;
        let bare = path.trim_end_matches('/');
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !within(folder, bare) && !within(bare, folder) {
            return None;
        }
        let name = text(mount, "name")?;
        let volume = volumes().find(|volume| text(volume, "name") == Some(name))?;
        let kinds = [
            ("Secret", "/secret/secretName"),
            ("ConfigMap", "/configMap/name"),
            ("SecretProviderClass", "/csi/volumeAttributes/secretProviderClass"),
        ];
        let object = kinds
            .into_iter()
            .find_map(|(kind, at)| Some(format!("{kind} {}", volume.pointer(at).and_then(Value::as_str)?)))?;
        Some((path, object))
    })
}

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some((path, object)) = over(rendered) else { continue };
        let volumes = cluster.document.value.pointer("/spec/additionalVolumes").and_then(Value::as_array);
        let at = volumes.and_then(|volumes| {
            volumes.iter().position(|volume| volume.get("mountPath").and_then(Value::as_str) == Some(path))
        });
        let of_operator = world.manifests.settings().filter(|_| at.is_none());
        let place = match (at, of_operator) {
            (Some(at), _) => cluster.document.place(&format!("/spec/additionalVolumes/{at}/mountPath")),
            (None, Some(settings)) => settings.place(&crate::check::operator::pointer(
                settings,
                "/aws_or_gcp",
                "additional_secret_mount_path",
            )),
            (None, None) => cluster.document.place_of_name(),
        };
        let message = if rendered.pod.archives() {
            format!(
                "{}: PostgreSQL does not start, or not with its backups: the {object} is mounted at {path}, so Spilo cannot write its files there \
                 (\"Read-only file system\"), and its configuration ends with an exception",
                cluster.name()
            )
        } else {
            format!(
                "{}: there will be no backups at all: the {object} is mounted at {path}, and Spilo looks only at variables, never at what is \
                 mounted there. The WAL is thrown away (archive_command is /bin/true)",
                cluster.name()
            )
        };
        let repair = "take the mount out, and bring what is in it as variables: spec.env, or the operator's pod_environment_secret";
        found.add(cluster.name(), place, "Spilo writes here", message, repair);
    }
}
