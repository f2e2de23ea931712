//! The Kubernetes manifests of `ci/` against a real API server, and Events under the rights that they give.
//!
//! One test: an environment, and in it a process that asks the API server.

use std::path::Path;
use std::process::ExitCode;

use clonedrill::environment::Environment;
use clonedrill::environment::local::{LocalEnvironment, enter};
use clonedrill::exit::Verdict;
use clonedrill::operator::{Release, definitions};
use clonedrill::poll::{Limit, Seen, poll};
use clonedrill::report::tell::tell;
use clonedrill::report::{DrillReport, Restore};
use clonedrill::restore::Tell;
use clonedrill::toolchain::Tools;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, PostParams};
use kube::client::Body;
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use libtest_mimic::Failed;
use serde_json::{Value, json};

const OPERATOR: &str = "v1.15.1";
/// This binary inside an environment.
pub(crate) const INSIDE: &str = "inside-copied";
const ACCOUNT: &str = "system:serviceaccount:drills:clonedrill";

pub(crate) fn copied() -> Result<(), Failed> {
    super::in_environment("copied", INSIDE, OPERATOR)
}

pub(crate) fn inside(environment: &str, version: &str) -> ExitCode {
    let tools: Tools = serde_json::from_reader(std::io::stdin()).unwrap();
    enter(environment).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let environment = LocalEnvironment::join(&tools).await.unwrap();
        let client = environment.client();
        definitions(&client, &Release::read(&tools.operators[version]).unwrap()).await.unwrap();
        for namespace in ["drills", "prod", "postgres-operator"] {
            let namespace = serde_json::from_value(json!({ "metadata": { "name": namespace } })).unwrap();
            Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        }
        manifests_are_taken(&client).await;
        events_need_their_right_and_no_more(&client).await;
    });
    runtime.shutdown_background();
    ExitCode::SUCCESS
}

fn documents(path: &Path) -> Vec<Value> {
    serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn copied_file(name: &str) -> Vec<Value> {
    documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/kubernetes").join(name))
}

/// By the API server's strict reading, which refuses fields that it does not know. `how` is more for the query.
async fn create(client: &Client, object: &Value, how: &str) -> Result<Value, kube::Error> {
    let (group, version) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
    let kind = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
    let (resource, capabilities) = pinned_kind(client, &kind).await?;
    let api: Api<DynamicObject> = match (capabilities.scope, object["metadata"]["namespace"].as_str()) {
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        _ => Api::all_with(client.clone(), &resource),
    };
    let request = http::Request::post(format!("{}?fieldValidation=Strict{how}", api.resource_url()))
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes());
    client.request(request.unwrap()).await
}

async fn manifests_are_taken(client: &Client) {
    let mut taken = 0;
    for file in
        ["rbac.yaml", "rbac-compare.yaml", "rbac-events.yaml", "rbac-operator-log.yaml", "cronjob.yaml"]
    {
        for object in copied_file(file) {
            let name = format!("{file}: {} {}", object["kind"], object["metadata"]["name"]);
            create(client, &object, "&dryRun=All").await.unwrap_or_else(|error| panic!("{name}: {error}"));
            taken += 1;
        }
    }
    assert_eq!(taken, 14);
    let mut wrong = copied_file("cronjob.yaml").pop().unwrap();
    wrong["spec"]["concurrencyPolice"] = json!("Forbid");
    let refused = create(client, &wrong, "&dryRun=All").await.unwrap_err().to_string();
    assert!(refused.contains("unknown field \"spec.concurrencyPolice\""), "{refused}");
}

async fn events_need_their_right_and_no_more(client: &Client) {
    let source = json!({
        "apiVersion": "acid.zalan.do/v1", "kind": "postgresql",
        "metadata": { "name": "acid-orders", "namespace": "prod" },
        "spec": {
            "teamId": "acid", "numberOfInstances": 1, "volume": { "size": "1Gi" }, "postgresql": { "version": "15" },
        },
    });
    let source = create(client, &source, "").await.unwrap();
    let account = impersonating(client, ACCOUNT);
    let restore = Restore { source: "prod/acid-orders".to_owned(), ..Restore::default() };
    let (file, evidence) = (Path::new("drills/orders.yaml"), Path::new("evidence"));
    let report = DrillReport {
        verdict: Verdict::Failed,
        ..DrillReport::of_restore("orders-nightly", file, evidence, restore)
    };
    let to = Tell { events: true, ..Tell::default() };

    let error = tell(&report, &to, Some(account.clone())).await[0].to_string();
    let expected = "make the event: get postgresqls.acid.zalan.do in the namespace prod: ";
    assert!(error.starts_with(expected) && error.contains("forbidden"), "{error}");
    for object in copied_file("rbac.yaml") {
        create(client, &object, "").await.unwrap();
    }
    let expected = "make the event: create events.events.k8s.io in the namespace prod: ";
    let error = until_told(&report, &to, &account, |said| said.starts_with(expected)).await;
    assert!(error.contains("forbidden"), "{error}");
    for object in copied_file("rbac-events.yaml") {
        create(client, &object, "").await.unwrap();
    }
    for report in [report.clone(), DrillReport { verdict: Verdict::Passed, ..report }] {
        until_told(&report, &to, &account, str::is_empty).await;
    }
    let events =
        Api::<Event>::namespaced(client.clone(), "prod").list(&ListParams::default()).await.unwrap().items;
    let mut seen: Vec<_> = events
        .iter()
        .filter(|event| event.reporting_controller.as_deref() == Some("clonedrill"))
        .map(|event| {
            let regarding = event.regarding.as_ref().unwrap();
            assert_eq!(regarding.uid.as_deref(), source["metadata"]["uid"].as_str());
            assert_eq!(regarding.kind.as_deref(), Some("postgresql"));
            (event.type_.as_deref().unwrap(), event.reason.as_deref().unwrap())
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [("Normal", "DrillPassed"), ("Warning", "DrillFailed")]);
}

/// The API server knows of a new binding a moment later. Gives the first error that is what was waited for, or nothing.
async fn until_told(report: &DrillReport, to: &Tell, account: &Client, is: impl Fn(&str) -> bool) -> String {
    let told = poll("the rights to be known", Limit::seconds(20), async || {
        let errors = tell(report, to, Some(account.clone())).await;
        let said = errors.first().map(ToString::to_string).unwrap_or_default();
        Ok::<_, std::convert::Infallible>(if is(&said) { Seen::Done(said) } else { Seen::NotYet(said) })
    });
    told.await.unwrap()
}

/// The same client as somebody else.
fn impersonating(client: &Client, user: &'static str) -> Client {
    let (client, namespace) = (client.clone(), client.default_namespace().to_owned());
    let service = tower::service_fn(move |mut request: http::Request<Body>| {
        request.headers_mut().insert("impersonate-user", http::HeaderValue::from_static(user));
        let client = client.clone();
        async move { client.send(request).await }
    });
    Client::new(service, namespace)
}
