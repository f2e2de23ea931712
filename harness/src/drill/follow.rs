//! A cluster that follows another one: whom, how far it has come, and that it still follows.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::Client;

use super::error::DrillError;
use super::outcome::standby::{Asked, Lag, of_asked};
use super::outcome::{Outcome, Peer};
use super::own_place::OwnPlace;
use super::world::{Cluster, World};
use crate::environment::Environment;
use crate::observe::data::{Connect, Identity, identify};
use crate::operator::patroni;
use crate::poll::{Limit, PollError, Seen, done_within, poll};
use crate::scenario::ClusterOutcome;
use crate::spilo::Settings;

/// A WAL file is archived at once; PostgreSQL asks an archive for the next one every five seconds.
const CATCHES_UP: Limit = Limit::seconds(90);
/// Patroni hears of another configuration at once, or at its next look.
const PROMOTED: Limit = Limit::seconds(90);
/// For a query that only asks the server something about itself.
const ASK: Duration = Duration::from_secs(60);
/// Patroni's configuration of all members, as an annotation.
const CONFIG: &str = "config";

/// A place in the WAL to come to; without a change of data, and with its WAL file archived even where nobody writes any more.
const PLACE: &str = "SELECT pg_logical_emit_message(false, 'clonedrill', 'the end of a drill')::text";
const SWITCH: &str = "SELECT pg_switch_wal()";
/// The newest timeline of which the server has seen anything: its control file lags behind.
const POSITION: &str = "
SELECT pg_is_in_recovery() AS in_recovery,
       pg_wal_lsn_diff($1::text::pg_lsn, pg_last_wal_replay_lsn())::bigint AS behind,
       greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                (SELECT received_tli FROM pg_stat_wal_receiver)) AS timeline";

/// A place in the WAL of a cluster.
struct Place {
    lsn: String,
    timeline: u32,
}

/// Where a server in recovery is, held against a place.
struct Position {
    in_recovery: bool,
    behind: i64,
    timeline: u32,
}

impl Position {
    /// What is missing until it is there.
    fn missing(&self, place: &Place) -> Option<String> {
        match self {
            Position { in_recovery: false, .. } => Some("it takes writes: it was promoted".to_owned()),
            Position { behind, .. } if *behind > 0 => Some(format!("still {behind} bytes")),
            Position { timeline, .. } if *timeline != place.timeline => {
                Some(format!("on timeline {timeline}, and the other one is on {}", place.timeline))
            }
            Position { .. } => None,
        }
    }
}

/// What a container was told of a cluster to follow, and whether the manifest asks for one.
pub(super) fn asked_by(cluster: &Cluster) -> Option<Option<&'static str>> {
    let variables = cluster.env.iter().flat_map(|env| env.container());
    let told = Settings::of(variables.collect(), 1).standby;
    (told.is_some() || has_standby(&cluster.manifest)).then_some(told)
}

/// Whether a manifest asks for a cluster that follows another one.
pub(super) fn has_standby(manifest: &Value) -> bool {
    manifest.pointer("/spec/standby").is_some_and(|section| !section.is_null())
}

impl<E: Environment> World<'_, E> {
    /// The outcome of a cluster that says Running and was to follow another one; none where nobody asked for that.
    pub(super) async fn outcome_of_standby(
        &mut self,
        short: &str,
        identity: &Identity,
        peers: &[Peer],
    ) -> Result<Option<Outcome>, DrillError> {
        let Some(by) = asked_by(self.cluster(short)?) else { return Ok(None) };
        let logs = self.logs_of(short).await?;
        let texts: Vec<&str> = logs.iter().map(|log| log.text.as_str()).collect();
        let whom = self.to_follow(short)?;
        let asked = Asked {
            by,
            whom: whom.as_deref(),
            system_identifier: &identity.system_identifier,
            in_recovery: identity.in_recovery,
            timeline: identity.timeline,
            logs: &texts,
        };
        let (outcome, follows) = of_asked(&asked, peers);
        if let Some(cluster) = self.clusters.get_mut(short) {
            cluster.follows = follows;
        }
        Ok(Some(outcome))
    }

    /// The short name of the cluster that this one is told to follow, by its service's name or by where it archives.
    fn to_follow(&self, short: &str) -> Result<Option<String>, DrillError> {
        let Some(env) = &self.cluster(short)?.env else { return Ok(None) };
        let host = env.value("STANDBY_HOST").and_then(|host| host.split('.').next());
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            let named = self.clusters.iter().find(|(_, cluster)| cluster.name == host);
            return Ok(named.map(|(short, _)| short.clone()));
        }
        let place = OwnPlace::followed(env);
        let archives = |cluster: &Cluster| cluster.env.as_ref().and_then(OwnPlace::of) == place;
        let found = self.clusters.iter().find(|(other, cluster)| *other != short && archives(cluster));
        Ok(place.and(found).map(|(short, _)| short.clone()))
    }

    /// Step `catch-up`: waits until a cluster that follows has replayed up to a mark.
    pub(super) async fn caught_up(&mut self, short: &str, mark: &str) -> Result<Lag, DrillError> {
        let what = format!("catch up {short} to {mark}");
        let (cluster, taken) = (self.cluster(short)?, &self.marks.get(mark));
        let of = cluster.follows.clone().ok_or_else(|| DrillError::step(&what, "it follows no cluster"))?;
        let taken = taken.ok_or_else(|| DrillError::step(&what, "there is no such mark"))?;
        let place = Place { lsn: taken.lsn.clone(), timeline: taken.data.identity.timeline };
        let lag = follow(&self.connect(short)?, &of, &place).await?;
        match &lag.missing {
            None => Ok(lag),
            Some(_) => Err(DrillError::step(what, format!("it lags behind: {}", lag.words()))),
        }
    }

    /// Looks at the drill's end how far behind every cluster is that follows another one, and whether it comes up to it.
    pub(super) async fn follow_to_the_end(&mut self) -> Result<(), DrillError> {
        let following = self.clusters.iter().filter(|(_, cluster)| cluster.runs && cluster.follows.is_some());
        for short in following.map(|(short, _)| short.clone()).collect::<Vec<_>>() {
            self.teller.progress(format!("hold {short} against the cluster that it follows"));
            let of = self.cluster(&short)?.follows.clone().unwrap_or_default();
            let place = self.end_of(&of).await?;
            let lag = follow(&self.connect(&short)?, &of, &place).await?;
            let evidence = self.cluster(&short)?.outcome.iter().flat_map(|outcome| outcome.evidence.clone());
            let outcome = lag.outcome(evidence.collect());
            if let Some(cluster) = self.clusters.get_mut(&short) {
                (cluster.outcome, cluster.lag) = (Some(outcome), Some(lag));
            }
        }
        Ok(())
    }

    /// How far a cluster has come that is followed. Of one that is gone, its newest mark tells.
    async fn end_of(&self, short: &str) -> Result<Place, DrillError> {
        let cluster = self.cluster(short)?;
        if let Some(connect) = cluster.connect.as_ref().filter(|_| cluster.runs) {
            let what = format!("the end of {short}'s WAL");
            let client = connect.open("postgres").await?;
            let lsn = done_within(what.clone(), ASK, async {
                let lsn: String = client.query_one(PLACE, &[]).await.map_err(sql(&what))?.get(0);
                client.query_one(SWITCH, &[]).await.map_err(sql(&what))?;
                Ok::<_, DrillError>(lsn)
            });
            let lsn = lsn.await?;
            return Ok(Place { lsn, timeline: identify(connect).await?.timeline });
        }
        let identifier = cluster.identity.as_ref().map(|identity| &identity.system_identifier);
        let marks =
            self.marks.values().filter(|mark| Some(&mark.data.identity.system_identifier) == identifier);
        let newest = marks.max_by(|one, other| one.time.cmp(&other.time)).ok_or_else(|| {
            let why = "it does not run any more, and no mark was taken of it".to_owned();
            DrillError::step(format!("tell how far {short} had come"), why)
        })?;
        Ok(Place { lsn: newest.lsn.clone(), timeline: newest.data.identity.timeline })
    }

    /// What became of a cluster that followed another one, now that its manifest does not ask for it any more.
    pub(super) async fn let_go(&mut self, short: &str) -> Result<String, DrillError> {
        let (name, connect) = (self.cluster(short)?.name.clone(), self.connect(short)?);
        let this = &*self;
        // As long as Patroni is told to follow, it will never be promoted.
        let found = poll(format!("{short} to be promoted"), PROMOTED, async || {
            match identify(&connect).await {
                Ok(identity) if !identity.in_recovery => return Ok(Seen::Done(Some(identity))),
                Ok(_) if this.is_told_to_follow(&name).await? => return Ok(Seen::Done(None)),
                Ok(_) => {}
                Err(error) => return Ok(Seen::NotYet(format!("failed to {error}"))),
            }
            Ok::<_, DrillError>(Seen::NotYet("it is in recovery and takes no writes".to_owned()))
        });
        let Some(identity) = found.await.map_err(DrillError::from)? else {
            return Ok("Patroni's own configuration still has it follow: the operator does not change that"
                .to_owned());
        };
        let why = format!("promoted: it takes writes, on timeline {}", identity.timeline);
        self.promoted(short, why.clone(), identity);
        self.follow_leader(short).await?;
        Ok(why)
    }

    async fn is_told_to_follow(&self, name: &str) -> Result<bool, DrillError> {
        let object = patroni::config(name);
        let namespace = self.environment.namespace();
        let text = patroni::annotation(self.client(), namespace, &object, CONFIG).await?.unwrap_or_default();
        let config: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(config.get("standby_cluster").is_some_and(|section| !section.is_null()))
    }

    /// Notes that a cluster follows nobody any more.
    pub(super) fn promoted(&mut self, short: &str, why: String, identity: Identity) {
        if let Some(cluster) = self.clusters.get_mut(short) {
            (cluster.follows, cluster.identity) = (None, Some(identity));
            cluster.outcome = Some(Outcome { kind: ClusterOutcome::Running, why, evidence: Vec::new() });
        }
    }
}

/// Waits until a server has replayed up to this place.
async fn follow(connect: &Connect, of: &str, place: &Place) -> Result<Lag, DrillError> {
    let what = format!("the server to replay what {of} has written");
    let (start, client) = (Instant::now(), connect.open("postgres").await?);
    let first = position(&client, &what, place).await?;
    let mut last = None;
    let waited = poll(&what, CATCHES_UP, async || {
        let now = position(&client, &what, place).await?;
        let missing = now.missing(place);
        if now.behind <= 0 && now.in_recovery && missing.is_some() {
            // Its control file learns of a new timeline with the next restart point.
            client.batch_execute("CHECKPOINT").await.map_err(sql(&what))?;
        }
        last = Some((now.timeline, missing.clone()));
        Ok::<_, DrillError>(match missing {
            None => Seen::Done(()),
            Some(_) if !now.in_recovery => Seen::Done(()),
            Some(missing) => Seen::NotYet(missing),
        })
    });
    match waited.await {
        Ok(()) | Err(PollError::TimedOut(_)) => {}
        Err(PollError::Failed(error)) => return Err(error),
    }
    let (timeline, missing) = last.unwrap_or((first.timeline, Some("nobody looked".to_owned())));
    Ok(Lag {
        of: of.to_owned(),
        bytes: u64::try_from(first.behind).unwrap_or_default(),
        seconds: start.elapsed().as_secs_f64(),
        timeline,
        missing,
    })
}

async fn position(client: &Client, what: &str, place: &Place) -> Result<Position, DrillError> {
    done_within(what, ASK, async {
        let row = client.query_one(POSITION, &[&place.lsn]).await.map_err(sql(what))?;
        Ok(Position {
            in_recovery: row.get("in_recovery"),
            // One that was never in recovery has replayed nothing.
            behind: row.get::<_, Option<i64>>("behind").unwrap_or(i64::MAX),
            timeline: row.get::<_, Option<i32>>("timeline").unwrap_or_default().cast_unsigned(),
        })
    })
    .await
}

fn sql(what: &str) -> impl Fn(tokio_postgres::Error) -> DrillError {
    move |source| DrillError::Sql { what: what.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(in_recovery: bool, behind: i64, timeline: u32) -> Option<String> {
        let place = Place { lsn: "0/5000000".to_owned(), timeline: 2 };
        Position { in_recovery, behind, timeline }.missing(&place)
    }

    #[test]
    fn one_is_there_only_in_recovery_past_the_place_and_on_its_timeline() {
        assert_eq!(missing(true, 0, 2), None);
        assert_eq!(missing(true, -16, 2), None);
        assert_eq!(missing(true, 8, 2).as_deref(), Some("still 8 bytes"));
        assert_eq!(missing(true, 0, 1).as_deref(), Some("on timeline 1, and the other one is on 2"));
        assert_eq!(missing(false, -16, 2).as_deref(), Some("it takes writes: it was promoted"));
    }

    /// A real server that follows nobody, and one place ahead of it: it never comes there, and what it says is not that it did.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_takes_writes_is_never_taken_for_one_that_follows() {
        use crate::observe::data::scratch::{Origin, ScratchPostgres};

        let tool = crate::toolchain::newest_postgres();
        let server = ScratchPostgres::start(&tool, &std::env::temp_dir(), Origin::Initdb, &[]).await.unwrap();
        let place = Place { lsn: "0/1".to_owned(), timeline: 1 };
        let lag = follow(&server.connect(), "source", &place).await.unwrap();
        assert_eq!(lag.missing.as_deref(), Some("it takes writes: it was promoted"));
    }
}
