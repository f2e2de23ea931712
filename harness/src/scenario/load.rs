//! Reading a scenario file: parsed with places, checked in full before anything starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::SourceSpan;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::check::{self, Checks};
use super::error::{ScenarioError, problem};
use super::folder::Location;
use super::problem::ProblemKind;
use super::syntax;
use super::types::{Scenario, SqlStep, Step};
use super::world::{World, WorldText};
use crate::diagnosis::Diagnosis;
use crate::yaml::{Places, nearest, pointer_of_field};

/// A scenario that is known to be sound, with the places of its parts. To another process it goes as the texts that were
/// read and checked: what becomes of the files meanwhile changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Texts", try_from = "Texts")]
pub struct LoadedScenario {
    /// As it was written, with nothing filled in.
    pub scenario: Scenario,
    /// As the user named it.
    pub file: PathBuf,
    /// The name of the folder that holds the file.
    pub group: String,
    /// The file's name without its extension.
    pub slug: String,
    /// The text of the file as it was read.
    pub source: Arc<str>,
    places: Places,
    /// The text of each file that a `sql` step names.
    sql_files: BTreeMap<String, String>,
    /// The scenario that makes the archive with which this one begins.
    pub archive: Option<Arc<LoadedScenario>>,
    world: Option<World>,
}

/// All that was read of a scenario.
#[derive(Serialize, Deserialize)]
struct Texts {
    file: PathBuf,
    group: String,
    slug: String,
    source: String,
    sql_files: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive: Option<Box<Texts>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    world: Option<WorldText>,
}

impl From<LoadedScenario> for Texts {
    fn from(loaded: LoadedScenario) -> Self {
        let LoadedScenario { file, group, slug, source, sql_files, archive, world, .. } = loaded;
        let world = world.as_ref().map(WorldText::from);
        let archive = archive.map(|archive| Box::new(Texts::from((*archive).clone())));
        Texts { file, group, slug, source: source.to_string(), sql_files, archive, world }
    }
}

impl TryFrom<Texts> for LoadedScenario {
    type Error = ScenarioError;

    fn try_from(texts: Texts) -> Result<Self, ScenarioError> {
        let Texts { file, group, slug, source, sql_files, archive, world } = texts;
        let archive = archive.map(|archive| LoadedScenario::try_from(*archive).map(Arc::new)).transpose()?;
        let Parsed { value: mut scenario, source, places, .. } = parsed::<Scenario>(&file, source.into())?;
        let again = |text| World::again(&mut scenario, text, (&file, &source, &places));
        let world = world.map(again).transpose()?;
        Ok(LoadedScenario { scenario, file, group, slug, source, places, sql_files, archive, world })
    }
}

/// A file that was parsed and not checked yet.
pub(crate) struct Parsed<T> {
    pub value: T,
    pub(super) file: PathBuf,
    pub(super) source: Arc<str>,
    pub(super) places: Places,
}

impl<T> Parsed<T> {
    /// What is wrong with the value, each at the place of its JSON pointer.
    pub(crate) fn contradictions(&self, found: Vec<(String, String)>) -> Vec<Diagnosis> {
        let told = |(pointer, what): (String, String)| {
            let span = self.places.locate(&pointer);
            problem(&ProblemKind::Contradiction(what), None, &self.file, &self.source, span)
        };
        found.into_iter().map(told).collect()
    }
}

/// Reads a file of any type.
///
/// # Errors
/// When it cannot be read or parsed, with the place.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path) -> Result<Parsed<T>, ScenarioError> {
    parsed(path, read(path)?)
}

pub(super) fn read(path: &Path) -> Result<Arc<str>, ScenarioError> {
    Ok(std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?.into())
}

pub(super) fn parsed<T: DeserializeOwned>(path: &Path, source: Arc<str>) -> Result<Parsed<T>, ScenarioError> {
    let places = Places::of(&source);
    let value = serde_saphyr::from_str(&source)
        .map_err(|error| ScenarioError::one(syntax::problem(&error, path, &source, &places)))?;
    Ok(Parsed { value, file: path.to_owned(), source, places })
}

/// Reads and checks a scenario file.
///
/// # Errors
/// Every problem that was found; after a field that does not parse, only that one.
pub fn load(path: &Path, checks: &Checks<'_>) -> Result<LoadedScenario, ScenarioError> {
    let Parsed { value: mut scenario, source, places, .. } = parse::<Scenario>(path)?;
    let world = World::of(&mut scenario, (path, &source, &places))?;
    let Location { group, slug, .. } = Location::of(path);
    let mut loaded = LoadedScenario {
        scenario,
        file: path.to_owned(),
        group,
        slug,
        source,
        places,
        sql_files: BTreeMap::new(),
        archive: None,
        world,
    };
    loaded.archive = archive_of(&loaded, checks)?;
    let (problems, sql_files) = check::all(&loaded, checks);
    loaded.sql_files = sql_files;
    match ScenarioError::from_all(problems) {
        Some(error) => Err(error),
        None => Ok(loaded),
    }
}

/// The scenario that `archive` names.
fn archive_of(
    loaded: &LoadedScenario,
    checks: &Checks<'_>,
) -> Result<Option<Arc<LoadedScenario>>, ScenarioError> {
    let Some(named) = &loaded.scenario.archive else { return Ok(None) };
    let at_fault = |kind, help: &str| {
        let span = loaded.locate("/archive");
        ScenarioError::one(problem(&kind, Some(help.to_owned()), &loaded.file, &loaded.source, span))
    };
    let naming = loaded.world.as_ref().filter(|world| world.has("/archive"));
    let naming = naming.map_or(&loaded.file, |world| &world.file);
    let file = naming.parent().unwrap_or(Path::new("")).join(named);
    if let Err(error) = std::fs::metadata(&file) {
        let kind = ProblemKind::MissingFile { file: named.clone(), why: error.to_string() };
        return Err(at_fault(kind, "it is looked for from the scenario file's folder"));
    }
    // Not loaded first: it may name this one, or a world that does.
    let Scenario { archive, world, .. } = parse::<Scenario>(&file)?.value;
    if archive.is_some() || world.is_some() {
        let kind = ProblemKind::Contradiction("an archive cannot begin with another archive".to_owned());
        return Err(at_fault(kind, "name a scenario that has neither `archive` nor `world` itself"));
    }
    Ok(Some(Arc::new(load(&file, checks)?)))
}

impl LoadedScenario {
    /// All texts that say what its steps do.
    pub fn texts(&self) -> (&str, &BTreeMap<String, String>) {
        (&self.source, &self.sql_files)
    }

    /// The scenario whose steps made the archive with which this one begins.
    pub fn archived(&self) -> Option<&Scenario> {
        self.archive.as_deref().map(|archive| &archive.scenario)
    }

    /// What is wrong with it by other checks than those that it was read with.
    pub fn problem_by(&self, checks: &Checks<'_>) -> Option<ScenarioError> {
        ScenarioError::from_all(check::all(self, checks).0)
    }

    /// The text of a file of SQL, once it was read.
    pub(super) fn sql_file(&self, file: &str) -> Option<&str> {
        self.sql_files.get(file).map(String::as_str)
    }

    /// Where the value at a JSON pointer (`/clusters/clone/spec/clone/uid`) stands in the file, or its
    /// nearest ancestor that stands there.
    pub fn locate(&self, pointer: &str) -> Option<SourceSpan> {
        match self.sharing(pointer) {
            Some(world) => world.locate(pointer),
            None => self.places.locate(pointer),
        }
    }

    pub(super) fn locate_key(&self, pointer: &str) -> Option<SourceSpan> {
        match self.sharing(pointer) {
            Some(world) => world.locate_key(pointer),
            None => self.places.locate_key(pointer),
        }
    }

    /// The file in which the value at a JSON pointer stands, and its text.
    pub(super) fn file_of(&self, pointer: &str) -> (&Path, &Arc<str>) {
        match self.sharing(pointer) {
            Some(world) => (&world.file, &world.source),
            None => (&self.file, &self.source),
        }
    }

    /// The shared file, for what stands there.
    fn sharing(&self, pointer: &str) -> Option<&World> {
        self.world.as_ref().filter(|world| world.has(pointer))
    }

    /// The statements of a step of this scenario, with `${…}` still in them.
    pub fn sql<'a>(&'a self, step: &'a SqlStep) -> &'a str {
        let from_file = step.file.as_ref().and_then(|file| self.sql_files.get(file));
        step.run.as_deref().or(from_file.map(String::as_str)).unwrap_or_default()
    }

    /// The problem of a manifest at `pointer` (`/clusters/clone`) that the API server refused, placed at the
    /// field that it named (`spec.clone.timestamp`), where it named one.
    ///
    /// `siblings` are the fields that are known at that place; of an unknown field the nearest of them is named.
    pub fn rejected_by_api_server(
        &self,
        pointer: &str,
        field: Option<&str>,
        message: &str,
        siblings: &[&str],
    ) -> ScenarioError {
        let inside = field.map(|field| format!("{pointer}{}", pointer_of_field(field)));
        let span = match &inside {
            Some(inside) if !siblings.is_empty() => self.locate_key(inside),
            Some(inside) => self.locate(inside),
            None => self.locate(pointer),
        };
        let name = inside.as_deref().and_then(|inside| inside.rsplit('/').next());
        let help = name.filter(|name| !siblings.is_empty() && !siblings.contains(name));
        let help = help.map(|name| crate::yaml::help(name, siblings));
        let kind = ProblemKind::RejectedByApiServer(message.to_owned());
        let (file, source) = self.file_of(pointer);
        ScenarioError::one(problem(&kind, help, file, source, span))
    }

    /// The problem of a `sql` step, by its number from 0, whose statements the database refused. `line` is that of its
    /// text, from 1, where the database named a place.
    pub fn refused_by_database(&self, step: usize, message: &str, line: Option<usize>) -> ScenarioError {
        let given = match self.scenario.steps.get(step) {
            Some(Step::Sql(SqlStep { file: Some(file), .. })) => {
                let place = line.map(|line| format!(" (line {line} of {file})")).unwrap_or_default();
                (format!("/steps/{step}/sql/file"), place)
            }
            _ => {
                let place = line.map(|line| format!(" (line {line} of them)")).unwrap_or_default();
                (format!("/steps/{step}/sql/run"), place)
            }
        };
        let kind = ProblemKind::RefusedByDatabase(format!("{message}{}", given.1));
        ScenarioError::one(problem(&kind, None, &self.file, &self.source, self.locate(&given.0)))
    }
}

/// The end of the name of a file that is no scenario, but shared by some.
const SHARED_WORLD: &str = ".world.yaml";

/// All scenario files among `paths`: files as they are, and every `*.yaml` below folders but `*.world.yaml`. Sorted, so that
/// every run has one order.
///
/// # Errors
/// For a path that is neither, with the path that was probably meant.
pub fn find_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ScenarioError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files).map_err(|error| unreadable(path, &error))?;
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        let is_scenario = entry.extension().is_some_and(|extension| extension == "yaml")
            && !entry.to_string_lossy().ends_with(SHARED_WORLD);
        if entry.is_dir() || is_scenario {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> ScenarioError {
    let kind = ProblemKind::Unreadable { file: path.display().to_string(), why: error.to_string() };
    ScenarioError::one(problem(&kind, neighbour(path), path, &Arc::from(""), None))
}

/// The file beside `path` with the most similar name.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest(&path.file_name()?.to_string_lossy(), &names)?;
    Some(format!("did you mean `{}`?", folder.join(near).display()))
}
