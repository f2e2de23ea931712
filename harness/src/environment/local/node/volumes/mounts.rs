//! Where a container sees which volume.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use super::super::super::container::Mount;
use super::super::env::expand;
use super::Folder;
use super::files::checked;

/// A mount that names what is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountError {
    #[error("mount \"{path}\": the pod has no volume \"{volume}\"")]
    NoVolume { path: String, volume: String },
    #[error("mount \"{path}\": the sub-path \"{sub_path}\" leads out of its volume")]
    SubPath { path: String, sub_path: String },
    #[error("mount \"{path}\": missing value for \"{variable}\"")]
    Variable { path: String, variable: String },
    #[error("mount \"{path}\": make its sub-path: {source}")]
    Make { path: String, source: std::io::Error },
}

/// The mounts of a container. A sub-path that does not exist is made as a folder, as kubelet does.
pub(in super::super) fn container_mounts(
    container: &Container,
    volumes: &BTreeMap<String, Folder>,
    declared: &BTreeMap<String, String>,
) -> Result<Vec<Mount>, MountError> {
    let mut mounts = Vec::new();
    for wanted in container.volume_mounts.iter().flatten() {
        let path = || wanted.mount_path.clone();
        let Some(folder) = volumes.get(&wanted.name) else {
            return Err(MountError::NoVolume { path: path(), volume: wanted.name.clone() });
        };
        let sub_path = match (&wanted.sub_path, &wanted.sub_path_expr) {
            (Some(sub_path), _) => Some(sub_path.clone()),
            (None, Some(expression)) => {
                let mut missing = None;
                let expanded = expand(expression, |name| {
                    let value = declared.get(name).cloned();
                    if value.is_none() {
                        missing.get_or_insert_with(|| name.to_owned());
                    }
                    value
                });
                if let Some(variable) = missing {
                    return Err(MountError::Variable { path: path(), variable });
                }
                Some(expanded)
            }
            (None, None) => None,
        };
        let source = match sub_path.filter(|sub_path| !sub_path.is_empty()) {
            None => folder.path.clone(),
            Some(sub_path) => {
                let below = checked(&wanted.name, &sub_path)
                    .map_err(|_| MountError::SubPath { path: path(), sub_path: sub_path.clone() })?;
                let source = folder.path.join(below);
                if !source.exists() {
                    std::fs::create_dir_all(&source)
                        .map_err(|source| MountError::Make { path: path(), source })?;
                }
                source
            }
        };
        let read_only = folder.read_only || wanted.read_only == Some(true);
        mounts.push(Mount { source, target: wanted.mount_path.clone().into(), read_only });
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sub_paths_are_expanded_made_and_kept_inside() {
        let folder = tempfile::tempdir().unwrap();
        let of = |read_only| Folder { path: folder.path().to_owned(), read_only };
        let volumes = BTreeMap::from([("data".to_owned(), of(false)), ("keys".to_owned(), of(true))]);
        let mounts = |mount: serde_json::Value| {
            let container = json!({ "name": "c", "volumeMounts": [mount] });
            let declared = BTreeMap::from([("POD".to_owned(), "db-0".to_owned())]);
            container_mounts(&serde_json::from_value(container).unwrap(), &volumes, &declared)
        };
        let made =
            mounts(json!({ "name": "data", "mountPath": "/d", "subPathExpr": "x/$(POD)", "readOnly": true }));
        let made = made.unwrap();
        assert_eq!(made[0].source, folder.path().join("x/db-0"));
        assert!(made[0].read_only && made[0].source.is_dir());
        let undeclared = mounts(json!({ "name": "data", "mountPath": "/d", "subPathExpr": "$(PATH)" }));
        assert!(matches!(undeclared, Err(MountError::Variable { variable, .. }) if variable == "PATH"));
        let keys = mounts(json!({ "name": "keys", "mountPath": "/k" })).unwrap();
        assert!(keys[0].read_only, "{keys:?}");
        let out = mounts(json!({ "name": "data", "mountPath": "/d", "subPath": "../x" }));
        assert!(matches!(out, Err(MountError::SubPath { .. })));
        let unknown = mounts(json!({ "name": "other", "mountPath": "/d" }));
        assert!(matches!(unknown, Err(MountError::NoVolume { .. })));
    }
}
