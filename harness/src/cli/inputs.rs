//! What `render` and `upgrade` are given: scenarios, each by itself, and manifests, all of them together.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use indicatif::ProgressBar;
use miette::SourceSpan;

use super::checks::with_checks;
use super::{Failure, programs, stop};
use crate::environment::Which;
use crate::exit::Verdict;
use crate::manifests::{self, Index, Kind, Manifests};
use crate::operator::Release;
use crate::render::{InputObject, Refused, RefusedBy, RenderInput, input_of, pointer_in};
use crate::report::Sources;
use crate::scenario::{LoadedScenario, find_files, load};
use crate::secret::Secret;
use crate::snapshot::redact::Redactor;
use crate::toolchain::{DEFAULT_OPERATORS, Tools};

/// What was given, before it is known which programs are there.
pub(super) enum Given {
    Scenario(Box<LoadedScenario>),
    Manifests(Box<Manifests>),
}

impl Given {
    /// Reads everything that the paths name. Manifests that are at fault are told on stderr, and the rest is used.
    ///
    /// # Errors
    /// For a scenario that is at fault, or where there is no cluster.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Given>, Failure> {
        let configuration = programs::configuration()?;
        let (mut scenarios, mut manifests) = (Vec::new(), Vec::new());
        for path in paths {
            let files = find_files(std::slice::from_ref(path)).unwrap_or_default();
            let found: Vec<PathBuf> = files.into_iter().filter(|file| is_scenario(file)).collect();
            if found.is_empty() {
                manifests.push(path.clone());
            }
            scenarios.extend(found);
        }
        let mut given = Vec::new();
        for file in scenarios {
            let loaded =
                with_checks(&configuration, |checks| load(&file, checks)).map_err(Failure::invalid)?;
            given.push(Given::Scenario(Box::new(loaded)));
        }
        if !manifests.is_empty() {
            let configured = configuration.check.operator_configuration.as_deref();
            let read = Manifests::read_with(&manifests, configured);
            for problem in &read.problems {
                eprintln!("{:?}", miette::Report::new(problem.clone()));
            }
            if read.of_kind(Kind::Postgresql).next().is_none() {
                return Err(Failure::invalid(miette::miette!(
                    help = "a cluster is an object of kind postgresql, apiVersion acid.zalan.do/v1",
                    "failed to find a cluster: there is none among these manifests"
                )));
            }
            given.push(Given::Manifests(Box::new(read)));
        }
        Ok(given)
    }

    /// The operator versions that it names itself.
    pub(super) fn versions(&self) -> &[String] {
        match self {
            Given::Scenario(loaded) => &loaded.scenario.operator.versions,
            Given::Manifests(_) => &[],
        }
    }

    /// Whether a part of it could not be used.
    pub(super) fn is_at_fault(&self) -> bool {
        matches!(self, Given::Manifests(manifests) if !manifests.problems.is_empty())
    }
}

/// A file with the steps of a drill is a scenario; anything else is manifests.
fn is_scenario(file: &Path) -> bool {
    static STEPS: LazyLock<regex::Regex> =
        LazyLock::new(|| regex::Regex::new(r"(?m)^(?:steps|expect):").expect("a constant, and tested"));
    std::fs::read_to_string(file).is_ok_and(|text| STEPS.is_match(&text))
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
    let mut configuration = programs::configuration()?;
    programs::can_sandbox()?;
    let operators = operators.to_vec();
    // No other pod runs.
    configuration.images = configuration.images.of_operators_alone();
    let prepare = Which::Local.description().prepare;
    programs::alone(move |progress| prepare(&configuration, &operators, progress))
        .map(|prepared| prepared.tools)
}

/// Something to render.
pub(super) struct Input {
    given: Given,
    index: Index,
    pub input: RenderInput,
    /// Values that must not be shown.
    pub secrets: Vec<Secret>,
}

impl Input {
    /// # Errors
    /// When a release's manifests cannot be read.
    pub(super) fn new(given: Given, tools: &Tools) -> Result<Input, Failure> {
        let (input, index, secrets) = match &given {
            Given::Scenario(loaded) => {
                let major = postgres_major(tools).map_err(Failure::broken)?;
                let (input, keys) =
                    input_of(loaded, major).map_err(|error| Failure::invalid(super::failed(error)))?;
                (input, Index::default(), keys)
            }
            Given::Manifests(manifests) => {
                let (input, index) = manifests.to_render_input();
                (input, index, manifests.secrets.clone())
            }
        };
        Ok(Input { given, index, input, secrets })
    }

    /// The scenario's file, or `manifests`.
    pub(super) fn name(&self) -> String {
        match &self.given {
            Given::Scenario(loaded) => loaded.file.display().to_string(),
            Given::Manifests(_) => "manifests".to_owned(),
        }
    }

    pub(super) fn is_at_fault(&self) -> bool {
        self.given.is_at_fault()
    }

    /// A refusal at its place.
    pub(super) fn refusal(&self, object: InputObject, refused: &Refused) -> miette::Report {
        match &self.given {
            Given::Scenario(loaded) => {
                let pointer = pointer_in(loaded, object, "");
                let hider = self.secrets.iter().fold(Redactor::new(), Redactor::password);
                let by = match refused.by {
                    RefusedBy::ApiServer => hider.hide(&refused.message),
                    RefusedBy::Operator => format!("the operator: {}", hider.hide(&refused.message)),
                };
                loaded.rejected_by_api_server(&pointer, refused.field.as_deref(), &by, &[]).into()
            }
            Given::Manifests(manifests) => {
                let document = self.index.document(object).and_then(|at| manifests.documents.get(at));
                manifests::refused(document, refused, &self.secrets).into()
            }
        }
    }
}

impl Sources for Input {
    fn place(&self, object: InputObject, pointer: &str) -> Option<String> {
        match &self.given {
            Given::Scenario(loaded) => {
                let span = loaded.locate(&pointer_in(loaded, object, pointer))?;
                Some(format!("{}:{}", loaded.file.display(), line(&loaded.source, span)))
            }
            Given::Manifests(manifests) => {
                let document = manifests.documents.get(self.index.document(object)?)?;
                let place = document.place(pointer);
                Some(format!("{}:{}", place.file().display(), place.start().0))
            }
        }
    }
}

fn line(source: &str, span: SourceSpan) -> usize {
    source[..span.offset().min(source.len())].matches('\n').count() + 1
}

/// The newest installed major that all these releases may name.
fn postgres_major(tools: &Tools) -> miette::Result<u16> {
    let mut allowed: Vec<Vec<u16>> = Vec::new();
    for tool in tools.operators.values() {
        allowed.push(Release::read(tool).map_err(super::failed)?.postgres_majors());
    }
    let installed = || tools.default_postgres().map(|postgres| postgres.major);
    let by_all = |major: &u16| allowed.iter().all(|majors| majors.is_empty() || majors.contains(major));
    Ok(installed().filter(by_all).max().or_else(|| installed().max()).unwrap_or_default())
}

/// Does something that may take a while, until it is done or somebody wants it to end. What was started ends with this
/// process.
///
/// # Errors
/// When it was interrupted.
pub(super) fn until_interrupted<T>(doing: impl Future<Output = T>) -> Result<T, Failure> {
    stop::in_runtime(async |stop| {
        let interrupted =
            || Failure { verdict: Verdict::Interrupted, report: miette::miette!("interrupted") };
        stop.run_until_cancelled(doing).await.ok_or_else(interrupted)
    })
}

/// Says on stderr what is being waited for: in place on a terminal, else a line each.
pub(super) struct Doing {
    bar: Option<ProgressBar>,
}

impl Doing {
    pub(super) fn new() -> Doing {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Doing { bar }
    }

    pub(super) fn tell(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
