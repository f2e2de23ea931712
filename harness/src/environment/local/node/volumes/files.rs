//! Files in volumes: which ones, with what mode, from objects and from the pod's own fields.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod};

use super::super::env::{field, resource};
use super::super::objects::{Data, ObjectRef};
use super::VolumeError;

/// A file below a volume's folder. No `Debug`: it may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct VolumeFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
    pub mode: u32,
}

/// The files of a Secret or ConfigMap: all keys, or those that `items` names under the paths that it gives.
pub(super) fn from_data(
    volume: &str,
    object: &ObjectRef,
    data: Option<&Data>,
    items: Option<&[KeyToPath]>,
    default_mode: i32,
    optional: bool,
) -> Result<Vec<VolumeFile>, VolumeError> {
    let Some(data) = data else {
        let missing = || VolumeError::Missing { volume: volume.to_owned(), object: object.clone() };
        return if optional { Ok(Vec::new()) } else { Err(missing()) };
    };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return data
            .iter()
            .map(|(key, value)| {
                let path = checked(volume, key)?;
                Ok(VolumeFile { path, content: value.clone(), mode: default_mode as u32 })
            })
            .collect();
    };
    let mut files = Vec::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => files.push(VolumeFile {
                path: checked(volume, &item.path)?,
                content: value.clone(),
                mode: item.mode.unwrap_or(default_mode) as u32,
            }),
            None if optional => {}
            None => {
                let (volume, key) = (volume.to_owned(), item.key.clone());
                return Err(VolumeError::MissingKey { volume, object: object.clone(), key });
            }
        }
    }
    Ok(files)
}

/// The files of the downward API.
pub(super) fn from_fields(
    volume: &str,
    pod: &Pod,
    pod_ip: &str,
    items: &[DownwardAPIVolumeFile],
    default_mode: i32,
) -> Result<Vec<VolumeFile>, VolumeError> {
    let mut files = Vec::new();
    for item in items {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(from), _) => field(pod, Some(pod_ip), &from.field_path),
            (None, Some(from)) => resource(pod, "", from),
            (None, None) => None,
        };
        let value = value.ok_or(VolumeError::Unsupported {
            volume: volume.to_owned(),
            what: "a field of its downward API",
        })?;
        let mode = item.mode.unwrap_or(default_mode) as u32;
        files.push(VolumeFile { path: checked(volume, &item.path)?, content: value.into_bytes(), mode });
    }
    Ok(files)
}

/// A path below the volume, or the error that it leads out of it.
pub(super) fn checked(volume: &str, path: &str) -> Result<PathBuf, VolumeError> {
    let parts = Path::new(path).components();
    if !path.is_empty() && parts.clone().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Ok(parts.collect());
    }
    Err(VolumeError::Path { volume: volume.to_owned(), path: path.to_owned() })
}

/// Makes the volume's folder, which everyone in the pod may write to, and writes its files.
pub(super) fn write_all(folder: &Path, files: &[VolumeFile], group: Option<u32>) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
    for file in files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        replace(&path, &file.content, file.mode, group)?;
    }
    Ok(())
}

/// Writes a file such that a reader sees all of the old content or all of the new one. It is root's, and of this group.
pub(super) fn replace(path: &Path, content: &[u8], mode: u32, group: Option<u32>) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    fs::write(&fresh, content)?;
    if group.is_some() {
        std::os::unix::fs::chown(&fresh, None, group)?;
    }
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::super::super::objects::Kind;
    use super::*;

    fn object() -> ObjectRef {
        ObjectRef::new(Kind::Secret, "keys")
    }

    fn data() -> Data {
        Data::from([("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())])
    }

    fn item(key: &str, path: &str, mode: Option<i32>) -> KeyToPath {
        KeyToPath { key: key.to_owned(), path: path.to_owned(), mode }
    }

    #[test]
    fn all_keys_have_the_default_mode_and_items_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o7777;
        let all = from_data("v", &object(), Some(&data()), None, 0o640, false).unwrap_or_default();
        write_all(folder.path(), &all, None).unwrap();
        assert_eq!((mode("a"), mode("b"), mode("")), (0o640, 0o640, 0o777));
        let items = [item("b", "deep/er/b", Some(0o400)), item("a", "./c", None)];
        let some = from_data("v", &object(), Some(&data()), Some(&items), 0o444, false).unwrap_or_default();
        write_all(folder.path(), &some, None).unwrap();
        assert_eq!((mode("deep/er/b"), mode("c")), (0o400, 0o444));
        assert_eq!(fs::read(folder.path().join("deep/er/b")).unwrap(), b"2");
    }

    #[test]
    fn what_is_missing_is_an_error_unless_it_is_optional() {
        let absent = [item("z", "z", None)];
        assert!(matches!(
            from_data("v", &object(), None, None, 0o644, false),
            Err(VolumeError::Missing { .. })
        ));
        assert!(matches!(
            from_data("v", &object(), Some(&data()), Some(&absent), 0o644, false),
            Err(VolumeError::MissingKey { .. })
        ));
        assert!(from_data("v", &object(), None, None, 0o644, true).unwrap().is_empty());
        assert!(from_data("v", &object(), Some(&data()), Some(&absent), 0o644, true).unwrap().is_empty());
    }

    #[test]
    fn no_path_leads_out_of_the_volume() {
        for path in ["../x", "/x", "a/../../x", ""] {
            assert!(checked("v", path).is_err(), "{path}");
        }
        assert_eq!(checked("v", "a/./b").unwrap(), Path::new("a/b"));
    }
}
