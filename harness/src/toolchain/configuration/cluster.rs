//! What is said of the environment `kind`: where its images are, and how its cluster is made.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

/// Images from a mirror, as references that nodes can pull. What is not given is what the releases name themselves.
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
}

impl ImageSettings {
    /// Whether a person gave this very reference.
    pub fn names(&self, reference: &str) -> bool {
        let all = [&self.operator, &self.spilo, &self.azurite, &self.node];
        all.into_iter().flatten().any(|given| given == reference)
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
