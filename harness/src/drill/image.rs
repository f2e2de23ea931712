//! Which image the pods of a drill ran, and which programs were in it: read from the pods, since a name may be anybody's.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::Value;

use super::error::DrillError;
use super::look::belongs;
use super::world::World;
use crate::environment::{Environment, Which};
use crate::report::PodImage;
use crate::spilo::release::{Release, is_older};

const CONTAINER: &str = "postgres";
/// Spilo's own image has no such file.
const ASK: &str = "wal-g --version; cat /etc/clonedrill/spilo.json 2>/dev/null || true";
const LIMIT: Duration = Duration::from_secs(60);

impl<E: Environment> World<'_, E> {
    /// The images of all clusters that run, each once.
    ///
    /// # Errors
    /// When the pods cannot be listed. What a pod does not say is left out.
    pub(super) async fn pod_images(&self) -> Result<Vec<PodImage>, DrillError> {
        let mut images: Vec<PodImage> = Vec::new();
        let pods = self.pods_as_they_are().await?;
        for cluster in self.clusters.values().filter(|cluster| cluster.runs) {
            let leads = |pod: &&Pod| Some(pod.name_any()) == cluster.leader;
            let Some(pod) = pods.iter().filter(|pod| belongs(&pod.name_any(), &cluster.name)).find(leads)
            else {
                continue;
            };
            let Some((reference, digest)) = image_of(pod) else { continue };
            if images.iter().any(|image| image.reference == reference && image.digest == digest) {
                continue;
            }
            let said = self.environment.exec(&pod.name_any(), CONTAINER, &["sh", "-c", ASK], LIMIT).await;
            let said = said.map(|said| said.stdout).unwrap_or_default();
            let postgres = cluster.identity.as_ref().map(|identity| identity.server_version.as_str());
            images.push(pod_image(reference, digest, &said, patroni_of(pod), postgres));
        }
        Ok(images)
    }
}

/// The reference that the manifest names, and the digest where the node knows one.
fn image_of(pod: &Pod) -> Option<(String, Option<String>)> {
    let spec = pod.spec.as_ref()?.containers.iter().find(|container| container.name == CONTAINER)?;
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let status = statuses.and_then(|all| all.iter().find(|status| status.name == CONTAINER));
    let digest = status.and_then(|status| {
        let (_, digest) = status.image_id.rsplit_once('@').unwrap_or(("", &status.image_id));
        digest.starts_with("sha256:").then(|| digest.to_owned())
    });
    Some((spec.image.clone()?, digest))
}

/// Patroni keeps what it knows of its node in an annotation of the pod.
fn patroni_of(pod: &Pod) -> Option<String> {
    let status: Value = serde_json::from_str(pod.annotations().get("status")?).ok()?;
    status["version"].as_str().map(str::to_owned)
}

fn pod_image(
    reference: String,
    digest: Option<String>,
    said: &str,
    patroni: Option<String>,
    postgres: Option<&str>,
) -> PodImage {
    let wal_g = said.lines().find_map(|line| line.strip_prefix("wal-g version ")?.split_whitespace().next());
    let release = Release::of_image(&reference);
    let programs = release.and_then(Release::programs);
    let newer = programs.filter(|programs| wal_g.is_some_and(|wal_g| is_older(wal_g, programs.wal_g)));
    PodImage {
        stand_in: said.lines().any(|line| line.starts_with('{')),
        spilo: release.map(|release| release.to_string()),
        patroni,
        wal_g: wal_g.map(str::to_owned),
        newer_wal_g: newer.map(|programs| programs.wal_g.to_owned()),
        // `15.13 (Debian 15.13-0+deb12u1)`
        postgres: postgres.and_then(|version| version.split_whitespace().next()).map(str::to_owned),
        reference,
        digest,
    }
}

/// What may have snapshots of its own in such a drill, most telling first: Spilo's own image, and a WAL-G of another
/// generation than the one that snapshots are accepted with.
pub(super) fn peculiar(images: &[PodImage], environment: Which) -> Vec<String> {
    let own = images.iter().any(|image| !image.stand_in).then(|| "spilo".to_owned());
    let generation = |image: &PodImage| {
        let version = image.wal_g.as_deref()?.trim_start_matches('v');
        let major: u32 = version.split('.').next()?.parse().ok()?;
        (major > 1).then(|| format!("wal-g-{major}"))
    };
    let place = environment.description().variant.map(str::to_owned);
    let wal_g = images.iter().find_map(generation);
    [own, place, wal_g].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(image_id: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "annotations": { "status": "{\"role\":\"primary\",\"version\":\"4.0.4\"}" } },
            "spec": { "containers": [{ "name": "postgres", "image": "ghcr.io/zalando/spilo-17:4.0-p3" }] },
            "status": { "containerStatuses": [{
                "name": "postgres", "image": "x", "imageID": image_id, "ready": true, "restartCount": 0
            }] },
        }))
        .unwrap()
    }

    const NEWER: &str = "wal-g version v3.0.5\t94bf839e\tdevel\tPostgreSQL\n";
    const OLDER: &str =
        "wal-g version v1.1.3-rc-with-build\t94bf839e\tdevel\tPostgreSQL\n{\"python\":\"/x\"}\n";

    fn image(said: &str) -> PodImage {
        let (reference, digest) = image_of(&pod("docker-pullable://x/spilo@sha256:00ff")).unwrap();
        pod_image(reference, digest, said, patroni_of(&pod("")), Some("15.20 (Debian 15.20-0+deb12u1)"))
    }

    #[test]
    fn a_pod_says_which_image_it_runs_and_what_is_in_it() {
        let own = image(NEWER);
        assert_eq!(own.digest.as_deref(), Some("sha256:00ff"));
        assert_eq!((own.stand_in, own.spilo.as_deref()), (false, Some("4.0-p3")));
        assert_eq!((own.patroni.as_deref(), own.wal_g.as_deref()), (Some("4.0.4"), Some("v3.0.5")));
        assert_eq!((own.postgres.as_deref(), own.newer_wal_g), (Some("15.20"), None));
        let stand_in = image(OLDER);
        assert_eq!((stand_in.stand_in, stand_in.newer_wal_g.as_deref()), (true, Some("3.0.5")));
        assert_eq!(image_of(&pod("ghcr.io/zalando/spilo-17:4.0-p3")).unwrap().1, None);
        assert!(ASK.contains(crate::environment::local::images::spilo::PROGRAMS_FILE));
    }

    #[test]
    fn snapshots_of_its_own_has_what_differs_from_the_stand_in_on_this_machine() {
        assert_eq!(peculiar(&[image(OLDER)], Which::Local), [""; 0]);
        assert_eq!(peculiar(&[image(OLDER)], Which::Kind), ["kind"]);
        assert_eq!(peculiar(&[image(NEWER)], Which::Kind), ["spilo", "kind", "wal-g-3"]);
        let newer = PodImage { stand_in: true, ..image(NEWER) };
        assert_eq!(peculiar(&[newer], Which::Local), ["wal-g-3"]);
        assert_eq!(peculiar(&[], Which::Local), [""; 0]);
    }
}
