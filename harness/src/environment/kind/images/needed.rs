//! Which images a run needs, by the references that the cluster will ask for.

use serde::Serialize;

use super::ImagesError;
use super::own_program::OwnProgram;
use crate::environment::local::images::shell;
use crate::release::Release;
use crate::toolchain::{AZURITE_VERSION, ImageSettings, KIND_NODE, OperatorTool, Tools};

/// An image that a run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// The name with its tag, a mirror's where `clonedrill.yaml` names one.
    pub reference: String,
    /// Who runs in it.
    pub what: What,
}

/// What an image is needed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The cluster's nodes; never made here.
    Node,
    /// By the name among the programs of the run.
    Operator(String),
    /// The databases' pods.
    Spilo,
    /// The storage behind the gateway.
    Azurite,
    /// The gateway before the storage accounts: this very program, made on every machine.
    Gateway,
    /// What scenarios name for init containers and sidecars, made on every machine.
    Shell,
}

impl What {
    /// Whether no registry has it.
    pub fn is_ours(&self) -> bool {
        matches!(self, What::Gateway | What::Shell)
    }

    /// For people, at most 26 columns for a released version.
    pub fn title(&self) -> String {
        match self {
            What::Node => "node".to_owned(),
            What::Operator(name) => format!("postgres-operator {name}"),
            What::Spilo => "spilo".to_owned(),
            What::Azurite => "azurite".to_owned(),
            What::Gateway => "storage-gateway".to_owned(),
            What::Shell => "shell".to_owned(),
        }
    }
}

/// The images of runs with these operators, names as in `tools`; each reference once.
///
/// # Errors
/// When a release's manifests cannot be read.
pub fn needed(
    tools: &Tools,
    settings: &ImageSettings,
    operators: &[String],
) -> Result<Vec<Needed>, ImagesError> {
    let mut all = Vec::new();
    let mut add = |reference: String, what: What| {
        if all.iter().all(|other: &Needed| other.reference != reference) {
            all.push(Needed { reference, what });
        }
    };
    add(settings.node.clone().unwrap_or_else(|| KIND_NODE.to_owned()), What::Node);
    let mut spilos = Vec::new();
    for name in operators {
        let tool = tools.operators.get(name).ok_or_else(|| ImagesError::Operator(name.clone()))?;
        let release = Release::read(tool)?;
        add(operator(settings, tool, &release)?, What::Operator(name.clone()));
        spilos.push(match &settings.spilo {
            Some(given) => given.clone(),
            None => release.spilo_image()?,
        });
    }
    for spilo in spilos {
        add(spilo, What::Spilo);
    }
    let azurite = settings.azurite.clone();
    add(
        azurite.unwrap_or_else(|| format!("mcr.microsoft.com/azure-storage/azurite:{AZURITE_VERSION}")),
        What::Azurite,
    );
    add(gateway(&OwnProgram::find()?), What::Gateway);
    add(format!("{}:1", shell::REFERENCE), What::Shell);
    Ok(all)
}

fn operator(settings: &ImageSettings, tool: &OperatorTool, release: &Release) -> Result<String, ImagesError> {
    match &settings.operator {
        Some(given) if has_tag(given) => Ok(given.clone()),
        Some(given) => Ok(format!("{given}:{}", tool.version)),
        None => Ok(release.operator_image()?),
    }
}

/// Whether a reference names a version; a port is none.
fn has_tag(reference: &str) -> bool {
    reference.rsplit('/').next().is_some_and(|last| last.contains([':', '@']))
}

/// Two builds of this program are two images.
pub(super) fn gateway(own: &OwnProgram) -> String {
    format!("clonedrill/storage-gateway:{}", &own.digest[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Option<(Tools, Vec<String>)> {
        let tools = crate::toolchain::ready_with(&["v1.14.0", "v1.15.1"])?;
        let names = tools.operators.keys().cloned().collect();
        Some((tools, names))
    }

    fn references(settings: &ImageSettings, what: fn(&What) -> bool) -> Vec<String> {
        let Some((tools, names)) = tools() else { return Vec::new() };
        let all = needed(&tools, settings, &names).unwrap();
        all.into_iter().filter(|one| what(&one.what)).map(|one| one.reference).collect()
    }

    #[test]
    fn releases_say_which_images_they_need() {
        if tools().is_none() {
            return;
        }
        let settings = ImageSettings::default();
        let operators = references(&settings, |what| matches!(what, What::Operator(_)));
        assert_eq!(
            operators,
            ["ghcr.io/zalando/postgres-operator:v1.14.0", "ghcr.io/zalando/postgres-operator:v1.15.1"]
        );
        let spilos = references(&settings, |what| *what == What::Spilo);
        assert_eq!(spilos, ["ghcr.io/zalando/spilo-17:4.0-p2", "ghcr.io/zalando/spilo-17:4.0-p3"]);
    }

    #[test]
    fn a_mirrors_references_go_before_the_releases() {
        if tools().is_none() {
            return;
        }
        let settings = ImageSettings {
            operator: Some("mirror:5000/postgres-operator".to_owned()),
            spilo: Some("mirror:5000/spilo:1".to_owned()),
            azurite: Some("mirror:5000/azurite:1".to_owned()),
            node: Some("mirror:5000/node:1".to_owned()),
            ..ImageSettings::default()
        };
        assert_eq!(
            references(&settings, |what| !what.is_ours()),
            [
                "mirror:5000/node:1",
                "mirror:5000/postgres-operator:v1.14.0",
                "mirror:5000/postgres-operator:v1.15.1",
                "mirror:5000/spilo:1",
                "mirror:5000/azurite:1"
            ]
        );
        let fixed = ImageSettings { operator: Some("mirror/op:mine".to_owned()), ..settings };
        assert_eq!(references(&fixed, |what| matches!(what, What::Operator(_))), ["mirror/op:mine"]);
    }

    #[test]
    fn a_port_is_no_tag() {
        assert!(has_tag("x/operator:v1") && has_tag("operator:v1") && has_tag("x:5000/operator@sha256:00"));
        assert!(!has_tag("x:5000/operator") && !has_tag("operator"));
    }
}
