//! What this user may do, asked of the API server before anything is done.

use std::fmt;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::connect::ClusterAccess;
use super::error::ClusterError;

/// As many questions as are asked at once.
const AT_ONCE: usize = 8;

/// One verb on one kind of object in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// As RBAC has it, such as `create`.
    pub verb: &'static str,
    /// The API group; empty for the core's.
    pub group: &'static str,
    /// In the plural, such as `postgresqls`.
    pub resource: &'static str,
    /// Empty for the object itself.
    pub subresource: &'static str,
    /// The one in which it is needed.
    pub namespace: String,
    /// Empty for all objects of the kind.
    pub name: String,
}

impl Right {
    /// `resource` as `kubectl auth can-i` writes it: `pods/log`, `postgresqls.acid.zalan.do`.
    pub fn new(verb: &'static str, resource: &'static str, namespace: &str) -> Self {
        let (whole, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = whole.split_once('.').unwrap_or((whole, ""));
        Right { verb, group, resource, subresource, namespace: namespace.to_owned(), name: String::new() }
    }

    /// The same on one object only.
    #[must_use]
    pub fn on(self, name: &str) -> Self {
        Right { name: name.to_owned(), ..self }
    }

    /// The command that asks for it.
    pub fn can_i(&self) -> String {
        let Right { verb, namespace, .. } = self;
        let name = if self.name.is_empty() { String::new() } else { format!("/{}", self.name) };
        format!("kubectl auth can-i {verb} {}{name} -n {namespace}", self.named())
    }

    fn named(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let below =
            if self.subresource.is_empty() { String::new() } else { format!("/{}", self.subresource) };
        format!("{}{group}{below}", self.resource)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { String::new() } else { format!(" {}", self.name) };
        write!(f, "{} {}{name} in the namespace {}", self.verb, self.named(), self.namespace)
    }
}

/// Those of `rights` that this user has not, in their order.
///
/// # Errors
/// When the API server does not answer.
pub async fn missing(access: &ClusterAccess, rights: &[Right]) -> Result<Vec<Right>, ClusterError> {
    let api: Api<SelfSubjectAccessReview> = Api::all(access.client());
    let asked = futures::stream::iter(rights).map(|right| {
        let api = &api;
        async move {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        verb: text(right.verb),
                        group: text(right.group),
                        resource: text(right.resource),
                        subresource: text(right.subresource),
                        namespace: text(&right.namespace),
                        name: text(&right.name),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let answer = api.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(ClusterError::api(format!("ask whether this user may {right}")))?;
            let allowed = answer.status.is_some_and(|status| status.allowed);
            Ok::<_, ClusterError>((!allowed).then(|| right.clone()))
        }
    });
    let answers: Vec<Option<Right>> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_called_as_kubectl_calls_it() {
        let of = |resource| Right::new("create", resource, "drills");
        assert_eq!(of("pods/portforward").can_i(), "kubectl auth can-i create pods/portforward -n drills");
        let clusters = of("postgresqls.acid.zalan.do");
        assert_eq!((clusters.resource, clusters.group), ("postgresqls", "acid.zalan.do"));
        assert_eq!(clusters.to_string(), "create postgresqls.acid.zalan.do in the namespace drills");
    }
}
