//! A variable of the manifest that never reaches the pod template: the operator has one of that name, and keeps it.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;

pub(super) static DEFINITION: Definition = Definition {
    code: "spec-env-ignored",
    severity: Severity::Warning,
    title: "a variable in spec.env never reaches the pods",
    page: definition::page!("spec-env-ignored"),
    shown: Shown::By(&["clone/wal-prefixed-overrides"]),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let items = cluster.document.value.pointer("/spec/env").and_then(Value::as_array);
        for (at, item) in items.into_iter().flatten().enumerate() {
            let Some(name) = item.get("name").and_then(Value::as_str) else { continue };
            let same_name: Vec<_> =
                rendered.entries().iter().filter(|entry| entry.name.eq_ignore_ascii_case(name)).collect();
            let written = |entry: &&&crate::render::RenderedVariable| value_of(&entry.item) == value_of(item);
            if same_name.iter().any(|entry| written(&entry)) {
                continue;
            }
            let says = match same_name.last() {
                Some(entry) => match definition::shown(entry, rendered.pod.value(&entry.name)) {
                    empty if empty.is_empty() => "it will be what the operator writes".to_owned(),
                    value => format!("it will be `{value}`"),
                },
                None => "it will not be there at all".to_owned(),
            };
            found.add(
                cluster.name(),
                cluster.document.place(&format!("/spec/env/{at}/name")),
                "never reaches the pods",
                format!("{}: the operator ignores {name} of spec.env; {says}", cluster.name()),
                format!("take {name} out of spec.env, so that nobody relies on it"),
            );
        }
    }
}

/// What an item gives, without the fields that the API server adds to a reference.
fn value_of(item: &Value) -> Value {
    match item.get("valueFrom") {
        Some(source) => {
            let mut source = source.clone();
            if let Some(field) = source.get_mut("fieldRef").and_then(Value::as_object_mut) {
                field.remove("apiVersion");
            }
            source
        }
        None => item.get("value").cloned().unwrap_or_else(|| Value::String(String::new())),
    }
}
