//! The order of the folders, as `ARCHITECTURE.md` has it: each uses only what stands below it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// What the section of that document begins with.
const SECTION: &str = "## One direction";

static USED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bcrate::(\w+)").unwrap());
static TESTS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^#\[cfg\(test\)\]\nmod \w+ \{").unwrap());

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// By name, how high each folder stands; those of one line stand beside each other.
fn heights() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(root().join("../ARCHITECTURE.md")).unwrap();
    let section = text.split(SECTION).nth(1).expect("a section of that name");
    let block = section.split("```").nth(1).expect("a block in it");
    let lines = block.lines().map(str::trim).filter(|line| !line.is_empty()).rev().enumerate();
    lines.flat_map(|(height, line)| line.split(' ').map(move |name| (name.to_owned(), height))).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Whether a file is there for tests alone, which may look at anything.
fn is_for_tests(path: &Path) -> bool {
    let mut names = path.iter().filter_map(|name| name.to_str());
    names.any(|name| {
        name == "tests" || name == "samples.rs" || name == "architecture.rs" || name.ends_with("tests.rs")
    })
}

/// The folders that a source uses, comments and tests left out.
fn used(source: &str) -> Vec<(usize, String)> {
    let end = TESTS.find(source).map_or(source.len(), |tests| tests.start());
    let lines = source[..end].lines().enumerate();
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = code.flat_map(|(index, line)| {
        assert!(!line.contains("crate::{"), "one `use` a folder, or this test sees less: {line}");
        USED.captures_iter(line).map(move |found| (index + 1, found[1].to_owned())).collect::<Vec<_>>()
    });
    found.collect()
}

#[test]
fn each_folder_uses_only_what_stands_below_it() {
    let heights = heights();
    let source = root().join("src");
    let mut all = Vec::new();
    files(&source, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let inside = path.strip_prefix(&source).unwrap();
        let own = inside.iter().next().and_then(|name| name.to_str()).unwrap().trim_end_matches(".rs");
        if is_for_tests(inside) || matches!(own, "lib" | "main") {
            continue;
        }
        let height = heights.get(own).unwrap_or_else(|| panic!("{own} has no place in `{SECTION}`"));
        for (line, other) in used(&std::fs::read_to_string(&path).unwrap()) {
            let below = heights.get(&other).is_none_or(|below| below < height);
            if other != own && !below {
                wrong.push(format!("{}:{line}: {own} uses {other}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn what_a_file_uses_is_seen() {
    let source = "use crate::poll::within;\n// crate::no\nfn a() { crate::yaml::text(); }\n#[cfg(test)]\nmod tests {\n\
                  use crate::cli;\n}\n";
    assert_eq!(used(source), [(1, "poll".to_owned()), (3, "yaml".to_owned())]);
    assert!(
        is_for_tests(Path::new("drill/judge/tests/clusters.rs")) && !is_for_tests(Path::new("drill/mod.rs"))
    );
}
