//! From an image reference to what runs for it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Image, shell, spilo};
use crate::toolchain::Tools;
use crate::toolchain::images::whole;

/// The images that a local environment has: those that a person gave, and of this machine's programs the Spilo stand-in,
/// the operators and a shell.
#[derive(Debug, Clone)]
pub struct ImageStore {
    tools: Tools,
    /// By whole references.
    configured: BTreeMap<String, Image>,
}

/// No image goes by this name.
#[derive(Debug, thiserror::Error)]
#[error("find image \"{reference}\" in the local image store{}", .nearest.as_ref().map(|nearest| format!("; did you mean \"{nearest}\"?")).unwrap_or_default())]
pub struct ImageError {
    /// As the pod's manifest has it.
    pub reference: String,
    /// The reference that was probably meant; none where nothing is like it.
    pub nearest: Option<String>,
}

/// The user that operator images run as.
const OPERATOR_ID: u32 = 1000;

impl ImageStore {
    /// A store whose images are made of these programs.
    pub fn new(tools: Tools) -> Self {
        let others = tools.images.others.iter();
        let configured = others.map(|(reference, image)| (whole(reference), image.clone().into())).collect();
        ImageStore { tools, configured }
    }

    /// Adds an image under its whole reference, with the tag. It goes before those that are built in.
    #[must_use]
    pub fn with(mut self, reference: impl Into<String>, image: Image) -> Self {
        self.configured.insert(whole(&reference.into()), image);
        self
    }

    /// What runs for `reference`, from any registry.
    ///
    /// # Errors
    /// With the nearest name that there is.
    pub fn lookup(&self, reference: &str) -> Result<Image, ImageError> {
        if let Some(image) = self.configured.get(&whole(reference)) {
            return Ok(image.clone());
        }
        let (name, tag) = split(reference);
        let found = match name {
            _ if is_shell(reference) => Some(shell::image()),
            "postgres-operator" => self.operator(tag),
            name if name.starts_with("spilo") => Some(self.spilo(reference)),
            _ => None,
        };
        found.ok_or_else(|| ImageError { reference: reference.to_owned(), nearest: self.nearest(reference) })
    }

    /// The one that was given, whatever release is asked for; else the stand-in.
    fn spilo(&self, reference: &str) -> Image {
        match &self.tools.images.spilo {
            Some(given) => given.clone().into(),
            None => spilo::image(&self.tools, reference),
        }
    }

    fn operator(&self, tag: &str) -> Option<Image> {
        let operators = &self.tools.operators;
        let by_version = || operators.iter().find(|(_, tool)| tool.version == tag);
        let (name, tool) = operators.get_key_value(tag).or_else(by_version)?;
        if let Some(given) = self.tools.images.operators.get(name) {
            return Some(given.clone().into());
        }
        Some(Image {
            entrypoint: vec![tool.binary.display().to_string()],
            uid: OPERATOR_ID,
            gid: OPERATOR_ID,
            user: "pgoperator".to_owned(),
            home: PathBuf::from("/home/pgoperator"),
            working_dir: PathBuf::from("/"),
            visible: vec![tool.binary.clone()],
            ..Image::default()
        })
    }

    fn nearest(&self, reference: &str) -> Option<String> {
        let (name, tag) = split(reference);
        let wanted = format!("{name}:{tag}");
        self.tools
            .operators
            .keys()
            .map(|version| format!("postgres-operator:{version}"))
            .chain(["spilo-17", shell::REFERENCE].map(str::to_owned))
            .chain(self.configured.keys().cloned())
            .map(|known| (strsim::jaro_winkler(&wanted, &known), known))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, known)| known)
    }
}

fn is_shell(reference: &str) -> bool {
    let rest = reference.strip_prefix(shell::REFERENCE);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// The last part of the path, and the tag. A digest is no tag.
fn split(reference: &str) -> (&str, &str) {
    let reference = reference.split('@').next().unwrap_or(reference);
    let last = reference.rsplit('/').next().unwrap_or(reference);
    last.split_once(':').unwrap_or((last, "latest"))
}

#[cfg(test)]
mod tests {
    use super::super::Root;
    use super::*;
    use crate::toolchain::UnpackedImage;

    fn store() -> ImageStore {
        let tools = serde_json::from_value(serde_json::json!({
            "etcd": "/e", "kube_apiserver": "/a", "kube_controller_manager": "/c",
            "wal_g": { "program": "/w", "version": "v1", "predates_postgres_15": true },
            "azurite": { "node": "/n", "script": "/s" },
            "patroni": { "python": "/p", "version": "4" },
            "postgres": [{ "major": 15, "version": "15.1", "bin": "/b", "lib": null }],
            "operators": {
                "v1.15.1": { "version": "v1.15.1", "binary": "/cache/op", "manifests": "/m" },
                "patched": { "version": "v2.0.0", "binary": "/mine/op", "manifests": "/m" },
            },
            "visible": [],
        }));
        ImageStore::new(tools.unwrap()).with("busybox:1", Image::default())
    }

    #[test]
    fn an_operator_is_found_by_its_tag_under_any_registry_and_runs_as_its_own_user() {
        let image = store().lookup("ghcr.io/zalando/postgres-operator:v1.15.1").unwrap();
        assert_eq!((image.uid, image.gid), (1000, 1000));
        assert_eq!(image.entrypoint, ["/cache/op"]);
        let image = store().lookup("registry:5000/x/postgres-operator:v2.0.0@sha256:00").unwrap();
        assert_eq!(image.entrypoint, ["/mine/op"]);
    }

    #[test]
    fn a_configured_reference_is_taken_whole() {
        assert!(store().lookup("busybox:1").is_ok());
        assert!(store().lookup("busybox:2").is_err());
        assert!(store().lookup("clonedrill/shell:1").is_ok() && store().lookup("clonedrill/shells").is_err());
    }

    #[test]
    fn what_a_person_gave_runs_in_place_of_this_machines_programs() {
        let mut tools = store().tools;
        let given = |entry: &str| -> UnpackedImage {
            serde_json::from_value(serde_json::json!({
                "digest": "", "folders": ["/layers/1"], "entrypoint": [entry], "cmd": [], "env": [], "working_dir": "/",
                "uid": 0, "gid": 0, "user": "root", "home": "/root", "passwd": "", "group": "", "others_own": false,
                "postgres_majors": [],
            }))
            .unwrap()
        };
        tools.images.spilo = Some(given("/launch.sh"));
        tools.images.operators.insert("patched".to_owned(), given("/operator"));
        tools.images.others.insert("x/exporter:1".to_owned(), given("/exporter"));
        let store = ImageStore::new(tools);
        for (reference, entry) in [
            ("ghcr.io/zalando/spilo-17:4.0-p3", "/launch.sh"),
            ("x/postgres-operator:v2.0.0", "/operator"),
            ("x/exporter:1", "/exporter"),
        ] {
            let image = store.lookup(reference).unwrap();
            assert_eq!(image.entrypoint, [entry]);
            assert!(matches!(image.root, Root::Layers(_)), "{reference}");
        }
        assert_eq!(store.lookup("x/postgres-operator:v1.15.1").unwrap().root, Root::Machine);
    }

    #[test]
    fn an_unknown_image_names_the_nearest_one() {
        let error = store().lookup("ghcr.io/zalando/postgres-operator:v1.15.0").unwrap_err();
        assert_eq!(error.nearest.as_deref(), Some("postgres-operator:v1.15.1"));
        assert!(store().lookup("qqq").unwrap_err().nearest.is_none());
    }
}
