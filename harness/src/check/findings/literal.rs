//! A `$(NAME)` that Kubernetes leaves as it stands.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::diagnosis::Place;
use crate::secret::is_told_by_name;
use crate::spilo::{Literal, WhyLiteral, archive};

pub(super) static DEFINITION: Definition = Definition {
    code: "reference-stays-literal",
    severity: Severity::Error,
    title: "a $(NAME) is not replaced, so the container gets it as it stands",
    page: definition::page!("reference-stays-literal"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let mut told: Vec<&Literal> = Vec::new();
        for literal in rendered.pod.literals() {
            let said = told.iter().any(|said| said.variable == literal.variable && said.name == literal.name);
            if !said && concerns(rendered, literal) {
                told.push(literal);
                add(world, found, cluster, rendered, literal);
            }
        }
    }
}

/// Only what decides about backups: a password may have any symbols, and a variable of somebody else's any value.
fn concerns(rendered: &Rendered<'_>, literal: &Literal) -> bool {
    let bare = literal.variable.strip_prefix("CLONE_").unwrap_or(&literal.variable);
    let of_clone = literal.variable != bare;
    let decides =
        archive::store_of(bare).is_some() || bare.starts_with("BACKUP_") || bare.starts_with("USE_WALG");
    // What Spilo makes no use of is a finding of its own, or none.
    let dropped = rendered.model.without_effect.iter().any(|dropped| dropped.name == literal.variable);
    // A name has letters: what stands in a key is chance.
    let is_name = !literal.name.is_empty()
        && literal
            .name
            .chars()
            .all(|symbol| symbol.is_ascii_alphanumeric() || matches!(symbol, '_' | '-' | '.'));
    decides && is_name && !dropped && (!of_clone || rendered.is_clone())
}

/// How a variable comes to be defined before another. Entries of `spec.env` stand where people put them, keys of a ConfigMap and
/// of a Secret in the order of their names, and what the operator writes by itself stays where it is.
fn earlier(
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    (variable, name): (&str, &str),
    later: Option<&Place>,
) -> String {
    match (cluster.spec_env(name), later) {
        (Some(_), Some(place)) => format!(
            "put the entry {name} (line {} of {}) before {variable}",
            place.start().0,
            place.file().display()
        ),
        (Some(_), None) => format!("put the entry {name} before {variable}"),
        (None, _) => match rendered.pod.value(name) {
            Some(value) if !is_told_by_name(name) => format!(
                "write {value} in place of $({name}): the operator writes {name} behind {variable}, and that cannot be changed"
            ),
            _ => format!(
                "write the value in place of $({name}): the operator writes {name} behind {variable}, and that cannot be changed"
            ),
        },
    }
}

fn add(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    literal: &Literal,
) {
    let Literal { variable, name, why } = literal;
    let place = world.place_of_name(cluster, rendered, variable);
    let later = rendered.entry(name).map(|entry| world.place_of(cluster, entry));
    let (says, repair) = match why {
        WhyLiteral::Later => (
            format!(
                "{name} is defined only after {variable}, and Kubernetes replaces what was defined before"
            ),
            earlier(cluster, rendered, (variable, name), later.as_ref()),
        ),
        WhyLiteral::Undefined => {
            let names: Vec<&str> = rendered.pod.names().collect();
            let near = crate::yaml::nearest(name, &names)
                .map(|near| format!(" ({})", crate::yaml::did_you_mean(near)));
            (
                format!("no variable of the container has the name {name}"),
                format!("define {name} before {variable}, or write its value{}", near.unwrap_or_default()),
            )
        }
        WhyLiteral::FromObject => (
            format!(
                "the value of {variable} is taken from an object, and Kubernetes replaces only what stands in the env list"
            ),
            format!(
                "write the value of {variable} in spec.env, where $({name}) is replaced, or write it out in the object"
            ),
        ),
    };
    let is_prefix = variable.ends_with("_PREFIX");
    let and = if is_prefix {
        ", and no container has such a name or the backups lie where nobody looks"
    } else {
        ""
    };
    let message =
        format!("{}: the container gets $({name}) in {variable} as it stands{and}: {says}", cluster.name());
    let finding = found.add(cluster.name(), place, format!("$({name}) stays as it is"), message, repair);
    if let (WhyLiteral::Later, Some(later)) = (why, later) {
        finding.beside(later, "defined only here");
    }
    if *why == WhyLiteral::Undefined {
        finding.unless(&rendered.open, name, Severity::Warning);
    }
}
