//! The moment of the source that a clone is held against: its data, read-only, and the wait until it is archived.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

use super::error::RestoreError;
use super::evidence::Evidence;
use super::file::Compare;
use super::quiet::{Archived, QuietMoment, archived, default_archived_within, quiet_moment};
use super::source::Source;
use super::ticking::ticking;
use super::way_in::open;
use crate::environment::cluster::{ClusterAccess, ClusterError, Forward};
use crate::observe::data::{Connect, DataObservation, Session};
use crate::operator::leads;

const QUIET: Duration = Duration::from_secs(60);
const STATEMENT: Duration = Duration::from_secs(30 * 60);

/// What the clone must equal.
pub struct Moment {
    pub moment: QuietMoment,
    pub data: DataObservation,
    pub archived: Archived,
    /// How long after the moment all of it was in the archive: until then it would have been lost.
    pub archived_after: Duration,
}

/// Opens the source read-only, finds the moment, reads its data, and waits for its archive.
///
/// # Errors
/// When there was no such moment, it was not archived in time, or the source cannot be read.
pub async fn of(
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
    // At the same time: the time that reading takes must not be taken for that of the archive.
    let waiting = async {
        let archived = archived(&connect, &moment, patience, session).await;
        archived.map(|archived| (archived, begin.elapsed())).map_err(RestoreError::from)
    };
    let reading =
        async { held.observe(Some(evidence.folder()), &compare.except).await.map_err(RestoreError::from) };
    let both = async { tokio::try_join!(reading, waiting) };
    let what = "reading the source's data as of that moment, and waiting until it is archived";
    let (data, (archived, archived_after)) = ticking(what, Some(limit), told, both).await?;
    let note = format!("{}, archived {archived_after:.0?} later", moment.target);
    Ok((Moment { moment, data, archived, archived_after }, note))
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
