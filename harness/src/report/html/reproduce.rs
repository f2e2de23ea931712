//! The commands that do a drill again.

use crate::report::DrillReport;

pub(super) fn commands(report: &DrillReport) -> Vec<String> {
    if let Some(restore) = &report.restore {
        return restore.reproduce.clone();
    }
    vec![
        format!("clonedrill run {} --operator {}", report.file.display(), report.operator),
        format!("cargo nextest run -E 'test({}) & test({})'", slug(report), report.operator),
    ]
}

fn slug(report: &DrillReport) -> String {
    report.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
