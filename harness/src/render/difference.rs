//! What two renderings of one input have in common, and what not.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::types::{Refused, RenderedCluster, RenderedSet, RenderedVariable, Rendering};

/// What became of one cluster between two renderings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDifference {
    /// Index in the input's clusters.
    pub cluster: usize,
    /// What each of the two made of it.
    pub outcome: Outcome,
}

/// What the two renderings made of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Both wrote a StatefulSet.
    Compared(SetDifference),
    /// It is refused now.
    Refused(Refused),
    /// It was refused, and is not any more.
    Accepted(Refused),
    /// Neither took it. `None` where the reasons are the same.
    RefusedByBoth(Option<(Refused, Refused)>),
}

/// What differs between two StatefulSets and the logs of their making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetDifference {
    /// Of the container `postgres`, in the newer one's order.
    pub env: Vec<EnvChange>,
    /// Lines that only the newer one has.
    pub log_new: Vec<String>,
    /// Lines that only the older one has.
    pub log_gone: Vec<String>,
    /// Of the StatefulSet but the env of the container `postgres`.
    pub stateful_set: Vec<FieldChange>,
}

impl SetDifference {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == SetDifference::default()
    }
}

/// One change of an env list. An entry is known by its name and its number among those of the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvChange {
    /// Only the newer one has it.
    Added(RenderedVariable),
    /// Only the older one has it.
    Removed(RenderedVariable),
    /// Both have it, with other values or from elsewhere.
    Changed {
        /// In the older one.
        from: RenderedVariable,
        /// In the newer one.
        to: RenderedVariable,
    },
    /// It stands before or behind others than before: positions from 1.
    Reordered {
        /// The variable's.
        name: String,
        /// Its position in the older one, from 1.
        from: usize,
        /// Its position in the newer one, from 1.
        to: usize,
    },
}

/// A field of the StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Such as `spec.template.spec.containers[postgres].image`.
    pub path: String,
    /// None where the older one has no such field.
    pub from: Option<Value>,
    /// None where the newer one has no such field.
    pub to: Option<Value>,
}

/// Compares cluster by cluster; those without a difference too.
pub fn between(from: &Rendering, to: &Rendering) -> Vec<ClusterDifference> {
    let pairs = from.clusters.iter().zip(&to.clusters);
    pairs.map(|(from, to)| ClusterDifference { cluster: from.cluster, outcome: outcome(from, to) }).collect()
}

impl Outcome {
    /// The two did not make the same of the cluster.
    pub fn is_change(&self) -> bool {
        match self {
            Outcome::Compared(difference) => !difference.is_empty(),
            Outcome::RefusedByBoth(reasons) => reasons.is_some(),
            Outcome::Refused(_) | Outcome::Accepted(_) => true,
        }
    }
}

fn outcome(from: &RenderedCluster, to: &RenderedCluster) -> Outcome {
    match (&from.result, &to.result) {
        (Ok(from), Ok(to)) => Outcome::Compared(sets(from, to)),
        (Ok(_), Err(refused)) => Outcome::Refused(refused.clone()),
        (Err(refused), Ok(_)) => Outcome::Accepted(refused.clone()),
        (Err(from), Err(to)) => Outcome::RefusedByBoth((from != to).then(|| (from.clone(), to.clone()))),
    }
}

fn sets(from: &RenderedSet, to: &RenderedSet) -> SetDifference {
    SetDifference {
        env: env(&from.env, &to.env),
        log_new: only_in(&to.log, &from.log),
        log_gone: only_in(&from.log, &to.log),
        stateful_set: fields(&bare(&from.stateful_set), &bare(&to.stateful_set)),
    }
}

/// The lines that the other log has not. Positions in lists (`env[25]`) move with every entry and say nothing.
pub fn only_in(lines: &[String], other: &[String]) -> Vec<String> {
    static POSITION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\[\d+\]").expect("a constant, and tested"));
    let known: Vec<_> = other.iter().map(|line| POSITION.replace_all(line, "[]")).collect();
    lines.iter().filter(|line| !known.contains(&POSITION.replace_all(line, "[]"))).cloned().collect()
}

fn env(from: &[RenderedVariable], to: &[RenderedVariable]) -> Vec<EnvChange> {
    let (before, after) = (by_key(from), by_key(to));
    let mut changes = Vec::new();
    let gone = from.iter().enumerate().filter(|(index, _)| !after.contains_key(&key(from, *index)));
    changes.extend(gone.map(|(_, variable)| EnvChange::Removed(variable.clone())));
    for (index, variable) in to.iter().enumerate() {
        match before.get(&key(to, index)) {
            None => changes.push(EnvChange::Added(variable.clone())),
            Some(was) if from[*was].item != variable.item => {
                changes.push(EnvChange::Changed { from: from[*was].clone(), to: variable.clone() });
            }
            Some(_) => {}
        }
    }
    // Those of both lists, in the new order, by their positions in the old one: the fewest that must have moved.
    let common: Vec<(usize, usize)> =
        (0..to.len()).filter_map(|index| Some((*before.get(&key(to, index))?, index))).collect();
    let stayed = longest_rising(&common.iter().map(|(was, _)| *was).collect::<Vec<_>>());
    let moved = common.iter().enumerate().filter(|(number, _)| !stayed.contains(number));
    changes.extend(moved.map(|(_, (was, is))| EnvChange::Reordered {
        name: to[*is].name.clone(),
        from: was + 1,
        to: is + 1,
    }));
    changes
}

type Key<'a> = (&'a str, usize);

fn key(list: &[RenderedVariable], index: usize) -> Key<'_> {
    let name = list[index].name.as_str();
    (name, list[..index].iter().filter(|other| other.name == name).count())
}

fn by_key(list: &[RenderedVariable]) -> BTreeMap<Key<'_>, usize> {
    (0..list.len()).map(|index| (key(list, index), index)).collect()
}

/// The indices of one longest rising subsequence.
fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    let mut best: Vec<Vec<usize>> = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let before = best.iter().filter(|run| run.last().is_some_and(|last| numbers[*last] < *number));
        let mut run = before.max_by_key(|run| run.len()).cloned().unwrap_or_default();
        run.push(index);
        best.push(run);
    }
    best.into_iter().max_by_key(Vec::len).unwrap_or_default()
}

/// Without what is another in every cluster that is made: the API server's own fields, the status, and the env, which
/// is compared by itself.
fn bare(set: &Value) -> Value {
    let mut set = set.clone();
    if let Some(fields) = set.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = set.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            metadata.shift_remove(field);
        }
    }
    let containers = set.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter(|container| container["name"] == "postgres") {
        if let Some(fields) = container.as_object_mut() {
            fields.shift_remove("env");
        }
    }
    set
}

/// The fields in which two values differ. Items of lists are told apart by their names, where all have one.
pub fn fields(from: &Value, to: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk("", Some(from), Some(to), &mut changes);
    changes
}

fn walk(path: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<FieldChange>) {
    if from == to {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (from, to) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().collect();
            keys.extend(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                walk(&below(key), before.get(key), after.get(key), changes);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if named(before) && named(after) => {
            let find = |list: &[Value], name: &Value| list.iter().position(|item| item["name"] == *name);
            let mut names: Vec<&Value> = before.iter().map(|item| &item["name"]).collect();
            names.extend(after.iter().map(|item| &item["name"]).filter(|name| find(before, name).is_none()));
            for name in names {
                let place = format!("{path}[{}]", name.as_str().unwrap_or_default());
                let (was, is) = (find(before, name), find(after, name));
                walk(&place, was.map(|at| &before[at]), is.map(|at| &after[at]), changes);
            }
        }
        (from, to) => {
            changes.push(FieldChange { path: path.to_owned(), from: from.cloned(), to: to.cloned() })
        }
    }
}

/// Whether each item has a name of its own.
fn named(items: &[Value]) -> bool {
    let names: Vec<_> = items.iter().filter_map(|item| item["name"].as_str()).collect();
    let unique = names.iter().collect::<std::collections::BTreeSet<_>>().len();
    names.len() == items.len() && unique == items.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::provenance::variables;

    fn list(items: &[(&str, &str)]) -> Vec<RenderedVariable> {
        let items: Vec<Value> =
            items.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        variables(&items)
    }

    fn said(changes: &[EnvChange]) -> Vec<String> {
        let said = |change: &EnvChange| match change {
            EnvChange::Added(variable) => format!("+{}", variable.name),
            EnvChange::Removed(variable) => format!("-{}", variable.name),
            EnvChange::Changed { to, .. } => format!("~{}={}", to.name, to.item["value"].as_str().unwrap()),
            EnvChange::Reordered { name, from, to } => format!("{name} {from}→{to}"),
        };
        changes.iter().map(said).collect()
    }

    #[test]
    fn env_is_added_removed_changed_and_moved() {
        let from = list(&[("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")]);
        let to = list(&[("A", "1"), ("C", "3"), ("D", "5"), ("B", "2"), ("E", "6")]);
        assert_eq!(said(&env(&from, &to)), ["~D=5", "+E", "B 2→4"]);
        assert_eq!(said(&env(&to, &from)), ["-E", "~D=4", "B 4→2"]);
        assert!(env(&from, &from).is_empty());
    }

    #[test]
    fn of_two_entries_of_one_name_each_is_known_by_its_number() {
        let from = list(&[("A", "own"), ("B", "2"), ("A", "global")]);
        let to = list(&[("A", "own"), ("B", "2")]);
        assert_eq!(said(&env(&from, &to)), ["-A"]);
        let to = list(&[("A", "own"), ("B", "2"), ("A", "other")]);
        assert_eq!(said(&env(&from, &to)), ["~A=other"]);
    }

    #[test]
    fn a_log_line_about_another_position_is_the_same_line() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let from = lines(&["env[24]: hides A", "gone"]);
        let to = lines(&["env[25]: hides A", "env[25]: hides B"]);
        assert_eq!(only_in(&to, &from), ["env[25]: hides B"]);
        assert_eq!(only_in(&from, &to), ["gone"]);
    }

    #[test]
    fn fields_are_found_by_the_names_of_their_items() {
        let container = |image: &str| json!({ "name": "postgres", "image": image, "env": [image] });
        let set = |containers: Value, uid: &str| json!({ "metadata": { "uid": uid }, "spec": { "template": { "spec": { "containers": containers } } } });
        let from = set(json!([{ "name": "side" }, container("a")]), "1");
        let to = set(json!([container("b"), { "name": "side" }, { "name": "new" }]), "2");
        let changes = fields(&bare(&from), &bare(&to));
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
        let containers = "spec.template.spec.containers";
        assert_eq!(paths, [format!("{containers}[postgres].image"), format!("{containers}[new]")]);
    }
}
