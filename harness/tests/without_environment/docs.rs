//! The pages: every link leads somewhere, the book has every page, and the messages that they explain are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clonedrill::observe::catalogue::{self, Source};
use clonedrill::scenario::{Checks, OwnBackups, find_files, load};
use regex::Regex;

static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").unwrap());
static FENCE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?ms)^```.*?^```").unwrap());
static MESSAGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\*\*`([^`]+)`\*\*").unwrap());

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
}

pub(super) fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, into);
        } else if path.extension().is_some_and(|found| found == ending) {
            into.push(path);
        }
    }
}

fn docs() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    files(&root().join("harness/docs"), "md", &mut pages);
    pages
}

/// A page without what stands in blocks of code.
fn prose(page: &Path) -> String {
    FENCE.replace_all(&fs::read_to_string(page).unwrap(), "").into_owned()
}

/// As GitHub and mdBook make them of a heading.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = prose(page);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        title.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect::<String>()
    };
    headings.map(anchor).collect()
}

/// The links of a page that lead nowhere.
fn broken(page: &Path) -> Vec<String> {
    let text = prose(page);
    let links = LINK.captures_iter(&text).map(|found| found[1].to_owned());
    let leads_nowhere = |link: &String| {
        if link.contains("://") {
            return false;
        }
        let (file, anchor) =
            link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
        let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
        !target.exists() || anchor.is_some_and(|anchor| !anchors(&target).contains(anchor))
    };
    links.filter(leads_nowhere).map(|link| format!("{}: {link}", page.display())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = docs();
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let broken: Vec<String> = pages.iter().flat_map(|page| broken(page)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_link_to_no_page_or_no_heading_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    let text = "# One\n## It's two\n[a](page.md) [b](#its-two) [c](https://example.org/x)\n```\n[d](e.md)\n```\n\
                [f](gone.md) [g](page.md#three)\n";
    fs::write(&page, text).unwrap();
    let found: Vec<String> =
        broken(&page).iter().map(|found| found.rsplit(": ").next().unwrap().to_owned()).collect();
    assert_eq!(found, ["gone.md", "page.md#three"]);
}

#[test]
fn the_book_has_every_page_once() {
    let folder = root().join("harness/docs");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let mut named: Vec<PathBuf> = LINK.captures_iter(&summary).map(|found| folder.join(&found[1])).collect();
    let mut pages: Vec<PathBuf> = docs().into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect();
    named.sort();
    pages.sort();
    assert_eq!(named, pages, "harness/docs/SUMMARY.md names each page of harness/docs");
}

/// A message that was changed in the code and not on the page is one that nobody finds there.
#[test]
fn the_messages_that_are_explained_are_those_that_people_meet() {
    let mut sources = Vec::new();
    files(&root().join("harness/src"), "rs", &mut sources);
    // A line that was broken in the source is one line when it is printed.
    let continued = Regex::new(r"\\\n\s*").unwrap();
    let code: String = sources
        .iter()
        .map(|source| continued.replace_all(&fs::read_to_string(source).unwrap(), "").into_owned())
        .collect();
    let page = fs::read_to_string(root().join("harness/docs/troubleshooting.md")).unwrap();
    let messages: Vec<&str> =
        MESSAGE.captures_iter(&page).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(messages.len() >= 20, "{messages:?}");
    let parts = |message: &str| {
        let parts = message.trim_start_matches("failed to ").split('…').map(|part| part.trim().to_owned());
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>()
    };
    let unknown: Vec<&str> = messages
        .into_iter()
        .filter(|message| parts(message).iter().any(|part| !code.contains(part.as_str())))
        .collect();
    assert!(unknown.is_empty(), "nothing says: {unknown:#?}");
}

/// The page says of each fault what its scenario expects, and of each message who writes it.
#[test]
fn the_page_of_sabotage_says_what_its_scenarios_say() {
    let checks = Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() };
    let files = find_files(&[root().join("scenarios/sabotage")]).unwrap();
    let scenarios: Vec<_> = files.iter().map(|file| load(file, &checks).unwrap()).collect();
    let sabotaged = scenarios.iter().filter(|loaded| loaded.archive.is_some());
    let rows: BTreeMap<String, (String, String)> = sabotaged
        .map(|loaded| {
            let clone = &loaded.scenario.expect.clusters["clone"];
            let outcome = serde_json::to_value(clone.outcome).unwrap();
            let because: Vec<&String> = match &clone.because {
                Some(because) => vec![because],
                None => clone.logs.known.iter().collect(),
            };
            let writer = |name: &&String| match catalogue::by_name(name).unwrap().source {
                Source::WalG => "WAL-G",
                Source::Postgres => "PostgreSQL",
                Source::Spilo => "Spilo",
                Source::Patroni => "Patroni",
                other => panic!("{other:?} has no name on the page"),
            };
            let mut writers: Vec<&str> = Vec::new();
            for name in because.iter().map(writer) {
                if !writers.contains(&name) {
                    writers.push(name);
                }
            }
            let names: Vec<String> = because.iter().map(|name| format!("`{name}`")).collect();
            let outcome = outcome.as_str().unwrap();
            let without_backup = clone.backups == Some(OwnBackups::None);
            let who = match (writers.is_empty(), outcome) {
                (false, _) => writers.join(", "),
                (true, "running") if !without_backup => "nobody needs to".to_owned(),
                (true, _) => "only clonedrill".to_owned(),
            };
            let outcome = match without_backup {
                true => format!("`{outcome}`, and no backup of its own"),
                false => format!("`{outcome}`"),
            };
            let said = [vec![outcome], vec![names.join(", ")]].concat();
            let said: Vec<String> = said.into_iter().filter(|part| !part.is_empty()).collect();
            (loaded.slug.clone(), (who, said.join(": ")))
        })
        .collect();
    assert!(rows.len() >= 60, "{} kinds of sabotage", rows.len());
    let page = fs::read_to_string(root().join("harness/docs/sabotage.md")).unwrap();
    let row = Regex::new(r"(?m)^\| \[([a-z0-9-]+)\]\(\S+\) \| .* \| ([^|]+) \| ([^|]+) \|$").unwrap();
    let on_page: BTreeMap<String, (String, String)> = row
        .captures_iter(&page)
        .map(|found| (found[1].to_owned(), (found[2].to_owned(), found[3].to_owned())))
        .collect();
    assert_eq!(on_page, rows);
    // What `./ci/test` leaves out is said, and is no more than that.
    let elsewhere = Regex::new(r"(?m)^\| \[([a-z0-9-]+)\]\(\S+\) \| † ").unwrap();
    let elsewhere: BTreeSet<String> =
        elsewhere.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    let profiles = fs::read_to_string(root().join(".config/nextest.toml")).unwrap();
    let left_out = profiles.split_once("- test(/^sabotage.(").and_then(|(_, rest)| rest.split_once(")::/)"));
    let left_out: BTreeSet<String> = left_out.unwrap().0.split('|').map(str::to_owned).collect();
    assert_eq!(elsewhere, left_out);
    assert!(left_out.iter().all(|slug| rows.contains_key(slug)), "{left_out:?}");
    let endurance = "default-filter = 'binary(endurance) + (binary(scenarios) & test(/^sabotage/))'";
    assert!(profiles.contains(endurance), "the endurance profile has all");
}
