//! A finding's log lines where they stand in the logs, with what came before and after.

use std::path::Path;

/// Lines before and after.
const AROUND: usize = 6;
/// More places of one finding say no more.
const PLACES: usize = 3;

/// A line of a log, and its neighbours.
pub(super) struct InLog {
    /// The log's name in the evidence folder.
    pub(super) file: String,
    /// From 1.
    pub(super) line: usize,
    /// With their numbers.
    pub(super) lines: Vec<(usize, String)>,
}

/// The places of the first lines of `evidence` that stand in a log.
pub(super) fn around(folder: &Path, evidence: &[String]) -> Vec<InLog> {
    let wanted: Vec<&str> =
        evidence.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| line.len() > 20).collect();
    let mut places = Vec::new();
    for (file, text) in logs(folder) {
        let lines: Vec<&str> = text.lines().collect();
        let mut after = 0;
        for (at, line) in lines.iter().enumerate() {
            if places.len() == PLACES {
                return places;
            }
            if at < after || !wanted.contains(&line.trim()) {
                continue;
            }
            let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(lines.len()));
            after = to;
            let lines = (from..to).map(|number| (number + 1, lines[number].to_owned())).collect();
            places.push(InLog { file: file.clone(), line: at + 1, lines });
        }
    }
    places
}

fn logs(folder: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder.join("logs")).into_iter().flatten().flatten();
    let mut logs: Vec<(String, String)> = files
        .filter_map(|file| {
            Some((
                format!("logs/{}", file.file_name().to_string_lossy()),
                std::fs::read_to_string(file.path()).ok()?,
            ))
        })
        .collect();
    logs.sort();
    logs
}
