//! `expect`: cluster names are keys of their own, beside the reserved `operator` and `snapshots`.
//!
//! Written by hand: `serde(flatten)` would lose the places of errors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::types::{ClusterExpectation, ObservationKind, OperatorExpectation};

/// Keys of `expect` that cannot be names of clusters.
pub const RESERVED_NAMES: [&str; 2] = ["operator", "snapshots"];

/// What must come out: one entry for each cluster that is looked at, the operator, and the snapshots.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// By their short names in the scenario.
    pub clusters: BTreeMap<String, ClusterExpectation>,
    /// What is expected of its logs.
    pub operator: OperatorExpectation,
    /// Observations that are held against reviewed snapshots.
    pub snapshots: Vec<ObservationKind>,
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ExpectVisitor)
    }
}

struct ExpectVisitor;

impl<'de> Visitor<'de> for ExpectVisitor {
    type Value = Expect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from clusters to what must become of them, with `operator` and `snapshots`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Expect, A::Error> {
        let mut clusters = BTreeMap::new();
        let mut operator = None;
        let mut snapshots = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "operator" if operator.is_some() => return Err(A::Error::duplicate_field("operator")),
                "operator" => operator = Some(map.next_value()?),
                "snapshots" if snapshots.is_some() => return Err(A::Error::duplicate_field("snapshots")),
                "snapshots" => snapshots = Some(map.next_value()?),
                _ => {
                    clusters.insert(key, map.next_value()?);
                }
            }
        }
        Ok(Expect {
            clusters,
            operator: operator.unwrap_or_default(),
            snapshots: snapshots.unwrap_or_default(),
        })
    }
}

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.clusters.len() + RESERVED_NAMES.len()))?;
        for (name, expectation) in &self.clusters {
            map.serialize_entry(name, expectation)?;
        }
        map.serialize_entry("operator", &self.operator)?;
        map.serialize_entry("snapshots", &self.snapshots)?;
        map.end()
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> Cow<'static, str> {
        "Expect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "What must come out: one entry for each cluster that is looked at, by its short name; the operator; and the snapshots.",
            "properties": {
                "operator": generator.subschema_for::<OperatorExpectation>(),
                "snapshots": {
                    "type": "array",
                    "description": "Observations that are held against reviewed snapshots.",
                    "items": generator.subschema_for::<ObservationKind>(),
                },
            },
            "additionalProperties": generator.subschema_for::<ClusterExpectation>(),
        })
    }
}
