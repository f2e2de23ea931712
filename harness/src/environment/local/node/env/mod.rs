//! A container's environment, from all sources, by Kubernetes' rules.

mod fields;
mod services;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, Pod, Service};

pub(crate) use crate::spilo::expand;
pub(super) use fields::{field, resource};

use super::super::images::{Image, Root, home_of};
use super::objects::{Kind, ObjectRef, Objects};

/// Where the API server is for pods. It stands in for the cluster IP of the service `kubernetes`.
#[derive(Debug, Clone)]
pub(super) struct ApiServerAddress {
    pub host: String,
    pub port: u16,
}

/// Why an environment cannot be made yet. The container waits with `CreateContainerConfigError` and tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvError {
    #[error("{0} not found")]
    Missing(ObjectRef),
    #[error("couldn't find key {key} in {object}")]
    MissingKey { object: ObjectRef, key: String },
    #[error("{name}: the value of {object} is not UTF-8")]
    NotText { name: String, object: ObjectRef },
    #[error("{name}: {field} is not a field that a variable can have")]
    Field { name: String, field: String },
    #[error("{name}: a value from a file is not supported by the local environment")]
    Source { name: String },
}

/// All that a container's environment is made from.
pub(super) struct Sources<'a> {
    pub pod: &'a Pod,
    pub container: &'a Container,
    /// Known before the API server knows it.
    pub pod_ip: &'a str,
    pub image: &'a Image,
    pub user_home: &'a Path,
    pub objects: &'a Objects,
    /// Those of the pod's namespace.
    pub services: &'a [std::sync::Arc<Service>],
    pub api_server: &'a ApiServerAddress,
}

/// A container's environment.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Without duplicates, in the order of their names.
    pub all: Vec<(String, String)>,
    /// Those of them that `$(NAME)` in commands, arguments and sub-paths stands for: the pod's and the services', nothing
    /// that the image or the runtime adds.
    pub declared: BTreeMap<String, String>,
}

/// The environment by Kubernetes' rules.
pub(super) fn resolve(sources: &Sources<'_>) -> Result<Resolved, EnvError> {
    let links = sources.pod.spec.as_ref().and_then(|spec| spec.enable_service_links).unwrap_or(true);
    let services = services::variables(if links { sources.services } else { &[] }, sources.api_server);
    let mut own = BTreeMap::new();
    for from in sources.container.env_from.iter().flatten() {
        add_all(&mut own, from, sources.objects)?;
    }
    // In the list's order: a name that stands twice gets its last value, and what is expanded
    // in between sees the first.
    for variable in sources.container.env.iter().flatten() {
        let value = match variable.value.as_deref() {
            Some(text) if !text.is_empty() => {
                expand(text, |name| own.get(name).or_else(|| services.get(name)).cloned())
            }
            _ => match value_from(variable, sources)? {
                Some(value) => value,
                None => continue,
            },
        };
        own.insert(variable.name.clone(), value);
    }
    let mut declared = services;
    declared.extend(own);
    let mut all = runtime_defaults(sources);
    all.extend(declared.clone());
    Ok(Resolved { all: all.into_iter().collect(), declared })
}

/// What the container runtime adds beneath everything else.
fn runtime_defaults(sources: &Sources<'_>) -> BTreeMap<String, String> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut all = BTreeMap::from([
        ("PATH".to_owned(), path.to_owned()),
        ("HOME".to_owned(), sources.user_home.display().to_string()),
        ("HOSTNAME".to_owned(), hostname(sources.pod)),
    ]);
    all.extend(sources.image.env.iter().cloned());
    all
}

/// `spec.hostname`, else the pod's name, at most 63 characters of it.
pub(super) fn hostname(pod: &Pod) -> String {
    let given = pod.spec.as_ref().and_then(|spec| spec.hostname.clone());
    let name = given.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// The home folder of the user that the container runs as.
pub(super) fn user_home(image: &Image, uid: u32) -> PathBuf {
    match uid {
        uid if uid == image.uid && !image.home.as_os_str().is_empty() => image.home.clone(),
        _ => match &image.root {
            Root::Layers(layers) => home_of(&layers.passwd, uid).unwrap_or_else(|| PathBuf::from("/")),
            Root::Machine if uid == 0 => PathBuf::from("/root"),
            Root::Machine => PathBuf::from("/"),
        },
    }
}

fn add_all(
    own: &mut BTreeMap<String, String>,
    from: &EnvFromSource,
    objects: &Objects,
) -> Result<(), EnvError> {
    let (object, optional) = match (&from.config_map_ref, &from.secret_ref) {
        (Some(reference), _) => (ObjectRef::new(Kind::ConfigMap, &reference.name), reference.optional),
        (None, Some(reference)) => (ObjectRef::new(Kind::Secret, &reference.name), reference.optional),
        (None, None) => return Ok(()),
    };
    let Some(data) = objects.variables(&object) else {
        return if optional == Some(true) { Ok(()) } else { Err(EnvError::Missing(object)) };
    };
    let prefix = from.prefix.as_deref().unwrap_or_default();
    for (key, value) in data {
        let name = format!("{prefix}{key}");
        // The container runtime refuses such a container, whatever became of the variable.
        let text = String::from_utf8(value.clone())
            .map_err(|_| EnvError::NotText { name: name.clone(), object: object.clone() })?;
        own.insert(name, text);
    }
    Ok(())
}

fn value_from(variable: &EnvVar, sources: &Sources<'_>) -> Result<Option<String>, EnvError> {
    let Some(from) = &variable.value_from else { return Ok(Some(String::new())) };
    let name = || variable.name.clone();
    if let Some(reference) = &from.field_ref {
        let path = &reference.field_path;
        return field(sources.pod, Some(sources.pod_ip), path)
            .map(Some)
            .ok_or_else(|| EnvError::Field { name: name(), field: path.clone() });
    }
    if let Some(reference) = &from.resource_field_ref {
        return resource(sources.pod, &sources.container.name, reference)
            .map(Some)
            .ok_or_else(|| EnvError::Field { name: name(), field: reference.resource.clone() });
    }
    let (object, key, optional) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(from), _) => (ObjectRef::new(Kind::ConfigMap, &from.name), &from.key, from.optional),
        (None, Some(from)) => (ObjectRef::new(Kind::Secret, &from.name), &from.key, from.optional),
        (None, None) => return Err(EnvError::Source { name: name() }),
    };
    let error = match sources.objects.variables(&object) {
        None => EnvError::Missing(object),
        Some(data) => match data.get(key) {
            Some(value) => {
                return String::from_utf8(value.clone())
                    .map(Some)
                    .map_err(|_| EnvError::NotText { name: name(), object });
            }
            None => EnvError::MissingKey { object, key: key.clone() },
        },
    };
    if optional == Some(true) { Ok(None) } else { Err(error) }
}

/// The objects that a container's environment needs.
pub(super) fn needs(container: &Container) -> Vec<ObjectRef> {
    let whole = container.env_from.iter().flatten().flat_map(|from| {
        let config_map = from.config_map_ref.iter().map(|one| ObjectRef::new(Kind::ConfigMap, &one.name));
        config_map.chain(from.secret_ref.iter().map(|one| ObjectRef::new(Kind::Secret, &one.name)))
    });
    let single = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
    let keys = single.flat_map(|from| {
        let config_map = from.config_map_key_ref.iter().map(|one| ObjectRef::new(Kind::ConfigMap, &one.name));
        config_map.chain(from.secret_key_ref.iter().map(|one| ObjectRef::new(Kind::Secret, &one.name)))
    });
    whole.chain(keys).collect()
}

#[cfg(test)]
mod tests;
