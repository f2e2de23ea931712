//! Explanations for the terminal, and as a page that people read during an incident.

use super::{Explanation, Statement};

/// One screen a cluster.
pub fn text(all: &[Explanation]) -> String {
    let mut text = String::new();
    for one in all {
        text.push_str(&format!("{}\n", title(one)));
        let mut part = |name: &str, statements: &[Statement]| {
            if statements.is_empty() {
                return;
            }
            text.push_str(&format!("  {name}\n"));
            for Statement { says, place } in statements {
                text.push_str(&format!("    {says}\n"));
                if let Some(place) = place {
                    text.push_str(&format!("      {place}\n"));
                }
            }
        };
        part("backups", &one.archives);
        part("made from", &one.made_from);
        part("these variables have no effect", &one.without_effect);
        if !one.a_clone_must_say.is_empty() {
            text.push_str("  a clone of it in another account must say, in spec.env\n");
            for line in &one.a_clone_must_say {
                text.push_str(&format!("    {line}\n"));
            }
        }
        if !one.unknown.is_empty() {
            text.push_str(&format!("  not known: what {} brings\n", one.unknown.join(" and ")));
        }
        text.push('\n');
    }
    if all.is_empty() {
        text.push_str("no clusters\n");
    }
    text
}

/// The same as Markdown: the same input gives the same text.
pub fn markdown(all: &[Explanation]) -> String {
    let mut text = "# Backups, and how to clone them\n\nMade by `clonedrill explain`; credentials are named, never shown.\n"
        .to_owned();
    for one in all {
        text.push_str(&format!("\n## {}\n", title(one)));
        let mut part = |name: &str, statements: &[Statement]| {
            if statements.is_empty() {
                return;
            }
            text.push_str(&format!("\n{name}:\n\n"));
            for Statement { says, place } in statements {
                let place = place.as_ref().map_or(String::new(), |place| format!(" (`{place}`)"));
                text.push_str(&format!("- {says}{place}\n"));
            }
        };
        part("Backups", &one.archives);
        part("Made from", &one.made_from);
        part("These variables have no effect", &one.without_effect);
        if !one.a_clone_must_say.is_empty() {
            text.push_str("\nA clone of it in another account must say, in `spec.env`:\n\n```yaml\n");
            text.push_str(&one.a_clone_must_say.join("\n"));
            text.push_str("\n```\n");
        }
        if !one.unknown.is_empty() {
            text.push_str(&format!("\nNot known: what {} brings.\n", one.unknown.join(" and ")));
        }
    }
    text
}

fn title(one: &Explanation) -> String {
    let name = match one.namespace.as_str() {
        "default" => one.cluster.clone(),
        namespace => format!("{namespace}/{}", one.cluster),
    };
    match one.version {
        Some(version) => format!("{name}, PostgreSQL {version}"),
        None => name,
    }
}
