//! From two lists of env, one of them with markers, to where each value came from.

use serde_json::Value;

use super::markers::Markers;
use super::types::{InputObject, Origin, RenderInput, RenderedVariable, container_of};
use crate::yaml::child;

/// The env of the container `postgres` of a StatefulSet.
pub(super) fn env_of(stateful_set: &Value) -> Vec<Value> {
    container_of(stateful_set).and_then(|container| container["env"].as_array()).cloned().unwrap_or_default()
}

/// The variables of a plain list, without origins.
pub(super) fn variables(plain: &[Value]) -> Vec<RenderedVariable> {
    let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
    plain
        .iter()
        .enumerate()
        .map(|(index, item)| RenderedVariable {
            name: name(item),
            item: item.clone(),
            origins: Vec::new(),
            derived: false,
            hidden: plain[index + 1..].iter().any(|later| later["name"] == item["name"]),
        })
        .collect()
}

/// Whose env is read.
pub(super) struct Of<'a> {
    pub input: &'a RenderInput,
    pub markers: &'a Markers,
    pub cluster: usize,
    /// Where the cluster is in the input.
    pub namespace: &'a str,
}

impl Of<'_> {
    /// Adds to each variable the places whose markers stand at its position in the marked list.
    ///
    /// # Errors
    /// Why they cannot be told: the two lists have not the same names in the same order. Nothing is guessed then.
    pub(super) fn origins(&self, variables: &mut [RenderedVariable], marked: &[Value]) -> Result<(), String> {
        let names: Vec<&str> = marked.iter().filter_map(|item| item["name"].as_str()).collect();
        if !variables.iter().map(|variable| variable.name.as_str()).eq(names.iter().copied()) {
            let first = variables.iter().zip(&names).position(|(plain, marked)| plain.name != **marked);
            let first = first.unwrap_or(variables.len().min(names.len()));
            let plain = variables.get(first).map_or("the end", |variable| variable.name.as_str());
            let other = names.get(first).copied().unwrap_or("the end");
            return Err(format!(
                "with a marker in each text the operator wrote another list: {other} where {plain} stands (entry {})",
                first + 1
            ));
        }
        for (variable, marked) in variables.iter_mut().zip(marked) {
            let (plain, marked) = (without_name(&variable.item), without_name(marked));
            variable.origins = self.markers.found_in(&marked);
            if variable.origins.is_empty() && plain != marked {
                let own = |origin: &Origin| origin.object == InputObject::Cluster(self.cluster);
                variable.origins.extend(self.markers.exchange(&plain, &marked, own));
                variable.derived = variable.origins.is_empty();
            }
            variable.origins.extend(self.referred(&variable.item));
        }
        Ok(())
    }

    /// The key of one of the input's objects that Kubernetes will take the value from.
    fn referred(&self, item: &Value) -> Option<Origin> {
        let (kind, reference) = ["Secret", "ConfigMap"].into_iter().find_map(|kind| {
            let field = if kind == "Secret" { "secretKeyRef" } else { "configMapKeyRef" };
            Some((kind, item.pointer(&format!("/valueFrom/{field}"))?))
        })?;
        let key = reference["key"].as_str()?;
        let is = |object: &&Value| {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
            object["kind"] == kind
                && object["metadata"]["name"] == reference["name"]
                && namespace == self.namespace
        };
        let index = self.input.objects.iter().position(|object| is(&object))?;
        // Kubernetes lays `stringData` over `data`.
        let pointers = ["stringData", "data", "binaryData"].map(|field| child(&format!("/{field}"), key));
        let pointer =
            pointers.into_iter().find(|pointer| self.input.objects[index].pointer(pointer).is_some())?;
        Some(Origin { object: InputObject::Object(index), pointer, release_default: false })
    }
}

fn without_name(item: &Value) -> String {
    match (item.get("value"), item.get("valueFrom")) {
        (Some(Value::String(value)), _) => value.clone(),
        (_, Some(source)) => source.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::types::Settings;

    fn input() -> RenderInput {
        let secret = json!({
            "kind": "Secret", "metadata": { "name": "keys", "namespace": "prod" }, "stringData": { "a": "x" },
        });
        RenderInput { settings: Settings::Release, objects: vec![secret], clusters: vec![Value::Null] }
    }

    fn read(plain: Value, marked: Value, markers: &Markers) -> Result<Vec<RenderedVariable>, String> {
        let mut variables = variables(plain.as_array().unwrap());
        let input = input();
        Of { input: &input, markers, cluster: 0, namespace: "prod" }
            .origins(&mut variables, marked.as_array().unwrap())
            .map(|()| variables)
    }

    #[test]
    fn a_marker_a_difference_and_a_reference_each_tell_their_own() {
        let mut markers = Markers::apart_from("");
        let place =
            Origin { object: InputObject::Cluster(0), pointer: "/spec/x".to_owned(), release_default: false };
        let marked = markers.append("v", place.clone());
        let reference =
            json!({ "name": "K", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "a" } } });
        let plain =
            json!([{ "name": "A", "value": "v" }, { "name": "A" }, { "name": "B", "value": "1" }, reference]);
        let other = json!([{ "name": "A", "value": marked }, { "name": "A" }, { "name": "B", "value": "2" }, reference]);
        let read = read(plain, other, &markers).unwrap();
        assert_eq!((read[0].origins.as_slice(), read[0].hidden), ([place].as_slice(), true));
        assert_eq!((read[1].origins.len(), read[1].derived, read[1].hidden), (0, false, false));
        assert!(read[2].derived);
        assert_eq!(read[3].origins[0].pointer, "/stringData/a");
    }

    #[test]
    fn another_list_of_names_tells_nothing() {
        let markers = Markers::apart_from("");
        let error = read(json!([{ "name": "A" }, { "name": "B" }]), json!([{ "name": "A" }]), &markers);
        assert!(error.unwrap_err().ends_with("the end where B stands (entry 2)"));
    }
}
