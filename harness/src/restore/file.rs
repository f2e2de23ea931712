//! What a restore drill's file says, as types. Its JSON Schema is generated from here.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::span::Span;
use crate::report::tell::Tell;

/// Which cluster's backup is cloned, where to, and what must hold of the clone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreDrill {
    /// What reports and metrics call it; without it, the source's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What this drill is for, for those who read its reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The `postgresql` object whose backup is cloned. It is only read.
    pub source: SourceName,
    /// Where the clone is made.
    pub into: Destination,
    /// The point in time: `now`, a span before now (`15m`), or a time with its zone. Without it, `now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What the clone has of its own.
    #[serde(default)]
    pub clone: CloneSettings,
    /// Opens the source too, read-only, and holds the clone against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Columns whose newest value is reported, and held against an age where one is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub newest: Vec<Newest>,
    /// SQL whose result must be so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Assertion>,
    /// How much is looked at; without it, `full`.
    #[serde(default)]
    pub proofs: Proofs,
    /// Whether the drill may pass if a part of a proof could not be checked, which its report names and counts. Without it, it may:
    /// what fails the drill is what was seen. A drill of whose proofs none holds in full does not pass either way.
    #[serde(default)]
    pub partly: Partly,
    /// Budgets that fail the drill.
    #[serde(default)]
    pub within: Budgets,
    /// What the drill may take of the cluster.
    #[serde(default)]
    pub limits: Limits,
    /// Who hears of it, besides the exit code and the report.
    #[serde(default)]
    pub tell: Tell,
    /// Where the operator runs. What it logs about the clone becomes part of the evidence of a drill that does not pass, if the
    /// drill may read it. Without it, the usual namespaces are looked through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorPlace>,
    /// Where it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

impl RestoreDrill {
    /// What reports and metrics call it.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.source.name.clone())
    }
}

/// The `postgresql` object whose backup is cloned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceName {
    /// Where the cluster runs.
    pub namespace: String,
    /// Its `metadata.name`.
    pub name: String,
}

/// Where the clone is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The only namespace that anything is made in. It must exist, and the operator must watch it.
    pub namespace: String,
    /// Says that this may be the source's own namespace.
    #[serde(default)]
    pub source_namespace_allowed: bool,
}

/// Where the operator runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorPlace {
    pub namespace: String,
}

/// What the clone has of its own. Everything else is the source's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneSettings {
    /// `spec.resources` of the clone, verbatim; without it, a small share of the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Value>,
    /// `spec.volume` of the clone, verbatim; without it, the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Value>,
    /// Variables of the clone (`spec.env`, verbatim), which replace those that are made from the source's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Value>,
    /// Where the clone writes its own archive: a `WALG_AZ_PREFIX` outside of the source's, below which each clone has a folder of
    /// its name. Nobody removes what is written there. Without it, it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Ports that its pods may reach besides DNS, 443 and 6443, such as a proxy's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress_ports: Vec<u16>,
}

/// What becomes of a drill if a part of a proof could not be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Partly {
    /// It passes if all else holds.
    #[default]
    Passes,
    /// It fails.
    Fails,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Proofs {
    /// Every row is read once; `amcheck` looks at tables and at the order in B-tree indexes, and no index is held against its
    /// table. For a drill in the day.
    Quick,
    /// Also, which reads every page once more (a drill of 1 GB: 48 s, with `quick` 24 s): every index against the rows of its table, in both directions;
    /// every page of every index; the visibility and free space maps, commit states, init forks, relations' sizes.
    #[default]
    Full,
}

/// How the clone is held against its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// How long to wait for a moment in which no transaction of the source is under way; without it, `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_moment_within: Option<Span>,
    /// How long to wait until the source has archived that moment; without it, its `archive_timeout` and 5 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_within: Option<Span>,
    /// Lets the drill ask the source to end its WAL file (`pg_switch_wal`), so that the moment is archived at once. Without it, a
    /// source that is not busy archives it only after its `archive_timeout`, for which the drill waits.
    #[serde(default, alias = "switch-wal")]
    pub switch_wal: bool,
    /// How long one statement on the source may take; without it, `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<Span>,
    /// Tables and materialised views whose rows are not compared, as `database.schema.name`: what is refreshed or truncated all
    /// the time stands still for no comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// A column whose newest value is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Newest {
    /// Where the table is.
    pub database: String,
    /// Qualified, as in SQL: `public.orders`.
    pub table: String,
    /// Quoted where SQL needs it; something that can be put in order, such as a time.
    pub column: String,
    /// How much older than the target the newest value may be; without it, it is only reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// A query, and what its only value must be: exactly one of the three is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// Without it, `postgres`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Gives one row with one column. It runs read-only.
    pub query: String,
    /// The value: a number, a text, a truth value or `null`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// A number that the value must not be below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<serde_json::Number>,
    /// How much older than the target the value, a time, may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_than: Option<Span>,
}

/// Budgets that fail the drill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// From the clone's creation until its data are verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Span>,
    /// How much may be lost: from the last transaction that came back to the target, where WAL of the source is missing; with
    /// `compare`, until the moment was archived. Without it, `24h`, so that a dead archive is noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Span>,
}

/// What the drill may take of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How long the whole drill may take, from its turn on; what it made is removed then. Without it, `2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Span>,
    /// The biggest volume that the clone may ask for, as Kubernetes writes it (`500Gi`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// How long to wait for the drill's turn, while another one of the same source goes on or the namespace holds as many
    /// clones as it may. Without it, `12h`; `0s` does not wait. It is not part of `time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
    /// How many clones of drills the namespace may hold, this one included; other drills wait. Without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clones: Option<u16>,
}

/// A `null` that stands there is a value.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
