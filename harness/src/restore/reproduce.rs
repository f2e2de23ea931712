//! The commands that do a drill again.

use super::file::{Partly, Proofs, RestoreDrill};

/// With the file where there is one; what a shell would take apart is in quotes.
pub(super) fn commands(drill: &RestoreDrill, context: &str) -> Vec<String> {
    let mut what = match &drill.file {
        Some(file) => quoted(&file.display().to_string()),
        None => {
            let source = quoted(&format!("{}/{}", drill.source.namespace, drill.source.name));
            format!("--source {source} --into {}", quoted(&drill.into.namespace))
        }
    };
    if drill.file.is_none() {
        let flag = |name: &str, is_on: bool| if is_on { format!(" --{name}") } else { String::new() };
        what.push_str(&flag("into-source-namespace", drill.into.source_namespace_allowed));
        what.push_str(&flag("compare", drill.compare.is_some()));
        let span = |span: Option<super::Span>| span.map(|span| quoted(&span.to_string()));
        let target = drill.target.as_deref().map(quoted);
        let given = [("target", target), ("rto", span(drill.within.rto)), ("rpo", span(drill.within.rpo))];
        for (name, value) in given {
            what.push_str(&value.map(|value| format!(" --{name} {value}")).unwrap_or_default());
        }
        what.push_str(if drill.proofs == Proofs::Quick { " --proofs quick" } else { "" });
        what.push_str(if drill.partly == Partly::Fails { " --partly fails" } else { "" });
    }
    let context = match context {
        "" | "in-cluster" => String::new(),
        context => format!(" --context {}", quoted(context)),
    };
    vec![
        format!("clonedrill drill {what}{context}"),
        format!("clonedrill drill {what}{context} --print       # the clone's manifest"),
        format!("clonedrill clean --namespace {}{context}", quoted(&drill.into.namespace)),
    ]
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Budgets, Destination, SourceName, named};
    use super::*;

    #[test]
    fn all_that_was_asked_for_is_asked_for_again() {
        let source = SourceName { namespace: "prod".to_owned(), name: "acid-orders".to_owned() };
        let into = Destination { namespace: "drills".to_owned(), source_namespace_allowed: false };
        let mut drill = named(source, into);
        drill.target = Some("2026-11-25 22:00:00Z".to_owned());
        drill.within = Budgets { rto: "1h 30m".parse().ok(), rpo: None };
        assert_eq!(
            commands(&drill, "prod's")[0],
            "clonedrill drill --source prod/acid-orders --into drills --target '2026-11-25 22:00:00Z' --rto '1h 30m' \
             --context 'prod'\\''s'"
        );
    }
}
