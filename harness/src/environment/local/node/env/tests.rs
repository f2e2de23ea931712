use std::sync::Arc;

use serde_json::json;

use super::*;

struct World {
    pod: Pod,
    image: Image,
    objects: Objects,
    services: Vec<Arc<Service>>,
}

impl World {
    fn with(container: serde_json::Value) -> Self {
        let mut container = container;
        container["name"] = "db".into();
        let pod = json!({
            "metadata": { "name": "db-0", "namespace": "ns" },
            "spec": { "containers": [container] },
        });
        let service = json!({
            "metadata": { "name": "my-db" },
            "spec": { "clusterIP": "10.96.0.7", "ports": [{ "name": "postgresql", "port": 5432 }] },
        });
        let image = Image { env: vec![("FROM_IMAGE".into(), "yes".into())], ..Image::default() };
        let mut objects = Objects::default();
        let keys = [("key", "s3cret"), ("other", "from the secret")];
        objects.insert(
            ObjectRef::new(Kind::Secret, "keys"),
            keys.map(|(key, value)| (key.into(), value.into())),
        );
        let settings = [("other", "from the config map"), ("A", "a")];
        objects.insert(
            ObjectRef::new(Kind::ConfigMap, "settings"),
            settings.map(|(key, value)| (key.into(), value.into())),
        );
        World {
            pod: serde_json::from_value(pod).unwrap(),
            image,
            objects,
            services: vec![Arc::new(serde_json::from_value(service).unwrap())],
        }
    }

    fn resolve(&self) -> Result<BTreeMap<String, String>, EnvError> {
        let resolved = super::resolve(&Sources {
            pod: &self.pod,
            container: &self.pod.spec.as_ref().unwrap().containers[0],
            pod_ip: "10.244.1.9",
            image: &self.image,
            user_home: Path::new("/home/x"),
            objects: &self.objects,
            services: &self.services,
            api_server: &ApiServerAddress { host: "10.244.0.1".into(), port: 443 },
        })?;
        Ok(resolved.all.into_iter().collect())
    }
}

#[test]
fn the_last_of_two_values_wins_and_what_stands_between_sees_the_first() {
    let world = World::with(json!({ "env": [
        { "name": "ACCOUNT", "value": "one" },
        { "name": "SEEN", "value": "$(ACCOUNT)-$(LATER)" },
        { "name": "ACCOUNT", "value": "two" },
        { "name": "LATER", "value": "x" },
    ] }));
    let env = world.resolve().unwrap();
    assert_eq!(env["ACCOUNT"], "two");
    assert_eq!(env["SEEN"], "one-$(LATER)");
}

#[test]
fn env_beats_env_from_whose_last_source_beats_the_first() {
    let world = World::with(json!({
        "envFrom": [
            { "configMapRef": { "name": "settings" } },
            { "secretRef": { "name": "keys" } },
            { "secretRef": { "name": "keys" }, "prefix": "P_" },
            { "configMapRef": { "name": "absent", "optional": true } },
        ],
        "env": [{ "name": "A", "value": "b" }, { "name": "B", "value": "$(key)" }],
    }));
    let env = world.resolve().unwrap();
    assert_eq!((env["other"].as_str(), env["P_key"].as_str()), ("from the secret", "s3cret"));
    assert_eq!((env["A"].as_str(), env["B"].as_str()), ("b", "s3cret"));
}

#[test]
fn what_is_missing_is_an_error_unless_it_is_optional() {
    let secret = |name: &str, key: &str, optional: bool| {
        let reference = json!({ "name": name, "key": key, "optional": optional });
        World::with(json!({ "env": [{ "name": "A", "valueFrom": { "secretKeyRef": reference } }] })).resolve()
    };
    assert_eq!(secret("keys", "key", false).unwrap()["A"], "s3cret");
    assert_eq!(secret("absent", "key", false).unwrap_err().to_string(), "secret \"absent\" not found");
    let error = secret("keys", "absent", false).unwrap_err();
    assert_eq!(error.to_string(), "couldn't find key absent in secret \"keys\"");
    assert!(!secret("absent", "key", true).unwrap().contains_key("A"));
    assert!(!secret("keys", "absent", true).unwrap().contains_key("A"));
    let whole = World::with(json!({ "envFrom": [{ "secretRef": { "name": "absent" } }] }));
    assert!(whole.resolve().is_err());
}

#[test]
fn services_image_and_runtime_come_beneath_the_containers_own() {
    let world = World::with(json!({ "env": [
        { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
        { "name": "URL", "value": "$(MY_DB_PORT)" },
        { "name": "FROM_IMAGE", "value": "" },
    ] }));
    let env = world.resolve().unwrap();
    assert_eq!(env["IP"], "10.244.1.9");
    assert_eq!(env["URL"], "tcp://10.96.0.7:5432");
    assert_eq!(env["MY_DB_SERVICE_PORT_POSTGRESQL"], "5432");
    assert_eq!(env["KUBERNETES_SERVICE_HOST"], "10.244.0.1");
    assert_eq!(env["KUBERNETES_PORT_443_TCP_ADDR"], "10.244.0.1");
    assert_eq!(env["FROM_IMAGE"], "");
    assert_eq!((env["HOSTNAME"].as_str(), env["HOME"].as_str()), ("db-0", "/home/x"));
}

#[test]
fn without_service_links_only_the_api_server_is_named() {
    let mut world = World::with(json!({}));
    world.pod.spec.as_mut().unwrap().enable_service_links = Some(false);
    let env = world.resolve().unwrap();
    assert!(!env.contains_key("MY_DB_SERVICE_HOST"));
    assert!(env.contains_key("KUBERNETES_SERVICE_HOST"));
}
