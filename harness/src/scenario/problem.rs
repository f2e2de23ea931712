//! The kinds of problems that a scenario file can have, each with the code that people can look up.

use crate::diagnosis::Fault;

/// What is wrong. The text after `clonedrill::scenario::` of its code never changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    #[error("failed to read {file}: {why}")]
    Unreadable { file: String, why: String },
    #[error("failed to parse the file: {0}")]
    Syntax(String),
    #[error("unknown field `{0}`")]
    UnknownField(String),
    #[error("missing field `{0}`")]
    MissingField(String),
    #[error("wrong type: {0}")]
    WrongType(String),
    #[error("`{0}` is not known here")]
    NotAllowed(String),
    #[error("unknown {what} `{name}`")]
    UnknownName { what: What, name: String },
    #[error("bad {what} `{name}`: {why}")]
    BadName { what: What, name: String, why: &'static str },
    #[error("{what} `{name}` is there twice")]
    Duplicate { what: What, name: String },
    #[error("`{text}`: {why}")]
    BadVariable { text: String, why: String },
    #[error("`{variable}` is not known yet at this step")]
    TooEarly { variable: String },
    #[error("`{variable}` is not known here: {why}")]
    OutOfPlace { variable: String, why: &'static str },
    #[error("cluster `{0}` is not created yet at this step")]
    NotCreatedYet(String),
    #[error("cluster `{0}` was deleted by an earlier step")]
    AlreadyDeleted(String),
    #[error("cluster `{0}` is never created")]
    NeverCreated(String),
    #[error("storage account `{0}` was lost by an earlier step")]
    AccountLost(String),
    #[error("the cluster's name `{name}` is still taken by `{by}`")]
    ManifestNameTaken { name: String, by: String },
    #[error("not a manifest that the operator takes: {0}")]
    Manifest(String),
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("{0}")]
    SqlSource(&'static str),
    #[error("failed to find the file `{file}`: {why}")]
    MissingFile { file: String, why: String },
    #[error("operator version `{0}` cannot be had")]
    OperatorVersion(String),
    #[error("the scenario's name is not that of its file: `{found}`")]
    NameOfFile { found: String },
    #[error("a scenario with snapshots stands in `scenarios/<group>/`, and this one does not")]
    OutsideOfScenarios,
    #[error("{0}")]
    Contradiction(String),
    #[error("the API server rejects this manifest: {0}")]
    RejectedByApiServer(String),
    #[error("the database refuses these statements: {0}")]
    RefusedByDatabase(String),
}

/// What a name stands for, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Cluster,
    Mark,
    MarkOrCluster,
    Account,
    Container,
    OperatorVersion,
    CatalogueEntry,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            What::Cluster => "cluster",
            What::Mark => "mark",
            What::MarkOrCluster => "mark or cluster",
            What::Account => "storage account",
            What::Container => "storage container",
            What::OperatorVersion => "operator version",
            What::CatalogueEntry => "log message",
        })
    }
}

impl Fault for ProblemKind {
    fn code(&self) -> &'static str {
        match self {
            ProblemKind::Unreadable { .. } => "clonedrill::scenario::unreadable",
            ProblemKind::Syntax(_) => "clonedrill::scenario::syntax",
            ProblemKind::UnknownField(_) => "clonedrill::scenario::unknown_field",
            ProblemKind::MissingField(_) => "clonedrill::scenario::missing_field",
            ProblemKind::WrongType(_) => "clonedrill::scenario::wrong_type",
            ProblemKind::NotAllowed(_) => "clonedrill::scenario::value_not_allowed",
            ProblemKind::UnknownName { what: What::Cluster, .. } => "clonedrill::scenario::unknown_cluster",
            ProblemKind::UnknownName { what: What::Mark | What::MarkOrCluster, .. } => {
                "clonedrill::scenario::unknown_mark"
            }
            ProblemKind::UnknownName { what: What::Account | What::Container, .. } => {
                "clonedrill::scenario::unknown_account"
            }
            ProblemKind::UnknownName { what: What::CatalogueEntry, .. } => {
                "clonedrill::scenario::unknown_log_message"
            }
            ProblemKind::UnknownName { what: What::OperatorVersion, .. }
            | ProblemKind::OperatorVersion(_) => "clonedrill::scenario::operator_version",
            ProblemKind::BadName { .. } => "clonedrill::scenario::bad_name",
            ProblemKind::Duplicate { .. } => "clonedrill::scenario::duplicate_name",
            ProblemKind::BadVariable { .. } => "clonedrill::scenario::unknown_variable",
            ProblemKind::TooEarly { .. } => "clonedrill::scenario::used_too_early",
            ProblemKind::OutOfPlace { .. } => "clonedrill::scenario::variable_out_of_place",
            ProblemKind::NotCreatedYet(_) => "clonedrill::scenario::cluster_not_created_yet",
            ProblemKind::AlreadyDeleted(_) => "clonedrill::scenario::cluster_deleted",
            ProblemKind::NeverCreated(_) => "clonedrill::scenario::cluster_never_created",
            ProblemKind::AccountLost(_) => "clonedrill::scenario::account_lost",
            ProblemKind::ManifestNameTaken { .. } => "clonedrill::scenario::manifest_name_taken",
            ProblemKind::Manifest(_) => "clonedrill::scenario::manifest",
            ProblemKind::Unsupported(_) => "clonedrill::scenario::unsupported",
            ProblemKind::SqlSource(_) => "clonedrill::scenario::sql_source",
            ProblemKind::MissingFile { .. } => "clonedrill::scenario::missing_file",
            ProblemKind::NameOfFile { .. } => "clonedrill::scenario::name_of_file",
            ProblemKind::OutsideOfScenarios => "clonedrill::scenario::outside_of_scenarios",
            ProblemKind::Contradiction(_) => "clonedrill::scenario::contradiction",
            ProblemKind::RejectedByApiServer(_) => "clonedrill::scenario::rejected_by_api_server",
            ProblemKind::RefusedByDatabase(_) => "clonedrill::scenario::refused_by_database",
        }
    }

    fn label(&self) -> &'static str {
        match self {
            ProblemKind::UnknownField(_) | ProblemKind::UnknownName { .. } => "no such name",
            ProblemKind::MissingField(_) => "in here",
            ProblemKind::Duplicate { .. } => "again here",
            ProblemKind::TooEarly { .. } | ProblemKind::NotCreatedYet(_) => "used here",
            _ => "here",
        }
    }
}
