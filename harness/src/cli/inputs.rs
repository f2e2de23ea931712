//! What `render` and `upgrade` are given: scenarios, each by itself, and manifests, all of them together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{IntoDiagnostic, SourceSpan};

use super::Failure;
use super::checks::with_checks;
use crate::operator::Release;
use crate::render::{InputObject, RenderInput, input_of, pointer_in};
use crate::scenario::{LoadedScenario, find_files, load};
use crate::secret::Secret;
use crate::toolchain::{Configuration, DEFAULT_OPERATORS, Terminal as Progress, Tools, ensure};

/// What was given, before it is known which programs are there.
pub(super) enum Given {
    Scenario(Box<LoadedScenario>),
}

impl Given {
    /// Reads everything that the paths name.
    ///
    /// # Errors
    /// For a scenario that is at fault, or where nothing is left.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Given>, Failure> {
        let files = find_files(paths).map_err(Failure::invalid)?;
        files
            .iter()
            .map(|file| {
                let loaded = with_checks(|checks| load(file, checks))?.map_err(Failure::invalid)?;
                Ok(Given::Scenario(Box::new(loaded)))
            })
            .collect()
    }

    /// The operator versions that it names itself.
    pub(super) fn versions(&self) -> Vec<String> {
        match self {
            Given::Scenario(loaded) => loaded.scenario.operator.versions.clone(),
        }
    }
}

/// The newest release that is built in.
pub(super) fn newest_operator() -> String {
    DEFAULT_OPERATORS.last().copied().unwrap_or_default().to_owned()
}

/// The programs for these operators.
///
/// # Errors
/// For a version that there is not, or a program that cannot be had.
pub(super) fn tools(operators: &[String]) -> Result<Tools, Failure> {
    let here = std::env::current_dir().into_diagnostic().map_err(Failure::broken)?;
    let configuration = Configuration::load(&here).map_err(Failure::invalid)?;
    ensure(&configuration, operators, &Progress::new())
        .map_err(|error| Failure { verdict: error.verdict(), report: error.into() })
}

/// Something to render.
pub(super) struct Input {
    pub given: Given,
    pub input: RenderInput,
    /// Values that must not be shown.
    pub secrets: Vec<Secret>,
}

impl Input {
    /// # Errors
    /// When a release's manifests cannot be read.
    pub(super) fn new(given: Given, tools: &Tools) -> Result<Input, Failure> {
        match &given {
            Given::Scenario(loaded) => {
                let major = postgres_major(tools).map_err(Failure::broken)?;
                let (input, secrets) = input_of(loaded, major).into_diagnostic().map_err(Failure::invalid)?;
                Ok(Input { given, input, secrets })
            }
        }
    }

    /// The line of a value in its file: `scenarios/clone/x.yaml:12`.
    pub(super) fn line_of(&self, object: InputObject, pointer: &str) -> Option<String> {
        match &self.given {
            Given::Scenario(loaded) => {
                let span = loaded.locate(&pointer_in(loaded, object, pointer))?;
                Some(format!("{}:{}", loaded.file.display(), line(&loaded.source, span)))
            }
        }
    }
}

fn line(source: &Arc<str>, span: SourceSpan) -> usize {
    source[..span.offset().min(source.len())].matches('\n').count() + 1
}

/// The newest installed major that all these releases may name.
fn postgres_major(tools: &Tools) -> miette::Result<u16> {
    let mut allowed: Vec<Vec<u16>> = Vec::new();
    for tool in tools.operators.values() {
        allowed.push(Release::read(tool).into_diagnostic()?.postgres_majors());
    }
    let installed = || tools.postgres.iter().map(|postgres| postgres.major);
    let by_all = |major: &u16| allowed.iter().all(|majors| majors.is_empty() || majors.contains(major));
    Ok(installed().filter(by_all).max().or_else(|| installed().max()).unwrap_or_default())
}

/// A path as people gave it.
#[allow(dead_code)]
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
