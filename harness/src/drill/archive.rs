//! What the storage accounts of a drill hold when it begins: the blobs that another scenario's steps left, made once for all
//! drills of an environment.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Job;
use super::error::DrillError;
use super::events::Teller;
use super::evidence::Evidence;
use super::steps;
use super::world::{Beginning, Cluster, Mark, NotStanding, World};
use crate::environment::{BlobsWanted, Environment, Storage};
use crate::observe::data::Identity;
use crate::poll::{Limit, Seen, poll};
use crate::scenario::LoadedScenario;
use crate::snapshot::leak::find_leaks;

/// As long as a drill that makes one may take on a busy machine.
const MADE: Limit = Limit {
    total: Duration::from_secs(420),
    first_interval: Duration::from_millis(50),
    longest_interval: Duration::from_millis(400),
};
const RECORD: &str = "archive.json";
/// Why it could not be made, for all that come later.
const FAILED: &str = "failed.txt";
const BLOBS: &str = "blobs";

/// A prepared archive.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    /// What Azurite keeps.
    pub blobs: PathBuf,
    record: Record,
}

/// What is to be known of the world in which it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    clusters: BTreeMap<String, Made>,
    marks: BTreeMap<String, Mark>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    name: String,
    uid: String,
    identity: Option<Identity>,
}

impl Archive {
    /// The clusters of the world in which it was made: none of them is there any more.
    pub(super) fn clusters(&self) -> BTreeMap<String, Cluster> {
        let cluster = |Made { name, uid, identity }: Made| Cluster {
            name,
            uid,
            identity,
            deleted: true,
            archived: true,
            ..Cluster::default()
        };
        self.record.clusters.clone().into_iter().map(|(short, made)| (short, cluster(made))).collect()
    }

    pub(super) fn marks(&self) -> BTreeMap<String, Mark> {
        self.record.marks.clone()
    }
}

/// The archive that this scenario makes: found, or made by whoever comes first.
///
/// # Errors
/// Why it could not be made, now or before.
pub(super) async fn obtain<E: Environment>(
    environment: &E,
    job: &Job,
    scenario: &LoadedScenario,
    teller: &Teller,
) -> Result<Archive, DrillError> {
    let what = format!("prepare the archive of {}", scenario.scenario.name);
    let shared = environment.shared_folder().ok_or_else(|| {
        DrillError::step(&what, format!("an environment of kind {} keeps no archives", environment.name()))
    })?;
    let folder = shared.join("archives").join(key(scenario, &job.operator));
    let failed = |source| DrillError::Evidence { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = File::create(folder.join("lock")).map_err(failed)?;
    teller.progress(format!("{what}, or wait for who does"));
    let locked = poll(format!("another drill to {what}"), MADE, async || match lock.try_lock() {
        Ok(()) => Ok(Seen::Done(())),
        Err(TryLockError::WouldBlock) => Ok(Seen::NotYet("it is at it".to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    });
    locked.await?;
    if let Ok(why) = fs::read_to_string(folder.join(FAILED)) {
        return Err(DrillError::step(what, why));
    }
    let record = folder.join(RECORD);
    if !record.exists() {
        let made = Box::pin(make::<E>(job, scenario, &folder)).await;
        if let Err(error) = &made {
            // Whoever comes next would fail as long, and say no more.
            fs::write(folder.join(FAILED), format!("another drill failed to {error}")).map_err(failed)?;
        }
        let text = serde_json::to_string(&made?).map_err(|error| failed(error.into()))?;
        fs::write(&record, text).map_err(failed)?;
    }
    let text = fs::read_to_string(&record).map_err(failed)?;
    let record = serde_json::from_str(&text).map_err(|error| failed(std::io::Error::from(error)))?;
    Ok(Archive { blobs: folder.join(BLOBS), record })
}

/// Does all steps of the scenario in a place of its own, and keeps what its storage holds then.
async fn make<E: Environment>(
    job: &Job,
    scenario: &LoadedScenario,
    folder: &Path,
) -> Result<Record, DrillError> {
    let place = E::take_place(&job.environment, &job.tools).await?;
    let evidence = Evidence::in_folder(&job.evidence.join("archive"))?;
    let beginning = Beginning { blobs: BlobsWanted::Kept, archive: None };
    let stood = World::stand_up(
        &place,
        &job.tools,
        scenario,
        &job.operator,
        evidence.clone(),
        Teller::default(),
        beginning,
    );
    let mut world = stood.await.map_err(|NotStanding { error, .. }| error)?;
    for (index, step) in scenario.scenario.steps.iter().enumerate() {
        let start = Instant::now();
        world.teller.progress(format!("prepare the archive: {}", steps::title(step)));
        let done = world.step(index, step).await;
        let done = done.map_err(|error| match error {
            DrillError::Step { what, why, evidence } => DrillError::Step {
                what: format!("prepare the archive: {what}"),
                why: world.hide(&why),
                evidence: evidence.iter().map(|line| world.hide(line)).collect(),
            },
            other => other,
        })?;
        world.teller.phase(steps::title(step), start, done);
    }
    world.settled().await?;
    let made = |cluster: &Cluster| Made {
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
        identity: cluster.identity.clone(),
    };
    let clusters = world.clusters.iter().map(|(short, cluster)| (short.clone(), made(cluster)));
    let record = Record { clusters: clusters.collect(), marks: world.marks.clone() };
    if let Some(leak) = find_leaks(evidence.folder(), &world.secrets())?.first() {
        return Err(DrillError::step("keep the evidence of the archive free of secrets", leak.to_string()));
    }
    world.storage.keep(&folder.join(BLOBS)).await?;
    Ok(record)
}

/// One for each text that it is made by, and each operator.
fn key(scenario: &LoadedScenario, operator: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (scenario.texts(), operator).hash(&mut hasher);
    format!("{}-{:016x}", scenario.slug, hasher.finish())
}
