//! `clonedrill.yaml` itself: its shape, and errors that point at the place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::{
    CheckSettings, Configuration, Given, GivenOperator, GivenPostgres, ImageSettings, KindSettings, Program,
    StandInSettings,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    cache: Option<PathBuf>,
    programs: BTreeMap<Program, ProgramText>,
    operators: BTreeMap<String, GivenOperator>,
    check: CheckSettings,
    images: ImageSettings,
    kind: KindSettings,
    stand_in: StandInSettings,
}

/// Where a program is. YAML takes a major of PostgreSQL that stands alone for a number.
#[derive(Debug)]
struct ProgramText(String);

impl<'de> Deserialize<'de> for ProgramText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ProgramTextVisitor)
    }
}

struct ProgramTextVisitor;

impl Visitor<'_> for ProgramTextVisitor {
    type Value = ProgramText;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(
            "a path (for postgres also a major such as 17, `fetch`, or several with commas between them)",
        )
    }

    fn visit_str<E>(self, text: &str) -> Result<ProgramText, E> {
        Ok(ProgramText(text.to_owned()))
    }

    fn visit_u64<E>(self, major: u64) -> Result<ProgramText, E> {
        Ok(ProgramText(major.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ProgramText, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(number), &self);
        u64::try_from(number).map_err(wrong).and_then(|major| self.visit_u64(major))
    }
}

/// Why `clonedrill.yaml` could not be used. Exit code 2.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigurationError {
    /// It is there, and cannot be read as text.
    #[error("read {path}: {source}", path = .path.display())]
    Read {
        /// The nearest one, from the working folder upwards.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Something in it, or in a variable that stands for it, is not as it must be.
    #[error("{message}")]
    Invalid {
        /// What is wrong, without its place.
        message: String,
        /// The file, or the variable's text.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// None where the whole text is meant.
        #[label("here")]
        place: Option<SourceSpan>,
        /// What to write instead; none where nothing is like it.
        #[help]
        help: Option<String>,
    },
}

pub(super) fn read(path: &Path) -> Result<Configuration, ConfigurationError> {
    let read = |source| ConfigurationError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(read)?;
    let file: File = serde_saphyr::from_str(&text).map_err(|error| invalid(path, &text, &error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let origin = path.display().to_string();
    let mut programs = file.programs;
    let postgres = programs.remove(&Program::Postgres).map(|given| given.0).unwrap_or_default();
    let programs = programs
        .into_iter()
        .map(|(program, given)| (program, Given { path: folder.join(given.0), origin: origin.clone() }));
    Ok(Configuration {
        cache: file.cache.map(|cache| folder.join(cache)),
        programs: programs.collect(),
        postgres: GivenPostgres::list(&postgres, folder, &origin),
        operators: from_folder(file.operators, folder),
        check: CheckSettings {
            operator_configuration: file.check.operator_configuration.map(|given| folder.join(given)),
            file: Some(path.to_owned()),
            ..file.check
        },
        images: file.images.starting_from(folder),
        kind: file.kind,
        stand_in: file.stand_in,
        file: Some(path.to_owned()),
        ..Configuration::default()
    })
}

/// What a variable says of operators; its paths start from `folder`.
///
/// # Errors
/// As for the file.
pub(super) fn operators(
    variable: &str,
    text: &str,
    folder: &Path,
) -> Result<BTreeMap<String, GivenOperator>, ConfigurationError> {
    let operators = serde_saphyr::from_str(text);
    Ok(from_folder(operators.map_err(|error| invalid(Path::new(variable), text, &error))?, folder))
}

/// What the variable says, where it is neither of the two.
pub(super) fn bad_first_backup(value: &std::ffi::OsStr) -> ConfigurationError {
    let text = value.to_string_lossy().into_owned();
    ConfigurationError::Invalid {
        message: format!("`{text}` is no time for a first base backup"),
        text: Arc::new(NamedSource::new(super::FIRST_BACKUP, text)),
        place: None,
        help: Some("say `at-once` or `as-spilo`".to_owned()),
    }
}

fn from_folder(given: BTreeMap<String, GivenOperator>, folder: &Path) -> BTreeMap<String, GivenOperator> {
    let absolute = |(name, given): (String, GivenOperator)| {
        let GivenOperator { binary, manifests, version } = given;
        (name, GivenOperator { binary: folder.join(binary), manifests: folder.join(manifests), version })
    };
    given.into_iter().map(absolute).collect()
}

fn invalid(path: &Path, text: &str, error: &serde_saphyr::Error) -> ConfigurationError {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let (message, help, length) = match error {
        Error::SerdeUnknownField { field: name, expected, .. }
        | Error::SerdeUnknownVariant { variant: name, expected, .. } => {
            (format!("there is no key `{name}` here"), nearest(name, expected), name.len())
        }
        other => {
            let whole = other.to_string();
            // The place is shown with the source below.
            let message = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
            (message, None, 1)
        }
    };
    let place = error.location().map(|location| {
        let line: usize = text.split_inclusive('\n').take(location.line() as usize - 1).map(str::len).sum();
        SourceSpan::from((line + location.column() as usize - 1, length))
    });
    let text = NamedSource::new(path.display().to_string(), text.to_owned()).with_language("YAML");
    let text = Arc::new(text);
    ConfigurationError::Invalid { message, text, place, help }
}

/// The name that was probably meant, or all of them.
fn nearest(name: &str, expected: &[&str]) -> Option<String> {
    let best = expected.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)))?;
    if strsim::jaro(name, best) > 0.75 {
        return Some(format!("did you mean `{best}`?"));
    }
    Some(format!("known here: {}", expected.join(", ")))
}
