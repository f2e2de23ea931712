//! The kinds of problems that a scenario file can have, each with the code that people can look up.

use crate::diagnosis::Fault;

/// What is wrong. The text after `clonedrill::scenario::` of its code never changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The file is not there, or not to be read as text.
    #[error("failed to read {file}: {why}")]
    Unreadable {
        /// As the user named it.
        file: String,
        /// What the operating system says.
        why: String,
    },
    /// It is no YAML; what the parser says.
    #[error("failed to parse the file: {0}")]
    Syntax(String),
    /// A key that no scenario has there.
    #[error("unknown field `{0}`")]
    UnknownField(String),
    /// A key that must be there.
    #[error("missing field `{0}`")]
    MissingField(String),
    /// What was found and what is expected.
    #[error("wrong type: {0}")]
    WrongType(String),
    /// A value that is none of those that there are.
    #[error("`{0}` is not known here")]
    NotAllowed(String),
    /// Nothing of this name was declared.
    #[error("unknown {what} `{name}`")]
    UnknownName {
        /// What the name should stand for.
        what: What,
        /// As it was written.
        name: String,
    },
    /// A name of a form that it may not have.
    #[error("bad {what} `{name}`: {why}")]
    BadName {
        /// What the name stands for.
        what: What,
        /// As it was written.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// Two things of one kind have one name.
    #[error("{what} `{name}` is there twice")]
    Duplicate {
        /// What the name stands for.
        what: What,
        /// As it was written.
        name: String,
    },
    /// What stands in `${…}` is no variable, or is not closed.
    #[error("`{text}`: {why}")]
    BadVariable {
        /// As it was written, braces included.
        text: String,
        /// What [`super::VariableError`] says.
        why: String,
    },
    /// Something stands for what only a later step makes.
    #[error("`{variable}` is not known yet at this step")]
    TooEarly {
        /// As it was written, without braces.
        variable: String,
    },
    /// There is such a variable, but not where it stands.
    #[error("`{variable}` is not known here: {why}")]
    OutOfPlace {
        /// As it was written, without braces.
        variable: String,
        /// Why it has no value there.
        why: &'static str,
    },
    /// A step uses it before it is created; by its short name.
    #[error("cluster `{0}` is not created yet at this step")]
    NotCreatedYet(String),
    /// A step uses it after its deletion; by its short name.
    #[error("cluster `{0}` was deleted by an earlier step")]
    AlreadyDeleted(String),
    /// By its short name; it is declared, and no step makes it.
    #[error("cluster `{0}` is never created")]
    NeverCreated(String),
    /// A step uses it after another has lost it; by its name in the scenario.
    #[error("storage account `{0}` was lost by an earlier step")]
    AccountLost(String),
    /// Two clusters of one `metadata.name` would be there at a time.
    #[error("the cluster's name `{name}` is still taken by `{by}`")]
    ManifestNameTaken {
        /// The `metadata.name` of both.
        name: String,
        /// The short name of the cluster that has it and is not deleted.
        by: String,
    },
    /// What the operator would not take of it.
    #[error("not a manifest that the operator takes: {0}")]
    Manifest(String),
    /// Neither or both of `run` and `file` are given.
    #[error("{0}")]
    SqlSource(&'static str),
    /// A file of statements is not there, or not to be read.
    #[error("failed to find the file `{file}`: {why}")]
    MissingFile {
        /// As it was written, relative to the scenario's file.
        file: String,
        /// What the operating system says.
        why: String,
    },
    /// A version that no program can be had for.
    #[error("operator version `{0}` cannot be had")]
    OperatorVersion(String),
    /// The name must be that of the folder and the file.
    #[error("the scenario's name is not that of its file: `{found}`")]
    NameOfFile {
        /// The name that was written.
        found: String,
    },
    /// There is no place for its snapshots.
    #[error("a scenario with snapshots stands in `scenarios/<group>/`, and this one does not")]
    OutsideOfScenarios,
    /// Two parts of the scenario exclude each other, or one says nothing; which.
    #[error("{0}")]
    Contradiction(String),
    /// Seen when it was applied: what the API server says of it.
    #[error("the API server rejects this manifest: {0}")]
    RejectedByApiServer(String),
    /// Seen when they ran: what the database says of them.
    #[error("the database refuses these statements: {0}")]
    RefusedByDatabase(String),
}

/// What a name stands for, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The short name of a cluster.
    Cluster,
    /// The name that a `mark` step gives.
    Mark,
    /// Where either may stand, as in `data.equals`.
    MarkOrCluster,
    /// A storage account.
    Account,
    /// A container in every storage account.
    Container,
    /// A Secret of the scenario's objects.
    Secret,
    /// A fault that a step begins.
    Fault,
    /// A version of the operator, or its name in the configuration file.
    OperatorVersion,
    /// A known message, by its name in the catalogue.
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
            What::Secret => "Secret",
            What::Fault => "fault",
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
            ProblemKind::UnknownName { what: What::Secret, .. } => "clonedrill::scenario::unknown_secret",
            ProblemKind::UnknownName { what: What::Fault, .. } => "clonedrill::scenario::unknown_fault",
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
