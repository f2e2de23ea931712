//! The inventory as a table for the terminal, and as a page in Markdown.

use super::entry::{Backups, Entry};

const HEADERS: [&str; 7] =
    ["cluster", "version", "account", "container", "prefix", "credential", "cloned from"];
/// What stands where there is nothing.
const NONE: &str = "-";

fn cells(entry: &Entry) -> [String; 7] {
    // What is missing may stand in an object that was not given.
    let missing = || match entry.unknown.is_empty() {
        true => NONE.to_owned(),
        false => format!("unknown ({})", entry.unknown.join(", ")),
    };
    let of = |pick: fn(&Backups) -> Option<String>| match &entry.backups {
        Some(backups) => pick(backups).unwrap_or_else(missing),
        None => NONE.to_owned(),
    };
    let account = match &entry.backups {
        None if entry.unknown.is_empty() => "NO BACKUPS".to_owned(),
        None => format!("NO BACKUPS, unless {} brings WALG_AZ_PREFIX", entry.unknown.join(" or ")),
        Some(backups) if backups.store != "azure" => "not on Azure".to_owned(),
        Some(backups) => backups.account.clone().unwrap_or_else(missing),
    };
    [
        match entry.namespace.as_str() {
            "default" => entry.cluster.clone(),
            namespace => format!("{namespace}/{}", entry.cluster),
        },
        entry.version.map_or_else(|| NONE.to_owned(), |version| version.to_string()),
        account,
        of(|backups| backups.container.clone()),
        of(|backups| backups.prefix.clone()),
        of(|backups| backups.credential.clone()),
        cloned_from(entry),
    ]
}

fn cloned_from(entry: &Entry) -> String {
    let Some(source) = &entry.cloned_from else { return NONE.to_owned() };
    let mut text = source.cluster.clone();
    if let Some(timestamp) = &source.timestamp {
        text.push_str(&format!(" at {timestamp}"));
    }
    if let Some(backups) = &source.backups {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
        text.push_str(&format!(
            ", from {}/{}/{}",
            part(&backups.account),
            part(&backups.container),
            part(&backups.prefix)
        ));
    }
    text
}

/// One block for each cluster: prefixes and secrets are too long for columns that fit a terminal.
pub fn table(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let [cluster, version, account, container, prefix, credential, cloned_from] = cells(entry);
        text.push_str(&format!("{cluster}  PostgreSQL {version}\n"));
        for (name, value) in [
            ("account", account),
            ("container", container),
            ("prefix", prefix),
            ("credential", credential),
            ("cloned from", cloned_from),
        ] {
            if value != NONE {
                text.push_str(&format!("  {name:12} {value}\n"));
            }
        }
    }
    if entries.is_empty() {
        text.push_str("no clusters\n");
    }
    text
}

/// A page that can be committed: the same input gives the same text.
pub fn markdown(entries: &[Entry]) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text =
        "# Where the backups are\n\nMade by `clonedrill inventory`; credentials are named, never shown.\n\n"
            .to_owned();
    text.push_str(&row(&HEADERS.map(ToOwned::to_owned)));
    text.push_str(&row(&HEADERS.map(|_| "---".to_owned())));
    for entry in entries {
        text.push_str(&row(&cells(entry).map(|cell| cell.replace('|', "\\|"))));
    }
    text
}
