//! A source: a cluster with backups and rows, and somebody who goes on writing to it.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clonedrill::environment::cluster::{ClusterAccess, Forward, Wanted};
use clonedrill::observe::data::Connect;
use clonedrill::secret::Secret;
use k8s_openapi::api::core::v1::{Pod, Secret as KubeSecret};
use kube::api::{DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::process::MIDDLE;
use crate::world::{ACCOUNT, ORDERS, World, until};

pub(crate) const SOURCE: &str = "acid-orders";
/// All that it writes lies below it.
pub(crate) const PREFIX: &str = "backups/acid-orders/";

const ROWS: &str = "
    CREATE TABLE public.orders (id bigserial PRIMARY KEY, total numeric NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE public.customers (name text PRIMARY KEY);
    INSERT INTO public.customers SELECT 'customer ' || n FROM generate_series(1, 50) n;
    INSERT INTO public.orders (total) SELECT n FROM generate_series(1, 500) n;";
const WRITE: &str = "INSERT INTO public.orders (total) VALUES (1)";
/// So that what was committed comes into the archive: gives the file that has it.
pub(crate) const SWITCH: &str = "SELECT pg_walfile_name(pg_switch_wal())";
pub(crate) const ARCHIVED: &str = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver";

/// The manifest of a cluster that archives into the account.
pub(crate) fn archiving(name: &str) -> Value {
    let key = json!({ "secretKeyRef": { "name": "storage-accounts", "key": ACCOUNT } });
    let mut cluster = plain(name);
    cluster["spec"]["env"] = json!([
        { "name": "AZURE_STORAGE_ACCOUNT", "value": ACCOUNT },
        { "name": "AZURE_STORAGE_ACCESS_KEY", "valueFrom": key },
        { "name": "WALG_AZ_PREFIX", "value": "azure://backups/$(SCOPE)/$(PGVERSION)" },
    ]);
    cluster
}

/// The manifest of a cluster that archives nothing.
pub(crate) fn plain(name: &str) -> Value {
    json!({
        "apiVersion": "acid.zalan.do/v1",
        "kind": "postgresql",
        "metadata": { "name": name },
        "spec": {
            "teamId": "acid",
            "numberOfInstances": 1,
            "volume": { "size": "1Gi" },
            "postgresql": { "version": postgres_major() },
            "users": { "orders": [] },
            "databases": { "orders": "orders" },
        },
    })
}

/// The source's own database, reached as any client would.
pub(crate) struct Source {
    pub sql: tokio_postgres::Client,
    _forward: Forward,
}

impl Source {
    /// Ends its WAL file, and waits until that is archived; gives its name.
    pub(crate) async fn archives(&self) -> String {
        let file: String = self.sql.query_one(SWITCH, &[]).await.unwrap().get(0);
        let archived = async || {
            let last: String = self.sql.query_one(ARCHIVED, &[]).await.unwrap().get(0);
            Ok(if last >= file { Ok(()) } else { Err(last) })
        };
        until(&format!("{file} to be archived"), MIDDLE, archived).await;
        file
    }
}

impl World {
    /// Makes it, with a backup and rows that are archived.
    pub(crate) fn source(&self) -> Source {
        self.create(ORDERS, &archiving(SOURCE));
        self.runtime.block_on(async {
            self.has_backed_up(SOURCE).await;
            let source = self.open(&format!("{SOURCE}-0")).await;
            source.sql.batch_execute(ROWS).await.unwrap();
            source.archives().await;
            source
        })
    }

    /// Waits until a cluster runs and has taken its first base backup.
    pub(crate) async fn has_backed_up(&self, cluster: &str) {
        let object: DynamicObject = serde_json::from_value(plain(cluster)).unwrap();
        let clusters = self.of_kind(ORDERS, &object);
        let running = async || {
            let status = clusters.get(cluster).await?.data["status"].clone();
            Ok(if status["PostgresClusterStatus"] == "Running" { Ok(()) } else { Err(status.to_string()) })
        };
        until(&format!("{cluster} to be Running"), MIDDLE, running).await;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), ORDERS);
        let pod = format!("{cluster}-0");
        let backed_up = async || {
            let log = pods.logs(&pod, &LogParams::default()).await?;
            let last = log.lines().last().unwrap_or_default().to_owned();
            Ok(if log.contains("Wrote backup with name") { Ok(()) } else { Err(last) })
        };
        until(&format!("the first backup of {cluster}"), MIDDLE, backed_up).await;
    }

    pub(crate) fn uid_of(&self, cluster: &str) -> String {
        let object: DynamicObject = serde_json::from_value(plain(cluster)).unwrap();
        self.runtime.block_on(self.of_kind(ORDERS, &object).get(cluster)).unwrap().uid().unwrap()
    }

    pub(crate) async fn open(&self, pod: &str) -> Source {
        self.open_database(pod, "orders").await
    }

    pub(crate) async fn open_database(&self, pod: &str, database: &str) -> Source {
        let secrets: Api<KubeSecret> = Api::namespaced(self.client.clone(), ORDERS);
        let name = format!("postgres.{SOURCE}.credentials.postgresql.acid.zalan.do");
        let password = secrets.get(&name).await.unwrap().data.unwrap().remove("password").unwrap();
        let kubeconfig = Some(self.folder().join("kubeconfig"));
        let access = ClusterAccess::connect(&Wanted { kubeconfig, context: None }).await.unwrap();
        let forward = Forward::to(access.streams(), ORDERS, pod, 5432).await.unwrap();
        let address = forward.address();
        let connect = Connect {
            host: address.ip().to_string(),
            port: address.port(),
            user: "postgres".to_owned(),
            password: Secret::new(String::from_utf8(password.0).unwrap()),
            image: None,
        };
        Source { sql: connect.open(database).await.unwrap(), _forward: forward }
    }

    /// Merges this into the operator's configuration, and starts the operator again.
    pub(crate) fn configure_operator(&self, configuration: &Value) {
        let kind =
            json!({ "apiVersion": "acid.zalan.do/v1", "kind": "OperatorConfiguration", "metadata": {} });
        let kind: DynamicObject = serde_json::from_value(kind).unwrap();
        let configurations = self.of_kind(ORDERS, &kind);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), ORDERS);
        let of_operator = ListParams::default().labels("name=postgres-operator");
        self.runtime.block_on(async {
            let name = configurations.list(&ListParams::default()).await.unwrap().items[0].name_any();
            let merged = Patch::Merge(json!({ "configuration": configuration }));
            configurations.patch(&name, &PatchParams::default(), &merged).await.unwrap();
            let old = pods.list(&of_operator).await.unwrap().items[0].name_any();
            pods.delete(&old, &DeleteParams::default()).await.unwrap();
            let another = async || {
                let listed = pods.list(&of_operator).await?.items;
                let ready = |pod: &Pod| {
                    let mut conditions =
                        pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
                    pod.name_any() != old
                        && conditions.any(|one| one.type_ == "Ready" && one.status == "True")
                };
                Ok(if listed.iter().any(ready) { Ok(()) } else { Err(format!("{} pods", listed.len())) })
            };
            until("another operator", MIDDLE, another).await;
        });
    }

    /// Goes on writing until it is dropped, ten times a second. Every `switch`th time a WAL file is ended, which each later
    /// recovery must replay.
    pub(crate) fn writes(&self, source: Source, switch: u64) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(self.runtime.spawn(async move {
            // As a whole, or the port would be forwarded no more.
            let source = source;
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            for count in 1_u64.. {
                ticks.tick().await;
                source.sql.batch_execute(if count % switch == 0 { SWITCH } else { WRITE }).await.unwrap();
            }
        }))
    }
}

/// One that this machine has.
pub(crate) fn postgres_major() -> String {
    let binary = env!("CARGO_BIN_EXE_clonedrill");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output =
        Command::new(binary).current_dir(folder).args(["tools", "--format", "json"]).output().unwrap();
    let programs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let postgres = programs.iter().find(|program| program["program"] == "postgres").unwrap();
    postgres["version"].as_str().unwrap().split('.').next().unwrap().to_owned()
}
