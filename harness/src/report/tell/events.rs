//! A Kubernetes Event on the source object, which `kubectl describe` shows.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};

use super::{Told, line, request};
use crate::exit::Verdict;
use crate::poll::{TimedOut, done_within};

/// There is no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// There is no way to a cluster that an event could go to.
    #[error("reach the cluster: it was not reached during the drill either")]
    NoClient,
    /// The API server did not do it.
    #[error("{verb} {resource} in the namespace {namespace}: {source}")]
    Refused {
        /// As RBAC has it, such as `create`.
        verb: &'static str,
        /// In the plural, with its group where it has one.
        resource: &'static str,
        /// The source's, where the event stands.
        namespace: String,
        /// What kube says.
        source: Box<kube::Error>,
    },
    /// The API server took too long over it.
    #[error("{0}")]
    TimedOut(#[from] TimedOut),
}

/// Events have a reporter: with this name all of ours are found.
const CONTROLLER: &str = "clonedrill";
/// In bytes; the API server refuses longer ones.
const LONGEST_NOTE: usize = 1024;

/// Makes one on the source. Needs the rights to get it, and to create events in its namespace.
///
/// # Errors
/// What was refused, with the verb and the resource; or that no answer came.
pub(super) async fn publish(client: Option<Client>, told: Told<'_>) -> Result<(), EventError> {
    let client = client.ok_or(EventError::NoClient)?;
    let published = async {
        let source = reference(&client, told).await?;
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: None };
        let published = Recorder::new(client.clone(), reporter).publish(&event(told), &source).await;
        published.map_err(|error| refused("create", "events.events.k8s.io", told, error))
    };
    done_within("the event on the source", request::LIMIT, published).await
}

/// `kubectl describe` finds events by the object's UID.
async fn reference(client: &Client, told: Told<'_>) -> Result<ObjectReference, EventError> {
    let (namespace, name) = told.source();
    let kind = GroupVersionKind::gvk("acid.zalan.do", "v1", "postgresql");
    let resource = ApiResource::from_gvk_with_plural(&kind, "postgresqls");
    let source = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource).get(name).await;
    let source = source.map_err(|error| refused("get", "postgresqls.acid.zalan.do", told, error))?;
    Ok(ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: source.metadata.uid,
        ..ObjectReference::default()
    })
}

fn event(told: Told<'_>) -> Event {
    let (type_, reason) = match told.report.verdict {
        Verdict::Passed => (EventType::Normal, "DrillPassed"),
        Verdict::Failed => (EventType::Warning, "DrillFailed"),
        Verdict::Invalid => (EventType::Warning, "DrillInvalid"),
        Verdict::Broken => (EventType::Warning, "DrillBroken"),
        Verdict::Interrupted => (EventType::Warning, "DrillInterrupted"),
    };
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note(told)),
        action: "RestoreDrill".to_owned(),
        secondary: None,
    }
}

fn note(told: Told<'_>) -> String {
    let line = line::line(told);
    let end = line
        .char_indices()
        .map(|(at, symbol)| at + symbol.len_utf8())
        .take_while(|end| *end <= LONGEST_NOTE)
        .last();
    line[..end.unwrap_or(0)].to_owned()
}

fn refused(verb: &'static str, resource: &'static str, told: Told<'_>, error: kube::Error) -> EventError {
    let namespace = told.source().0.to_owned();
    EventError::Refused { verb, resource, namespace, source: Box::new(error) }
}
