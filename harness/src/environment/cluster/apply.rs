//! Kubernetes objects of any kind, as they stand in a file.

use std::collections::HashMap;

use futures::StreamExt;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope, pinned_kind};
use serde_json::Value;

use crate::poll::{Limit, PollError, Seen, poll};

/// The field manager of everything that the harness applies.
const MANAGER: &str = "clonedrill";

/// Why an object did not get into the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file's fault: no `kind`, no `apiVersion`, no `metadata.name`.
    #[error("apply an object: it has no `{0}`")]
    Incomplete(&'static str),
    /// The API server looked at it and said no. `field` is its path where it names one.
    #[error("apply {kind} `{name}`: the API server refused it: {message}")]
    Rejected {
        /// As the object itself says.
        kind: String,
        /// Its `metadata.name`.
        name: String,
        /// In the API server's words; in ours where it does not know the kind.
        message: String,
        /// Such as `spec.clone.timestamp`; none where the API server names no field.
        field: Option<String>,
    },
    /// The request failed for another reason than what the object says.
    #[error("apply {kind} `{name}`: {source}")]
    Kube {
        /// As the object itself says.
        kind: String,
        /// Its `metadata.name`.
        name: String,
        /// What kube says.
        source: Box<kube::Error>,
    },
}

/// Applies `object` server-side; where its kind is namespaced, into `namespace`, whatever it says itself.
///
/// # Errors
/// [`ApplyError`]; unknown fields are refused, as `kubectl apply` refuses them.
pub async fn apply(client: &Client, namespace: &str, object: &Value) -> Result<DynamicObject, ApplyError> {
    let target = Target::find(client, namespace, object).await?;
    let params = PatchParams::apply(MANAGER).force().validation_strict();
    target
        .api
        .patch(&target.name, &params, &Patch::Apply(&target.object))
        .await
        .map_err(|error| target.refused(error))
}

/// Creates `object` in `namespace`; it must not exist.
///
/// # Errors
/// [`ApplyError`]; unknown fields are refused.
pub async fn create(client: &Client, namespace: &str, object: &Value) -> Result<DynamicObject, ApplyError> {
    let target = Target::find(client, namespace, object).await?;
    target.create(client).await.map_err(|error| target.refused(error))
}

/// Lays `changes` over an object that is there, as a merge patch: maps are merged, `null` takes a field out, everything else
/// is replaced. `object` says which one it is.
///
/// # Errors
/// [`ApplyError`]; unknown fields are refused.
pub async fn change(
    client: &Client,
    namespace: &str,
    object: &Value,
    changes: &Value,
) -> Result<DynamicObject, ApplyError> {
    let target = Target::find(client, namespace, object).await?;
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let params = params.validation_strict();
    let changed = target.api.patch(&target.name, &params, &Patch::Merge(changes)).await;
    changed.map_err(|error| target.refused(error))
}

/// How many objects are on their way at once. The API server takes more; two cores do not.
const AT_ONCE: usize = 8;

/// Creates all objects, each in its namespace; the answers in the same order. Their kinds must be known already.
///
/// # Errors
/// Each by itself, as [`create`].
pub async fn create_all(
    client: &Client,
    objects: Vec<(String, Value)>,
) -> Vec<Result<DynamicObject, ApplyError>> {
    let mut kinds: HashMap<(String, String), (ApiResource, ApiCapabilities)> = HashMap::new();
    let mut targets = Vec::new();
    for (namespace, object) in objects {
        targets.push(match Wanted::of(&object) {
            Err(error) => Err(error),
            Ok(wanted) => {
                let key = (wanted.version.clone(), wanted.kind.clone());
                let known = match kinds.get(&key) {
                    Some(known) => Ok(known.clone()),
                    None => wanted.discover(client).await,
                };
                known.and_then(|known| {
                    kinds.insert(key, known.clone());
                    Target::new(client, &namespace, &object, wanted, &known)
                })
            }
        });
    }
    futures::stream::iter(targets)
        .map(async |target| {
            let target = target?;
            target.create(client).await.map_err(|error| target.refused(error))
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

struct Target {
    api: Api<DynamicObject>,
    object: DynamicObject,
    kind: String,
    name: String,
}

impl Target {
    async fn find(client: &Client, namespace: &str, object: &Value) -> Result<Target, ApplyError> {
        let wanted = Wanted::of(object)?;
        let known = wanted.discover(client).await?;
        Target::new(client, namespace, object, wanted, &known)
    }

    fn new(
        client: &Client,
        namespace: &str,
        object: &Value,
        wanted: Wanted,
        (resource, capabilities): &(ApiResource, ApiCapabilities),
    ) -> Result<Target, ApplyError> {
        let Wanted { kind, name, .. } = wanted;
        let mut object: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| ApplyError::Rejected {
                kind: kind.clone(),
                name: name.clone(),
                message: error.to_string(),
                field: None,
            })?;
        let api = if capabilities.scope == Scope::Namespaced {
            object.metadata.namespace = Some(namespace.to_owned());
            Api::namespaced_with(client.clone(), namespace, resource)
        } else {
            Api::all_with(client.clone(), resource)
        };
        Ok(Target { api, object, kind, name })
    }

    async fn create(&self, client: &Client) -> Result<DynamicObject, kube::Error> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let body = serde_json::to_vec(&self.object).map_err(kube::Error::SerdeError)?;
        let request = kube::core::Request::new(self.api.resource_url());
        let mut request = request.create(&params, body).map_err(kube::Error::BuildRequest)?;
        // `PostParams` has no word for this, and without it the API server drops unknown fields silently.
        let url = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = url
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| kube::Error::HttpError(error.into()))?;
        client.request(request).await
    }

    fn refused(&self, error: kube::Error) -> ApplyError {
        let (kind, name) = (self.kind.clone(), self.name.clone());
        match error {
            // Of a field that it does not know it says in some cases that the fault is its own.
            kube::Error::Api(status)
                if matches!(status.code, 400 | 403 | 409 | 422)
                    || status.code == 500 && status.message.contains(NOT_DECLARED) =>
            {
                let field = status
                    .details
                    .as_ref()
                    .and_then(|details| details.causes.first())
                    .map(|cause| cause.field.clone());
                let field = field.filter(|field| !field.is_empty()).or_else(|| field_in(&status.message));
                ApplyError::Rejected { kind, name, message: status.message.clone(), field }
            }
            source => ApplyError::Kube { kind, name, source: Box::new(source) },
        }
    }
}

/// What an object says that it is.
struct Wanted {
    version: String,
    kind: String,
    name: String,
}

impl Wanted {
    fn of(object: &Value) -> Result<Wanted, ApplyError> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Wanted {
            kind: text(&object["kind"]).ok_or(ApplyError::Incomplete("kind"))?,
            version: text(&object["apiVersion"]).ok_or(ApplyError::Incomplete("apiVersion"))?,
            name: text(&object["metadata"]["name"]).ok_or(ApplyError::Incomplete("metadata.name"))?,
        })
    }

    async fn discover(&self, client: &Client) -> Result<(ApiResource, ApiCapabilities), ApplyError> {
        let (group, version) = self.version.split_once('/').unwrap_or(("", &self.version));
        discover(client, &GroupVersionKind::gvk(group, version, &self.kind), &self.name).await
    }
}

/// A kind is served a moment after its definition is established, so a miss is looked at again for a while.
async fn discover(
    client: &Client,
    gvk: &GroupVersionKind,
    name: &str,
) -> Result<(ApiResource, ApiCapabilities), ApplyError> {
    let found = poll(format!("kind {} of {}", gvk.kind, gvk.api_version()), Limit::seconds(5), async || {
        match pinned_kind(client, gvk).await {
            Ok(found) => Ok(Seen::Done(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Seen::NotYet("no such API".to_owned())),
            Err(kube::Error::Discovery(error)) => Ok(Seen::NotYet(error.to_string())),
            Err(error) => Err(error),
        }
    });
    match found.await {
        Ok(found) => Ok(found),
        Err(PollError::TimedOut(timed_out)) => Err(ApplyError::Rejected {
            kind: gvk.kind.clone(),
            name: name.to_owned(),
            message: format!("the API server does not know this kind ({})", timed_out.last),
            field: Some("kind".to_owned()),
        }),
        Err(PollError::Failed(error)) => {
            Err(ApplyError::Kube { kind: gvk.kind.clone(), name: name.to_owned(), source: Box::new(error) })
        }
    }
}

/// What server-side apply says of a field that no schema has.
const NOT_DECLARED: &str = "field not declared in schema";

/// The path in `unknown field "spec.foo"` or `.spec.foo: field not declared in schema`.
fn field_in(message: &str) -> Option<String> {
    if let Some((_, rest)) = message.split_once("unknown field \"") {
        return rest.split('"').next().map(str::to_owned);
    }
    let (before, _) = message.split_once(": field not declared")?;
    before.rsplit(' ').next().map(|path| path.trim_start_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::field_in;

    #[test]
    fn the_refused_field_is_found_in_the_message() {
        let create = r#"postgresql in version "v1" cannot be handled as a postgresql: strict decoding error: unknown field "spec.teamID""#;
        assert_eq!(field_in(create).as_deref(), Some("spec.teamID"));
        let apply = "failed to create typed patch object (a/b; v1, Kind=Secret): .stringdata: field not declared in schema";
        assert_eq!(field_in(apply).as_deref(), Some("stringdata"));
        assert_eq!(field_in("something else"), None);
    }
}
