//! Reading a restore drill's file: parsed with places, checked in full before anything is asked of a cluster.

use std::path::{Path, PathBuf};

use super::file::{Assertion, RestoreDrill};
use super::target::Target;
use crate::report::tell::check_template;
use crate::scenario::{Parsed, ScenarioError, parse, parse_in_full};

/// Reads and checks a restore drill's file.
///
/// # Errors
/// Every problem that was found.
pub fn load(path: &Path) -> Result<RestoreDrill, ScenarioError> {
    let parsed = parse_in_full(path, problems)?;
    Ok(RestoreDrill { file: Some(path.to_owned()), ..parsed.value })
}

/// Problems that were found later, each at its place in the file.
///
/// # Errors
/// These, unless there is none; or the file cannot be read any more.
pub fn placed(path: &Path, problems: Vec<(String, String)>) -> Result<(), ScenarioError> {
    if problems.is_empty() {
        return Ok(());
    }
    let parsed: Parsed<RestoreDrill> = parse(path)?;
    ScenarioError::from_all(parsed.contradictions(problems)).map_or(Ok(()), Err)
}

/// Whether a file was meant as one: a scenario makes its clusters, and names no source.
pub fn is_drill(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let Ok(document) = serde_saphyr::from_str::<serde_json::Value>(&text) else { return false };
    let has = |key| document.get(key).is_some();
    has("source") && !has("steps") && !has("clusters")
}

/// What is wrong with it, each with the JSON pointer of its place.
pub fn problems(drill: &RestoreDrill) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut say = |pointer: String, what: String| found.push((pointer, what));
    if drill.into.namespace == drill.source.namespace && !drill.into.source_namespace_allowed {
        let what = "the clone would be made in its source's own namespace, which `source_namespace_allowed: true` \
                    (`--into-source-namespace`) allows";
        say("/into/namespace".to_owned(), what.to_owned());
    }
    if let Some(text) = &drill.target
        && let Err(error) = Target::parse(text)
    {
        say("/target".to_owned(), error.to_string());
    }
    if drill.compare.is_some() && drill.target.is_some() {
        let what = "a drill that compares chooses its point in time itself: a moment of the source in which nobody writes";
        say("/target".to_owned(), what.to_owned());
    }
    for (index, assertion) in drill.expect.iter().enumerate() {
        if let Some(what) = not_one(assertion) {
            say(format!("/expect/{index}"), what);
        }
    }
    for (index, variable) in drill.clone.env.iter().enumerate() {
        if variable.get("name").and_then(|name| name.as_str()).is_none_or(str::is_empty) {
            say(format!("/clone/env/{index}"), "a variable needs a name".to_owned());
        }
    }
    if let Some(archive) = &drill.clone.archive
        && !archive.starts_with("azure://")
    {
        say("/clone/archive".to_owned(), "an archive is written as azure://<container>/<prefix>".to_owned());
    }
    if let Some(volume) = &drill.limits.volume
        && super::quantity::bytes(volume).is_none()
    {
        say("/limits/volume".to_owned(), format!("`{volume}` is no size such as `500Gi`"));
    }
    if drill.limits.clones == Some(0) {
        say("/limits/clones".to_owned(), "a drill makes a clone, so this is at least 1".to_owned());
    }
    if let Some(webhook) = &drill.tell.webhook
        && webhook.url_env.is_some() == webhook.url_file.is_some()
    {
        say("/tell/webhook".to_owned(), "exactly one of `url_env` and `url_file` is needed".to_owned());
    }
    if let Some(template) = drill.tell.webhook.as_ref().and_then(|webhook| webhook.template.as_deref())
        && let Err(error) = check_template(template)
    {
        say("/tell/webhook/template".to_owned(), error.to_string());
    }
    found
}

fn not_one(assertion: &Assertion) -> Option<String> {
    let given = [assertion.equals.is_some(), assertion.at_least.is_some(), assertion.newer_than.is_some()];
    let given = given.into_iter().filter(|given| *given).count();
    (given != 1).then(|| {
        "exactly one of `equals`, `at_least` and `newer_than` says what the value must be".to_owned()
    })
}

/// A drill of a source named on the command line, with nothing else asked for.
pub fn named(source: super::SourceName, into: super::Destination) -> RestoreDrill {
    RestoreDrill {
        name: None,
        about: None,
        source,
        into,
        target: None,
        clone: super::CloneSettings::default(),
        compare: None,
        newest: Vec::new(),
        expect: Vec::new(),
        proofs: super::Proofs::default(),
        partly: super::Partly::default(),
        within: super::Budgets::default(),
        limits: super::Limits::default(),
        tell: super::Tell::default(),
        operator: None,
        file: None::<PathBuf>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "source: { namespace: prod, name: acid-orders }\ninto: { namespace: drills }\n";

    fn loaded(text: &str) -> Result<RestoreDrill, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("drill.yaml");
        std::fs::write(&file, text).unwrap();
        assert_eq!(is_drill(&file), text.contains("source:"));
        load(&file).map_err(|error| {
            let problem = error.problems().next().unwrap();
            format!("{}: {problem}", problem.start().0)
        })
    }

    #[test]
    fn what_may_not_be_is_said_with_its_line() {
        assert_eq!(loaded(SOUND).unwrap().shown(), "acid-orders");
        for (more, wanted) in [
            ("into2: {}", "unknown field `into2`"),
            ("target: tomorrow", "`tomorrow` is no point in time"),
            ("target: now\ncompare: {}", "chooses its point in time itself"),
            ("expect: [{ query: SELECT 1 }]", "exactly one of `equals`, `at_least`"),
            ("expect: [{ query: SELECT 1, equals: 1, at_least: 1 }]", "exactly one of `equals`, `at_least`"),
            ("clone: { env: [{ value: x }] }", "a variable needs a name"),
            ("clone: { archive: s3://x }", "azure://<container>/<prefix>"),
            ("limits: { volume: 10GB }", "`10GB` is no size"),
            ("limits: { clones: 0 }", "at least 1"),
            ("limits: { time: soon }", "`soon` is no span of time"),
            ("tell: { webhook: {} }", "exactly one of `url_env` and `url_file`"),
            ("tell: { webhook: { url_env: A, template: '{ \"a\": \"${nobody}\" }' } }", "`${nobody}`"),
        ] {
            let said = loaded(&format!("{SOUND}{more}\n")).unwrap_err();
            assert!(said.contains(wanted) && !said.starts_with("1:"), "{more}: {said}");
        }
        let own = SOUND.replace("drills", "prod");
        assert!(
            loaded(&own).unwrap_err().starts_with("2: the clone would be made in its source's own namespace")
        );
        let allowed = own.replace(
            "into: { namespace: prod }",
            "into: { namespace: prod, source_namespace_allowed: true }",
        );
        loaded(&allowed).unwrap();
    }

    /// Somebody's first file had five, and each was told in a round of its own.
    #[test]
    fn all_faults_are_told_at_once_each_with_the_form_that_was_expected() {
        let text = "\
source: { namespace: prod }
into: drills
target: tomorrow
newest:
  - { database: orders, table: public.orders, colum: at }
  - nothing
proofs: all
within: { rto: 30, rpo: soon }
limits: { clones: 0, time: [2h] }
";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("drill.yaml");
        std::fs::write(&file, text).unwrap();
        let told = load(&file).unwrap_err();
        let told: Vec<String> = told
            .problems()
            .map(|problem| {
                let help = problem.help.as_deref().unwrap_or("-");
                format!("{}: {problem} ({help})", problem.start().0)
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_null_that_stands_there_is_a_value() {
        let drill = loaded(&format!("{SOUND}expect: [{{ query: SELECT null, equals: null }}]\n")).unwrap();
        assert_eq!(drill.expect[0].equals, Some(serde_json::Value::Null));
    }
}
