//! What is wrong with this machine, and the exact thing to do about it.

use serde::Serialize;

/// A lack and its remedy, as `doctor` and error messages show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What is wrong: a fragment such as `user namespaces are switched off`.
    pub problem: String,
    /// What to do, with the command where there is one.
    pub remedy: String,
}

impl Remedy {
    /// A problem, and what a person does about it.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Remedy { problem: problem.into(), remedy: remedy.into() }
    }
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}
