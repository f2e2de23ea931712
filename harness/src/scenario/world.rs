//! A world that several scenarios share: one file with what stands in none of theirs.

use std::path::Path;
use std::sync::Arc;

use miette::SourceSpan;
use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, problem};
use super::load::{Parsed, parsed, read};
use super::problem::ProblemKind;
use super::types::{Scenario, SharedWorld};
use crate::yaml::{Places, child};

/// The fields that may stand in either file; those that must stand in one of both come first.
const FIELDS: [&str; 5] = ["operator", "storage", "clusters", "archive", "objects"];
const NEEDED: usize = 3;

/// The file that a scenario shares with others.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub file: std::path::PathBuf,
    pub source: Arc<str>,
    places: Places,
    /// The fields that stand in it.
    fields: Vec<&'static str>,
}

/// What was read of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WorldText {
    file: std::path::PathBuf,
    source: String,
}

impl From<&World> for WorldText {
    fn from(world: &World) -> Self {
        WorldText { file: world.file.clone(), source: world.source.to_string() }
    }
}

impl World {
    /// Puts what stands in the shared file into a scenario that was read of `file`.
    ///
    /// # Errors
    /// When it cannot be read or parsed, or a field stands in both files or in none.
    pub(super) fn of(
        scenario: &mut Scenario,
        (file, source, places): (&Path, &Arc<str>, &Places),
    ) -> Result<Option<World>, ScenarioError> {
        let Some(named) = scenario.world.clone() else {
            return match missing(None, (file, source, places)) {
                None => Ok(None),
                Some(error) => Err(error),
            };
        };
        let shared = file.parent().unwrap_or(Path::new("")).join(&named);
        let text = match std::fs::metadata(&shared) {
            Ok(_) => read(&shared)?,
            Err(error) => {
                let kind = ProblemKind::MissingFile { file: named, why: error.to_string() };
                let help = "it is looked for from the scenario file's folder".to_owned();
                let span = places.locate("/world");
                return Err(ScenarioError::one(problem(&kind, Some(help), file, source, span)));
            }
        };
        World::filled(scenario, shared, text, (file, source, places)).map(Some)
    }

    /// The same with a text that was read before.
    pub(super) fn again(
        scenario: &mut Scenario,
        text: WorldText,
        of: (&Path, &Arc<str>, &Places),
    ) -> Result<World, ScenarioError> {
        World::filled(scenario, text.file, text.source.into(), of)
    }

    fn filled(
        scenario: &mut Scenario,
        shared: std::path::PathBuf,
        text: Arc<str>,
        (file, source, places): (&Path, &Arc<str>, &Places),
    ) -> Result<World, ScenarioError> {
        let Parsed { value, source: text, places: its, .. } = parsed::<SharedWorld>(&shared, text)?;
        let stands = |places: &Places, field: &&str| places.value_span(&child("", field)).is_some();
        let fields: Vec<&'static str> = FIELDS.into_iter().filter(|field| stands(&its, field)).collect();
        if let Some(twice) = fields.iter().find(|field| stands(places, field)) {
            let kind = ProblemKind::Contradiction(format!("`{twice}` stands in {} too", shared.display()));
            let span = places.locate_key(&child("", twice));
            return Err(ScenarioError::one(problem(&kind, None, file, source, span)));
        }
        if let Some(error) = missing(Some(&fields), (file, source, places)) {
            return Err(error);
        }
        let SharedWorld { operator, storage, archive, objects, clusters } = value;
        scenario.operator = operator.unwrap_or_else(|| scenario.operator.clone());
        scenario.storage = storage.unwrap_or_else(|| scenario.storage.clone());
        scenario.archive = archive.or_else(|| scenario.archive.clone());
        scenario.objects = objects.unwrap_or_else(|| scenario.objects.clone());
        scenario.clusters = clusters.unwrap_or_else(|| scenario.clusters.clone());
        Ok(World { file: shared, source: text, places: its, fields })
    }

    /// Whether what a JSON pointer names stands in this file.
    pub(super) fn has(&self, pointer: &str) -> bool {
        let first = pointer.split('/').nth(1).unwrap_or_default();
        self.fields.contains(&first)
    }

    pub(super) fn locate(&self, pointer: &str) -> Option<SourceSpan> {
        self.places.locate(pointer)
    }

    pub(super) fn locate_key(&self, pointer: &str) -> Option<SourceSpan> {
        self.places.locate_key(pointer)
    }
}

/// A field that stands neither in the scenario nor among the shared ones.
fn missing(
    shared: Option<&[&str]>,
    (file, source, places): (&Path, &Arc<str>, &Places),
) -> Option<ScenarioError> {
    let stands = |field: &str| places.value_span(&child("", field)).is_some();
    let is_shared = |field: &str| shared.is_some_and(|shared| shared.contains(&field));
    let field = FIELDS.into_iter().take(NEEDED).find(|field| !stands(field) && !is_shared(field))?;
    let kind = ProblemKind::MissingField(field.to_owned());
    Some(ScenarioError::one(problem(&kind, None, file, source, places.locate(""))))
}
