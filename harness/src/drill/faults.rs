//! The faults of a drill: which act, and the proof that each has hit something.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::DrillError;
use super::world::World;
use crate::environment::{Environment, Storage};
use crate::report::Finding;
use crate::scenario::PodsFault;
use crate::storage::{BlobKind, RuleId, RuleState};

/// A fault that a step has begun.
#[derive(Debug)]
pub(super) struct Fault {
    pub name: String,
    pub kind: Kind,
    pub healed: AtomicBool,
    /// When it heals by itself.
    pub until: Option<Instant>,
}

impl Fault {
    pub(super) fn new(name: String, kind: Kind, ends_after: Option<u64>) -> Self {
        let until = ends_after.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Fault { name, kind, healed: AtomicBool::new(false), until }
    }

    pub(super) fn is_healed(&self) -> bool {
        self.healed.load(Ordering::Relaxed)
    }

    /// The blobs that it damaged, each with its account and container.
    pub(super) fn damaged(&self) -> Vec<(String, String, String)> {
        let of = |blob: &Before| (blob.account.clone(), blob.container.clone(), blob.name.clone());
        match &self.kind {
            Kind::Blobs(before) => before.iter().map(of).collect(),
            _ => Vec::new(),
        }
    }
}

/// What it is about.
#[derive(Debug)]
pub(super) enum Kind {
    /// A rule of the gateway.
    Requests(RuleId),
    /// Blobs with what they were before.
    Blobs(Vec<Before>),
    Pods(Strike),
    /// So many instances that the operator had.
    OperatorStopped(i64),
    OperatorKilled,
    /// So many processes of the operator, in the pod of this name.
    OperatorPaused(String, u32),
    Volumes(SmallVolumes),
    /// So many containers that ended.
    NodeRestarted(u64),
}

/// A cluster's volumes that hold less than they say.
#[derive(Debug)]
pub(super) struct SmallVolumes {
    /// What the names of their claims begin with.
    pub claims: String,
    pub mebibytes: u64,
    /// How many there were when somebody looked last.
    pub made: AtomicU64,
}

/// A blob before it was damaged.
#[derive(Debug)]
pub(super) struct Before {
    pub account: String,
    pub container: String,
    pub name: String,
    pub content: Vec<u8>,
    pub kind: BlobKind,
}

/// A blow that falls as soon as there is something to hit.
#[derive(Debug)]
pub(super) struct Strike {
    pub fault: PodsFault,
    /// The pod that it has hit, and how.
    pub hit: Mutex<Option<(String, String)>>,
}

impl Strike {
    pub(super) fn hit(&self) -> Option<String> {
        self.hit.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, how)| how.clone())
    }

    pub(super) fn pod(&self) -> Option<String> {
        self.hit.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(pod, _)| pod.clone())
    }

    pub(super) fn note(&self, pod: String, how: String) {
        *self.hit.lock().unwrap_or_else(PoisonError::into_inner) = Some((pod, how));
    }
}

/// What a fault did, in words; none where it did nothing.
fn effect(fault: &Fault, rules: &BTreeMap<RuleId, RuleState>) -> Option<String> {
    match &fault.kind {
        Kind::Requests(id) => {
            let state = rules.get(id).filter(|state| state.hits > 0)?;
            Some(format!("it met {} of the {} requests that it is about", state.hits, state.matched))
        }
        Kind::Blobs(before) => Some(format!("{} blobs damaged", before.len())),
        Kind::Pods(strike) => strike.hit(),
        Kind::OperatorStopped(_) => Some("the operator was stopped".to_owned()),
        Kind::OperatorKilled => Some("the operator was killed".to_owned()),
        Kind::OperatorPaused(pod, count) => Some(format!("{count} processes paused in {pod}")),
        Kind::Volumes(small) => {
            let made = Some(small.made.load(Ordering::Relaxed)).filter(|made| *made > 0)?;
            Some(format!("{made} volumes that hold {} MiB", small.mebibytes))
        }
        Kind::NodeRestarted(count) => {
            (*count > 0).then(|| format!("{count} containers ended, and started again"))
        }
    }
}

impl<E: Environment> World<'_, E> {
    /// What each fault did, in the order in which they began; nothing for one that did nothing.
    pub(super) async fn effects(&self) -> Result<Vec<(String, Option<String>)>, DrillError> {
        if self.faults.is_empty() {
            return Ok(Vec::new());
        }
        for fault in &self.faults {
            if let (Kind::Volumes(small), false) = (&fault.kind, fault.is_healed()) {
                let made = self.environment.limit_volumes(&small.claims, Some(small.mebibytes)).await?;
                small.made.store(made, Ordering::Relaxed);
            }
        }
        let rules = self.storage.rules().await?;
        let rules: BTreeMap<RuleId, RuleState> = rules.into_iter().map(|state| (state.id, state)).collect();
        Ok(self.faults.iter().map(|fault| (fault.name.clone(), effect(fault, &rules))).collect())
    }

    pub(super) async fn effect_of(&self, name: &str) -> Result<Option<String>, DrillError> {
        Ok(self.effects().await?.into_iter().find(|(fault, _)| fault == name).and_then(|(_, effect)| effect))
    }
}

/// Faults that hit nothing: whatever the drill shows, it shows it of a world without them.
pub(super) fn without_effect(effects: &[(String, Option<String>)]) -> Vec<Finding> {
    let idle = effects.iter().filter(|(_, effect)| effect.is_none());
    let finding = |(name, _): &(String, Option<String>)| {
        Finding::new(
            format!("fault {name}"),
            "to hit something",
            "it hit nothing, so the drill shows nothing of it",
        )
        .with_help("compare what it is about (`of`, `account`, `blobs`, `operations`) with storage.txt in the evidence folder")
    };
    idle.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_hit_nothing_is_a_finding() {
        let effects = [("quiet".to_owned(), None), ("loud".to_owned(), Some("2 blobs damaged".to_owned()))];
        let found = without_effect(&effects);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].subject, "fault quiet");
    }
}
