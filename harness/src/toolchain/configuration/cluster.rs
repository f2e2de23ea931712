//! Where images are, and how the cluster of the environment `kind` is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use super::super::images::{absolute, is_path};

/// Where images are: references in a registry, and for the environment `local` also paths (an OCI layout, an archive of
/// one, what `docker save` writes, a folder with a root file system). What is not given is what the releases name
/// themselves, or in `local` made of this machine's programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSettings {
    /// Without a tag it gets the operator's version as its tag.
    #[serde(deserialize_with = "reference", skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// For the pods of every cluster that names no image itself.
    #[serde(deserialize_with = "reference", skip_serializing_if = "Option::is_none")]
    pub spilo: Option<String>,
    /// Of the storage behind the gateway.
    #[serde(deserialize_with = "reference", skip_serializing_if = "Option::is_none")]
    pub azurite: Option<String>,
    /// Of the cluster's nodes.
    #[serde(deserialize_with = "reference", skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// In `local`: what manifests name besides (sidecars, poolers, logical backups), and where each is had from.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, String>,
    /// In `local`: archives of images, each under its own name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<PathBuf>,
    /// In `local`: by a registry's host, who is asked in its place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrors: BTreeMap<String, String>,
}

impl ImageSettings {
    /// Whether a person gave this very reference.
    pub fn names(&self, reference: &str) -> bool {
        let all = [&self.operator, &self.spilo, &self.azurite, &self.node];
        all.into_iter().flatten().any(|given| given == reference)
    }

    /// All that `local` has images of, as a person gave it.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let roles = [&self.operator, &self.spilo].into_iter().flatten();
        let archives = self.archives.iter().filter_map(|archive| archive.to_str());
        roles.chain(self.others.values()).map(String::as_str).chain(archives)
    }

    /// What only `local` understands.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let roles = [&self.operator, &self.spilo, &self.azurite, &self.node].into_iter().flatten();
        roles.map(String::as_str).filter(|given| is_path(given))
    }

    /// Those that nothing but an operator needs.
    #[must_use]
    pub fn of_operators_alone(&self) -> ImageSettings {
        ImageSettings {
            operator: self.operator.clone(),
            mirrors: self.mirrors.clone(),
            ..ImageSettings::default()
        }
    }

    /// Gives one more: for `spilo`, `operator`, or the reference that a manifest names.
    pub fn give(&mut self, what: &str, given: String) {
        match what {
            "spilo" => self.spilo = Some(given),
            "operator" => self.operator = Some(given),
            reference => drop(self.others.insert(reference.to_owned(), given)),
        }
    }

    /// The same where relative paths start from `folder`.
    pub(super) fn starting_from(self, folder: &Path) -> ImageSettings {
        let of = |given: Option<String>| given.map(|given| absolute(&given, folder));
        ImageSettings {
            operator: of(self.operator),
            spilo: of(self.spilo),
            azurite: of(self.azurite),
            node: of(self.node),
            others: self.others.into_iter().map(|(name, given)| (name, absolute(&given, folder))).collect(),
            archives: self.archives.into_iter().map(|archive| folder.join(archive)).collect(),
            mirrors: self.mirrors,
        }
    }
}

/// The cluster that `kind` makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KindSettings {
    /// What its name begins with, before the operator's version; without it, each share has one of its own.
    #[serde(deserialize_with = "name")]
    pub name: Option<String>,
    /// The port of this machine's loopback where its API server answers; without it a free one.
    pub api_server_port: Option<u16>,
}

fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() || text.contains(char::is_whitespace) || text.contains("://") {
        true => {
            Err(D::Error::custom("an image's reference is wanted, such as `mirror.example/spilo-17:4.0-p3`"))
        }
        false => Ok(Some(text)),
    }
}

/// As kind itself wants it.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    match !text.is_empty() && text.chars().all(sound) {
        true => Ok(Some(text)),
        false => Err(D::Error::custom("a cluster's name has small letters, digits, `-` and `.` only")),
    }
}
