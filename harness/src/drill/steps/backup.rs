//! Step `backup`: a base backup as Spilo's users take one, and the wait until the storage holds it.

use std::convert::Infallible;
use std::time::Duration;

use crate::drill::error::DrillError;
use crate::drill::first_backup::{COMPLETE, is_from_replica};
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
/// The push has ended by then, and the gateway has seen its requests.
const PUSHED: Limit = Limit::seconds(10);
/// WAL-G writes it last: a backup without it does not count.
const SENTINEL: &str = "_backup_stop_sentinel.json";

impl<E: Environment> World<'_, E> {
    pub(super) async fn backup(&mut self, short: &str) -> Result<String, DrillError> {
        self.connect(short)?;
        let cluster = self.cluster(short)?;
        let pod = pod(cluster).map_err(|why| DrillError::step(format!("back up {short}"), why))?;
        // Spilo takes one by itself after the start; two at once would wait for each other.
        let before = match is_from_replica(cluster) {
            true => self.backups(short).await?.0,
            false => {
                self.first_backups_called(&[short]).await?;
                let which = format!("the first base backup of {short}, which Spilo takes by itself,");
                self.backups_reached(short, 1, &which, COMPLETE).await?
            }
        };
        let output = self.environment.exec(&pod, "postgres", &["sh", "-c", BACKUP], LIMIT).await?;
        let failed = |why: String| {
            let lines = output.stderr.lines().chain(output.stdout.lines());
            let evidence = lines.map(|line| self.hide(line)).collect();
            DrillError::Step { what: format!("back up {short}"), why, evidence }
        };
        if output.code != 0 {
            return Err(failed(format!("the backup script ended with code {}", output.code)));
        }
        // Since 4.0-p3 it ends with 0 whatever became of the push: the storage alone tells.
        let which = format!("a base backup of {short}");
        match self.backups_reached(short, before + 1, &which, PUSHED).await {
            Ok(count) => Ok(format!("{count} base backups of it in the storage")),
            Err(DrillError::TimedOut(late)) => Err(failed(format!(
                "the backup script ended with code 0, and no backup came of it ({})",
                late.last
            ))),
            Err(error) => Err(error),
        }
    }

    async fn backups(&self, short: &str) -> Result<(usize, usize), DrillError> {
        let records = self.storage.requests().await?.accesses;
        Ok((finished(&records, short), records.len()))
    }

    /// Waits until the storage has seen at least `least` finished base backups of this cluster.
    async fn backups_reached(
        &self,
        short: &str,
        least: usize,
        which: &str,
        limit: Limit,
    ) -> Result<usize, DrillError> {
        let count = poll(format!("{which} to reach the storage"), limit, async || {
            let (count, requests) = self.backups(short).await?;
            Ok::<_, DrillError>(match count >= least {
                true => Seen::Done(count),
                false => Seen::NotYet(format!("{count} base backups, {requests} requests to the storage")),
            })
        });
        count.await.map_err(DrillError::from)
    }
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

/// How many base backups this cluster has brought into the storage as a whole, by what it was answered.
pub(in crate::drill) fn finished(records: &[Access], short: &str) -> usize {
    sentinels(records, short).count()
}

/// The requests that wrote the sentinels of this cluster's base backups, and were answered as done.
pub(in crate::drill) fn sentinels<'a>(
    records: &'a [Access],
    short: &'a str,
) -> impl Iterator<Item = &'a Access> {
    let ours =
        records.iter().filter(move |access| matches!(&access.who, Who::Cluster(name) if name == short));
    let sentinels = ours.filter(|access| access.blob.as_deref().is_some_and(|blob| blob.ends_with(SENTINEL)));
    sentinels.filter(|access| access.finished_blob())
}

impl From<Infallible> for DrillError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
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
