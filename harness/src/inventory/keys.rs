//! The names of the keys of Secrets and ConfigMaps in a cluster, never their values.
//!
//! The API server has no request for names of keys. It is asked for one object as a row of a table: with the number of its keys,
//! and with its metadata, in which the API server notes who wrote which field (`managedFields`). Where the names there are as
//! many as the keys are, they are all; no value leaves the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use kube::Client;
use serde_json::Value;

use super::live::{self, LiveError};
use crate::manifests::{InCluster, Kind, Sought};
use crate::poll::within;

/// As long as the API server itself works on a request before it gives up.
const ANSWER: Duration = Duration::from_secs(60);
/// A row for each object, with the object's metadata.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// What a cluster says of objects that manifests refer to.
#[derive(Debug, Default)]
pub struct Keys {
    /// By the object.
    pub known: BTreeMap<Sought, InCluster>,
    /// Why nothing is known of the others, in whole sentences.
    pub notes: Vec<String>,
}

/// Asks for each of these objects by its name. One that may not be looked at stays unknown, and is noted.
///
/// # Errors
/// When the kubeconfig cannot be used, or the API server does not answer.
pub async fn keys(
    kubeconfig: &Path,
    context: Option<&str>,
    sought: &BTreeSet<Sought>,
) -> Result<Keys, LiveError> {
    let client = live::client(kubeconfig, context).await?;
    let mut keys = Keys::default();
    let mut refused: BTreeMap<(Kind, &str), Vec<&str>> = BTreeMap::new();
    for one in sought {
        match row(&client, one).await {
            Ok(row) => match of_row(&row) {
                Some(names) => {
                    keys.known.insert(one.clone(), InCluster::Keys(names));
                }
                None => keys.notes.push(format!(
                    "the keys of {} are not known: the cluster does not say who wrote each of them (managedFields)",
                    shown(one)
                )),
            },
            Err(kube::Error::Api(status)) if status.code == 404 => {
                keys.known.insert(one.clone(), InCluster::Absent);
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                refused.entry((one.kind, &one.namespace)).or_default().push(&one.name);
            }
            Err(source) => {
                return Err(LiveError::Keys { object: shown(one), source: Box::new(source) });
            }
        }
    }
    let notes = refused.into_iter().map(|((kind, namespace), names)| {
        format!(
            "the keys of {} {} in the namespace {namespace} are not known: this user may not get {} there",
            kind.name(),
            names.join(", "),
            plural(kind)
        )
    });
    keys.notes.extend(notes);
    Ok(keys)
}

fn shown(sought: &Sought) -> String {
    format!("{} {}/{}", sought.kind.name(), sought.namespace, sought.name)
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Secret => "secrets",
        _ => "configmaps",
    }
}

async fn row(client: &Client, sought: &Sought) -> Result<Value, kube::Error> {
    let Sought { kind, namespace, name } = sought;
    let path = format!("/api/v1/namespaces/{namespace}/{}/{name}?includeObject=Metadata", plural(*kind));
    let request = http::Request::get(path).header(http::header::ACCEPT, TABLE).body(Vec::new());
    let request = request.map_err(kube::Error::HttpError)?;
    let what = format!("the API server's answer about {}", shown(sought));
    match within(what, ANSWER, client.request::<Value>(request)).await {
        Ok(answer) => answer,
        Err(late) => Err(kube::Error::Service(Box::new(late))),
    }
}

/// The names of all keys; none where they are not as many as the keys are.
fn of_row(table: &Value) -> Option<BTreeSet<String>> {
    let columns = table["columnDefinitions"].as_array()?;
    let at = columns.iter().position(|column| column["name"] == "Data")?;
    let row = table["rows"].as_array()?.first()?;
    let cell = &row["cells"][at];
    let count = cell.as_u64().or_else(|| cell.as_str()?.parse().ok())?;
    let writers = row["object"]["metadata"]["managedFields"].as_array();
    let fields = writers.into_iter().flatten().flat_map(|writer| {
        ["f:data", "f:stringData", "f:binaryData"].map(|field| writer["fieldsV1"][field].as_object())
    });
    let names = fields.flatten().flat_map(|fields| fields.keys());
    let names: BTreeSet<String> =
        names.filter_map(|name| Some(name.strip_prefix("f:")?.to_owned())).collect();
    (u64::try_from(names.len()).ok()? == count).then_some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(count: Value, writers: &Value) -> Value {
        json!({
            "kind": "Table",
            "columnDefinitions": [{ "name": "Name" }, { "name": "Type" }, { "name": "Data" }, { "name": "Age" }],
            "rows": [{
                "cells": ["keys", "Opaque", count, "5d"],
                "object": { "kind": "PartialObjectMetadata", "metadata": { "managedFields": writers } },
            }],
        })
    }

    #[test]
    fn keys_are_known_where_all_of_them_are() {
        let writers = json!([
            { "manager": "a", "fieldsV1": { "f:data": { ".": {}, "f:ONE": {} }, "f:type": {} } },
            { "manager": "b", "fieldsV1": { "f:data": { "f:TWO": {}, "f:ONE": {} } } },
            { "manager": "c", "fieldsV1": { "f:metadata": { "f:labels": { "f:x": {} } } } },
        ]);
        let both = Some(BTreeSet::from(["ONE".to_owned(), "TWO".to_owned()]));
        assert_eq!(of_row(&table(json!(2), &writers)), both);
        assert_eq!(of_row(&table(json!("2"), &writers)), both);
        assert_eq!(of_row(&table(json!(3), &writers)), None, "one that nobody is said to have written");
        assert_eq!(of_row(&table(json!(1), &writers)), None, "one that is there no more");
        assert_eq!(of_row(&table(json!(0), &json!(null))), Some(BTreeSet::new()));
        assert_eq!(of_row(&json!({ "kind": "Secret", "data": { "ONE": "eA==" } })), None);
    }
}
