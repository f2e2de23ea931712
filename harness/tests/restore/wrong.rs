//! Everything that goes wrong is said in its own words, with its own exit code, and leaves nothing.

use std::net::TcpListener;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, Secret as KubeSecret};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::{SOURCE, archiving, plain};
use crate::command::Ended;
use crate::world::{ACCOUNT, ORDERS, SOON, World, until};

/// Those in which nothing comes up are looked at side by side.
const LATE: &str = "late";
const KEY: &str = "key";
const QUOTA: &str = "quota";
const IMAGE: &str = "image";
const OVERRIDDEN: &str = "overridden";
/// Its image is nowhere.
const UNKNOWN_IMAGE: &str = "acid-image";
/// It archives nothing.
const BARE: &str = "acid-bare";

pub(crate) fn what_goes_wrong_is_said() {
    let world = World::up("wrong", &[LATE, KEY, QUOTA, IMAGE, OVERRIDDEN]);
    drop(world.source());
    world.create(ORDERS, &plain(BARE));
    let mut image = archiving(UNKNOWN_IMAGE);
    image["spec"]["dockerImage"] = json!("registry.invalid/nothing:none");
    world.create(ORDERS, &image);
    world.has_set(BARE);
    world.has_set(UNKNOWN_IMAGE);

    world.the_way_in();
    world.the_file();
    world.the_source();
    world.the_namespace();
    std::thread::scope(|scope| {
        scope.spawn(|| world.no_backup_is_that_old());
        scope.spawn(|| world.the_key_is_refused());
        scope.spawn(|| world.the_quota_is_exceeded_and_meanwhile_another_is_refused());
        scope.spawn(|| world.the_image_cannot_be_pulled());
    });
    world.the_operator_decides_otherwise();
}

fn says(ended: &Ended, code: i32, texts: &[&str]) {
    let said = ended.said();
    assert_eq!(ended.code, Some(code), "{said}");
    for text in texts {
        assert!(said.contains(text), "it does not say `{text}`: {said}");
    }
}

fn of(source: &str) -> String {
    format!("{ORDERS}/{source}")
}

impl World {
    fn drill(&self, source: &str, into: &str, more: &[&str]) -> Ended {
        let source = of(source);
        self.run(&[&["drill", "--source", &source, "--into", into], more].concat())
    }

    /// The same, with nothing left of it.
    fn fails(&self, source: &str, into: &str, more: &[&str], code: i32, texts: &[&str]) {
        let before = self.objects(into);
        says(&self.drill(source, into, more), code, texts);
        self.is_again(into, &before);
    }

    fn has_set(&self, cluster: &str) {
        let object: DynamicObject =
            serde_json::from_value(json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {} }))
                .unwrap();
        let sets = self.of_kind(ORDERS, &object);
        let made = async || Ok(sets.get_opt(cluster).await?.map(|_| ()).ok_or("there is none".to_owned()));
        self.runtime.block_on(until(&format!("the StatefulSet of {cluster}"), SOON, made));
    }

    fn the_way_in(&self) {
        let with = |kubeconfig: &str| self.drill(SOURCE, LATE, &["--kubeconfig", kubeconfig]);
        says(
            &with("nowhere"),
            2,
            &["failed to read the kubeconfig nowhere", "`--kubeconfig` names another file"],
        );
        self.file("no-yaml", "apiVersion: [");
        says(&with("no-yaml"), 2, &["failed to read the kubeconfig no-yaml"]);
        says(
            &self.drill(SOURCE, LATE, &["--context", "other"]),
            2,
            &["failed to read the kubeconfig", "other"],
        );
        self.file("stranger", &self.kubeconfig_of(&json!({ "token": "nobody-knows-it" })).to_string());
        says(
            &with("stranger"),
            2,
            &["it does not know this user", "has expired, or belongs to another cluster"],
        );
        let nobody = self.file("nobody", &self.kubeconfig_of(&json!({})).to_string());
        says(&with(nobody.to_str().unwrap()), 2, &["it does not know this user", "anonymous"]);
        // A port that is free once the listener is dropped.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut silent = self.kubeconfig.clone();
        silent["clusters"][0]["cluster"]["server"] = json!(format!("https://127.0.0.1:{port}"));
        self.file("silent", &silent.to_string());
        says(&with("silent"), 3, &["failed to reach the API server", "refused"]);
    }

    fn the_file(&self) {
        let file = "source: { namespace: orders, name: acid-orders }\ninto: { namespace: late }\nwithin: { rt0: 30m }\n";
        self.file("typo.yaml", file);
        says(&self.run(&["drill", "typo.yaml"]), 2, &["rt0", "typo.yaml:3:11"]);
        let archive = "azure://backups/acid-orders/15/clone";
        let file = format!(
            "source: {{ namespace: orders, name: acid-orders }}\ninto: {{ namespace: late }}\nclone: {{ archive: {archive} }}\n"
        );
        self.file("archive.yaml", &file);
        let before = self.objects(LATE);
        let ended = self.run(&["drill", "archive.yaml"]);
        says(&ended, 2, &[archive, "lie within each other", "`clone.archive`"]);
        self.is_again(LATE, &before);
    }

    fn the_source(&self) {
        self.fails("acid-nobody", LATE, &[], 2, &["failed to find the source orders/acid-nobody"]);
        self.fails(BARE, LATE, &[], 1, &["it archives nothing", "`clonedrill check`"]);
        let own = &["is made in its source's own namespace", "source's own namespace"];
        let ended = self.drill(SOURCE, ORDERS, &[]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(own.iter().any(|text| ended.said().contains(text)), "{ended:?}");
    }

    fn the_namespace(&self) {
        says(
            &self.drill(SOURCE, "nowhere", &[]),
            2,
            &["failed to find the namespace nowhere", "kubectl create namespace"],
        );
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let ending = serde_json::from_value(json!({ "metadata": { "name": "ending" } })).unwrap();
        let held = json!({ "metadata": { "name": "held", "finalizers": ["clonedrill.test/held"] } });
        self.runtime.block_on(async {
            namespaces.create(&PostParams::default(), &ending).await.unwrap();
            let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), "ending");
            maps.create(&PostParams::default(), &serde_json::from_value(held).unwrap()).await.unwrap();
            namespaces.delete("ending", &DeleteParams::default()).await.unwrap();
        });
        says(
            &self.drill(SOURCE, "ending", &[]),
            3,
            &["failed to use the namespace ending: it is being deleted"],
        );
        says(
            &self.run(&["clean", "-n", "ending"]),
            3,
            &["failed to use the namespace ending: it is being deleted"],
        );
    }

    fn no_backup_is_that_old(&self) {
        let texts = ["no backup in azure://backups/acid-orders/", "is older than"];
        self.fails(SOURCE, LATE, &["--target", "24h"], 1, &texts);
        // There is no Secret to take a key from.
        let secrets: Api<KubeSecret> = Api::namespaced(self.client.clone(), LATE);
        self.runtime.block_on(secrets.delete("storage-accounts", &DeleteParams::default())).unwrap();
        let texts = ["failed to read the Secret storage-accounts in the namespace late", "copy the Secret"];
        self.fails(SOURCE, LATE, &[], 3, &texts);
    }

    fn the_key_is_refused(&self) {
        let other = json!({ "stringData": { ACCOUNT: "bm90IHRoZSBrZXkgb2YgdGhpcyBhY2NvdW50IGF0IGFsbC4=" } });
        let secrets: Api<KubeSecret> = Api::namespaced(self.client.clone(), KEY);
        let (parameters, other) = (PatchParams::default(), Patch::Merge(&other));
        self.runtime.block_on(secrets.patch("storage-accounts", &parameters, &other)).unwrap();
        let texts = [
            "WAL-G finds no backup at all in azure://backups/acid-orders/",
            "or the account refuses the key `production` of the Secret storage-accounts in the namespace key",
        ];
        self.fails(SOURCE, KEY, &[], 1, &texts);
    }

    fn the_quota_is_exceeded_and_meanwhile_another_is_refused(&self) {
        let quota = json!({ "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } } });
        let status = json!({ "status": { "hard": { "pods": "0" }, "used": { "pods": "0" } } });
        let quotas: Api<ResourceQuota> = Api::namespaced(self.client.clone(), QUOTA);
        self.runtime.block_on(async {
            quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
            // Its controller would say the same.
            quotas.patch_status("none", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        });
        let before = self.objects(QUOTA);
        let source = of(SOURCE);
        let mut first = self.start(&["drill", "--source", &source, "--into", QUOTA]);
        first.until_says("wait for its turn");
        // One of the same source does not wait, and hears who has its turn.
        let by = "a drill of orders/acid-orders on ";
        let texts =
            ["failed to get a turn", "another drill of the same source goes on: ", by, "`limits.wait`"];
        says(&self.drill(SOURCE, QUOTA, &["--wait", "0s"]), 3, &texts);
        // One of another source waits for the place, and says for whom.
        let mut second = self.start(&["drill", "--source", &of(UNKNOWN_IMAGE), "--into", QUOTA]);
        second.until_says(&format!("quota has a place for 1 at a time, taken by {by}"));
        assert!(!first.has_ended(), "the first ended before the others heard of it");
        says(
            &first.end(),
            3,
            &["the namespace's quota is exceeded", "exceeded quota: none", "raise the quota"],
        );
        // Its turn has come, and it fares no better.
        says(&second.end(), 3, &["wait for its turn", "the namespace's quota is exceeded"]);
        self.is_again(QUOTA, &before);
    }

    fn the_image_cannot_be_pulled(&self) {
        let texts = ["its image cannot be pulled", "registry.invalid/nothing:none", "pull secret"];
        self.fails(UNKNOWN_IMAGE, IMAGE, &[], 3, &texts);
    }

    /// The operator's global account beats what a manifest says: the clone would read from another account.
    fn the_operator_decides_otherwise(&self) {
        self.configure_operator(&json!({ "aws_or_gcp": { "wal_az_storage_account": "elsewhere" } }));
        let file = json!({
            "source": { "namespace": ORDERS, "name": SOURCE },
            "into": { "namespace": OVERRIDDEN },
            "clone": { "env": [{ "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": ACCOUNT }] },
        });
        let path = self.file("overridden.yaml", &file.to_string());
        let before = self.objects(OVERRIDDEN);
        let ended = self.run(&["drill", path.to_str().unwrap(), "--format", "json"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let finding = &report["drills"][0]["findings"][0];
        assert_eq!(finding["subject"], "clone: env CLONE_AZURE_STORAGE_ACCOUNT", "{finding:#}");
        assert_eq!(finding["expected"], ACCOUNT);
        assert_eq!(finding["seen"], "its pods get elsewhere");
        self.is_again(OVERRIDDEN, &before);
    }
}
