//! From a container of a pod to what its process is started with.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod};

use super::super::container::{Capabilities, ContainerSpec, Identity, Many};
use super::super::images::{Image, ImageError, Root, gid_of, groups_of};
use super::env::{self, EnvError, Resolved, Sources, expand};
use super::objects::Objects;
use super::shared::Shared;
use super::volumes::{Folder, MountError, container_mounts};

/// Why a container cannot be made as things are; it waits and tries again.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpecError {
    #[error("{0}")]
    Image(#[from] ImageError),
    #[error("{0}")]
    Env(#[from] EnvError),
    #[error("{0}")]
    Mount(#[from] MountError),
    #[error("ask the API server: {0}")]
    Kube(#[from] Box<kube::Error>),
    #[error("container has runAsNonRoot and image will run as root")]
    Root,
    #[error("{0} is not supported by the local environment")]
    Unsupported(&'static str),
}

impl SpecError {
    /// The reason that stands in the container's status.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            SpecError::Image(_) => "ErrImagePull",
            SpecError::Mount(_)
            | SpecError::Env(_)
            | SpecError::Kube(_)
            | SpecError::Root
            | SpecError::Unsupported(_) => "CreateContainerConfigError",
        }
    }
}

/// What is known about a pod that runs.
pub(super) struct PodFacts<'a> {
    pub shared: &'a Arc<Shared>,
    pub pod: Arc<Pod>,
    pub address: Ipv4Addr,
    pub network: PathBuf,
    pub volumes: &'a BTreeMap<String, Folder>,
}

pub(super) async fn make(facts: &PodFacts<'_>, container: &Container) -> Result<ContainerSpec, SpecError> {
    let (shared, pod) = (facts.shared, &*facts.pod);
    let spec = pod.spec.as_ref();
    if spec.is_some_and(|spec| spec.host_network == Some(true)) {
        return Err(SpecError::Unsupported("hostNetwork"));
    }
    if spec.is_some_and(|spec| spec.active_deadline_seconds.is_some()) {
        return Err(SpecError::Unsupported("activeDeadlineSeconds"));
    }
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let image = shared.images.lookup(namespace, container.image.as_deref().unwrap_or_default())?;
    let identity = identity(pod, container, &image, shared.many_users)?;
    let objects = Objects::fetch(&shared.client, namespace, env::needs(container)).await.map_err(Box::new)?;
    let ip = facts.address.to_string();
    let services = shared.services(namespace);
    let Resolved { all: env, declared } = env::resolve(&Sources {
        pod,
        container,
        pod_ip: &ip,
        image: &image,
        user_home: &env::user_home(&image, identity.uid),
        objects: &objects,
        services: &services,
        api_server: &shared.api_server,
    })?;
    let hostname = env::hostname(pod);
    let security = container.security_context.as_ref();
    Ok(ContainerSpec {
        network: facts.network.clone(),
        root: shared.state.join("root"),
        own_program: shared.own_program.clone(),
        certificates: shared.state.join("certificates"),
        hosts: hosts(pod, &hostname, facts.address),
        resolv_conf: resolv_conf(shared.dns, namespace),
        mounts: container_mounts(container, facts.volumes, &declared)?,
        read_only_root: security.and_then(|security| security.read_only_root_filesystem).unwrap_or(false),
        argv: argv(container, &image, &declared),
        working_dir: working_dir(container, &image),
        env,
        hostname,
        identity,
        image,
    })
}

/// Whether all containers of the pod run as root. Of an image that is not there nothing is known.
pub(super) fn is_root(shared: &Shared, pod: &Pod) -> bool {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let spec = pod.spec.iter();
    let mut containers = spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    containers.all(|container| {
        let image = shared.images.lookup(namespace, container.image.as_deref().unwrap_or_default());
        image.is_ok_and(|image| matches!(user(pod, container, &image), Ok((0, _))))
    })
}

/// As whom the container runs: of an image with users of its own, where there are many, as the runtime has it.
fn identity(pod: &Pod, container: &Container, image: &Image, many: bool) -> Result<Identity, SpecError> {
    let (uid, gid) = user(pod, container, image)?;
    let layers = match &image.root {
        Root::Layers(layers) if many => layers,
        _ => return Ok(Identity::alone(uid, gid)),
    };
    let own = container.security_context.as_ref();
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let id = |given: i64| u32::try_from(given).ok();
    let asked = own.and_then(|context| context.run_as_group);
    let asked = asked.or_else(|| of_pod.and_then(|context| context.run_as_group)).and_then(id);
    let its = if uid == image.uid { Some(image.gid) } else { gid_of(&layers.passwd, uid) };
    let mut groups = groups_of(&layers.passwd, &layers.group, uid);
    let more = of_pod.iter().flat_map(|context| context.supplemental_groups.iter().flatten().copied());
    groups.extend(more.chain(of_pod.and_then(|context| context.fs_group)).filter_map(id));
    groups.sort_unstable();
    groups.dedup();
    let capabilities = own.and_then(|context| context.capabilities.as_ref());
    let named = |names: Option<&Vec<String>>| names.cloned().unwrap_or_default();
    Ok(Identity {
        uid,
        gid: asked.or(its).unwrap_or(0),
        among_many: Some(Many {
            groups,
            capabilities: Capabilities::of(
                &named(capabilities.and_then(|capabilities| capabilities.add.as_ref())),
                &named(capabilities.and_then(|capabilities| capabilities.drop.as_ref())),
            ),
            may_gain: own.and_then(|context| context.allow_privilege_escalation).unwrap_or(true),
        }),
    })
}

/// Whether a container of the pod meets files as they are in a cluster, each with its owner.
pub(super) fn has_many_users(shared: &Shared, pod: &Pod) -> bool {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let spec = pod.spec.iter();
    let mut containers = spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    shared.many_users
        && containers.any(|container| {
            let image = shared.images.lookup(namespace, container.image.as_deref().unwrap_or_default());
            image.is_ok_and(|image| matches!(image.root, Root::Layers(_)))
        })
}

/// The container's user and group: the container's context, else the pod's, else the image's.
fn user(pod: &Pod, container: &Container, image: &Image) -> Result<(u32, u32), SpecError> {
    let of_container = container.security_context.as_ref();
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let id = |given: Option<i64>| given.and_then(|given| u32::try_from(given).ok());
    let uid = of_container.and_then(|context| id(context.run_as_user));
    let uid = uid.or_else(|| of_pod.and_then(|context| id(context.run_as_user))).unwrap_or(image.uid);
    let gid = of_container.and_then(|context| id(context.run_as_group));
    let gid = gid.or_else(|| of_pod.and_then(|context| id(context.run_as_group)));
    // An unknown user has the group root; the one group that can be mapped is better the volumes' then.
    let fallback = if uid == image.uid { image.gid } else { 0 };
    let of_files = of_pod.and_then(|context| id(context.fs_group)).filter(|_| uid != image.uid);
    let gid = gid.or(of_files).unwrap_or(fallback);
    let non_root = of_container.and_then(|context| context.run_as_non_root);
    let non_root = non_root.or_else(|| of_pod.and_then(|context| context.run_as_non_root));
    if non_root == Some(true) && uid == 0 { Err(SpecError::Root) } else { Ok((uid, gid)) }
}

/// `command` replaces the entry point and its arguments, `args` the arguments; both are expanded.
fn argv(container: &Container, image: &Image, declared: &BTreeMap<String, String>) -> Vec<String> {
    let value_of = |name: &str| declared.get(name).cloned();
    let expanded = |all: &[String]| all.iter().map(|one| expand(one, value_of)).collect::<Vec<_>>();
    let command = container.command.as_deref().filter(|command| !command.is_empty()).map(expanded);
    let args = container.args.as_deref().filter(|args| !args.is_empty()).map(expanded);
    let args = args.unwrap_or_else(|| if command.is_some() { Vec::new() } else { image.cmd.clone() });
    command.unwrap_or_else(|| image.entrypoint.clone()).into_iter().chain(args).collect()
}

fn working_dir(container: &Container, image: &Image) -> PathBuf {
    let given = container.working_dir.as_deref().filter(|given| !given.is_empty()).map(PathBuf::from);
    let folder = given.unwrap_or_else(|| image.working_dir.clone());
    if folder.as_os_str().is_empty() { PathBuf::from("/") } else { Path::new("/").join(folder) }
}

fn hosts(pod: &Pod, hostname: &str, address: Ipv4Addr) -> String {
    let spec = pod.spec.as_ref();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let names = match spec.and_then(|spec| spec.subdomain.as_deref()) {
        Some(subdomain) => format!("{hostname}.{subdomain}.{namespace}.svc.cluster.local\t{hostname}"),
        None => hostname.to_owned(),
    };
    let mut text =
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{address}\t{names}\n");
    for alias in spec.iter().flat_map(|spec| spec.host_aliases.iter().flatten()) {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        text.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    text
}

fn resolv_conf(dns: Ipv4Addr, namespace: &str) -> String {
    format!(
        "nameserver {dns}\nsearch {namespace}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image() -> Image {
        Image {
            entrypoint: vec!["/entry".into()],
            cmd: vec!["default".into()],
            uid: 101,
            gid: 103,
            ..Image::default()
        }
    }

    fn container(fields: serde_json::Value) -> Container {
        let mut fields = fields;
        fields["name"] = "c".into();
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn command_and_args_replace_what_the_image_has() {
        let env = BTreeMap::from([("X".to_owned(), "x".to_owned())]);
        let argv = |fields| argv(&container(fields), &image(), &env).join(" ");
        assert_eq!(argv(json!({})), "/entry default");
        assert_eq!(argv(json!({ "args": ["$(X)", "$$(X)"] })), "/entry x $(X)");
        assert_eq!(argv(json!({ "command": ["/other"] })), "/other");
        assert_eq!(argv(json!({ "command": ["/other"], "args": ["a"] })), "/other a");
    }

    #[test]
    fn the_nearest_security_context_names_the_user() {
        let of = |pod: serde_json::Value, own: serde_json::Value| {
            let spec = json!({ "containers": [], "securityContext": pod });
            let pod = serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap();
            user(&pod, &container(json!({ "securityContext": own })), &image())
        };
        assert_eq!(of(json!({}), json!({})).unwrap(), (101, 103));
        assert_eq!(of(json!({ "runAsUser": 5, "fsGroup": 6 }), json!({})).unwrap(), (5, 6));
        assert_eq!(
            of(json!({ "runAsUser": 5 }), json!({ "runAsUser": 7, "runAsGroup": 8 })).unwrap(),
            (7, 8)
        );
        assert!(matches!(
            of(json!({ "runAsNonRoot": true }), json!({ "runAsUser": 0 })),
            Err(SpecError::Root)
        ));
    }
}
