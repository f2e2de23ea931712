//! Rendering inside an environment: the plain world and the one with markers, side by side under two operators.

use std::collections::HashMap;

use kube::api::DynamicObject;
use serde_json::Value;

use super::blueprint::{Blueprint, Namespaces};
use super::error::RenderError;
use super::flags::Flags;
use super::log::{Line, OperatorLog, telling};
use super::mark::marked;
use super::markers::Markers;
use super::operator::Operator;
use super::provenance::{Of, env_of, variables};
use super::types::{
    InputObject, Origin, Refused, RefusedBy, RenderInput, RenderedCluster, RenderedSet, Rendering, Settings,
    UNKNOWN_UID,
};
use super::world::{Found, World, replaced};
use crate::environment::Environment;
use crate::environment::local::LocalEnvironment;
use crate::operator::{Release, definitions};
use crate::toolchain::{OperatorTool, Tools};

/// What hears how far it is.
pub type Told<'t> = &'t (dyn Fn(&str) + Sync);

/// An operator version that is ready to render.
pub(super) struct Prepared {
    pub tag: String,
    pub release: Release,
    pub flags: Flags,
}

impl Prepared {
    pub(super) fn new(tools: &Tools, operator: &str) -> Result<Prepared, RenderError> {
        let tool: &OperatorTool =
            tools.operators.get(operator).ok_or_else(|| RenderError::NoOperator(operator.to_owned()))?;
        Ok(Prepared { tag: operator.to_owned(), release: Release::read(tool)?, flags: Flags::of(tool)? })
    }

    pub(super) fn operator(&self) -> Operator<'_> {
        Operator { tag: &self.tag, release: &self.release, flags: &self.flags }
    }
}

/// A rendering, and the world that it was read from, which stands until this is dropped with its environment's place.
pub struct Rendered<'e> {
    /// What was read from the world.
    pub rendering: Rendering,
    pub(super) world: World<'e>,
}

impl Rendered<'_> {
    /// Names of the namespaces on the control plane, by what the input calls them.
    pub fn namespaces(&self) -> &Namespaces {
        &self.world.namespaces
    }
}

/// Renders `input` in an environment that was joined.
///
/// # Errors
/// When a part of the environment does not do its work; never for what the input holds.
pub async fn render_in<'e>(
    environment: &'e LocalEnvironment,
    tools: &Tools,
    operator: &str,
    input: &RenderInput,
    told: Told<'_>,
) -> Result<Rendered<'e>, RenderError> {
    let prepared = Prepared::new(tools, operator)?;
    told("installing the operator's definitions");
    definitions(&environment.client(), &prepared.release).await?;
    render_prepared(environment, &prepared, input, Provenance::Told, told).await
}

/// Lets the operator write the StatefulSets of `input` and does nothing else; how many there are.
///
/// # Errors
/// As [`render_in`].
pub async fn write_in(
    environment: &LocalEnvironment,
    tools: &Tools,
    operator: &str,
    input: &RenderInput,
) -> Result<usize, RenderError> {
    let prepared = Prepared::new(tools, operator)?;
    definitions(&environment.client(), &prepared.release).await?;
    let blueprint = Blueprint::plain(input, &prepared.release);
    let settings = Some(InputObject::Settings);
    let objects = input.objects.len();
    let mut world = World::make(environment, blueprint, prepared.operator(), settings, objects).await?;
    world.written(&|_, _| {}).await?;
    let found = world.found(&OperatorLog::default());
    Ok(found.iter().filter(|found| matches!(found, Found::Set(_))).count())
}

/// Whether the world with markers is made as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provenance {
    Told,
    NotAsked,
}

/// Renders with definitions that are there.
pub(super) async fn render_prepared<'e>(
    environment: &'e LocalEnvironment,
    prepared: &Prepared,
    input: &RenderInput,
    provenance: Provenance,
    told: Told<'_>,
) -> Result<Rendered<'e>, RenderError> {
    let version = prepared.release.version();
    told(&format!("starting operator {version}"));
    let blueprint = Blueprint::plain(input, &prepared.release);
    let objects = input.objects.len();
    let operator = prepared.operator();
    let plain = async {
        let settings = Some(InputObject::Settings);
        let mut world = World::make(environment, blueprint.clone(), operator, settings, objects).await?;
        let told = |done: usize, of: usize| told(&format!("operator {version}: {done} of {of} clusters"));
        world.written(&told).await?;
        Ok::<_, RenderError>(world)
    };
    let other = async {
        if provenance == Provenance::NotAsked {
            return Ok(None);
        }
        let (blueprint, markers) = marked(&blueprint, input, &prepared.release);
        let settings = Some(InputObject::Settings);
        let mut world = World::make(environment, blueprint, operator, settings, 0).await?;
        world.written(&|_, _| {}).await?;
        Ok::<_, RenderError>(Some((world, markers)))
    };
    let (plain, other) = futures::try_join!(plain, other)?;
    let rendering = read(&plain, other, input, version).await?;
    Ok(Rendered { rendering, world: plain })
}

/// From two worlds to what is told of them.
async fn read(
    plain: &World<'_>,
    other: Option<(World<'_>, Markers)>,
    input: &RenderInput,
    version: &str,
) -> Result<Rendering, RenderError> {
    let log = plain.log().await?;
    let found = plain.found(&log);
    let sets: Vec<(usize, DynamicObject)> = found
        .iter()
        .enumerate()
        .filter_map(|(cluster, found)| match found {
            Found::Set(set) => Some((cluster, (**set).clone())),
            Found::Refused(_) => None,
        })
        .collect();
    let mut warnings = plain.warnings(&sets).await?;
    let marked = match other {
        Some((world, mut markers)) => {
            mark_namespaces(&mut markers, &world.namespaces, input);
            let found = world.found(&OperatorLog::default());
            Some((world, markers, found))
        }
        None => None,
    };
    let mut clusters = Vec::new();
    let mut told_of_clusters: Vec<String> = Vec::new();
    for (cluster, found) in found.into_iter().enumerate() {
        let result = match found {
            Found::Refused(refused) => Err(refused),
            Found::Set(set) => {
                let warned = warnings.remove(&cluster).unwrap_or_default();
                told_of_clusters.extend(warned.iter().cloned());
                let mut rendered = rendered_set(plain, cluster, &set, &log, warned, input);
                if let Some((world, markers, found)) = &marked {
                    add_origins(&mut rendered, cluster, (world, &found[cluster]), markers, (plain, input));
                }
                Ok(rendered)
            }
        };
        clusters.push(RenderedCluster { cluster, result });
    }
    let others = log.others.iter();
    let others = others.filter(|line| !(line.of_api_server && told_of_clusters.contains(&line.message)));
    let others: Vec<Line> = others.cloned().collect();
    let mut lines = telling(others.iter());
    lines.iter_mut().for_each(|line| *line = plain.in_input_words(line));
    lines.splice(0..0, plain.blueprint.made_up.iter().cloned());
    let mut refused = plain.refused.clone();
    let by_settings = || refused.iter().any(|(object, _)| *object == InputObject::Settings);
    if let Some(dead) = plain.dead.as_ref().filter(|_| !by_settings()) {
        // An operator that does not come up was not stopped by a cluster.
        if plain.created.is_empty() {
            let why = Refused { by: RefusedBy::Operator, message: dead.clone(), field: None };
            refused.push((InputObject::Settings, why));
        }
    }
    Ok(Rendering { operator: version.to_owned(), clusters, log: lines, refused })
}

fn rendered_set(
    world: &World<'_>,
    cluster: usize,
    set: &DynamicObject,
    log: &OperatorLog,
    warnings: Vec<String>,
    input: &RenderInput,
) -> RenderedSet {
    let (namespace, name) = world.key(cluster);
    let stateful_set = in_input_words(world, cluster, set, input);
    let mut lines = log.until_creation(&format!("{namespace}/{name}"));
    lines.extend(warnings);
    RenderedSet {
        env: variables(&env_of(&stateful_set)),
        stateful_set,
        log: lines.iter().map(|line| world.in_input_words(line)).collect(),
        origins_unknown: None,
    }
}

/// The StatefulSet with the input's namespaces, and the uid that the cluster's manifest has or will get.
fn in_input_words(world: &World<'_>, cluster: usize, set: &DynamicObject, input: &RenderInput) -> Value {
    let mut value = serde_json::to_value(set).unwrap_or_default();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    let mut texts: Vec<(String, String)> =
        world.namespaces.iter().map(|(original, name)| (name.clone(), original.clone())).collect();
    if let Some(Ok(uid)) = world.created.get(cluster) {
        let own = input.clusters[cluster].pointer("/metadata/uid").and_then(Value::as_str);
        texts.push((uid.clone(), own.unwrap_or(UNKNOWN_UID).to_owned()));
    }
    replaced(&value, &texts)
}

fn add_origins(
    rendered: &mut RenderedSet,
    cluster: usize,
    (marked, found): (&World<'_>, &Found),
    markers: &Markers,
    (plain, input): (&World<'_>, &RenderInput),
) {
    let Found::Set(set) = found else {
        let why = match found {
            Found::Refused(refused) => &refused.message,
            Found::Set(_) => return,
        };
        rendered.origins_unknown = Some(format!("with a marker in each text it was refused: {why}"));
        return;
    };
    let mut env = env_of(&serde_json::to_value(set).unwrap_or_default());
    if let Some(Ok(uid)) = marked.created.get(cluster) {
        let own = input.clusters[cluster].pointer("/metadata/uid").and_then(Value::as_str);
        let texts = [(uid.clone(), own.unwrap_or(UNKNOWN_UID).to_owned())];
        env = env.iter().map(|item| replaced(item, &texts)).collect();
    }
    let namespace = &plain.blueprint.clusters[cluster].0;
    let of = Of { input, markers, cluster, namespace };
    rendered.origins_unknown = of.origins(&mut rendered.env, &env).err();
}

/// In the world with markers a namespace's own name there is one.
fn mark_namespaces(markers: &mut Markers, namespaces: &Namespaces, input: &RenderInput) {
    let given =
        |object: &Value| object.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
    let mut first: HashMap<String, InputObject> = HashMap::new();
    let settings = match &input.settings {
        Settings::OverRelease(object) | Settings::Object(object) | Settings::ConfigMap(object) => {
            given(object)
        }
        Settings::Release => None,
    };
    for (index, cluster) in input.clusters.iter().enumerate() {
        if let Some(namespace) = given(cluster) {
            first.entry(namespace).or_insert(InputObject::Cluster(index));
        }
    }
    if let Some(namespace) = settings {
        first.entry(namespace).or_insert(InputObject::Settings);
    }
    for (original, name) in namespaces {
        if let Some(object) = first.get(original) {
            let pointer = "/metadata/namespace".to_owned();
            markers.whole(name, Origin { object: *object, pointer, release_default: false });
        }
    }
}
