//! A fetch that fails again for the same reason: WAL-G tries a part of a backup again after minutes, many times, and no bootstrap
//! ends before it gives up.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// One of them stands in each line of WAL-G that tells of a part which it could not unpack.
pub const FAILED_PART: [&str; 2] = ["Extraction error in", "DecryptAndDecompressTar"];
/// One failure may be an accident of the moment.
pub const FAILURES: usize = 2;
/// By which the network is at fault, not the part.
const PASSING: [&str; 4] = ["timeout", "connection re", "deadline exceeded", "no such host"];

/// `ERROR: 2026/11/25 22:00:00.123456 …part_001.tar.lz4 …: the reason`, in WAL-G's two forms.
static FAILED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"ERROR: \S+ \S+ (?:Extraction error in )?(\S+?\.tar[.\w]*):? (.+)")
        .expect("a constant, and tested")
});

/// A part of a backup that failed so often with one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPart {
    /// Its name, such as `part_001.tar.lz4`.
    pub part: String,
    /// The error that WAL-G gives.
    pub why: String,
    /// The last line that says so.
    pub line: String,
}

/// The first part that failed [`FAILURES`] times with one error.
pub fn failed_again<'l>(lines: impl Iterator<Item = &'l str>) -> Option<FailedPart> {
    let mut failures: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in lines.filter(|line| FAILED_PART.iter().any(|text| line.contains(text))) {
        let Some(found) = FAILED.captures(line) else { continue };
        let (part, why) = (found[1].to_owned(), found[2].to_owned());
        if PASSING.iter().any(|text| why.contains(text)) {
            continue;
        }
        let count = failures.entry((part.clone(), why.clone())).or_default();
        *count += 1;
        if *count >= FAILURES {
            return Some(FailedPart { part, why, line: line.to_owned() });
        }
    }
    None
}
