//! The way into a cluster's database: its leader's port, forwarded, and the superuser's password where its pods have it from.

use k8s_openapi::api::core::v1::{Pod, Secret as KubeSecret};
use kube::ResourceExt;
use kube::api::Api;

use super::error::RestoreError;
use crate::environment::cluster::{ClusterAccess, ClusterError, Forward};
use crate::observe::data::Connect;
use crate::operator::image_of;
use crate::secret::Secret;
use crate::spilo::EnvItem;

const POSTGRES: u16 = 5432;

/// Opens as long as the second part of it lives; none where there is no password yet. `variables` are those of the cluster's
/// pods. Whether the database answers, its first session shows.
///
/// # Errors
/// When the API server says no, or no port can be had here.
pub(super) async fn open(
    access: &ClusterAccess,
    namespace: &str,
    leader: &Pod,
    variables: &[EnvItem],
) -> Result<Option<(Connect, Forward)>, RestoreError> {
    let Some((user, password)) = superuser(access, namespace, variables).await? else { return Ok(None) };
    let forward = Forward::to(access.streams(), namespace, &leader.name_any(), POSTGRES).await?;
    let address = forward.address();
    let connect = Connect {
        host: address.ip().to_string(),
        port: address.port(),
        user,
        password,
        image: image_of(leader),
    };
    Ok(Some((connect, forward)))
}

/// The superuser's name and password.
async fn superuser(
    access: &ClusterAccess,
    namespace: &str,
    variables: &[EnvItem],
) -> Result<Option<(String, Secret)>, RestoreError> {
    let user = last(variables, "PGUSER_SUPERUSER").and_then(|variable| variable.item["value"].as_str());
    let Some((name, key)) = password_key(variables) else { return Ok(None) };
    let secrets: Api<KubeSecret> = Api::namespaced(access.client(), namespace);
    let secret = secrets.get_opt(&name).await;
    let secret = secret.map_err(ClusterError::api(format!("read the Secret {name} in {namespace}")))?;
    let value = secret.and_then(|secret| secret.data?.remove(&key));
    let value = value.and_then(|value| String::from_utf8(value.0).ok());
    Ok(value.map(|value| (user.unwrap_or("postgres").to_owned(), Secret::new(value))))
}

/// The Secret that holds the superuser's password, and its key.
pub(super) fn password_key(variables: &[EnvItem]) -> Option<(String, String)> {
    let reference = &last(variables, "PGPASSWORD_SUPERUSER")?.item["valueFrom"]["secretKeyRef"];
    Some((reference["name"].as_str()?.to_owned(), reference["key"].as_str()?.to_owned()))
}

fn last<'v>(variables: &'v [EnvItem], name: &str) -> Option<&'v EnvItem> {
    variables.iter().rev().find(|variable| variable.name == name)
}
