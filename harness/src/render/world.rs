//! One world on the control plane: its namespaces, its operators, its clusters.

use std::collections::HashMap;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, PostParams};
use kube::{Client, ResourceExt};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};

use super::blueprint::{Blueprint, Namespaces, minded_by, settled};
use super::error::RenderError;
use super::follow::{Follower, Key};
use super::log::OperatorLog;
use super::operator::Operator;
use super::pace::{self, Waits};
use super::types::{InputObject, Refused, RefusedBy};
use crate::environment::local::LocalEnvironment;
use crate::environment::{Environment, EnvironmentError, PLACE_LABEL, RENDERED};
use crate::operator::{ApplyError, apply, create_all, owner};
use crate::poll::{Limit, PollError, Seen, poll};

/// How many clusters one operator gets where its requests are limited and nobody can tell it otherwise.
const LIMITED: usize = 8;
/// More operators than this would only wait for each other on a small machine.
const OPERATORS: usize = 14;
/// States in which the operator has given a cluster up.
const GIVEN_UP: [&str; 2] = ["CreateFailed", "Invalid"];

/// One world. Its namespaces go with the environment's place.
pub(super) struct World<'e> {
    pub environment: &'e LocalEnvironment,
    pub blueprint: Blueprint,
    /// By what the input calls them.
    pub namespaces: Namespaces,
    pub operators: usize,
    /// How many operator versions have run here; each has pods of its own.
    pub versions: usize,
    follower: Follower,
    /// In the blueprint's order: the uid that the API server gave, or why it refused.
    pub created: Vec<Result<String, Refused>>,
    pub refused: Vec<(InputObject, Refused)>,
    /// Why the operator does not run.
    pub dead: Option<String>,
}

/// What is there of a cluster.
pub(super) enum Found {
    Set(Box<DynamicObject>),
    Refused(Refused),
}

impl<'e> World<'e> {
    /// Makes the namespaces and what is in them, starts the operator, and creates the clusters once it works.
    pub(super) async fn make(
        environment: &'e LocalEnvironment,
        blueprint: Blueprint,
        operator: Operator<'_>,
        settings_of: Option<InputObject>,
        objects: usize,
    ) -> Result<World<'e>, RenderError> {
        let client = environment.client();
        let namespaces: Namespaces =
            blueprint.namespaces().into_iter().map(|namespace| (namespace.to_owned(), fresh())).collect();
        futures::future::try_join_all(
            namespaces
                .iter()
                .map(|(original, name)| make_namespace(&client, environment.namespace(), original, name)),
        )
        .await?;
        let clusters = blueprint.clusters.len();
        let operators =
            if operator.flags.requests { 1 } else { clusters.div_ceil(LIMITED).clamp(1, OPERATORS) };
        let follower = Follower::start(&client, namespaces.values().map(String::as_str));
        let mut world = World {
            environment,
            blueprint,
            namespaces,
            operators,
            versions: 0,
            follower,
            created: Vec::new(),
            refused: Vec::new(),
            dead: None,
        };
        world.make_objects(&client, objects).await;
        if world.settle(operator, Waits::ForPods, settings_of).await? {
            world.start(operator).await?;
        }
        if world.dead.is_none() {
            world.create_clusters(&client).await?;
        }
        Ok(world)
    }

    pub(super) fn home(&self) -> &str {
        self.namespaces.get(&self.blueprint.home).map(String::as_str).unwrap_or_default()
    }

    fn namespace(&self, original: &str) -> String {
        self.namespaces.get(original).cloned().unwrap_or_default()
    }

    pub(super) fn controller(&self, cluster: usize) -> String {
        format!("{}-{}", self.home(), cluster % self.operators)
    }

    /// Where a cluster is on the control plane.
    pub(super) fn key(&self, cluster: usize) -> Key {
        let (namespace, object) = &self.blueprint.clusters[cluster];
        (self.namespace(namespace), object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
    }

    /// What the operator calls a cluster in its log.
    pub(super) fn name(&self, cluster: usize) -> String {
        let (namespace, name) = self.key(cluster);
        format!("{namespace}/{name}")
    }

    async fn make_objects(&mut self, client: &Client, given: usize) {
        let objects = self.blueprint.objects.iter();
        let objects =
            objects.map(|(namespace, object)| (self.namespace(namespace), object.clone())).collect();
        let results = create_all(client, objects).await.into_iter().enumerate();
        let refused = results.filter_map(|(index, result)| {
            // What was made up or copied is nobody's.
            (index < given).then_some((InputObject::Object(index), result.err().map(refused_by_api_server)?))
        });
        self.refused.extend(refused);
    }

    /// Roles and settings; whether the API server took the settings.
    pub(super) async fn settle(
        &mut self,
        operator: Operator<'_>,
        waits: Waits,
        settings_of: Option<InputObject>,
    ) -> Result<bool, RenderError> {
        let client = self.environment.client();
        let owner = owner(&client, self.environment.namespace()).await?;
        let home = self.home().to_owned();
        for object in operator.release.rbac(&home, &owner) {
            apply(&client, &home, &object).await?;
        }
        let mut settings = settled(&self.blueprint.settings, &self.namespaces);
        let schema = operator.release.schema("OperatorConfiguration");
        pace::set(&mut settings, schema, self.blueprint.clusters.len(), waits);
        match (apply(&client, &home, &settings).await, settings_of) {
            (Ok(_), _) => Ok(true),
            (Err(error @ (ApplyError::Rejected { .. } | ApplyError::Incomplete(_))), Some(object)) => {
                let refused = refused_by_api_server(error);
                self.dead = Some(format!("the operator's settings were refused: {}", refused.message));
                self.refused.push((object, refused));
                Ok(false)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The first cluster of each namespace goes ahead: with it the operator makes the pods' service account and its role,
    /// and clusters that come at once get into each other's way there.
    async fn create_clusters(&mut self, client: &Client) -> Result<(), RenderError> {
        let clusters = self.blueprint.clusters.iter().enumerate();
        let mut clusters: Vec<Option<(String, Value)>> = clusters
            .map(|(index, (namespace, cluster))| {
                Some((self.namespace(namespace), minded_by(cluster, &self.controller(index))))
            })
            .collect();
        let mut ahead: Vec<usize> = Vec::new();
        for index in 0..clusters.len() {
            let namespace = &self.blueprint.clusters[index].0;
            if !ahead.iter().any(|first| self.blueprint.clusters[*first].0 == *namespace) {
                ahead.push(index);
            }
        }
        let rest = (0..clusters.len()).filter(|index| !ahead.contains(index)).collect();
        let mut created: Vec<Option<Result<String, Refused>>> = vec![None; clusters.len()];
        for wave in [ahead, rest] {
            let objects = wave.iter().filter_map(|index| clusters[*index].take()).collect();
            for (index, result) in wave.iter().zip(create_all(client, objects).await) {
                created[*index] = Some(match result {
                    Ok(object) => Ok(object.uid().unwrap_or_default()),
                    Err(error @ (ApplyError::Rejected { .. } | ApplyError::Incomplete(_))) => {
                        Err(refused_by_api_server(error))
                    }
                    Err(error) => return Err(error.into()),
                });
            }
            let made = wave.into_iter().filter(|index| created[*index].as_ref().is_some_and(Result::is_ok));
            if clusters.iter().all(Option::is_none) {
                break;
            }
            self.begun(made.collect()).await?;
        }
        self.created = created.into_iter().flatten().collect();
        Ok(())
    }

    /// Waits until the operator has begun with these clusters. One that it cannot even begin with is told later.
    async fn begun(&self, clusters: Vec<usize>) -> Result<(), RenderError> {
        let begun = poll("the operator to begin", Limit::seconds(10), async || {
            let seen = self.follower.seen();
            let waiting = clusters.iter().filter(|cluster| !seen.states.contains_key(&self.key(**cluster)));
            Ok::<_, RenderError>(match waiting.count() {
                0 => Seen::Done(()),
                waiting => Seen::NotYet(format!("{waiting} clusters have no state")),
            })
        });
        match begun.await {
            Err(PollError::Failed(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until every cluster has its StatefulSet or was given up. `told` hears how far it is.
    pub(super) async fn written(&mut self, told: &(dyn Fn(usize, usize) + Sync)) -> Result<(), RenderError> {
        if self.dead.is_some() {
            return Ok(());
        }
        let waiting: Vec<usize> =
            (0..self.created.len()).filter(|cluster| self.created[*cluster].is_ok()).collect();
        let of = waiting.len();
        // An operator whose requests are limited needs about three seconds for each cluster.
        let limit = Limit::seconds(60 + 5 * u64::try_from(of.min(LIMITED * 4)).unwrap_or(0));
        let mut said = None;
        let done = poll("the operator to write StatefulSets", limit, async || {
            let settled = waiting.iter().filter(|cluster| self.is_settled(**cluster)).count();
            if said.replace(settled) != Some(settled) {
                told(settled, of);
            }
            if settled == of {
                return Ok(Seen::Done(None));
            }
            Ok::<_, RenderError>(match self.death().await? {
                Some(why) => Seen::Done(Some(why)),
                None => Seen::NotYet(format!("{settled} of {of} clusters")),
            })
        });
        match done.await {
            Ok(dead) => self.dead = dead,
            // Those that are late are told one by one.
            Err(PollError::TimedOut(_)) => {}
            Err(PollError::Failed(error)) => return Err(error),
        }
        self.heard().await
    }

    fn is_settled(&self, cluster: usize) -> bool {
        let (key, seen) = (self.key(cluster), self.follower.seen());
        let given_up = seen.states.get(&key).is_some_and(|state| GIVEN_UP.contains(&state.as_str()));
        seen.sets.contains_key(&key) || given_up
    }

    /// The log takes a moment from the operator's pipe to its file. A release that says it in other words is not
    /// waited for long.
    async fn heard(&self) -> Result<(), RenderError> {
        let limit = Limit { total: std::time::Duration::from_secs(2), ..Limit::seconds(2) };
        let heard = poll("the operator's log", limit, async || {
            let log = self.log().await?;
            let silent = (0..self.created.len()).filter(|cluster| {
                let (namespace, name) = self.key(*cluster);
                let written = self.follower.seen().sets.contains_key(&(namespace.clone(), name.clone()));
                written && !log.has_created(&format!("{namespace}/{name}"))
            });
            Ok::<_, RenderError>(match silent.count() {
                0 => Seen::Done(()),
                silent => Seen::NotYet(format!("nothing yet of {silent} clusters")),
            })
        });
        match heard.await {
            Err(PollError::Failed(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// What came of each cluster, in the blueprint's order.
    pub(super) fn found(&self, log: &OperatorLog) -> Vec<Found> {
        let clusters = self.blueprint.clusters.len();
        (0..clusters)
            .map(|cluster| match (self.created.get(cluster), &self.dead) {
                (Some(Err(refused)), _) => Found::Refused(refused.clone()),
                (Some(Ok(_)), dead) => {
                    let key = self.key(cluster);
                    // Not in the `match` itself, which would keep the lock.
                    let set = self.follower.seen().sets.get(&key).cloned();
                    match set {
                        Some(set) => Found::Set(Box::new(set)),
                        None => Found::Refused(self.refused_by_operator(&key, log, dead.as_deref())),
                    }
                }
                (None, dead) => Found::Refused(Refused {
                    by: RefusedBy::Operator,
                    message: dead.clone().unwrap_or_default(),
                    field: None,
                }),
            })
            .collect()
    }

    fn refused_by_operator(&self, key: &Key, log: &OperatorLog, dead: Option<&str>) -> Refused {
        let name = format!("{}/{}", key.0, key.1);
        let given_up =
            self.follower.seen().states.get(key).is_some_and(|state| GIVEN_UP.contains(&state.as_str()));
        let word = log.last_word(&name);
        let message = match (dead, word) {
            (Some(dead), _) => dead.to_owned(),
            (None, Some(word)) if given_up => word,
            (None, Some(word)) => format!("it has written no StatefulSet in time; its last word: {word}"),
            (None, None) => "it has written no StatefulSet, and said nothing of it".to_owned(),
        };
        Refused { by: RefusedBy::Operator, message: self.in_input_words(&message), field: None }
    }

    /// A text of the control plane with the namespaces as the input calls them.
    pub(super) fn in_input_words(&self, text: &str) -> String {
        self.namespaces.iter().fold(text.to_owned(), |text, (original, name)| text.replace(name, original))
    }

    /// The states of the clusters as they were last seen.
    pub(super) fn state(&self, cluster: usize) -> Option<String> {
        self.follower.seen().states.get(&self.key(cluster)).cloned()
    }

    /// What the API server warns of when a StatefulSet like these is created, by the cluster's index.
    pub(super) async fn warnings(
        &self,
        sets: &[(usize, DynamicObject)],
    ) -> Result<HashMap<usize, Vec<String>>, RenderError> {
        let client = self.environment.client();
        let asked = futures::stream::iter(sets).map(|(cluster, set)| {
            let client = client.clone();
            async move { Ok::<_, RenderError>((*cluster, super::warnings::of(&client, set).await?)) }
        });
        let answers: Vec<_> = asked.buffer_unordered(4).collect().await;
        answers.into_iter().collect()
    }
}

/// A name that stands nowhere else, so that it can be found in whatever comes out.
fn fresh() -> String {
    let letters = rand::rng().sample_iter(Alphanumeric).take(12);
    format!("{RENDERED}{}", letters.map(|letter| char::from(letter).to_ascii_lowercase()).collect::<String>())
}

async fn make_namespace(client: &Client, place: &str, original: &str, name: &str) -> Result<(), RenderError> {
    let namespace = json!({ "metadata": {
        "name": name,
        "labels": { PLACE_LABEL: place },
        "annotations": { "clonedrill/namespace": original },
    } });
    let namespace: Namespace = serde_json::from_value(namespace).map_err(kube::Error::SerdeError)?;
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    Ok(())
}

pub(super) fn refused_by_api_server(error: ApplyError) -> Refused {
    let (message, field) = match error {
        ApplyError::Rejected { message, field, .. } => (message, field),
        ApplyError::Incomplete(field) => (format!("it has no `{field}`"), Some(field.to_owned())),
        other => (other.to_string(), None),
    };
    Refused { by: RefusedBy::ApiServer, message, field }
}

pub(super) fn flatten(error: PollError<RenderError>) -> RenderError {
    match error {
        PollError::TimedOut(late) => late.into(),
        PollError::Failed(error) => error,
    }
}

impl From<PollError<EnvironmentError>> for RenderError {
    fn from(error: PollError<EnvironmentError>) -> Self {
        match error {
            PollError::TimedOut(late) => late.into(),
            PollError::Failed(error) => error.into(),
        }
    }
}

/// `value` with each of these texts replaced wherever it stands.
pub(super) fn replaced(value: &Value, texts: &[(String, String)]) -> Value {
    match value {
        Value::String(text) => {
            Value::String(texts.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to)))
        }
        Value::Array(items) => items.iter().map(|item| replaced(item, texts)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, field)| (key.clone(), replaced(field, texts))).collect())
        }
        other => other.clone(),
    }
}
