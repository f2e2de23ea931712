//! The commands that do a drill again.

use super::file::RestoreDrill;

/// With the file where there is one.
pub fn commands(drill: &RestoreDrill, context: &str) -> Vec<String> {
    let what = match &drill.file {
        Some(file) => file.display().to_string(),
        None => {
            let compare = if drill.compare.is_some() { " --compare" } else { "" };
            format!(
                "--source {}/{} --into {}{compare}",
                drill.source.namespace, drill.source.name, drill.into.namespace
            )
        }
    };
    let context = if context.is_empty() || context == "in-cluster" {
        String::new()
    } else {
        format!(" --context {context}")
    };
    vec![
        format!("clonedrill drill {what}{context}"),
        format!("clonedrill drill {what}{context} --print       the clone's manifest"),
        format!("clonedrill clean --namespace {}{context}", drill.into.namespace),
    ]
}
