//! Holding a rendering against the StatefulSets, read by themselves, and against the words of the input.

use std::collections::BTreeSet;

use clonedrill::environment::Environment;
use clonedrill::environment::local::LocalEnvironment;
use clonedrill::render::{InputObject, Origin, RenderedSet, RenderedVariable, render_in};
use clonedrill::toolchain::Tools;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::EnvVar;
use kube::Api;
use serde_json::Value;

use super::generate::{Generated, generate};

/// What came of a batch.
pub(super) struct Held {
    pub rendered: usize,
    pub failures: Vec<String>,
}

pub(super) async fn batch(
    environment: &LocalEnvironment,
    tools: &Tools,
    version: &str,
    seed: u64,
    clusters: usize,
) -> Held {
    let generated = generate(seed, clusters);
    let input = &generated.input;
    let mut held = Held { rendered: 0, failures: Vec::new() };
    let rendered = match render_in(environment, tools, version, input, &|_| {}).await {
        Ok(rendered) => rendered,
        Err(error) => {
            held.failures.push(format!("seed {seed}: failed to {error}"));
            return held;
        }
    };
    for cluster in &rendered.rendering.clusters {
        let manifest = &input.clusters[cluster.cluster];
        let text = |pointer: &str| manifest.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let own = &rendered.namespaces()[&namespace];
        let api: Api<StatefulSet> = Api::namespaced(environment.client(), own);
        let set = api.get_opt(&name).await.unwrap();
        let mut problems = Vec::new();
        match (&cluster.result, set) {
            (Ok(said), Some(set)) => {
                held.rendered += 1;
                let env = env_of(&set, own, &namespace);
                same_list(said, &env, &mut problems);
                same_origins(&generated, cluster.cluster, said, &env, &mut problems);
            }
            (Err(refused), None) if !refused.message.is_empty() => {
                println!("seed {seed}, {version}: {namespace}/{name} is refused: {}", refused.message);
            }
            (Err(refused), None) => problems.push(format!("refused without a word: {refused:?}")),
            (Ok(_), None) => problems.push("there is no StatefulSet".to_owned()),
            (Err(refused), Some(_)) => {
                problems.push(format!("there is a StatefulSet, and it is said to be refused: {refused:?}"));
            }
        }
        held.failures.extend(
            problems
                .into_iter()
                .map(|problem| format!("seed {seed}, {version}, {name}: {problem}\n  {manifest}")),
        );
    }
    held
}

/// The env as the typed client reads it, with the namespace's own name.
fn env_of(set: &StatefulSet, own: &str, namespace: &str) -> Vec<Value> {
    let pod = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let postgres = pod.containers.iter().find(|container| container.name == "postgres").unwrap();
    let env: &[EnvVar] = postgres.env.as_deref().unwrap_or_default();
    let uid = "<uid>";
    let text = serde_json::to_string(env).unwrap().replace(own, namespace);
    // What is made from the object's uid is made from one that nobody knows.
    let scope =
        regex::Regex::new(r#"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}""#).unwrap();
    let text = scope.replace_all(&text, |found: &regex::Captures| match found[0].starts_with("/abcdef00") {
        true => found[0].to_owned(),
        false => format!("/{uid}\""),
    });
    serde_json::from_str(&text).unwrap()
}

fn same_list(said: &RenderedSet, env: &[Value], problems: &mut Vec<String>) {
    if said.env.len() != env.len() {
        problems.push(format!("{} entries are said, {} are there", said.env.len(), env.len()));
    }
    let last: std::collections::BTreeMap<&str, usize> =
        env.iter().enumerate().map(|(index, item)| (item["name"].as_str().unwrap(), index)).collect();
    for (index, (variable, item)) in said.env.iter().zip(env).enumerate() {
        if variable.item != *item {
            problems.push(format!("entry {index}: said {}, there is {item}", variable.item));
        }
        if variable.hidden == (last[variable.name.as_str()] == index) {
            problems.push(format!("entry {index}, {}: hidden is {}", variable.name, variable.hidden));
        }
    }
}

/// A word that stands in an entry came from its place, and from nowhere else.
fn same_origins(
    generated: &Generated,
    cluster: usize,
    said: &RenderedSet,
    env: &[Value],
    problems: &mut Vec<String>,
) {
    if let Some(why) = &said.origins_unknown {
        problems.push(format!("origins are not known: {why}"));
        return;
    }
    let place = |origin: &Origin| (origin.object, origin.pointer.clone());
    let known: BTreeSet<(InputObject, String)> =
        generated.words.iter().map(|(_, object, pointer)| (*object, pointer.clone())).collect();
    for (index, (variable, item)) in said.env.iter().zip(env).enumerate() {
        let text = item.to_string();
        let there: BTreeSet<_> = generated
            .words
            .iter()
            .filter(|(word, ..)| text.contains(word.as_str()))
            .map(|(_, object, pointer)| (*object, pointer.clone()))
            .collect();
        let told: BTreeSet<_> =
            variable.origins.iter().filter(|origin| !origin.release_default).map(place).collect();
        let of_words: BTreeSet<_> = told.intersection(&known).cloned().collect();
        if of_words != there {
            problems.push(format!(
                "entry {index}, {text}: said to be from {of_words:?}, its words are from {there:?}"
            ));
        }
        for (object, pointer) in told.difference(&known) {
            if !is_possible(generated, cluster, variable, *object, pointer) {
                problems.push(format!("entry {index}, {text}: cannot be from {object:?} {pointer}"));
            }
        }
        own_names_are_told(generated, cluster, said, variable, problems);
    }
}

/// Places that have no word of their own: their name must be the variable's.
fn is_possible(
    generated: &Generated,
    cluster: usize,
    variable: &RenderedVariable,
    object: InputObject,
    pointer: &str,
) -> bool {
    let steps: Vec<&str> = pointer.split('/').collect();
    match (object, steps.as_slice()) {
        (InputObject::Cluster(own), ["", "spec", "env", index, ..]) => {
            let item = &generated.input.clusters[own]["spec"]["env"][index.parse::<usize>().unwrap()];
            own == cluster && item["name"] == variable.name.as_str()
        }
        (InputObject::Cluster(own), ["", "spec", "postgresql", "version"]) => own == cluster,
        (InputObject::Cluster(own), ["", "spec", "postgresql", "parameters", _]) => {
            own == cluster && variable.name == "SPILO_CONFIGURATION"
        }
        // A key of the pods' Secret: the very key that is referred to.
        (InputObject::Object(_), ["", "stringData", key]) => {
            *key == variable.item["valueFrom"]["secretKeyRef"]["key"].as_str().unwrap_or_default()
        }
        _ => false,
    }
}

/// An entry that only `spec.env` can have given is said to be from there, whatever its value.
fn own_names_are_told(
    generated: &Generated,
    cluster: usize,
    said: &RenderedSet,
    variable: &RenderedVariable,
    problems: &mut Vec<String>,
) {
    let own = generated.input.clusters[cluster]["spec"]["env"].as_array().unwrap();
    let of_name: Vec<usize> =
        (0..own.len()).filter(|index| own[*index]["name"] == variable.name.as_str()).collect();
    let once = said.env.iter().filter(|other| other.name == variable.name).count() == 1;
    let [index] = of_name[..] else { return };
    if !variable.name.starts_with("OWN_") || !once {
        return;
    }
    let from = format!("/spec/env/{index}/");
    if !variable.origins.iter().any(|origin| origin.pointer.starts_with(&from)) {
        problems
            .push(format!("{} is from {from}, and said to be from {:?}", variable.name, variable.origins));
    }
}
