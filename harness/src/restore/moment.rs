//! The moment of the source that a clone is held against: its data, read-only, and the wait until it is archived.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

use super::error::RestoreError;
use super::evidence::Evidence;
use super::file::Compare;
use super::history::History;
use super::quiet::{
    Archived, Awaiting, QuietError, QuietMoment, awaited, default_archived_within, quiet_moment,
};
use super::server_log;
use super::source::Source;
use super::ticking::{ticking, ticking_as};
use super::way_in::open;
use crate::environment::cluster::{ClusterAccess, ClusterError, Forward};
use crate::observe::data::{Connect, DataError, DataObservation, Session};
use crate::operator::leads;
use crate::poll::{Limit, Patience};

const QUIET: Duration = Duration::from_secs(60);
/// As long as a failover may take, from its first sign.
const FAILOVER: Duration = Duration::from_secs(90);
/// For a query that only asks for a file.
const ASK: Duration = Duration::from_secs(60);
const STATEMENT: Duration = Duration::from_secs(30 * 60);

/// What the clone must equal.
pub(super) struct Moment {
    pub moment: QuietMoment,
    pub data: DataObservation,
    pub archived: Archived,
    /// The timelines that the source had left, by its own word.
    pub history: Option<History>,
    /// How long after the moment all of it was in the archive: until then it would have been lost.
    pub archived_after: Duration,
}

/// Opens the source read-only, finds the moment, reads its data, and waits for its archive. Where its leader changes meanwhile,
/// that begins anew.
///
/// # Errors
/// When there was no such moment, it was not archived in time, or the source cannot be read.
pub(super) async fn of(
    access: &ClusterAccess,
    source: &Source,
    compare: (&Compare, Duration),
    evidence: &Evidence,
    told: &(dyn Fn(String) + Sync),
) -> Result<(Moment, String), RestoreError> {
    let limit = Limit {
        total: FAILOVER,
        first_interval: Duration::from_secs(1),
        longest_interval: Duration::from_secs(3),
    };
    let mut patience = Patience::new("the source's next leader", limit);
    let mut lost = None;
    loop {
        let error = match once(access, source, compare, evidence, told).await {
            Err(error) if may_be_failover(&error, lost.is_some()) => error,
            done => return done,
        };
        told(format!("the source's leader has changed, finding another moment: failed to {error}"));
        let error = lost.get_or_insert(error);
        if patience.pause(error.to_string()).await.is_err() {
            return Err(lost.take().unwrap_or_else(|| RestoreError::NotRendered(source.name.clone())));
        }
    }
}

/// A leader that was replaced, or is just being replaced: then there is none for some seconds.
fn may_be_failover(error: &RestoreError, lost: bool) -> bool {
    match error {
        RestoreError::Quiet(QuietError::OtherTimeline { .. } | QuietError::InRecovery) => true,
        RestoreError::Quiet(QuietError::Data(error)) | RestoreError::Data(error) => error.is_lost(),
        RestoreError::Broken { .. } => lost,
        _ => false,
    }
}

async fn once(
    access: &ClusterAccess,
    source: &Source,
    (compare, limit): (&Compare, Duration),
    evidence: &Evidence,
    told: &(dyn Fn(String) + Sync),
) -> Result<(Moment, String), RestoreError> {
    let (connect, _forward) = open_source(access, source).await?;
    evidence.learn(connect.password.clone());
    let statement = compare.statement_timeout.map_or(STATEMENT, |span| span.0);
    // A snapshot waits while other databases are read.
    let session = Session::ReadOnly { statement, idle_in_transaction: statement.max(limit) };
    let quiet = compare.quiet_moment_within.map_or(QUIET, |span| span.0);
    let found = quiet_moment(&connect, quiet, session);
    let (moment, held) =
        ticking("waiting for a moment in which nobody writes to the source", Some(quiet), told, found)
            .await?;
    let begin = Instant::now();
    let patience = match compare.archived_within {
        Some(span) => span.0,
        None => default_archived_within(&connect, session).await?,
    };
    // What is said every second, while data are read at the same time.
    let awaited_now = Mutex::new(String::new());
    // At the same time: the time that reading takes must not be taken for that of the archive.
    let waiting = async {
        let awaiting = Awaiting {
            limit: patience,
            switch_wal: compare.switch_wal,
            told: &|text| *locked(&awaited_now) = text,
        };
        let archived = awaited(&connect, &moment, session, &awaiting).await;
        locked(&awaited_now).clear();
        archived.map(|archived| (archived, begin.elapsed())).map_err(RestoreError::from)
    };
    let reading =
        async { held.observe(Some(evidence.folder()), &compare.except).await.map_err(RestoreError::from) };
    let both = async { tokio::try_join!(reading, waiting) };
    let what = || match &*locked(&awaited_now) {
        awaited if awaited.is_empty() => "reading the source's data as of that moment".to_owned(),
        awaited => awaited.clone(),
    };
    let (data, (archived, archived_after)) = ticking_as(&what, Some(limit), told, both).await?;
    let note = format!("{}, archived {archived_after:.0?} later", moment.target);
    let history = history(&connect, moment.timeline).await?;
    Ok((Moment { moment, data, archived, history, archived_after }, note))
}

fn locked(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// None where the server has lost it.
async fn history(source: &Connect, timeline: u32) -> Result<Option<History>, DataError> {
    let client =
        source.open_as("postgres", &Session::ReadOnly { statement: ASK, idle_in_transaction: ASK }).await?;
    let text = server_log::history(&client, timeline).await.map_err(|source| DataError::Query {
        what: "read the source's history".to_owned(),
        database: "postgres".to_owned(),
        source,
    })?;
    Ok(match text {
        None if timeline == 1 => Some(History::default()),
        text => text.as_deref().map(History::of_file),
    })
}

/// The source's leader.
async fn open_source(access: &ClusterAccess, source: &Source) -> Result<(Connect, Forward), RestoreError> {
    let Source { namespace, name, cluster_label, .. } = source;
    let pods: Api<Pod> = Api::namespaced(access.client(), namespace);
    let listed = pods.list(&ListParams::default().labels(&format!("{cluster_label}={name}"))).await;
    let listed = listed.map_err(ClusterError::api("look at the source's pods"))?.items;
    let not = |seen: String| RestoreError::Broken {
        what: format!("open the source {namespace}/{name}"),
        seen,
        help: "a drill that compares needs a source that runs".to_owned(),
    };
    let leader = listed.iter().find(|pod| leads(pod, &source.role_label));
    let leader = leader.ok_or_else(|| not(format!("none of its {} pods is leader", listed.len())))?;
    let opened = open(access, namespace, leader, &source.variables).await?;
    opened.ok_or_else(|| not("its superuser's Secret is not there".to_owned()))
}
