//! Step `failover`: hands the lead of a cluster to one of its replicas, as `patronictl failover` does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

use crate::drill::error::DrillError;
use crate::drill::leader::Leader;
use crate::drill::world::World;
use crate::environment::Environment;
use crate::poll::{Limit, Seen, poll};

/// Where Patroni answers in each pod.
const PATRONI: u16 = 8008;
/// Patroni answers once the other node leads, or after its own limit of some loops.
const ANSWER: Duration = Duration::from_secs(120);
const LEADS: Limit = Limit::seconds(120);

impl<E: Environment> World<'_, E> {
    pub(super) async fn failover(&mut self, short: &str) -> Result<String, DrillError> {
        let what = format!("fail over {short}");
        let cluster = self.cluster(short)?;
        let (name, leader) = (cluster.name.clone(), cluster.leader.clone().unwrap_or_default());
        let replica = self.pods_of(short).await?.into_iter().find(|pod| *pod != leader);
        let replica = replica.ok_or_else(|| DrillError::step(&what, "it has no replica"))?;
        // A replica that is new takes a while until Patroni holds it for a candidate.
        let handed = poll(format!("Patroni in {leader} to hand over to {replica}"), LEADS, async || {
            let asked = tokio::time::timeout(ANSWER, self.ask_patroni(&leader, &replica)).await;
            match asked {
                Ok(Ok(StatusCode::OK)) => Ok(Seen::Done(())),
                Ok(Ok(status)) => Ok(Seen::NotYet(format!("it answers {status}"))),
                Ok(Err(why)) => Err(DrillError::step(&what, why)),
                Err(_) => Ok(Seen::NotYet(format!("no answer within {ANSWER:?}"))),
            }
        });
        handed.await?;
        let this = &*self;
        poll(format!("{replica} to lead {short}"), LEADS, async || {
            Ok::<_, DrillError>(match this.leader(&name).await? {
                Leader::Found { pod, .. } if pod == replica => Seen::Done(()),
                Leader::Found { pod, .. } => Seen::NotYet(format!("{pod} leads")),
                Leader::NotYet(seen) => Seen::NotYet(seen),
            })
        })
        .await?;
        self.follow_leader(short).await?;
        self.all_ready(short, &name).await?;
        Ok(format!("{replica} leads, and {leader} did before"))
    }

    /// What Patroni answers. What went wrong is a text that fits after "failed to".
    async fn ask_patroni(&self, leader: &str, candidate: &str) -> Result<StatusCode, String> {
        let text = |error: &dyn std::fmt::Display| format!("ask Patroni in {leader}: {error}");
        let pods: Api<Pod> = Api::namespaced(self.client(), self.environment.namespace());
        let pod = pods.get(leader).await.map_err(|error| text(&error))?;
        let address = self.environment.reach(&pod, PATRONI).await.map_err(|error| text(&error))?;
        let address = address.ok_or_else(|| text(&"the pod has no address"))?;
        let body = serde_json::json!({ "candidate": candidate }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{address}/failover"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| text(&error))?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let answer = client.request(request).await.map_err(|error| text(&error))?;
        let status = answer.status();
        let said = answer.into_body().collect().await.map_err(|error| text(&error))?.to_bytes();
        match status {
            // For 412 no replica is fit for it; it may be in a moment.
            StatusCode::OK | StatusCode::PRECONDITION_FAILED => Ok(status),
            _ => Err(format!("Patroni answers {status}: {}", String::from_utf8_lossy(&said).trim())),
        }
    }
}
