//! What can be wrong with manifests before anything is rendered from them. Exit code 2.

use crate::diagnosis::{Beside, Fault, Place};

/// What is wrong. The text after `clonedrill::manifests::` of its code never changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProblemKind {
    #[error("failed to read {file}: {why}")]
    Unreadable { file: String, why: String },
    #[error("failed to parse this document: {0}")]
    Syntax(String),
    #[error("this is no Kubernetes object: {0}")]
    NoObject(String),
    #[error("this is not what is applied: {0}")]
    NotBuilt(String),
    #[error("{object} has no {field}")]
    Missing { object: String, field: &'static str },
    #[error("{object} is there twice")]
    Duplicate { object: String },
    #[error("{object} is a second configuration of the operator")]
    SecondSettings { object: String },
    #[error("the API server refuses {object}: {why}")]
    RefusedByApiServer { object: String, why: String },
    #[error("the operator refuses {object}: {why}")]
    RefusedByOperator { object: String, why: String },
}

impl Fault for ProblemKind {
    fn code(&self) -> &'static str {
        match self {
            ProblemKind::Unreadable { .. } => "clonedrill::manifests::unreadable",
            ProblemKind::Syntax(_) => "clonedrill::manifests::syntax",
            ProblemKind::NoObject(_) => "clonedrill::manifests::no_object",
            ProblemKind::NotBuilt(_) => "clonedrill::manifests::not_built",
            ProblemKind::Missing { .. } => "clonedrill::manifests::missing_field",
            ProblemKind::Duplicate { .. } => "clonedrill::manifests::duplicate_object",
            ProblemKind::SecondSettings { .. } => "clonedrill::manifests::second_operator_configuration",
            ProblemKind::RefusedByApiServer { .. } => "clonedrill::manifests::refused_by_api_server",
            ProblemKind::RefusedByOperator { .. } => "clonedrill::manifests::refused_by_operator",
        }
    }

    fn label(&self) -> &'static str {
        match self {
            ProblemKind::Duplicate { .. } | ProblemKind::SecondSettings { .. } => "again here",
            ProblemKind::Missing { .. } => "in here",
            _ => "here",
        }
    }
}

/// The first of two, beside the second.
pub(super) fn first_here(place: Place) -> Beside {
    Beside { words: "first here; this one is used".to_owned(), place }
}
