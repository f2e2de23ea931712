//! What a drill saw, from its evidence folder: env, logs, data, storage.

use std::path::Path;

use maud::{Markup, html};

use crate::observe::data::DataObservation;

/// A longer text is cut: the whole is in the evidence folder.
const LONGEST: usize = 128 * 1024;

pub(super) fn all(evidence: &Path) -> Markup {
    let env = files(&evidence.join("env"), "txt");
    let data = files(&evidence.join("data"), "json");
    let texts = [("logs", "logs.txt"), ("storage", "storage.txt")];
    let texts: Vec<(&str, String)> =
        texts.iter().filter_map(|(title, name)| Some((*title, read(&evidence.join(name))?))).collect();
    if env.is_empty() && data.is_empty() && texts.is_empty() {
        return html! {};
    }
    html! {
        h3 { "What was observed" }
        @for (cluster, text) in &env { (folded(&format!("env of {cluster}"), html! { pre { (text) } })) }
        @for (cluster, text) in &data {
            @if let Ok(observation) = serde_json::from_str::<DataObservation>(text) {
                (folded(&format!("data of {cluster}"), tables(&observation)))
            }
        }
        @for (title, text) in &texts { (folded(title, html! { pre { (text) } })) }
    }
}

fn folded(title: &str, content: Markup) -> Markup {
    html! { details { summary { (title) } (content) } }
}

fn tables(observation: &DataObservation) -> Markup {
    let identity = &observation.identity;
    html! {
        p class="faint" {
            "system identifier " (identity.system_identifier) ", timeline " (identity.timeline) ", PostgreSQL " (identity.server_version)
        }
        table {
            tr { th { "Database" } th { "Table" } th { "Rows" } th { "Digest" } }
            @for database in &observation.databases {
                @for table in &database.tables {
                    tr {
                        td { (database.name) }
                        td { (table.name) }
                        @if let Some(rows) = &table.rows {
                            td class="number" { (rows.count) }
                            td { code { (rows.digest.to_string().chars().take(16).collect::<String>()) } }
                        } @else { td {} td {} }
                    }
                }
            }
        }
    }
}

/// The texts in a folder by their names without the extension, in order.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<(String, String)> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter_map(|path| {
            Some((path.file_stem()?.to_string_lossy().into_owned(), std::fs::read_to_string(&path).ok()?))
        })
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Option<String> {
    let mut text = std::fs::read_to_string(path).ok()?;
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push_str("\n… cut; the whole is in the evidence folder");
    }
    Some(text)
}
