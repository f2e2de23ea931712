//! A release's own manifests, and what is changed in them so that many operators share one control plane.

use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Map, Value, json};

use super::configuration;
use crate::toolchain::OperatorTool;

const CRDS: [&str; 3] = ["postgresql.crd.yaml", "operatorconfiguration.crd.yaml", "postgresteam.crd.yaml"];
const RBAC: &str = "operator-service-account-rbac.yaml";
const CONFIGURATION: &str = "postgresql-operator-default-configuration.yaml";
const DEPLOYMENT: &str = "postgres-operator.yaml";
/// The role that the operator itself runs with; the pods' role keeps its name, the operator binds it by that.
const OPERATOR_ROLE: &str = "postgres-operator";
/// Says which release a cluster-wide object came from.
pub const RELEASE_ANNOTATION: &str = "clonedrill/operator-release";

/// Why a release's manifests could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file that each release has is not there.
    #[error("read {path}: {source}")]
    Read {
        /// Below the release's folder of manifests.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("parse {path}: {why}")]
    Parse {
        /// Below the release's folder of manifests.
        path: PathBuf,
        /// What the YAML parser says, with the place.
        why: String,
    },
    /// It is YAML, but not what a release of this operator has there.
    #[error("use {path}: {why}")]
    Unknown {
        /// Below the release's folder of manifests.
        path: PathBuf,
        /// What is missing or too much.
        why: String,
    },
}

/// The manifests of one operator release, as they stand in its source tree.
#[derive(Debug, Clone)]
pub struct Release {
    version: String,
    folder: PathBuf,
    crds: Vec<Value>,
    rbac: Vec<Value>,
    configuration: Value,
    deployment: Value,
}

impl Release {
    /// Reads the manifests that an installation needs.
    ///
    /// # Errors
    /// When one is missing, is no YAML, or has not the shape that the harness changes.
    pub fn read(tool: &OperatorTool) -> Result<Release, ManifestError> {
        let folder = &tool.manifests;
        let mut crds = Vec::new();
        for name in CRDS {
            crds.extend(documents(&folder.join(name))?);
        }
        Ok(Release {
            version: tool.version.clone(),
            folder: folder.clone(),
            crds,
            rbac: documents(&folder.join(RBAC))?,
            configuration: single(&folder.join(CONFIGURATION))?,
            deployment: single(&folder.join(DEPLOYMENT))?,
        })
    }

    /// The release's version, or the name that the configuration gives it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The definitions of the operator's kinds. Cluster-wide, marked with the release that they came from.
    pub fn crds(&self) -> Vec<Value> {
        let mut crds = self.crds.clone();
        for crd in &mut crds {
            crd["metadata"]["annotations"][RELEASE_ANNOTATION] = json!(self.version);
        }
        crds
    }

    /// The major versions of PostgreSQL that a `postgresql` manifest may name; empty where it may name any.
    pub fn postgres_majors(&self) -> Vec<u16> {
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/postgresql/properties/version/enum";
        let listed = self.crds.iter().find_map(|crd| crd.pointer(path)?.as_array());
        listed.into_iter().flatten().filter_map(|major| major.as_str()?.parse().ok()).collect()
    }

    /// Service accounts and roles. What is cluster-wide and the operator's alone carries the namespace in its
    /// name and belongs to `owner` (the namespace), so that it goes when the drill goes.
    pub fn rbac(&self, namespace: &str, owner: &OwnerReference) -> Vec<Value> {
        let mut objects = self.rbac.clone();
        for object in &mut objects {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            let own_role = kind == "ClusterRole" && object["metadata"]["name"] == OPERATOR_ROLE;
            if kind == "ClusterRoleBinding" || own_role {
                suffix(&mut object["metadata"]["name"], namespace);
                object["metadata"]["ownerReferences"] = json!([owner]);
            }
            if kind != "ClusterRoleBinding" {
                continue;
            }
            if object["roleRef"]["name"] == OPERATOR_ROLE {
                suffix(&mut object["roleRef"]["name"], namespace);
            }
            for subject in object["subjects"].as_array_mut().into_iter().flatten() {
                subject["namespace"] = json!(namespace);
            }
        }
        objects
    }

    /// The `OperatorConfiguration`: the release's default with the scenario's settings laid over it.
    pub fn configuration(&self, scenario: &Map<String, Value>) -> Value {
        let mut object = self.configuration.clone();
        let release = object["configuration"].take();
        object["configuration"] = configuration::layered(release, scenario);
        object
    }

    /// The operator's Deployment, told to take its configuration from the `OperatorConfiguration` and to
    /// mind the namespace `watched` only, or with `*` all.
    ///
    /// # Errors
    /// When the release's Deployment has no container.
    pub fn deployment(&self, watched: &str) -> Result<Value, ManifestError> {
        let mut deployment = self.deployment.clone();
        let configuration = self.configuration["metadata"]["name"].clone();
        let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
        if !container.is_object() {
            return Err(self.unknown(DEPLOYMENT, "its pod template has no container"));
        }
        if let Some(image) = container["image"].as_str() {
            container["image"] = json!(tagged(image, &self.version));
        }
        let ours = [
            ("POSTGRES_OPERATOR_CONFIGURATION_OBJECT", configuration),
            ("WATCHED_NAMESPACE", json!(watched)),
            // Its definitions are there before it starts; 4 s for each of them would be waited for nothing.
            ("CRD_READY_WAIT_INTERVAL", json!("100ms")),
        ];
        let mut env = container["env"].as_array().cloned().unwrap_or_default();
        env.retain(|entry| {
            entry["name"] != "CONFIG_MAP_NAME" && ours.iter().all(|(name, _)| entry["name"] != *name)
        });
        env.extend(ours.iter().map(|(name, value)| json!({ "name": name, "value": value })));
        container["env"] = Value::Array(env);
        Ok(deployment)
    }

    /// The image that the Deployment names, of this very version.
    ///
    /// # Errors
    /// When it names none.
    pub fn operator_image(&self) -> Result<String, ManifestError> {
        let image =
            self.pod_spec()?["containers"][0]["image"].as_str().map(|image| tagged(image, &self.version));
        image.ok_or_else(|| self.unknown(DEPLOYMENT, "its container names no image"))
    }

    /// The image of Spilo that clusters get where nobody says otherwise.
    ///
    /// # Errors
    /// When the release's configuration names none.
    pub fn spilo_image(&self) -> Result<String, ManifestError> {
        let image = self.configuration["configuration"]["docker_image"].as_str();
        image.map(str::to_owned).ok_or_else(|| self.unknown(CONFIGURATION, "it has no docker_image"))
    }

    fn unknown(&self, file: &str, why: &str) -> ManifestError {
        ManifestError::Unknown { path: self.folder.join(file), why: why.to_owned() }
    }

    /// The `OperatorConfiguration` as the release ships it.
    pub fn default_configuration(&self) -> &Value {
        &self.configuration
    }

    /// The OpenAPI schema of the definition's kind, such as `OperatorConfiguration`.
    pub fn schema(&self, kind: &str) -> Option<&Value> {
        let crd = self.crds.iter().find(|crd| crd["spec"]["names"]["kind"] == kind)?;
        crd.pointer("/spec/versions/0/schema/openAPIV3Schema")
    }

    /// What the Deployment's pods are made from.
    pub fn pod_spec(&self) -> Result<Value, ManifestError> {
        let spec = &self.deployment["spec"]["template"]["spec"];
        if !spec["containers"][0].is_object() {
            return Err(self.unknown(DEPLOYMENT, "its pod template has no container"));
        }
        Ok(spec.clone())
    }

    /// The Deployment's name.
    pub fn deployment_name(&self) -> &str {
        self.deployment["metadata"]["name"].as_str().unwrap_or("postgres-operator")
    }
}

/// The image of this very operator: the manifests of a build of one's own name the release that it began with.
fn tagged(image: &str, version: &str) -> String {
    let (folder, last) = image.rsplit_once('/').map_or(("", image), |(folder, last)| (folder, last));
    let name = last.split([':', '@']).next().unwrap_or(last);
    let gap = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{gap}{name}:{version}")
}

fn suffix(name: &mut Value, namespace: &str) {
    if let Some(plain) = name.as_str() {
        *name = json!(format!("{plain}-{namespace}"));
    }
}

fn documents(path: &Path) -> Result<Vec<Value>, ManifestError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .map_err(|error| ManifestError::Parse { path: path.to_owned(), why: error.to_string() })?;
    Ok(documents.into_iter().filter(Value::is_object).collect())
}

fn single(path: &Path) -> Result<Value, ManifestError> {
    let mut documents = documents(path)?;
    if documents.len() != 1 {
        let why = format!("one object was expected, {} are in it", documents.len());
        return Err(ManifestError::Unknown { path: path.to_owned(), why });
    }
    Ok(documents.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: [(&str, &str); 2] = [
        (
            RBAC,
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: postgres-operator, namespace: default }\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: postgres-operator }\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: postgres-pod }\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: { name: postgres-operator }\n\
             roleRef: { kind: ClusterRole, name: postgres-operator }\n\
             subjects: [{ kind: ServiceAccount, name: postgres-operator, namespace: default }]\n",
        ),
        (
            DEPLOYMENT,
            "kind: Deployment\nmetadata: { name: postgres-operator }\nspec:\n  template:\n    spec:\n      containers:\n\
             \x20     - image: registry.example/postgres-operator:v9\n        env:\n\
             \x20       - { name: CONFIG_MAP_NAME, value: postgres-operator }\n        - { name: OTHER, value: kept }\n",
        ),
    ];

    fn release() -> Release {
        let folder = tempfile::tempdir().unwrap();
        for name in CRDS {
            std::fs::write(
                folder.path().join(name),
                "kind: CustomResourceDefinition\nmetadata: { name: x }\n",
            )
            .unwrap();
        }
        for (name, text) in SHIPPED {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let configuration =
            "kind: OperatorConfiguration\nmetadata: { name: defaults }\nconfiguration: { workers: 8 }\n";
        std::fs::write(folder.path().join(CONFIGURATION), configuration).unwrap();
        Release::read(&OperatorTool {
            version: "v9".to_owned(),
            binary: PathBuf::new(),
            manifests: folder.path().to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn two_operators_on_one_control_plane_share_no_role_of_their_own() {
        let owner =
            OwnerReference { kind: "Namespace".to_owned(), name: "drill-1".to_owned(), ..Default::default() };
        let objects = release().rbac("drill-1", &owner);
        let names: Vec<_> =
            objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            ["postgres-operator", "postgres-operator-drill-1", "postgres-pod", "postgres-operator-drill-1"]
        );
        let binding = &objects[3];
        assert_eq!(binding["roleRef"]["name"], "postgres-operator-drill-1");
        assert_eq!(binding["subjects"][0]["namespace"], "drill-1");
        assert_eq!(binding["metadata"]["ownerReferences"][0]["name"], "drill-1");
    }

    #[test]
    fn the_deployment_reads_the_configuration_object_and_keeps_its_image() {
        let deployment = release().deployment("drill-1").unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.example/postgres-operator:v9");
        let env: Vec<_> = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].as_str().unwrap())
            .collect();
        assert!(!env.contains(&"CONFIG_MAP_NAME"));
        assert!(env.contains(&"OTHER") && env.contains(&"WATCHED_NAMESPACE"));
        let object =
            container["env"].as_array().unwrap().iter().find(|entry| entry["value"] == "defaults").unwrap();
        assert_eq!(object["name"], "POSTGRES_OPERATOR_CONFIGURATION_OBJECT");
    }

    #[test]
    fn a_build_of_ones_own_is_run_and_not_the_release_that_its_manifests_name() {
        let ours = Release { version: "v9-ours".to_owned(), ..release() };
        let deployment = ours.deployment("drill-1").unwrap();
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(image, "registry.example/postgres-operator:v9-ours");
        assert_eq!(
            tagged("registry:5000/x/postgres-operator@sha256:00", "v1"),
            "registry:5000/x/postgres-operator:v1"
        );
    }

    #[test]
    fn a_missing_manifest_names_its_file() {
        let tool = OperatorTool {
            version: "v9".to_owned(),
            binary: PathBuf::new(),
            manifests: PathBuf::from("/nowhere"),
        };
        let error = Release::read(&tool).unwrap_err();
        assert!(error.to_string().contains("/nowhere/postgresql.crd.yaml"), "{error}");
    }
}
