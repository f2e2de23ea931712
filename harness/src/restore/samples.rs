//! A source as tests need one.

use serde_json::{Value, json};

use super::source::{Course, Source};
use crate::spilo::{Azure, CredentialKind, EnvItem};

pub(super) const KEY: &str = "AZURE_STORAGE_ACCESS_KEY";

pub(super) fn variable(item: Value) -> EnvItem {
    let name = item["name"].as_str().unwrap().to_owned();
    EnvItem { name, item }
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "backup-keys", "key": "prod" } } })
}

pub(super) fn source() -> Source {
    let variables = [
        json!({ "name": "SCOPE", "value": "acid-orders" }),
        json!({ "name": "PGVERSION", "value": "15" }),
        json!({ "name": "AZURE_STORAGE_ACCOUNT", "value": "prod" }),
        reference(KEY),
        json!({ "name": "WALG_AZ_PREFIX", "value": "azure://backups/$(SCOPE)/$(PGVERSION)" }),
        json!({ "name": "WAL_S3_BUCKET", "value": "elsewhere" }),
    ];
    Source {
        namespace: "prod".to_owned(),
        name: "acid-orders".to_owned(),
        uid: "u-1".to_owned(),
        spec: json!({
            "teamId": "acid",
            "numberOfInstances": 3,
            "users": { "orders": ["superuser"] },
            "databases": { "orders": "orders" },
            "sidecars": [{ "name": "exporter" }],
            "enableMasterLoadBalancer": true,
            "streams": [{}],
            "somethingNew": { "reaches": "out" },
            "tolerations": [{ "key": "db" }],
            "volume": { "size": "100Gi" },
            "resources": { "limits": { "cpu": "4", "memory": "8Gi" }, "requests": { "cpu": "4", "memory": "8Gi" } },
            "additionalVolumes": [
                { "name": "certs", "mountPath": "/certs", "volumeSource": { "secret": { "secretName": "s" } } },
                { "name": "space", "mountPath": "/space", "volumeSource": { "nfs": { "server": "production" } } },
            ],
            "postgresql": { "version": "15", "parameters": {
                "max_connections": "300", "shared_buffers": "6GB", "archive_command": "cp %p /somewhere",
                "log_timezone": "Europe/Berlin", "zero_damaged_pages": "on", "log_min_messages": "panic",
            } },
        }),
        variables: variables.map(variable).to_vec(),
        backups: Azure {
            account: Some("prod".to_owned()),
            prefix: "azure://backups/acid-orders/15".to_owned(),
            credential: Some(CredentialKind::AccessKey),
            warning: None,
        },
        system_identifier: None,
        course: Course::default(),
        archive_timeout: None,
        cluster_label: "cluster-name".to_owned(),
        role_label: "spilo-role".to_owned(),
    }
}
