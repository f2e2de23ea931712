use super::*;

const PLAIN: &str = "v1.15.1.env.snap";
const VARIANT: &str = "v1.15.1.env.kind.snap";
const EXPLAINED: &str = "description: another gateway\n";

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
        self.name_in(None, &[])
    }

    fn name_in<'a>(&'a self, environment: Option<&'a str>, peculiar: &'a [String]) -> SnapshotName<'a> {
        let kind = ObservationKind::Env;
        SnapshotName { scenario_file: &self.scenario, operator: "v1.15.1", kind, environment, peculiar }
    }

    fn in_kind(&self, text: &str, mode: Mode) -> Result<Comparison, SnapshotError> {
        compare(&self.name_in(Some("kind"), &["kind".to_owned()]), text, mode)
    }

    /// The plain snapshot, and a variant of it for kind where `header` is what stands in the variant's.
    fn with_variant(header: &str) -> Self {
        let project = Project::new();
        compare(&project.name(), "A=1", Mode::Accept).unwrap();
        let text = format!("---\nsource: x\n{header}expression: env\n---\nA=2\n");
        std::fs::write(project.file(VARIANT), text).unwrap();
        project
    }

    fn description(&self, name: &str) -> String {
        let snapshot = insta::Snapshot::from_file(&self.file(name)).unwrap();
        snapshot.metadata().description().unwrap().to_owned()
    }

    fn left(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.file("")).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
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

#[test]
fn an_environment_is_held_against_its_variant_and_the_others_against_the_plain_one() {
    let project = Project::with_variant(EXPLAINED);
    assert_eq!(project.in_kind("A=2", Mode::Check).unwrap(), Comparison::Matches);
    assert!(matches!(project.in_kind("A=1", Mode::Check).unwrap(), Comparison::Differs { file, .. }
        if file == project.file(VARIANT)));
    for (environment, peculiar) in [(None, vec![]), (Some("other"), vec!["other".to_owned()])] {
        let seen = compare(&project.name_in(environment, &peculiar), "A=1", Mode::Check).unwrap();
        assert_eq!(seen, Comparison::Matches, "{environment:?}");
    }
}

#[test]
fn the_variant_that_says_most_holds_and_a_new_one_is_named_after_the_image() {
    let project = Project::with_variant(EXPLAINED);
    let peculiar = ["spilo", "kind", "wal-g-3"].map(str::to_owned);
    let name = project.name_in(Some("kind"), &peculiar);
    assert_eq!(compare(&name, "A=2", Mode::Check).unwrap(), Comparison::Matches, "that of kind");
    let own = "---\nsource: x\ndescription: Patroni 4.0 warns\nexpression: env\n---\nA=3\n";
    std::fs::write(project.file("v1.15.1.env.spilo.snap"), own).unwrap();
    assert_eq!(compare(&name, "A=3", Mode::Check).unwrap(), Comparison::Matches, "that of the image");
    std::fs::remove_file(project.file("v1.15.1.env.spilo.snap")).unwrap();
    std::fs::remove_file(project.file(VARIANT)).unwrap();
    compare(&name, "A=4", Mode::Pend).unwrap();
    assert!(project.left().contains(&"v1.15.1.env.spilo.snap.new".to_owned()), "{:?}", project.left());
}

#[test]
fn without_a_variant_the_plain_one_holds() {
    let project = Project::new();
    compare(&project.name(), "A=1", Mode::Accept).unwrap();
    assert_eq!(project.in_kind("A=1", Mode::Check).unwrap(), Comparison::Matches);
    let seen = project.in_kind("A=2", Mode::Check).unwrap();
    let finding = seen.finding(&project.name_in(Some("kind"), &[])).unwrap();
    assert!(finding.expected.ends_with(PLAIN), "{}", finding.expected);
    assert!(finding.help.contains("--environment kind --update"), "{}", finding.help);
}

#[test]
fn what_has_nothing_peculiar_has_no_variants() {
    let project = Project::new();
    assert!(project.name().variants().unwrap().is_empty());
    compare(&project.name(), "A=1", Mode::Accept).unwrap();
    compare(&project.name(), "A=2", Mode::Pend).unwrap();
    assert_eq!(project.left(), [PLAIN, "v1.15.1.env.snap.new"]);
}

#[test]
fn a_difference_elsewhere_is_reviewed_as_a_variant_until_it_is_gone() {
    let project = Project::new();
    compare(&project.name(), "A=1", Mode::Accept).unwrap();
    project.in_kind("A=2", Mode::Pend).unwrap();
    assert_eq!(project.left(), ["v1.15.1.env.kind.snap.new", PLAIN]);
    assert_eq!(project.description("v1.15.1.env.kind.snap.new"), TO_BE_EXPLAINED);
    project.in_kind("A=1", Mode::Pend).unwrap();
    assert_eq!(project.left(), [PLAIN]);
}

#[test]
fn what_differs_elsewhere_and_is_accepted_is_a_variant_that_is_to_be_explained() {
    let project = Project::new();
    compare(&project.name(), "A=1", Mode::Accept).unwrap();
    let seen = project.in_kind("A=2", Mode::Accept).unwrap();
    assert_eq!(seen, Comparison::Accepted { file: project.file(VARIANT) });
    assert_eq!(project.description(VARIANT), TO_BE_EXPLAINED);
    assert_eq!(compare(&project.name(), "A=1", Mode::Check).unwrap(), Comparison::Matches);
    assert!(matches!(project.in_kind("A=2", Mode::Check), Err(SnapshotError::Unexplained { .. })));
}

#[test]
fn a_variant_that_does_not_say_why_is_an_error() {
    for header in ["", "description: \"\"\n", "description: \" \"\n", "description: to be explained\n"] {
        let project = Project::with_variant(header);
        for mode in [Mode::Accept, Mode::Pend, Mode::Check] {
            let error = project.in_kind("A=2", mode).unwrap_err().to_string();
            let path = project.file(VARIANT).display().to_string();
            assert!(error.contains(&path) && error.contains("`description: <reason>`"), "{error}");
        }
    }
}

#[test]
fn an_explanation_is_kept() {
    let project = Project::with_variant(EXPLAINED);
    project.in_kind("A=3", Mode::Pend).unwrap();
    assert_eq!(project.description("v1.15.1.env.kind.snap.new"), "another gateway");
    project.in_kind("A=3", Mode::Accept).unwrap();
    assert_eq!(project.description(VARIANT), "another gateway");
    assert_eq!(project.in_kind("A=3", Mode::Check).unwrap(), Comparison::Matches);
}

#[test]
fn the_first_snapshot_is_the_plain_one_everywhere() {
    let project = Project::new();
    project.in_kind("A=1", Mode::Pend).unwrap();
    assert_eq!(project.left(), ["v1.15.1.env.snap.new"]);
    project.in_kind("A=1", Mode::Accept).unwrap();
    assert_eq!(project.left(), [PLAIN]);
    assert_ne!(project.description(PLAIN), TO_BE_EXPLAINED);
}

#[test]
fn all_that_may_be_left_is_listed() {
    let project = Project::new();
    let mut files = project.name_in(Some("kind"), &["kind".to_owned()]).files().unwrap();
    files.sort();
    let names = ["v1.15.1.env.kind.snap", "v1.15.1.env.kind.snap.new", PLAIN, "v1.15.1.env.snap.new"];
    assert_eq!(files, names.map(|name| project.file(name)));
    assert_eq!(project.name().files().unwrap().len(), 2);
}
