//! Finding out where a recovery ended, and whether anything of the source's is missing after it.

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Client;

use super::archive::{Archive, Stored};
use super::error::RestoreError;
use super::history::{Followed, History, Switch, followed};
use super::lsn::{Lsn, Segment};
use super::prove::{self, Why};
use super::recovery::Recovery;
use super::replay::Replay;
use super::server_log;
use super::siblings::{self, Sibling, TakenBy};
use super::source::Course;
use super::tail::{End, Tail};
use super::verify::Restored;
use crate::observe::data::{DataError, Identity};
use crate::operator::patroni;
use crate::poll::{Limit, Patience};
use crate::report::Proof;
use crate::spilo::{CloneMethod, Pod};

/// Patroni notes a new timeline with its leader's next turns.
const NOTED: Duration = Duration::from_secs(45);
/// What a source has ended comes into its archive within this time; else the archive has stopped, or has lost it.
const ARCHIVED: Duration = Duration::from_secs(120);

/// Where a recovery ended.
pub(super) struct Ended {
    /// None where nothing tells.
    pub at: Option<Lsn>,
    pub proofs: Vec<Proof>,
    /// All that the archive had came back: what is lost had not been archived.
    pub took_all: bool,
    /// It was on the source's own timelines.
    pub own: bool,
}

/// Looks at the clone's history, the source's, and where recovery did not reach its target, at the archive. `client` is the
/// clone's superuser.
///
/// # Errors
/// When the clone or the API server does not answer.
pub(super) async fn ended(
    restored: &Restored<'_>,
    client: &Client,
    (identity, recovery, replay): (&Identity, &Recovery, &Replay),
    told: &(dyn Fn(String) + Sync),
    hide: &(dyn Fn(&str) -> String + Sync),
) -> Result<Ended, RestoreError> {
    if replay.interrupted && !recovery.stopped_at_target {
        return Err(RestoreError::Broken {
            what: "follow the clone's recovery to its end".to_owned(),
            seen: "its Patroni or its container was started again in the middle of it, and went on without the target".to_owned(),
            help: "this says nothing of the backup: look for why the clone's pod was restarted (memory, a node that went, somebody's \
                   hand), and do the drill again"
                .to_owned(),
        });
    }
    let failed = |source| DataError::Query {
        what: "read the clone's history".to_owned(),
        database: "postgres".to_owned(),
        source,
    };
    // Later ones are of restarts: the clone's own affair.
    let timeline = replay.timeline.unwrap_or(identity.timeline);
    let lines = server_log::history(client, timeline).await.map_err(failed)?;
    let lines = lines.as_deref().map(History::of_file).unwrap_or_default();
    let size = server_log::segment_size(client).await.map_err(failed)?;
    let look = Look { restored, lines: &lines, told, hide };
    let (course, followed) = look.course().await?;
    let end = lines.0.last();
    let before_target = recovery.stopped_at_target;
    let archive = env_dir(restored).map(|env_dir| Archive::new(client, &env_dir));
    let backup = recovery.backup.as_ref().map(|backup| backup.name.as_str());
    let taken_by = look.taken_by(archive.as_ref(), backup).await;
    let whose = match &followed {
        Some(Followed::Foreign { switch }) => look.whose(switch, taken_by.as_ref()).await,
        _ => Vec::new(),
    };
    let mut proofs = vec![prove::timelines(&lines, followed.as_ref(), before_target, &whose)];
    // Whose timelines these are is said by then, or they have the numbers of the source's by chance.
    let others = taken_by.filter(|_| whose.is_empty());
    proofs.extend(others.as_ref().map(prove::taken_by));
    let Some(Switch { timeline, at, .. }) = end.cloned() else {
        proofs.push(prove::wal(None, &Why::Target));
        return Ok(Ended { at: None, proofs, took_all: false, own: false });
    };
    let written = restored.plan.source.course.written;
    let history = course.history.as_ref();
    let end = End {
        at,
        timeline,
        size,
        replay,
        history,
        followed: followed.as_ref(),
        // What it has written meanwhile it may have ended, too.
        written: course.written.max(written),
        archived: restored.moment.map(|moment| moment.archived.file.as_str()),
        created: restored.created,
    };
    let why = match &archive {
        _ if before_target => Why::Target,
        None => Why::NotKnown("find the clone's env dir of WAL-G".to_owned()),
        // Also where all came back that the source's leader had noted: its note may be older than its last files.
        Some(archive) => look.why(&end, archive).await?,
    };
    let took_all = matches!(why, Why::Tail { tail: Tail::Nothing | Tail::Late { .. }, .. });
    proofs.push(prove::wal(Some(at), &why));
    let own = matches!(followed, Some(Followed::Current | Followed::Earlier { .. })) && others.is_none();
    Ok(Ended { at: Some(at), proofs, took_all, own })
}

/// The folder with WAL-G's variables, as Spilo makes it of the clone's own.
fn env_dir(restored: &Restored<'_>) -> Option<String> {
    let pod = Pod::of_items(&restored.usable.variables, &restored.clone.namespace);
    match pod.clone_method() {
        CloneMethod::Backups { env_dir } => Some(env_dir.clone()),
        _ => None,
    }
}

struct Look<'a> {
    restored: &'a Restored<'a>,
    /// The clone's switches.
    lines: &'a History,
    told: &'a (dyn Fn(String) + Sync),
    hide: &'a (dyn Fn(&str) -> String + Sync),
}

impl Look<'_> {
    /// The source's course by now, and how the recovery's is to it. A failover of a moment ago may not be noted yet.
    async fn course(&self) -> Result<(Course, Option<Followed>), RestoreError> {
        let Restored { access, plan, moment, .. } = self.restored;
        let source = &plan.source;
        let limit = Limit {
            total: NOTED,
            first_interval: Duration::from_secs(1),
            longest_interval: Duration::from_secs(3),
        };
        let mut patience = Patience::new("Patroni to note the source's timeline", limit);
        loop {
            let mut course = Course::read(access.client(), &source.namespace, &source.name).await?;
            // Where Patroni keeps its state elsewhere, the source itself was asked.
            course.history = course.history.or_else(|| moment.and_then(|moment| moment.history.clone()));
            let seen = course.history.as_ref().and_then(|history| followed(history, None, self.lines));
            let strange = matches!(seen, Some(Followed::Foreign { .. } | Followed::Beyond { .. }));
            if !strange || !self.leads_since_shortly().await? {
                return Ok((course, seen));
            }
            (self.told)("waiting until Patroni has noted the source's timeline".to_owned());
            if patience.pause("a timeline that the source has not noted".to_owned()).await.is_err() {
                return Ok((course, seen));
            }
        }
    }

    /// Whether the source's leader may be a new one; where nothing tells, it may.
    async fn leads_since_shortly(&self) -> Result<bool, RestoreError> {
        let Restored { access, plan, .. } = self.restored;
        let source = &plan.source;
        let since = patroni::leads_since(access.client(), &source.namespace, &source.name).await;
        let since =
            since.map_err(crate::environment::cluster::ClusterError::api("read the source's leader"))?;
        let shortly = jiff::SignedDuration::from_secs(60);
        Ok(since
            .is_none_or(|since| since > self.restored.plan.started.saturating_sub(shortly).unwrap_or(since)))
    }

    /// Another cluster's pod that took the base backup; none where the source's own did, or the archive does not say it.
    async fn taken_by(&self, archive: Option<&Archive<'_>>, backup: Option<&str>) -> Option<TakenBy> {
        let Restored { plan, .. } = self.restored;
        let (archive, backup) = (archive?, backup?);
        let host = archive.host_of(backup).await.ok().flatten()?;
        if siblings::has_pod(&plan.source.name, &host) {
            return None;
        }
        let owner = self.others().await.iter().find(|sibling| sibling.has_pod(&host)).map(Sibling::shown);
        Some(TakenBy { backup: backup.to_owned(), host, owner })
    }

    /// The drill's own clone goes over to a timeline of its own, too.
    async fn others(&self) -> Vec<Sibling> {
        let Restored { access, plan, clone, .. } = self.restored;
        let mut seen = siblings::everyone(access, &plan.source).await;
        seen.retain(|sibling| sibling.name != clone.name);
        seen
    }

    /// What is known of whose a timeline is, most telling first.
    async fn whose(&self, switch: &Switch, taken_by: Option<&TakenBy>) -> Vec<String> {
        let Restored { access, plan, .. } = self.restored;
        let mut whose = Vec::new();
        if let Some(owner) = siblings::whose(access, &self.others().await, switch).await {
            whose.push(format!("{} did, so they are probably its", owner.shown()));
        }
        whose.extend(taken_by.map(TakenBy::said));
        for sibling in &plan.sharing {
            whose.push(format!("{} archives into the same place", sibling.shown()));
        }
        whose
    }

    /// Looks into the archive until it is clear what it has.
    async fn why(&self, end: &End<'_>, archive: &Archive<'_>) -> Result<Why, RestoreError> {
        let limit = Limit {
            total: ARCHIVED,
            first_interval: Duration::from_secs(1),
            longest_interval: Duration::from_secs(10),
        };
        let mut patience = Patience::new("the archive", limit);
        loop {
            let files = match archive.wal().await {
                Ok(files) => files,
                Err(error) => {
                    let error = (self.hide)(&error.to_string());
                    (self.told)(format!("asking the archive: failed to {error}"));
                    match patience.pause(error.clone()).await {
                        Ok(()) => continue,
                        Err(_) => return Ok(Why::NotKnown(error)),
                    }
                }
            };
            if let Some((file, says)) = end.replay.broken(end.at, end.size) {
                let later = later(end, &files, &file);
                return Ok(Why::Broken { file, says: says.to_owned(), later: Some(later) });
            }
            let mut tail = end.tail(&files, Timestamp::now());
            let mut why = None;
            if let Tail::Late { file } | Tail::NotTaken { file, .. } = &tail {
                // What came late and cannot be read is no better.
                why = archive.fetch(file).await.err().map(|error| (self.hide)(&error.said()));
                if let (Some(_), Tail::Late { file }) = (&why, &tail) {
                    tail = Tail::NotTaken { file: file.clone(), later: later(end, &files, file) };
                }
            }
            if let Tail::Wait { seen, .. } = &tail {
                (self.told)(format!("waiting for the archive: {seen}"));
                if patience.pause(seen.clone()).await.is_ok() {
                    continue;
                }
            }
            return Ok(Why::Tail { tail, why, written: end.written });
        }
    }
}

/// How many of the source's own files come after this one.
fn later(end: &End<'_>, files: &[Stored], file: &str) -> usize {
    let Some(this) = Segment::parse(file, end.size) else { return 0 };
    let segments = files.iter().filter_map(|stored| Segment::parse(&stored.name, end.size));
    segments.filter(|one| one.number > this.number && end.of_source(*one)).count()
}
