//! What must hold in a scenario before anything starts. Every problem is found, not only the first.

mod archive;
mod expectations;
mod fault;
mod header;
mod manifests;
mod steps;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use miette::SourceSpan;

use super::error::problem;
use super::load::LoadedScenario;
use super::problem::{ProblemKind, What};
use super::types::Step;
use crate::diagnosis::Diagnosis;
use crate::yaml;

pub use header::account_name_problem;

/// What a scenario is held against, from outside the file.
#[derive(Clone, Copy)]
pub struct Checks<'a> {
    /// Whether an operator version can be had; the error is what to do about it.
    pub operator_known: &'a dyn Fn(&str) -> Result<(), String>,
    /// The names of the catalogue of log messages.
    pub catalogue: &'a [&'a str],
}

/// All problems in the order of the file, and the text of each file of SQL that was found.
pub(super) fn all(
    loaded: &LoadedScenario,
    checks: &Checks<'_>,
) -> (Vec<Diagnosis>, BTreeMap<String, String>) {
    let mut checker = Checker::new(loaded, checks);
    checker.header();
    checker.archive();
    checker.manifests();
    checker.steps();
    checker.expectations();
    let mut problems = checker.problems;
    problems.sort_by_key(Diagnosis::offset);
    (problems, checker.sql_files)
}

/// One pass over one scenario.
struct Checker<'a> {
    loaded: &'a LoadedScenario,
    checks: &'a Checks<'a>,
    problems: Vec<Diagnosis>,
    sql_files: BTreeMap<String, String>,
    /// Every name that some `mark` step gives.
    marks: BTreeSet<&'a str>,
    /// Every cluster that some step creates.
    created: BTreeSet<&'a str>,
    /// The clusters of the archive with which the drill begins.
    archived: BTreeSet<&'a str>,
}

impl<'a> Checker<'a> {
    fn new(loaded: &'a LoadedScenario, checks: &'a Checks<'a>) -> Self {
        let steps = &loaded.scenario.steps;
        let archived = loaded.archived();
        let before = archived.into_iter().flat_map(|scenario| &scenario.steps);
        let marks = before.chain(steps).filter_map(|step| match step {
            Step::Mark(mark) => Some(mark.name.as_str()),
            _ => None,
        });
        let created = steps.iter().filter_map(|step| match step {
            Step::Create(cluster) => Some(cluster.as_str()),
            Step::RestoreInPlace(step) => Some(step.with.as_str()),
            _ => None,
        });
        Checker {
            loaded,
            checks,
            problems: Vec::new(),
            sql_files: BTreeMap::new(),
            marks: marks.collect(),
            created: created.collect(),
            archived: archived
                .into_iter()
                .flat_map(|scenario| scenario.clusters.keys().map(String::as_str))
                .collect(),
        }
    }

    /// Notes a problem at the value that a JSON pointer names.
    fn add(&mut self, pointer: &str, kind: ProblemKind, help: Option<String>) {
        self.add_at(pointer, self.loaded.locate(pointer), kind, help);
    }

    /// Notes a problem at the key before that value.
    fn add_at_key(&mut self, pointer: &str, kind: ProblemKind, help: Option<String>) {
        self.add_at(pointer, self.loaded.locate_key(pointer), kind, help);
    }

    /// The pointer says in which file the place is.
    fn add_at(&mut self, pointer: &str, span: Option<SourceSpan>, kind: ProblemKind, help: Option<String>) {
        let (file, source) = self.loaded.file_of(pointer);
        self.problems.push(problem(&kind, help, file, source, span));
    }

    /// Notes a problem where `name` is none of `candidates`, and says whether it is one.
    fn known(&mut self, pointer: &str, what: What, name: &str, candidates: &[&str]) -> bool {
        let known = candidates.contains(&name);
        if !known {
            let kind = ProblemKind::UnknownName { what, name: name.to_owned() };
            self.add(pointer, kind, Some(yaml::help(name, candidates)));
        }
        known
    }

    /// The same at the key before a value.
    fn known_key(&mut self, pointer: &str, what: What, name: &str, candidates: &[&str]) {
        if !candidates.contains(&name) {
            let kind = ProblemKind::UnknownName { what, name: name.to_owned() };
            self.add_at_key(pointer, kind, Some(yaml::help(name, candidates)));
        }
    }

    fn cluster_names(&self) -> Vec<&'a str> {
        self.loaded.scenario.clusters.keys().map(String::as_str).collect()
    }

    fn account_names(&self) -> Vec<&'a str> {
        self.loaded.scenario.storage.accounts.iter().map(String::as_str).collect()
    }
}

/// What short names of clusters and marks may look like: they stand in `${…}`, in reports and in file names.
fn name_problem(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let sound =
        name.starts_with(plain) && name.ends_with(plain) && name.chars().all(|c| plain(c) || c == '-');
    (!sound).then_some("use lowercase letters, digits and `-` between them")
}
