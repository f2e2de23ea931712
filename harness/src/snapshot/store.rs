//! Snapshot files: where they are, how they compare, how they are accepted. The files are insta's own, so that
//! `cargo insta review` works on them; reading is insta's, writing keeps to its format.

use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::scenario::{Location, ObservationKind};

/// What stands in a snapshot file besides the text.
#[derive(Debug, Clone)]
pub struct SnapshotName<'a> {
    /// The scenario's file, `…/scenarios/<group>/<slug>.yaml`.
    pub scenario_file: &'a Path,
    /// The operator's version, or its name in the configuration file.
    pub operator: &'a str,
    /// What of the drill was observed.
    pub kind: ObservationKind,
    /// The environment, where it is not the one that all others are measured by.
    pub environment: Option<&'a str>,
    /// What of it may have snapshots of its own, most telling first: `spilo` (Spilo's own image), `kind` (the environment),
    /// `wal-g-3` (a WAL-G of another generation). Empty for what all others are measured by.
    pub peculiar: &'a [String],
}

/// What a variant is said to be for until a person has said it.
const TO_BE_EXPLAINED: &str = "to be explained";

/// What happens to a text that is not the accepted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It becomes the accepted one.
    Accept,
    /// It is written beside it as `.snap.new`, to be reviewed.
    Pend,
    /// Nothing is written, as in CI.
    Check,
}

/// How an observation compares with its snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It is what was accepted; nothing was written.
    Matches,
    /// It was something else, or there was none, and is the accepted one now.
    Accepted {
        /// The snapshot that was written.
        file: PathBuf,
    },
    /// There is none yet.
    Missing {
        /// Where the accepted one would stand.
        file: PathBuf,
        /// What was written beside it for review; none where nothing was to be written.
        pending: Option<PathBuf>,
    },
    /// It is not what was accepted.
    Differs {
        /// The accepted one.
        file: PathBuf,
        /// What was written beside it for review; none where nothing was to be written.
        pending: Option<PathBuf>,
        /// The lines that differ, with some around them.
        diff: Vec<String>,
    },
}

/// A snapshot that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Snapshots lie beside the folder `scenarios`, so it must stand where they are looked for.
    #[error("place the snapshot of {}: it is not at …/scenarios/<group>/<slug>.yaml", .0.display())]
    NotAScenario(PathBuf),
    /// A file is there and cannot be read, or has no header.
    #[error("read the snapshot {}: {why}", .path.display())]
    Read {
        /// The accepted one.
        path: PathBuf,
        /// What the operating system says, or what is wrong with its form.
        why: String,
    },
    /// An image's or environment's own snapshot must give its reason.
    #[error(
        "take the snapshot {} for this image's or environment's own: it does not say why it differs; write the reason into its header, \
         as `description: <reason>`",
        .path.display()
    )]
    Unexplained {
        /// The accepted one.
        path: PathBuf,
    },
    /// The snapshot, or the one for review, could not be written or removed.
    #[error("write the snapshot {}: {source}", .path.display())]
    Write {
        /// The accepted one, or the one for review beside it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Mode {
    /// `--update` accepts; otherwise insta's own environment decides (`INSTA_UPDATE`, and `CI` where that says `auto`). What a
    /// drill saw that was not sound is accepted by nothing.
    pub fn from_environment(update: bool, sound: bool) -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Mode::decide(update, sound, &variable("INSTA_UPDATE"), &variable("CI"))
    }

    fn decide(update: bool, sound: bool, insta_update: &str, ci: &str) -> Self {
        let in_ci = !matches!(ci, "" | "0" | "false");
        match insta_update {
            _ if update && sound => Mode::Accept,
            "always" | "force" if sound => Mode::Accept,
            "no" => Mode::Check,
            "new" => Mode::Pend,
            _ if in_ci => Mode::Check,
            _ => Mode::Pend,
        }
    }
}

impl SnapshotName<'_> {
    /// `…/snapshots/<group>/<slug>/<operator>.<kind>.snap`, beside the folder `scenarios`.
    ///
    /// # Errors
    /// When the scenario does not stand in `scenarios/<group>/`.
    pub fn file(&self) -> Result<PathBuf, SnapshotError> {
        let folder = Location::of(self.scenario_file).snapshots();
        let folder = folder.ok_or_else(|| SnapshotError::NotAScenario(self.scenario_file.to_owned()))?;
        Ok(folder.join(format!("{}.{}.snap", self.operator, self.kind.name())))
    }

    /// `<operator>.<kind>.<what is peculiar>.snap` beside it, for where that observation really differs; the one that says
    /// most first.
    ///
    /// # Errors
    /// As [`SnapshotName::file`].
    pub fn variants(&self) -> Result<Vec<PathBuf>, SnapshotError> {
        let file = self.file()?;
        Ok(self.peculiar.iter().map(|own| file.with_extension(format!("{own}.snap"))).collect())
    }

    /// All files that a comparison may leave: the accepted ones, and those to be reviewed.
    ///
    /// # Errors
    /// As [`SnapshotName::file`].
    pub fn files(&self) -> Result<Vec<PathBuf>, SnapshotError> {
        let accepted = [self.file()?].into_iter().chain(self.variants()?);
        Ok(accepted.flat_map(|file| [pending_of(&file), file]).collect())
    }

    fn scenario(&self) -> String {
        let parts: Vec<_> = self.scenario_file.components().rev().take(3).collect();
        parts.iter().rev().collect::<PathBuf>().display().to_string()
    }
}

/// What an observation is held against, and where it goes if it is something else.
struct Held {
    accepted: Option<Accepted>,
    /// Where the accepted one stands, or would.
    against: PathBuf,
    target: PathBuf,
    /// Of what is written.
    description: String,
}

struct Accepted {
    text: String,
    description: Option<String>,
}

impl Held {
    fn of(name: &SnapshotName) -> Result<Self, SnapshotError> {
        let file = name.file()?;
        let variants = name.variants()?;
        for path in &variants {
            let Some(accepted) = read(path)? else { continue };
            let explained = accepted.description.clone().filter(|text| is_reason(text));
            let description = explained.ok_or_else(|| SnapshotError::Unexplained { path: path.clone() })?;
            let (against, target) = (path.clone(), path.clone());
            return Ok(Held { accepted: Some(accepted), against, target, description });
        }
        let accepted = read(&file)?;
        let plain = format!("what {} looks like with operator {}", name.kind.name(), name.operator);
        // Only what differs from what holds everywhere is an image's or environment's own.
        let (target, description) = match (variants.into_iter().next(), &accepted) {
            (Some(variant), Some(_)) => (variant, TO_BE_EXPLAINED.to_owned()),
            _ => (file.clone(), plain),
        };
        Ok(Held { accepted, against: file, target, description })
    }
}

fn is_reason(description: &str) -> bool {
    !matches!(description.trim(), "" | TO_BE_EXPLAINED)
}

fn pending_of(file: &Path) -> PathBuf {
    file.with_extension("snap.new")
}

/// Compares an observation with its accepted snapshot, and accepts or keeps it for review as `mode` says.
///
/// # Errors
/// When a file cannot be read or written, or a variant does not say why it is there.
pub fn compare(name: &SnapshotName, text: &str, mode: Mode) -> Result<Comparison, SnapshotError> {
    let Held { accepted, against, target, description } = Held::of(name)?;
    let pending = pending_of(&target);
    let text = text.trim_end();
    if accepted.as_ref().is_some_and(|accepted| accepted.text == text) {
        remove(&pending)?;
        return Ok(Comparison::Matches);
    }
    let content = content(name, &description, text);
    match mode {
        Mode::Accept => {
            write(&target, &content)?;
            remove(&pending)?;
            return Ok(Comparison::Accepted { file: target });
        }
        Mode::Pend => write(&pending, &content)?,
        Mode::Check => {}
    }
    let pending = (mode == Mode::Pend).then_some(pending);
    Ok(match accepted {
        None => Comparison::Missing { file: against, pending },
        Some(accepted) => Comparison::Differs { file: against, pending, diff: diff(&accepted.text, text) },
    })
}

/// What is accepted; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Accepted>, SnapshotError> {
    let fail = |why: String| SnapshotError::Read { path: path.to_owned(), why };
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    }
    let snapshot = insta::Snapshot::from_file(path).map_err(|error| fail(error.to_string()))?;
    let text = snapshot.as_text().ok_or_else(|| fail("it holds no text".to_owned()))?;
    let description = snapshot.metadata().description().map(str::to_owned);
    Ok(Some(Accepted { text: text.to_string(), description }))
}

/// insta's file: front matter in YAML, then the text. JSON strings are YAML strings.
fn content(name: &SnapshotName, description: &str, text: &str) -> String {
    let quoted = |value: String| serde_json::Value::String(value).to_string();
    let source = quoted(name.scenario());
    let description = quoted(description.to_owned());
    let expression = quoted(name.kind.name().to_owned());
    format!("---\nsource: {source}\ndescription: {description}\nexpression: {expression}\n---\n{text}\n")
}

/// Whole or not at all, so that a drill that is killed leaves no half of a snapshot.
fn write(path: &Path, content: &str) -> Result<(), SnapshotError> {
    let fail = |source| SnapshotError::Write { path: path.to_owned(), source };
    let folder = path.parent().ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))?;
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(folder).map_err(fail)?;
    io::Write::write_all(&mut file, content.as_bytes()).map_err(fail)?;
    // Temporary files are for their owner only; a snapshot is a source file like any other.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

fn remove(path: &Path) -> Result<(), SnapshotError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SnapshotError::Write { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn diff(accepted: &str, seen: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(accepted, seen);
    let text = diff.unified_diff().context_radius(2).missing_newline_hint(false).to_string();
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
