//! Step `backup`: a base backup as Spilo's users take one, and the wait until the storage holds it.

use std::convert::Infallible;
use std::time::Duration;

use crate::drill::error::DrillError;
use crate::drill::world::{Cluster, World};
use crate::environment::{Environment, Storage};
use crate::poll::{Limit, Seen, poll};
use crate::storage::{Access, Who};

/// Only inside the container are the variables known that name the places. Released images are root's, and the server is
/// postgres's.
const BACKUP: &str = "run='exec envdir \"${WALE_ENV_DIR:-/run/etc/wal-e.d/env}\" /scripts/postgres_backup.sh \
                      \"${PGDATA:-${PGROOT:-/home/postgres/pgdata/pgroot}/data}\"'; \
                      if [ \"$(id -u)\" = 0 ]; then exec su --preserve-environment postgres -c \"$run\"; fi; eval \"$run\"";
/// A base backup of a scenario's data takes a second; this is for one that hangs, and for data of gigabytes.
const LIMIT: Duration = Duration::from_secs(600);
/// WAL-G writes it last: a backup without it does not count.
const SENTINEL: &str = "_backup_stop_sentinel.json";

impl<E: Environment> World<'_, E> {
    pub(super) async fn backup(&mut self, short: &str) -> Result<String, DrillError> {
        self.connect(short)?;
        let cluster = self.cluster(short)?;
        let pod = pod(cluster).map_err(|why| DrillError::step(format!("back up {short}"), why))?;
        // Spilo takes one by itself right after the start; two at once would wait for each other. Of a cluster that is
        // backed up from a replica it takes none: it asks the primary, which declines.
        let by_itself = if is_from_replica(cluster) { 0 } else { 1 };
        let before = self.backups(short, by_itself, "first base backup, which Spilo takes by itself").await?;
        let output = self.environment.exec(&pod, "postgres", &["sh", "-c", BACKUP], LIMIT).await?;
        if output.code != 0 {
            let lines = output.stderr.lines().chain(output.stdout.lines());
            return Err(DrillError::Step {
                what: format!("back up {short}"),
                why: format!("the backup script ended with code {}", output.code),
                evidence: lines.map(|line| self.hide(line)).collect(),
            });
        }
        let count = self.backups(short, before + 1, "base backup").await?;
        Ok(format!("{count} base backups of it in the storage"))
    }

    /// Waits until the storage has seen at least `least` finished base backups of this cluster.
    async fn backups(&self, short: &str, least: usize, which: &str) -> Result<usize, DrillError> {
        let count =
            poll(format!("{which} of {short} to reach the storage"), Limit::seconds(60), async || {
                let records = self.storage.requests().await?.accesses;
                let count = finished(&records, short);
                Ok::<_, DrillError>(if count >= least {
                    Seen::Done(count)
                } else {
                    Seen::NotYet(format!("{count} base backups, {} requests to the storage", records.len()))
                })
            });
        count.await.map_err(DrillError::from)
    }
}

pub(in crate::drill) fn is_from_replica(cluster: &Cluster) -> bool {
    let value = cluster.env.as_ref().and_then(|env| env.value("WALG_BACKUP_FROM_REPLICA"));
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The pod that backups are taken from.
fn pod(cluster: &Cluster) -> Result<String, String> {
    let instances = cluster.manifest["spec"]["numberOfInstances"].as_u64().unwrap_or_default();
    let leader = cluster.leader.clone().unwrap_or_else(|| format!("{}-0", cluster.name));
    let mut pods = (0..instances).map(|number| format!("{}-{number}", cluster.name));
    match is_from_replica(cluster) {
        false => Ok(leader),
        true => pods
            .find(|pod| *pod != leader)
            .ok_or_else(|| "WALG_BACKUP_FROM_REPLICA is set, and it has no replica".to_owned()),
    }
}

/// How many base backups this cluster has brought into the storage as a whole.
pub(in crate::drill) fn finished(records: &[Access], short: &str) -> usize {
    let ours = records.iter().filter(|access| matches!(&access.who, Who::Cluster(name) if name == short));
    let sentinels = ours.filter(|access| access.blob.as_deref().is_some_and(|blob| blob.ends_with(SENTINEL)));
    sentinels.filter(|access| access.finished_blob()).count()
}

impl From<Infallible> for DrillError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::observe::env::{EnvInputs, EnvObservation};

    fn cluster(instances: u64, from_replica: Option<&str>) -> Cluster {
        let container = from_replica.map(|value| ("WALG_BACKUP_FROM_REPLICA".to_owned(), value.to_owned()));
        let inputs = EnvInputs { container: container.into_iter().collect(), ..EnvInputs::default() };
        Cluster {
            name: "acid-orders".to_owned(),
            manifest: serde_json::json!({"spec": {"numberOfInstances": instances}}),
            env: Some(EnvObservation::new(&inputs)),
            ..Cluster::default()
        }
    }

    #[test]
    fn a_backup_is_taken_where_spilo_takes_it() {
        assert_eq!(pod(&cluster(1, None)).unwrap(), "acid-orders-0");
        assert_eq!(pod(&cluster(2, Some("false"))).unwrap(), "acid-orders-0");
        assert_eq!(pod(&cluster(2, Some("True"))).unwrap(), "acid-orders-1");
        let switched =
            |from_replica| Cluster { leader: Some("acid-orders-1".to_owned()), ..cluster(2, from_replica) };
        assert_eq!(pod(&switched(None)).unwrap(), "acid-orders-1");
        assert_eq!(pod(&switched(Some("true"))).unwrap(), "acid-orders-0");
        assert!(pod(&cluster(1, Some("true"))).unwrap_err().contains("it has no replica"));
    }
}
