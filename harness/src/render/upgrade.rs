//! One operator version over another: both render the same input, and the newer takes over what the older made.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};
use serde::{Deserialize, Serialize};

use super::again::look_again;
use super::blueprint::{Blueprint, completed};
use super::engine::{Prepared, Provenance, Rendered, Told, render_prepared};
use super::error::RenderError;
use super::follow::{Key, stateful_sets};
use super::pace::Waits;
use super::types::{InputObject, RenderInput, Rendering, Settings};
use super::world::{World, flatten};
use crate::environment::Environment;
use crate::environment::local::LocalEnvironment;
use crate::operator::definitions;
use crate::poll::{Limit, PollError, Seen, poll};
use crate::toolchain::Tools;

/// The operator marks pods with it that it will restart.
const RESTART_MARK: &str = "zalando-postgres-operator-rolling-update-required";
/// States in which the operator has done with a cluster that it took over.
const DONE: [&str; 4] = ["Running", "SyncFailed", "UpdateFailed", "Invalid"];
/// What the operator's reasons begin with in its log.
pub(super) const REASON: &str = "reason: ";

/// What an upgrade of the operator does to each cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upgrade {
    /// The input as the older version renders it.
    pub from: Rendering,
    /// The input as the newer version renders it from nothing.
    pub to: Rendering,
    /// What the newer one did to what the older one had made: of the clusters that both could make.
    pub taken_over: Vec<Takeover>,
}

/// One cluster, taken over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Takeover {
    /// Index in `RenderInput::clusters`.
    pub cluster: usize,
    /// What became of its StatefulSet.
    pub fate: Fate,
    /// Pods of the cluster that there were, and how many of them are marked for a restart or are gone.
    pub pods: usize,
    /// Pods that are marked for a restart or are gone; never more than `pods`.
    pub restarted: usize,
    /// The operator's own reasons, in its words.
    pub reasons: Vec<String>,
    /// Why it was not taken over: the operator's last word.
    pub failure: Option<String>,
    /// What it finds to change when it looks a second time, in its words: what differs then differs at every sync, and pods are
    /// rolled again and again. None where it has not looked a second time.
    pub again: Option<Vec<String>>,
}

/// What became of a StatefulSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Not touched.
    Kept,
    /// Changed in place.
    Updated,
    /// Deleted without its pods, and made anew.
    Replaced,
    /// Deleted, and not made anew.
    Gone,
}

/// Renders with `from`, lets `to` take over, and renders with `to` from nothing; all on one control plane.
///
/// # Errors
/// When a part of the environment does not do its work; never for what the input holds.
pub async fn upgrade_in(
    environment: &LocalEnvironment,
    tools: &Tools,
    from: &str,
    to: &str,
    input: &RenderInput,
    told: Told<'_>,
) -> Result<Upgrade, RenderError> {
    let (older, newer) = (Prepared::new(tools, from)?, Prepared::new(tools, to)?);
    definitions(&environment.client(), &older.release).await?;
    let Rendered { rendering, mut world } =
        render_prepared(environment, &older, input, Provenance::NotAsked, told).await?;
    let clusters: Vec<usize> =
        rendering.clusters.iter().filter(|one| one.result.is_ok()).map(|one| one.cluster).collect();
    wait_for_pods(environment, &world, &clusters, &rendering).await?;
    let before = Things::of(environment, &world, &clusters).await?;

    // What the older definition had filled in stays when a newer one comes.
    let input = &match &input.settings {
        Settings::Object(object) => {
            let settings = Settings::Object(completed(object, &older.release, &newer.release));
            RenderInput { settings, ..input.clone() }
        }
        _ => input.clone(),
    };
    world.end_operators().await?;
    definitions(&environment.client(), &newer.release).await?;
    let taken_over = async {
        take_over(&mut world, &newer, input, &clusters, told).await?;
        let after = Things::of(environment, &world, &clusters).await?;
        let mut taken_over = compare(&world, &clusters, &before, &after).await?;
        let stay = taken_over.iter().filter(|one| one.failure.is_none() && one.fate != Fate::Gone);
        let stay: Vec<usize> = stay.map(|one| one.cluster).collect();
        let mut again = look_again(&mut world, &newer, &stay, told).await?;
        for one in &mut taken_over {
            one.again = again.remove(&one.cluster);
        }
        Ok::<_, RenderError>(taken_over)
    };
    let anew = render_prepared(environment, &newer, input, Provenance::NotAsked, told);
    let (taken_over, anew) = futures::try_join!(taken_over, anew)?;
    Ok(Upgrade { from: rendering, to: anew.rendering, taken_over })
}

async fn take_over(
    world: &mut World<'_>,
    newer: &Prepared,
    input: &RenderInput,
    clusters: &[usize],
    told: Told<'_>,
) -> Result<(), RenderError> {
    let version = newer.release.version();
    told(&format!("operator {version} takes over"));
    // The older one's end is no end of this one.
    world.dead = None;
    world.blueprint.settings = Blueprint::plain(input, &newer.release).settings;
    if !world.settle(newer.operator(), Waits::ForDeletion, Some(InputObject::Settings)).await? {
        return Ok(());
    }
    world.start(newer.operator()).await?;
    if world.dead.is_some() {
        return Ok(());
    }
    let limit = for_all(clusters);
    let done = poll(format!("operator {version} to take over"), limit, async || {
        let waiting = clusters.iter().filter(|cluster| {
            let state = world.state(**cluster);
            !state.is_some_and(|state| DONE.contains(&state.as_str()))
        });
        let waiting = waiting.count();
        Ok::<_, RenderError>(match waiting {
            0 => Seen::Done(None),
            waiting => match world.death().await? {
                Some(why) => Seen::Done(Some(why)),
                None => Seen::NotYet(format!("{waiting} of {} clusters are left", clusters.len())),
            },
        })
    });
    match done.await {
        Ok(dead) => world.dead = dead,
        // Those that are late are told one by one.
        Err(PollError::TimedOut(_)) => {}
        Err(PollError::Failed(error)) => return Err(error),
    }
    Ok(())
}

/// How long an operator may take until it has looked at so many clusters.
pub(super) fn for_all(clusters: &[usize]) -> Limit {
    Limit::seconds(60 + 5 * u64::try_from(clusters.len().min(40)).unwrap_or(0))
}

/// The first pod of each StatefulSet that wants one: what the newer operator marks, or not.
async fn wait_for_pods(
    environment: &LocalEnvironment,
    world: &World<'_>,
    clusters: &[usize],
    rendering: &Rendering,
) -> Result<(), RenderError> {
    let wants = |cluster: &&usize| match &rendering.clusters[**cluster].result {
        Ok(set) => set.stateful_set["spec"]["replicas"].as_i64().unwrap_or(1) > 0,
        Err(_) => false,
    };
    let wanting: Vec<Key> = clusters.iter().filter(wants).map(|cluster| world.key(*cluster)).collect();
    poll("the clusters' pods", Limit::seconds(60), async || {
        let pods = pods(environment, world).await?;
        let lacking = wanting.iter().filter(|key| !pods.contains_key(*key)).count();
        Ok::<_, RenderError>(match lacking {
            0 => Seen::Done(()),
            lacking => Seen::NotYet(format!("{lacking} of {} clusters have none", wanting.len())),
        })
    })
    .await
    .map_err(flatten)
}

/// The pods by their StatefulSet.
async fn pods(
    environment: &LocalEnvironment,
    world: &World<'_>,
) -> Result<BTreeMap<Key, Vec<Pod>>, RenderError> {
    let mut found: BTreeMap<Key, Vec<Pod>> = BTreeMap::new();
    for namespace in world.namespaces.values() {
        let api: Api<Pod> = Api::namespaced(environment.client(), namespace);
        for pod in api.list(&ListParams::default()).await? {
            // A StatefulSet's pods are called after it, whoever owns them at this moment.
            let name = pod.name_any();
            if let Some((set, _)) = name.rsplit_once('-') {
                found.entry((namespace.clone(), set.to_owned())).or_default().push(pod);
            }
        }
    }
    Ok(found)
}

/// StatefulSets and pods at one moment.
struct Things {
    sets: BTreeMap<Key, DynamicObject>,
    pods: BTreeMap<Key, Vec<Pod>>,
}

impl Things {
    async fn of(
        environment: &LocalEnvironment,
        world: &World<'_>,
        clusters: &[usize],
    ) -> Result<Things, RenderError> {
        let wanted: HashSet<Key> = clusters.iter().map(|cluster| world.key(*cluster)).collect();
        let mut sets = BTreeMap::new();
        for namespace in world.namespaces.values() {
            let api: Api<DynamicObject> =
                Api::namespaced_with(environment.client(), namespace, &stateful_sets());
            for set in api.list(&ListParams::default()).await? {
                let key = (namespace.clone(), set.name_any());
                if wanted.contains(&key) {
                    sets.insert(key, set);
                }
            }
        }
        Ok(Things { sets, pods: pods(environment, world).await? })
    }
}

async fn compare(
    world: &World<'_>,
    clusters: &[usize],
    before: &Things,
    after: &Things,
) -> Result<Vec<Takeover>, RenderError> {
    let log = world.log().await?;
    let takeover = |cluster: &usize| {
        let key = world.key(*cluster);
        let (was, is) = (before.sets.get(&key), after.sets.get(&key));
        let identity = |set: &DynamicObject| (set.metadata.uid.clone(), set.metadata.generation);
        let annotations = |set: &DynamicObject| set.metadata.annotations.clone().unwrap_or_default();
        let fate = match (was, is) {
            (_, None) => Fate::Gone,
            (Some(was), Some(is)) if was.metadata.uid != is.metadata.uid => Fate::Replaced,
            (Some(was), Some(is)) if identity(was) == identity(is) && annotations(was) == annotations(is) => {
                Fate::Kept
            }
            _ => Fate::Updated,
        };
        let name = world.name(*cluster);
        let lines = log.of(&name);
        let reasons = lines.iter().filter_map(|line| line.message.strip_prefix(REASON));
        let mut reasons: Vec<String> = reasons.map(|reason| world.in_input_words(reason)).collect();
        reasons.dedup();
        let failed = world.dead.clone().or_else(|| match world.state(*cluster).as_deref() {
            Some("Running") => None,
            _ => Some(log.last_word(&name).unwrap_or_else(|| "the operator said nothing of it".to_owned())),
        });
        let none = Vec::new();
        let had = before.pods.get(&key).unwrap_or(&none);
        let has = after.pods.get(&key).unwrap_or(&none);
        let goes_on = |pod: &&Pod| {
            let same = has.iter().find(|other| other.metadata.uid == pod.metadata.uid);
            same.is_some_and(|pod| !pod.annotations().contains_key(RESTART_MARK))
        };
        Takeover {
            cluster: *cluster,
            fate,
            pods: had.len(),
            restarted: had.len() - had.iter().filter(goes_on).count(),
            reasons,
            failure: failed.map(|why| world.in_input_words(&why)),
            again: None,
        }
    };
    Ok(clusters.iter().map(takeover).collect())
}
