//! The rights that `ci/kubernetes/` gives to who drills: applied as they are, and taken away one by one.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures::future::join_all;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::cluster::SOURCE;
use crate::world::{ORDERS, SOON, World, until};

const FILES: [&str; 3] = ["rbac.yaml", "rbac-compare.yaml", "rbac-events.yaml"];
pub(crate) const DRILLS: &str = "drills";
/// As many refused drills as are done at once.
const AT_ONCE: usize = 3;

/// The objects of these files, with the test's namespaces.
fn copied() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/kubernetes");
    let read = |file| std::fs::read_to_string(folder.join(file)).unwrap();
    let ours = |text: String| {
        text.replace("namespace: prod", &format!("namespace: {ORDERS}")).replace("acid-orders", SOURCE)
    };
    let objects = FILES.iter().flat_map(|file| {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&ours(read(file))).unwrap();
        objects
    });
    objects.collect()
}

/// One verb on one resource in one namespace, and on one object where a role names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    namespace: String,
    group: String,
    resource: String,
    name: Option<String>,
    verb: String,
}

impl Right {
    /// As `drill` calls it.
    fn said(&self) -> String {
        let Right { namespace, group, resource, name, verb } = self;
        let (whole, below) = resource.split_once('/').map_or((resource.as_str(), ""), |split| split);
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let below = if below.is_empty() { String::new() } else { format!("/{below}") };
        let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{verb} {whole}{group}{below}{name} in the namespace {namespace}")
    }

    /// By which a drill sees more, and without which it does all the same.
    fn is_a_help_only(&self) -> bool {
        (self.namespace.as_str(), self.resource.as_str(), self.verb.as_str())
            == (ORDERS, "statefulsets", "list")
    }

    fn rule(&self) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.group.clone()]),
            resources: Some(vec![self.resource.clone()]),
            resource_names: self.name.clone().map(|name| vec![name]),
            verbs: vec![self.verb.clone()],
            non_resource_urls: None,
        }
    }
}

/// All that the roles of the files grant, each by itself.
fn granted() -> Vec<Right> {
    let roles = copied().into_iter().filter(|object| object["kind"] == "Role");
    let mut rights = Vec::new();
    for role in roles {
        let role: Role = serde_json::from_value(role).unwrap();
        let namespace = role.metadata.namespace.unwrap();
        for rule in role.rules.unwrap() {
            let names = rule.resource_names.unwrap_or_default();
            let names: Vec<Option<String>> =
                if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
            for group in rule.api_groups.unwrap_or_default() {
                for resource in rule.resources.iter().flatten() {
                    for (name, verb) in
                        names.iter().flat_map(|name| rule.verbs.iter().map(move |v| (name, v)))
                    {
                        rights.push(Right {
                            namespace: namespace.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            verb: verb.clone(),
                        });
                    }
                }
            }
        }
    }
    rights
}

impl World {
    /// Applies the files as they are; gives a kubeconfig of their service account, which has no other rights.
    pub(crate) fn only_their_rights(&self) -> PathBuf {
        for object in copied() {
            self.create(object["metadata"]["namespace"].as_str().unwrap(), &object);
        }
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), DRILLS);
        let wanted = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
        let parameters = PostParams::default();
        let request = accounts.create_token_request("clonedrill", &parameters, &wanted);
        let token = self.runtime.block_on(request).unwrap().status.unwrap().token;
        self.file("kubeconfig-of-the-role", &self.kubeconfig_of(&json!({ "token": token })).to_string())
    }

    /// The administrator's kubeconfig with another user.
    pub(crate) fn kubeconfig_of(&self, user: &Value) -> Value {
        let mut kubeconfig = self.kubeconfig.clone();
        kubeconfig["users"][0]["user"] = user.clone();
        kubeconfig
    }

    /// Each right that the files grant is one that `drill` asks for before it makes anything: a user for each lacks it.
    pub(crate) fn each_right_is_asked_for(&self, file: &str) {
        let granted = granted();
        assert!(granted.len() > 30, "{granted:?}");
        let asked_for = granted.iter().filter(|right| !right.is_a_help_only());
        let users: Vec<(String, &Right)> =
            asked_for.enumerate().map(|(index, right)| (format!("lacks-{index}"), right)).collect();
        self.runtime
            .block_on(join_all(users.iter().map(|(user, right)| self.grant_all_but(user, right, &granted))));
        let queue = Mutex::new(users.iter());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap().next();
                        let Some((user, right)) = next else { return };
                        self.refused_without(user, right, file);
                    }
                });
            }
        });
    }

    fn refused_without(&self, user: &str, right: &Right, file: &str) {
        let mut admin = self.kubeconfig["users"][0]["user"].clone();
        admin["as"] = json!(user);
        let kubeconfig = self.file(&format!("kubeconfig-{user}"), &self.kubeconfig_of(&admin).to_string());
        let ended = self.run(&["drill", file, "--kubeconfig", kubeconfig.to_str().unwrap()]);
        assert_eq!(ended.code, Some(3), "without the right to {}: {ended:?}", right.said());
        let said = ended.said();
        assert!(
            said.contains(&format!("this user may not {} help", right.said())),
            "{}: {said}",
            right.said()
        );
    }

    async fn grant_all_but(&self, user: &str, lacking: &Right, granted: &[Right]) {
        for namespace in [ORDERS, DRILLS] {
            let rest = granted.iter().filter(|right| right.namespace == namespace && *right != lacking);
            let rest: Vec<&Right> = rest.collect();
            let rules: Vec<PolicyRule> = rest.iter().copied().map(Right::rule).collect();
            let role = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": { "name": user }, "rules": rules,
            });
            let binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": { "name": user },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
            });
            for object in [role, binding] {
                let object = serde_json::from_value(object).unwrap();
                self.of_kind(namespace, &object).create(&PostParams::default(), &object).await.unwrap();
            }
            let last = rest.last().unwrap();
            // The API server's authorizer learns of roles a moment after they were made.
            let known = async || {
                let allowed = self.may(user, last).await?;
                Ok(if allowed { Ok(()) } else { Err("it may not".to_owned()) })
            };
            until(&format!("{user} to have its rights"), SOON, known).await;
        }
    }

    async fn may(&self, user: &str, right: &Right) -> Result<bool, kube::Error> {
        let (resource, below) = right
            .resource
            .split_once('/')
            .map_or((right.resource.as_str(), None), |(whole, below)| (whole, Some(below.to_owned())));
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.to_owned()),
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(right.namespace.clone()),
                    verb: Some(right.verb.clone()),
                    group: Some(right.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource: below,
                    name: right.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        Ok(api.create(&PostParams::default(), &review).await?.status.is_some_and(|status| status.allowed))
    }
}
