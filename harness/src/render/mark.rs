//! The world with a marker in each free text, by which values tell where they came from.

use serde_json::Value;

use super::blueprint::Blueprint;
use super::form::{is_name, is_parsed, is_restricted, schema_at, schema_of_key, texts};
use super::markers::Markers;
use super::types::{InputObject, Origin, RenderInput, Settings};
use crate::operator::Release;

/// A StatefulSet's name with a hash after it must fit into a label, and a clone's source's into a service's name.
const LONGEST_CLUSTER_NAME: usize = 50;
const LONGEST_LABEL: usize = 63;

/// Settings that steer where the operator looks, or that the API server reads in a StatefulSet: marked, nothing would be
/// rendered.
const LEFT_ALONE: [&str; 4] = ["watched_namespace", "toleration", "sidecars", "sidecar_docker_images"];

/// `plain` with markers, and the markers.
pub(super) fn marked(plain: &Blueprint, input: &RenderInput, release: &Release) -> (Blueprint, Markers) {
    let all = [&plain.settings].into_iter();
    let all = all.chain(plain.objects.iter().chain(&plain.clusters).map(|(_, object)| object));
    let mut markers = Markers::apart_from(&all.map(Value::to_string).collect::<String>());
    let mut blueprint = plain.clone();
    // The objects first: what the settings refer to is copied as it is then.
    objects(&mut blueprint, input, &mut markers);
    settings(&mut blueprint, input, release, &mut markers);
    for (index, (_, cluster)) in blueprint.clusters.iter_mut().enumerate() {
        mark_cluster(cluster, index, release, &mut markers);
    }
    (blueprint, markers)
}

fn settings(blueprint: &mut Blueprint, input: &RenderInput, release: &Release, markers: &mut Markers) {
    let schema = release.schema("OperatorConfiguration");
    let flat = blueprint.is_flat();
    let root = if flat { "/data" } else { "/configuration" };
    let content = blueprint.settings.pointer(root).cloned().unwrap_or_default();
    let mut referred = Vec::new();
    for (pointer, text) in texts(&content) {
        let field = schema.and_then(|schema| match flat {
            true => schema_of_key(schema, pointer.trim_start_matches('/')),
            false => schema_at(schema, &format!("{root}{pointer}")),
        });
        // A flat key's value is a text whatever it is for; of a list or map of texts its last one is marked.
        let bound = field.is_some_and(|field| match field.get("type").and_then(Value::as_str) {
            Some("array" | "object") if flat => false,
            _ => is_restricted(field),
        });
        let left_alone = pointer.split('/').any(|step| LEFT_ALONE.contains(&step));
        if text.is_empty() || bound || left_alone || is_parsed(text) {
            continue;
        }
        let pointer = format!("{root}{pointer}");
        let origin = Origin {
            object: InputObject::Settings,
            release_default: match &input.settings {
                Settings::Release => true,
                Settings::OverRelease(own) | Settings::Object(own) | Settings::ConfigMap(own) => {
                    own.pointer(&pointer).is_none()
                }
            },
            pointer: pointer.clone(),
        };
        let marked = match is_name(text) {
            true => markers.fit(text, LONGEST_LABEL, origin),
            false => markers.append(text, origin),
        };
        let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
        referred.push((name(text), name(&marked)));
        if let Some(place) = blueprint.settings.pointer_mut(&pointer) {
            *place = Value::String(marked);
        }
    }
    // What a setting refers to is there by its new name too.
    for (name, renamed) in referred {
        let named =
            blueprint.objects.iter().filter(|(_, object)| object["metadata"]["name"] == name.as_str());
        let copies: Vec<(String, Value)> = named
            .map(|(namespace, object)| {
                let mut copy = object.clone();
                copy["metadata"]["name"] = Value::String(renamed.clone());
                (namespace.clone(), copy)
            })
            .collect();
        blueprint.objects.extend(copies);
    }
}

/// Values of ConfigMaps; those of Secrets never stand in an env.
fn objects(blueprint: &mut Blueprint, input: &RenderInput, markers: &mut Markers) {
    for (index, object) in
        input.objects.iter().enumerate().filter(|(_, object)| object["kind"] == "ConfigMap")
    {
        for (pointer, text) in texts(&object["data"]) {
            let pointer = format!("/data{pointer}");
            let place = blueprint.objects.get_mut(index).and_then(|(_, own)| own.pointer_mut(&pointer));
            let object = InputObject::Object(index);
            if let Some(place) = place {
                // Values are copied, never read: an empty one that is marked switches nothing on.
                *place =
                    Value::String(markers.append(text, Origin { object, pointer, release_default: false }));
            }
        }
    }
}

fn mark_cluster(cluster: &mut Value, index: usize, release: &Release, markers: &mut Markers) {
    let origin = |pointer: &str| Origin {
        object: InputObject::Cluster(index),
        pointer: pointer.to_owned(),
        release_default: false,
    };
    let mut replace = |pointer: &str, with: &mut dyn FnMut(&str, Origin) -> Option<String>| {
        let Some(place) = cluster.pointer_mut(pointer) else { return };
        let marked = place.as_str().and_then(|text| with(text, origin(pointer)));
        if let Some(marked) = marked {
            *place = Value::String(marked);
        }
    };
    replace("/metadata/name", &mut |text, origin| Some(markers.fit(text, LONGEST_CLUSTER_NAME, origin)));
    replace("/spec/postgresql/version", &mut |text, origin| {
        let other = other_major(text, release)?;
        markers.exchanged(text, &other, origin);
        Some(other)
    });
    for item in cluster.pointer_mut("/spec/env").and_then(Value::as_array_mut).into_iter().flatten() {
        // One with a name only has the empty value.
        if let Some(item) = item.as_object_mut().filter(|item| !item.contains_key("valueFrom")) {
            item.entry("value").or_insert_with(|| Value::String(String::new()));
        }
    }
    for pointer in free_texts(cluster) {
        let Some(place) = cluster.pointer_mut(&pointer) else { continue };
        let Some(text) = place.as_str() else { continue };
        if let Some(marked) = marked_text(&pointer, text, origin(&pointer), markers) {
            *place = Value::String(marked);
        }
    }
}

/// The texts of a manifest that may come into an env, but for its name and version.
fn free_texts(cluster: &Value) -> Vec<String> {
    let sections = [
        "/spec/env",
        "/spec/clone",
        "/spec/standby",
        "/spec/tls",
        "/spec/postgresql/parameters",
        "/spec/patroni/initdb",
        "/spec/patroni/pg_hba",
    ];
    let found = sections.iter().filter_map(|section| Some((section, cluster.pointer(section)?)));
    found
        .flat_map(|(section, content)| {
            texts(content).into_iter().map(move |(rest, _)| format!("{section}{rest}"))
        })
        .collect()
}

fn marked_text(pointer: &str, text: &str, origin: Origin, markers: &mut Markers) -> Option<String> {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    if let Some(item) = pointer.strip_prefix("/spec/env/") {
        // `<index>/…`; the value is handed on unread, so an empty one that is marked switches nothing on.
        return match item.split_once('/')?.1 {
            "value"
            | "valueFrom/secretKeyRef/name"
            | "valueFrom/secretKeyRef/key"
            | "valueFrom/configMapKeyRef/name"
            | "valueFrom/configMapKeyRef/key"
            | "valueFrom/resourceFieldRef/containerName" => Some(markers.append(text, origin)),
            // The one field of a pod whose name is free.
            "valueFrom/fieldRef/fieldPath" => {
                Some(format!("metadata.annotations['{}']", markers.append("", origin)))
            }
            _ => None,
        };
    }
    match last {
        _ if text.is_empty() => None,
        "uid" => Some(markers.uid(origin)),
        "timestamp" => Some(markers.timestamp(origin)),
        "cluster" => Some(markers.fit(text, LONGEST_CLUSTER_NAME, origin)),
        // Secrets whose names become those of volumes.
        "secretName" | "caSecretName" => Some(markers.fit(text, LONGEST_LABEL, origin)),
        _ if pointer.starts_with("/spec/patroni/initdb") && is_parsed(text) => None,
        _ => Some(markers.append(text, origin)),
    }
}

/// Another major version that the release's definition lets stand: the next one, so that a least version stays kept.
fn other_major(version: &str, release: &Release) -> Option<String> {
    let version: u16 = version.parse().ok()?;
    let majors = release.postgres_majors();
    let higher = majors.iter().filter(|major| **major > version).min();
    let other = higher.or_else(|| majors.iter().filter(|major| **major < version).max());
    other.map(u16::to_string)
}
