//! `check --kubeconfig`: what hangs on a Secret that is only in the cluster is decided by the names of its keys, and no value is asked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Secret as KubeSecret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::outside::{Kept, client};

const VALUE: &str = "the-value-that-nobody-may-see";
const MANIFESTS: &str = r#"apiVersion: acid.zalan.do/v1
kind: OperatorConfiguration
metadata: { name: operator, namespace: shop }
configuration:
  kubernetes: { pod_environment_secret: pod-keys, pod_environment_configmap: shop/pod-env }
  aws_or_gcp: { wal_az_storage_account: "" }
---
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders, namespace: shop }
spec:
  teamId: acid
  numberOfInstances: 2
  volume: { size: 1Gi }
  postgresql: { version: "15" }
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: prodbackups }
    - { name: WALG_AZ_PREFIX, value: "azure://backups/$(SCOPE)/$(PGVERSION)" }
    - { name: WALG_PGP_KEY, valueFrom: { secretKeyRef: { name: more-keys, key: pgp } } }
"#;

/// What is found, with severity and what it is about; what is printed on stderr.
struct Said {
    findings: Vec<String>,
    whole: String,
    stderr: String,
}

fn check(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
    command.args(["check", "all.yaml", "--format", "json"]).args(arguments).current_dir(folder);
    if let Ok(run) = std::env::var("NEXTEST_RUN_ID") {
        command.env("CLONEDRILL_SHARE", format!("{run}:{}", std::os::unix::process::parent_id()));
    }
    let Output { stdout, stderr, .. } = command.output().unwrap();
    let (whole, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    let report: Value =
        serde_json::from_str(&whole).unwrap_or_else(|error| panic!("{error}: {whole}{stderr}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut findings: Vec<String> = findings
        .filter(|finding| finding["severity"] != "note" || finding["code"] == "backups-without-credentials")
        .map(|finding| format!("{} {}", text(finding, "severity"), text(finding, "code")))
        .collect();
    findings.sort();
    Said { findings, whole, stderr }
}

fn data(keys: &[&str]) -> Value {
    keys.iter()
        .map(|key| ((*key).to_owned(), json!(STANDARD.encode(VALUE))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn make_secret(client: &Client, name: &str, keys: &[&str]) {
    let secrets: Api<KubeSecret> = Api::namespaced(client.clone(), "shop");
    let secret = json!({ "metadata": { "name": name }, "data": data(keys) });
    secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
}

/// A user who may see which clusters there are, and nothing else.
async fn user_without_secrets(client: &Client, admin: &str, folder: &Path) -> PathBuf {
    let post = PostParams::default();
    let role = json!({
        "metadata": { "name": "sees-clusters" },
        "rules": [{ "apiGroups": ["acid.zalan.do"], "resources": ["postgresqls"], "verbs": ["list"] }],
    });
    Api::<ClusterRole>::all(client.clone())
        .create(&post, &serde_json::from_value(role).unwrap())
        .await
        .unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "shop");
    let account = json!({ "metadata": { "name": "pipeline" } });
    accounts.create(&post, &serde_json::from_value(account).unwrap()).await.unwrap();
    let binding = json!({
        "metadata": { "name": "sees-clusters" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sees-clusters" },
        "subjects": [{ "kind": "ServiceAccount", "name": "pipeline", "namespace": "shop" }],
    });
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings.create(&post, &serde_json::from_value(binding).unwrap()).await.unwrap();
    let wanted: TokenRequest =
        serde_json::from_value(json!({ "spec": { "audiences": [], "expirationSeconds": 600 } })).unwrap();
    let token =
        accounts.create_token_request("pipeline", &post, &wanted).await.unwrap().status.unwrap().token;
    let mut config: Value = serde_json::from_str(admin).unwrap();
    config["users"][0]["user"] = json!({ "token": token });
    let file = folder.join("pipeline.kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// The API server's answer to what is asked of it has no values.
async fn answer_has_no_values(client: &Client) {
    let request = http::Request::get("/api/v1/namespaces/shop/secrets/pod-keys?includeObject=Metadata")
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .unwrap();
    let answer = client.request_text(request).await.unwrap();
    assert!(answer.contains("f:AZURE_STORAGE_ACCESS_KEY"), "{answer}");
    assert!(!answer.contains(VALUE) && !answer.contains(&STANDARD.encode(VALUE)), "{answer}");
}

#[test]
fn names_of_keys_decide_what_hangs_on_secrets_of_the_cluster_and_values_are_never_asked_for() {
    let kept = Kept::up("keys", &["--namespace", "shop"]);
    let admin = String::from_utf8(kept.kubeconfig().stdout).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("admin.kubeconfig");
    std::fs::write(&file, &admin).unwrap();
    std::fs::write(folder.path().join("all.yaml"), MANIFESTS).unwrap();
    let file = file.to_str().unwrap();
    let asked = ["--kubeconfig", file];

    let unknown = [
        "note backups-without-credentials",
        "warning missing-configmap",
        "warning missing-secret",
        "warning missing-secret",
    ];
    assert_eq!(check(folder.path(), &[]).findings, unknown);
    let none = check(folder.path(), &asked);
    assert_eq!(none.findings, unknown);
    assert!(
        none.whole.contains("Secret shop/more-keys is neither in the input nor in the cluster"),
        "{}",
        none.whole
    );

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pipeline = runtime.block_on(async {
        let client = client(&admin).await;
        make_secret(&client, "pod-keys", &["WALG_LIBSODIUM_KEY", "SOMETHING_ELSE"]).await;
        make_secret(&client, "more-keys", &["gpg"]).await;
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "shop");
        let map = json!({ "metadata": { "name": "pod-env" }, "data": { "BACKUP_NUM_TO_RETAIN": VALUE } });
        maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
        user_without_secrets(&client, &admin, folder.path()).await
    });
    // All keys are known, and the one that is needed is not among them.
    let decided = check(folder.path(), &asked);
    assert_eq!(decided.findings, ["error backups-without-credentials", "warning missing-secret-key"]);
    assert!(!decided.whole.contains("unless"), "{}", decided.whole);

    // Who may not look hears it, and knows as much as before.
    let refused = check(folder.path(), &["--kubeconfig", pipeline.to_str().unwrap()]);
    assert_eq!(refused.findings, unknown);
    for note in [
        "note: the keys of Secret more-keys, pod-keys in the namespace shop are not known: this user may not get secrets there",
        "note: the keys of ConfigMap pod-env in the namespace shop are not known: this user may not get configmaps there",
    ] {
        assert!(refused.stderr.contains(note), "{}", refused.stderr);
    }

    runtime.block_on(async {
        let client = client(&admin).await;
        let secrets: Api<KubeSecret> = Api::namespaced(client.clone(), "shop");
        for (name, keys) in [("pod-keys", &["AZURE_STORAGE_ACCESS_KEY"][..]), ("more-keys", &["pgp"])] {
            let patch = kube::api::Patch::Merge(json!({ "data": data(keys) }));
            secrets.patch(name, &kube::api::PatchParams::default(), &patch).await.unwrap();
        }
        answer_has_no_values(&client).await;
    });
    let all_there = check(folder.path(), &asked);
    assert_eq!(all_there.findings, [""; 0], "{}", all_there.whole);
    for said in [&none, &decided, &refused, &all_there] {
        let printed = format!("{}{}", said.whole, said.stderr);
        assert!(!printed.contains(VALUE) && !printed.contains(&STANDARD.encode(VALUE)), "{printed}");
    }

    let mut explain = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
    explain.args(["explain", "all.yaml", "--kubeconfig", file]).current_dir(folder.path());
    let explained = explain.output().unwrap();
    let text = String::from_utf8_lossy(&explained.stdout);
    assert!(
        text.contains("Secret pod-keys/AZURE_STORAGE_ACCESS_KEY"),
        "{text}{}",
        String::from_utf8_lossy(&explained.stderr)
    );
    assert!(!text.contains(VALUE), "{text}");
}
