//! Puts an operator into a drill's namespace, or a newer one over it.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Map, Value};

use crate::environment::cluster::{ApplyError, apply};
use crate::environment::{ContainerLog, Environment, EnvironmentError, has_room, trouble};
use crate::poll::{Limit, PollError, Seen, TimedOut, poll};
use crate::release::{ManifestError, RELEASE_ANNOTATION, Release};

/// What every release of the operator logs once it watches its namespace.
pub const WORKING: &str = "started working in background";
/// The label that the release's Deployment gives its pod.
const POD_LABEL: &str = "name=postgres-operator";

/// Why an operator could not be installed or does not work.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The release's manifests cannot be used.
    #[error("install the operator: {0}")]
    Manifest(#[from] ManifestError),
    /// The API server refused an object of the release.
    #[error("install the operator: {0}")]
    Apply(#[from] ApplyError),
    /// The environment is at fault.
    #[error("install the operator: {0}")]
    Environment(#[from] EnvironmentError),
    /// A request to the API server failed.
    #[error("install the operator: {0}")]
    Kube(Box<kube::Error>),
    /// The scenario's settings give another value to one that the environment depends on.
    #[error("use the operator's setting {setting}: this environment needs it for itself")]
    Needed {
        /// Section and name.
        setting: String,
    },
    /// It did not come up; its last log lines are in `log`.
    #[error("{timed_out}; its last lines:\n  {}", .log.join("\n  "))]
    NotReady {
        /// What was waited for.
        timed_out: TimedOut,
        /// Its last log lines; empty where no pod has logged.
        log: Vec<String>,
    },
}

impl From<kube::Error> for InstallError {
    fn from(error: kube::Error) -> Self {
        InstallError::Kube(Box::new(error))
    }
}

/// Installs `release` into the drill's namespace from its own manifests, and waits until it works there.
///
/// # Errors
/// [`InstallError`]; a setting that the release's `OperatorConfiguration` does not know is [`ApplyError::Rejected`].
pub async fn install<E: Environment>(
    environment: &E,
    release: &Release,
    configuration: &Map<String, Value>,
) -> Result<(), InstallError> {
    definitions(&environment.client(), release).await?;
    place(environment, release, configuration, environment.namespace()).await
}

/// The same, for an operator that minds the clusters of all namespaces: it knows only one or all.
///
/// # Errors
/// As [`install`].
pub async fn install_for_all<E: Environment>(
    environment: &E,
    release: &Release,
    configuration: &Map<String, Value>,
) -> Result<(), InstallError> {
    definitions(&environment.client(), release).await?;
    place(environment, release, configuration, "*").await
}

/// Lays `release` over the operator that runs in the drill's namespace, as an administrator would:
/// definitions, roles, configuration, Deployment.
///
/// # Errors
/// As [`install`].
pub async fn upgrade<E: Environment>(
    environment: &E,
    release: &Release,
    configuration: &Map<String, Value>,
) -> Result<(), InstallError> {
    definitions(&environment.client(), release).await?;
    place(environment, release, configuration, environment.namespace()).await
}

/// The custom resource definitions are the whole control plane's: applied once for a release, since the operator
/// writes its own form of them when it starts, and changing them back would interrupt other drills.
///
/// # Errors
/// When the API server refuses one, or does not serve it.
pub async fn definitions(client: &Client, release: &Release) -> Result<(), InstallError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in release.crds() {
        let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let present = api.get_opt(&name).await?;
        let same = present.is_some_and(|crd| {
            crd.annotations().get(RELEASE_ANNOTATION).is_some_and(|found| found == release.version())
        });
        if !same {
            apply(client, "", &crd).await?;
        }
        let established = poll(format!("{name} to be established"), Limit::seconds(30), async || {
            let crd = api.get(&name).await?;
            let conditions = crd.status.and_then(|status| status.conditions).unwrap_or_default();
            let done = conditions
                .iter()
                .any(|condition| condition.type_ == "Established" && condition.status == "True");
            Ok::<_, kube::Error>(if done { Seen::Done(()) } else { Seen::NotYet(format!("{conditions:?}")) })
        });
        established.await.map_err(|error| match error {
            PollError::TimedOut(timed_out) => InstallError::NotReady { timed_out, log: Vec::new() },
            PollError::Failed(error) => error.into(),
        })?;
    }
    Ok(())
}

async fn place<E: Environment>(
    environment: &E,
    release: &Release,
    configuration: &Map<String, Value>,
    watched: &str,
) -> Result<(), InstallError> {
    let client = environment.client();
    let namespace = environment.namespace();
    let owner = owner(&client, namespace).await?;
    for object in release.rbac(namespace, &owner) {
        apply(&client, namespace, &object).await?;
    }
    let configuration = release.configuration(&completed(configuration, environment.operator_settings())?);
    apply(&client, namespace, &configuration).await?;
    let deployment = release.deployment(watched)?;
    let generation = apply(&client, namespace, &deployment).await?.metadata.generation;
    working(environment, release, &image(&deployment), generation).await
}

/// The scenario's settings and what the environment needs, which a scenario cannot set otherwise.
fn completed(
    scenario: &Map<String, Value>,
    needed: Map<String, Value>,
) -> Result<Map<String, Value>, InstallError> {
    let mut whole = scenario.clone();
    for (section, settings) in needed {
        let Value::Object(settings) = settings else { continue };
        let there = whole.entry(section.clone()).or_insert_with(|| Value::Object(Map::new()));
        for (name, value) in settings {
            match there.get(&name) {
                Some(given) if given.as_str() != Some("") && *given != value => {
                    return Err(InstallError::Needed { setting: format!("{section}.{name}") });
                }
                _ => there[&name] = value,
            }
        }
    }
    Ok(whole)
}

/// The namespace as the owner of what is cluster-wide: it goes when the namespace goes.
///
/// # Errors
/// When there is no such namespace.
pub async fn owner(client: &Client, namespace: &str) -> Result<OwnerReference, InstallError> {
    let object = Api::<Namespace>::all(client.clone()).get(namespace).await?;
    Ok(OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        name: namespace.to_owned(),
        uid: object.uid().unwrap_or_default(),
        ..OwnerReference::default()
    })
}

fn image(deployment: &Value) -> String {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the one pod of the operator runs `image` and says that it watches its namespace.
async fn working<E: Environment>(
    environment: &E,
    release: &Release,
    image: &str,
    generation: Option<i64>,
) -> Result<(), InstallError> {
    let pods: Api<Pod> = Api::namespaced(environment.client(), environment.namespace());
    let selector = ListParams::default().labels(POD_LABEL);
    let what = format!(
        "operator {} (Deployment {}, generation {}) to work",
        release.version(),
        release.deployment_name(),
        generation.unwrap_or_default()
    );
    let found = poll(what, Limit::seconds(60), async || {
        let pods = pods.list(&selector).await.map_err(EnvironmentError::from)?.items;
        has_room(&pods)?;
        let Some(pod) = pods.iter().find(|pod| runs(pod, image)) else {
            let names: Vec<_> = pods.iter().map(|pod| pod.name_any()).collect();
            return Ok(Seen::NotYet(format!("no pod of it, pods {names:?}")));
        };
        let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
        if phase != "Running" {
            let trouble = trouble(pod).map(|why| format!(": {why}")).unwrap_or_default();
            return Ok(Seen::NotYet(format!("pod {} is {phase}{trouble}", pod.name_any())));
        }
        let logs = environment.container_logs().await?;
        if latest(&logs, &pod.name_any()).is_some_and(|log| log.text.contains(WORKING)) {
            return Ok(Seen::Done(()));
        }
        Ok::<_, EnvironmentError>(Seen::NotYet(format!("pod {} runs and does not work yet", pod.name_any())))
    });
    match found.await {
        Ok(()) => Ok(()),
        Err(PollError::Failed(error)) => Err(error.into()),
        Err(PollError::TimedOut(timed_out)) => {
            let logs = environment.container_logs().await?;
            let log = logs.iter().rfind(|log| log.pod.starts_with(release.deployment_name()));
            Err(InstallError::NotReady {
                timed_out,
                log: log.map(|log| last_lines(&log.text)).unwrap_or_default(),
            })
        }
    }
}

fn runs(pod: &Pod, image: &str) -> bool {
    let gone = pod.metadata.deletion_timestamp.is_some();
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    !gone && containers.into_iter().any(|container| container.image.as_deref() == Some(image))
}

fn latest<'a>(logs: &'a [ContainerLog], pod: &str) -> Option<&'a ContainerLog> {
    logs.iter().filter(|log| log.pod == pod).max_by_key(|log| log.attempt)
}

fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_environment_needs_is_added_and_never_taken_from_a_scenario() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let needed = || object(json!({ "aws_or_gcp": { "additional_secret_mount": "ours" } }));
        let given = object(json!({ "workers": 2, "aws_or_gcp": { "wal_az_storage_account": "global" } }));
        let whole = Value::Object(completed(&given, needed()).unwrap());
        let expected = json!({ "wal_az_storage_account": "global", "additional_secret_mount": "ours" });
        assert_eq!(whole, json!({ "workers": 2, "aws_or_gcp": expected }));
        assert_eq!(completed(&Map::new(), needed()).unwrap(), needed());
        let theirs = object(json!({ "aws_or_gcp": { "additional_secret_mount": "theirs" } }));
        let error = completed(&theirs, needed()).unwrap_err().to_string();
        assert!(error.contains("aws_or_gcp.additional_secret_mount"), "{error}");
    }
}
