//! Volumes of every kind that the operator uses.

use clonedrill::environment::Environment;
use k8s_openapi::api::authentication::v1::TokenReview;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::world::{RUNS, World, container};

fn mounting(paths: &[(&str, &str)]) -> Value {
    let mounts: Vec<Value> =
        paths.iter().map(|(name, path)| json!({ "name": name, "mountPath": path })).collect();
    json!({ "volumeMounts": mounts })
}

async fn claim(world: &World, name: &str) {
    let spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    world.create::<PersistentVolumeClaim>(json!({ "metadata": { "name": name }, "spec": spec })).await;
}

/// Runs a pod with the claim and an emptyDir to its end; what it printed.
async fn ran_with_claim(world: &World, pod: &str, script: &str) -> String {
    let mounts = mounting(&[("data", "/data"), ("scratch", "/scratch")]);
    world
        .pod(
            pod,
            json!({
                "restartPolicy": "Never",
                "containers": [container("it", script, mounts)],
                "volumes": [
                    { "name": "data", "persistentVolumeClaim": { "claimName": "data" } },
                    { "name": "scratch", "emptyDir": {} },
                ],
            }),
        )
        .await;
    world.until_phase(pod, "Succeeded").await;
    world.log(pod, "it", 0).await
}

pub(crate) async fn a_claim_outlives_its_pod_and_goes_with_its_data(world: &World) {
    claim(world, "data").await;
    let write = "echo kept > /data/file; echo lost > /scratch/file; ls /data /scratch";
    assert_eq!(ran_with_claim(world, "first", write).await, "/data:\nfile\n\n/scratch:\nfile\n");
    world.delete("first", &DeleteParams::default()).await;
    world.until_gone("first").await;
    assert_eq!(ran_with_claim(world, "second", "cat /data/file; ls /scratch").await, "kept\n");
    let claims = world.api::<PersistentVolumeClaim>();
    let bound = claims.get("data").await.unwrap();
    assert_eq!(bound.status.unwrap().phase.as_deref(), Some("Bound"));

    world.delete("second", &DeleteParams::default()).await;
    world.until_gone("second").await;
    claims.delete("data", &DeleteParams::default()).await.unwrap();
    kube::runtime::wait::await_condition(claims, "data", |claim: Option<&PersistentVolumeClaim>| {
        claim.is_none()
    })
    .await
    .unwrap();
    claim(world, "data").await;
    assert_eq!(ran_with_claim(world, "third", "ls /data").await, "", "another claim has another's data");
}

pub(crate) async fn each_kind_of_volume_holds_what_it_should(world: &World) {
    world.secret("keys", json!({ "a": "secret a", "b": "secret b" })).await;
    let map =
        json!({ "metadata": { "name": "map" }, "data": { "text": "t" }, "binaryData": { "binary": "AP8=" } });
    world.create::<ConfigMap>(map).await;
    let sources = json!([
        { "secret": { "name": "keys", "items": [{ "key": "a", "path": "deep/a" }] } },
        { "configMap": { "name": "map" } },
        { "downwardAPI": { "items": [{ "path": "name", "fieldRef": { "fieldPath": "metadata.name" } }] } },
    ]);
    let script = "for file in /secret/* /map/text /all/deep/a /all/name; do echo $file: $(cat $file); done
        od -An -tx1 /map/binary; stat -c %a /secret/a
        for it in /secret /map /all; do (echo x > $it/new) 2>/dev/null && echo $it can be written; done
        echo written > /memory/file; cat /memory/file; stat -f -c %T /memory; test -e /absent/x || echo empty";
    let mounts = [
        ("secret", "/secret"),
        ("map", "/map"),
        ("all", "/all"),
        ("memory", "/memory"),
        ("absent", "/absent"),
    ];
    world
        .pod(
            "volumes",
            json!({
                "restartPolicy": "Never",
                "containers": [container("it", script, mounting(&mounts))],
                "volumes": [
                    { "name": "secret", "secret": { "secretName": "keys", "defaultMode": 0o444 } },
                    { "name": "map", "configMap": { "name": "map" } },
                    { "name": "all", "projected": { "sources": sources } },
                    { "name": "memory", "emptyDir": { "medium": "Memory" } },
                    { "name": "absent", "secret": { "secretName": "absent", "optional": true } },
                ],
            }),
        )
        .await;
    world.until_phase("volumes", "Succeeded").await;
    assert_eq!(
        world.log("volumes", "it", 0).await,
        "/secret/a: secret a\n/secret/b: secret b\n/map/text: t\n/all/deep/a: secret a\n/all/name: volumes\n\
         \u{20}00 ff\n444\nwritten\ntmpfs\nempty\n"
    );
}

pub(crate) async fn a_secret_for_the_group_is_read_by_the_group_only(world: &World) {
    world.secret("tls", json!({ "tls.key": "key" })).await;
    let volumes = json!([{ "name": "tls", "secret": { "secretName": "tls", "defaultMode": 0o640 } }]);
    let script = "cat /tls/tls.key 2>/dev/null || echo refused";
    for (pod, context, read) in
        [("without", json!({}), "refused\n"), ("with", json!({ "fsGroup": 103 }), "key")]
    {
        let containers = [container("it", script, mounting(&[("tls", "/tls")]))];
        world
            .pod(pod, json!({
                "restartPolicy": "Never", "securityContext": context, "containers": containers, "volumes": volumes,
            }))
            .await;
        world.until_phase(pod, "Succeeded").await;
        assert_eq!(world.log(pod, "it", 0).await, read, "{pod}");
    }
}

pub(crate) async fn a_token_is_the_pods_own(world: &World) {
    let token =
        json!({ "serviceAccountToken": { "path": "token", "audience": "test", "expirationSeconds": 600 } });
    world
        .pod(
            "tokens",
            json!({
                "containers": [container("it", RUNS, mounting(&[("token", "/token")]))],
                "volumes": [{ "name": "token", "projected": { "sources": [token] } }],
            }),
        )
        .await;
    world.until_ready("tokens", true).await;
    let token = world.sh("tokens", "it", "cat /token/token").await;
    let review = json!({ "spec": { "token": token, "audiences": ["test"] } });
    let api: Api<TokenReview> = Api::all(world.environment.client());
    let review: TokenReview = serde_json::from_value(review).unwrap();
    let status = api.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
    let user = status.user.unwrap();
    let account = format!("system:serviceaccount:{}:default", world.environment.namespace());
    assert_eq!((status.authenticated, user.username), (Some(true), Some(account)));
    let extra = user.extra.unwrap();
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], ["tokens"]);
}
