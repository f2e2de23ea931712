//! Snapshot files: where they are, how they compare, how they are accepted. The files are insta's own, so that
//! `cargo insta review` works on them; reading is insta's, writing keeps to its format.

use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::report::Finding;
use crate::scenario::ObservationKind;

/// What stands in a snapshot file besides the text.
#[derive(Debug, Clone)]
pub struct SnapshotName<'a> {
    /// The scenario's file, `…/scenarios/<group>/<slug>.yaml`.
    pub scenario_file: &'a Path,
    /// The operator's version, or its name in the configuration file.
    pub operator: &'a str,
    pub kind: ObservationKind,
}

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
    Matches,
    Accepted { file: PathBuf },
    Missing { file: PathBuf, pending: Option<PathBuf> },
    Differs { file: PathBuf, pending: Option<PathBuf>, diff: Vec<String> },
}

/// A snapshot that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("place the snapshot of {}: it is not at …/scenarios/<group>/<slug>.yaml", .0.display())]
    NotAScenario(PathBuf),
    #[error("read the snapshot {}: {why}", .path.display())]
    Read { path: PathBuf, why: String },
    #[error("write the snapshot {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
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
    /// When the scenario's file is not two levels below a folder.
    pub fn file(&self) -> Result<PathBuf, SnapshotError> {
        let fail = || SnapshotError::NotAScenario(self.scenario_file.to_owned());
        let absolute = std::path::absolute(self.scenario_file).map_err(|_| fail())?;
        let slug = absolute.file_stem().ok_or_else(fail)?;
        let folder = absolute.parent().ok_or_else(fail)?;
        let group = folder.file_name().ok_or_else(fail)?;
        let root = folder.parent().and_then(Path::parent).ok_or_else(fail)?;
        let file = format!("{}.{}.snap", self.operator, self.kind.name());
        Ok(root.join("snapshots").join(group).join(slug).join(file))
    }

    /// All files that a comparison may leave: the accepted one, and the one to be reviewed.
    ///
    /// # Errors
    /// As [`SnapshotName::file`].
    pub fn files(&self) -> Result<[PathBuf; 2], SnapshotError> {
        let file = self.file()?;
        let pending = file.with_extension("snap.new");
        Ok([file, pending])
    }

    fn scenario(&self) -> String {
        let parts: Vec<_> = self.scenario_file.components().rev().take(3).collect();
        parts.iter().rev().collect::<PathBuf>().display().to_string()
    }
}

/// Compares an observation with its accepted snapshot, and accepts or keeps it for review as `mode` says.
///
/// # Errors
/// When a file cannot be read or written.
pub fn compare(name: &SnapshotName, text: &str, mode: Mode) -> Result<Comparison, SnapshotError> {
    let [file, pending] = name.files()?;
    let text = text.trim_end();
    let accepted = read(&file)?;
    if accepted.as_deref() == Some(text) {
        remove(&pending)?;
        return Ok(Comparison::Matches);
    }
    let content = content(name, text);
    match mode {
        Mode::Accept => {
            write(&file, &content)?;
            remove(&pending)?;
            return Ok(Comparison::Accepted { file });
        }
        Mode::Pend => write(&pending, &content)?,
        Mode::Check => {}
    }
    let pending = (mode == Mode::Pend).then_some(pending);
    Ok(match accepted {
        None => Comparison::Missing { file, pending },
        Some(accepted) => Comparison::Differs { file, pending, diff: diff(&accepted, text) },
    })
}

impl Comparison {
    /// What a report says of it; nothing where it matches or was accepted.
    pub fn finding(&self, name: &SnapshotName) -> Option<Finding> {
        let subject = format!("snapshot {}", name.kind.name());
        let accept = format!(
            "if this is as it should be: clonedrill run {} --operator {} --update, or cargo insta review",
            name.scenario_file.display(),
            name.operator
        );
        match self {
            Comparison::Matches | Comparison::Accepted { .. } => None,
            Comparison::Missing { file, pending } => Some(Finding {
                subject,
                expected: format!("an accepted snapshot {}", file.display()),
                seen: "there is none yet".to_owned(),
                evidence: pending.iter().map(|path| format!("to review: {}", path.display())).collect(),
                help: accept,
            }),
            Comparison::Differs { file, diff, .. } => Some(Finding {
                subject,
                expected: format!("the same as in {}", file.display()),
                seen: "something else: - accepted, + seen now".to_owned(),
                evidence: diff.clone(),
                help: accept,
            }),
        }
    }
}

/// The accepted text; `None` where there is no file.
fn read(path: &Path) -> Result<Option<String>, SnapshotError> {
    let fail = |why: String| SnapshotError::Read { path: path.to_owned(), why };
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    }
    let snapshot = insta::Snapshot::from_file(path).map_err(|error| fail(error.to_string()))?;
    let text = snapshot.as_text().ok_or_else(|| fail("it holds no text".to_owned()))?;
    Ok(Some(text.to_string()))
}

/// insta's file: front matter in YAML, then the text. JSON strings are YAML strings.
fn content(name: &SnapshotName, text: &str) -> String {
    let quoted = |value: String| serde_json::Value::String(value).to_string();
    let source = quoted(name.scenario());
    let description = quoted(format!("what {} looks like with operator {}", name.kind.name(), name.operator));
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Project {
        folder: tempfile::TempDir,
        scenario: PathBuf,
    }

    impl Project {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let scenario = folder.path().join("scenarios/clone/same-account.yaml");
            Project { folder, scenario }
        }

        fn name(&self) -> SnapshotName<'_> {
            SnapshotName { scenario_file: &self.scenario, operator: "v1.15.1", kind: ObservationKind::Env }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.folder.path().join("snapshots/clone/same-account").join(name)
        }
    }

    #[test]
    fn a_missing_snapshot_fails_and_names_the_command_that_accepts() {
        let project = Project::new();
        let seen = compare(&project.name(), "A=1", Mode::Check).unwrap();
        let finding = seen.finding(&project.name()).unwrap();
        assert!(finding.help.contains("--operator v1.15.1 --update"), "{}", finding.help);
        assert!(!project.folder.path().join("snapshots").exists());
    }

    #[test]
    fn a_difference_is_shown_and_kept_for_review_until_it_matches_again() {
        let project = Project::new();
        compare(&project.name(), "A=1\nB=2\nC=3", Mode::Accept).unwrap();
        let seen = compare(&project.name(), "A=1\nB=4\nC=3", Mode::Pend).unwrap();
        let finding = seen.finding(&project.name()).unwrap();
        assert_eq!(finding.evidence, ["@@ -1,3 +1,3 @@", " A=1", "-B=2", "+B=4", " C=3"]);
        assert!(project.file("v1.15.1.env.snap.new").exists());
        assert_eq!(compare(&project.name(), "A=1\nB=2\nC=3\n", Mode::Pend).unwrap(), Comparison::Matches);
        assert!(!project.file("v1.15.1.env.snap.new").exists());
    }

    /// Whether insta itself takes our file for the snapshot of this text. Under `INSTA_UPDATE` or `INSTA_FORCE_PASS`
    /// it writes a file rather than panic.
    fn insta_accepts(project: &Project, text: &str) -> bool {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(project.file(""));
        settings.set_prepend_module_to_snapshot(false);
        let before = std::fs::read(project.file("v1.15.1.env.snap")).unwrap();
        let assertion = || settings.bind(|| insta::assert_snapshot!("v1.15.1.env", text));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(assertion)).is_ok()
            && !project.file("v1.15.1.env.snap.new").exists()
            && std::fs::read(project.file("v1.15.1.env.snap")).unwrap() == before
    }

    #[test]
    fn insta_takes_our_files_for_its_own() {
        let project = Project::new();
        let text = "\"A\": b # c\n--- not front matter\n  indented\n\nlast";
        compare(&project.name(), text, Mode::Accept).unwrap();
        assert!(insta_accepts(&project, text));
        let loaded = insta::Snapshot::from_file(&project.file("v1.15.1.env.snap")).unwrap();
        assert_eq!(loaded.metadata().source(), Some("scenarios/clone/same-account.yaml"));
        assert_eq!(loaded.metadata().expression(), Some("env"));
        assert!(!insta_accepts(&project, "another"));
    }

    #[test]
    fn what_insta_pends_we_take_once_it_is_accepted() {
        let project = Project::new();
        compare(&project.name(), "A=1", Mode::Pend).unwrap();
        // What `cargo insta accept` does.
        std::fs::rename(project.file("v1.15.1.env.snap.new"), project.file("v1.15.1.env.snap")).unwrap();
        assert_eq!(compare(&project.name(), "A=1", Mode::Check).unwrap(), Comparison::Matches);
    }

    #[test]
    fn insta_environment_is_honoured() {
        assert_eq!(Mode::decide(true, true, "no", "true"), Mode::Accept);
        assert_eq!(Mode::decide(false, true, "", "true"), Mode::Check);
        assert_eq!(Mode::decide(false, true, "", ""), Mode::Pend);
        assert_eq!(Mode::decide(false, true, "new", "true"), Mode::Pend);
        assert_eq!(Mode::decide(false, true, "always", ""), Mode::Accept);
    }

    #[test]
    fn what_an_unsound_drill_saw_is_never_accepted() {
        for insta_update in ["always", "force", "", "new", "no"] {
            for (update, ci) in [(true, ""), (true, "true"), (false, ""), (false, "true")] {
                assert_ne!(Mode::decide(update, false, insta_update, ci), Mode::Accept, "{insta_update}");
            }
        }
    }
}
