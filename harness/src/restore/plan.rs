//! What a drill is going to do, known before it does anything: the source as it is, the clone that is to be made.

use jiff::Timestamp;

use super::clone::{self, LABEL, PlannedClone};
use super::error::RestoreError;
use super::file::RestoreDrill;
use super::rights::{needed, of_password};
use super::siblings::{self, Sibling};
use super::source::Source;
use super::span::Span;
use super::target::Target;
use crate::environment::cluster::{ClusterAccess, ClusterError, Lock, Right, missing};

/// The longest name that a label's value may have.
const LONGEST: usize = 63;

/// What a drill is going to do, looked up in the cluster before anything is made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// As it stood when the drill looked.
    pub source: Source,
    /// With a part of its own at its end.
    pub clone_name: String,
    /// The point in time, unless a comparison chooses it.
    pub target: Timestamp,
    /// When the drill began.
    pub started: Timestamp,
    /// When the clone may be removed by whoever finds it: the drill's start and `limits.time`.
    pub expires: Timestamp,
    /// The Lease of the source: one drill of it at a time.
    pub lock: Lock,
    /// Other clusters that archive into the source's place.
    pub sharing: Vec<Sibling>,
}

impl Plan {
    /// Looks at the source, and refuses what would be unsafe.
    ///
    /// # Errors
    /// When a right or a namespace is missing, the source is not there or has no backups, or the clone is refused.
    pub async fn of(
        access: &ClusterAccess,
        drill: &RestoreDrill,
        now: Timestamp,
    ) -> Result<Self, RestoreError> {
        if drill.into.namespace == drill.source.namespace && !drill.into.source_namespace_allowed {
            return Err(RestoreError::refused(
                format!("{} is its source's own namespace", drill.into.namespace),
                "another namespace keeps a drill away from production; `--into-source-namespace` or \
                 `source_namespace_allowed: true` allows it",
            ));
        }
        allowed(access, &needed(drill)).await?;
        access.usable(&drill.source.namespace).await?;
        access.usable(&drill.into.namespace).await?;
        let source = Source::read(access, &drill.source).await?;
        if drill.compare.is_some() {
            allowed(access, of_password(&source).as_slice()).await?;
        }
        let target = drill.target.as_deref().map(Target::parse).transpose();
        let target =
            target.map_err(|error| RestoreError::refused(error.to_string(), ""))?.unwrap_or_default();
        let target = target.time(now);
        if target > now {
            return Err(RestoreError::refused(format!("its target {target} has not come yet"), ""));
        }
        let lease = lease(&source);
        let plan = Plan {
            clone_name: clone::name(&source.name),
            target,
            started: now,
            sharing: siblings::everyone(access, &source).await.into_iter().filter(|one| one.shares).collect(),
            expires: now.checked_add(limit(drill)).unwrap_or(Timestamp::MAX),
            lock: Lock {
                namespace: drill.into.namespace.clone(),
                label: (LABEL.to_owned(), lease.clone()),
                name: lease,
                about: about(drill),
            },
            source,
        };
        // Whatever would be refused is refused now.
        plan.clone(drill, plan.target)?;
        Ok(plan)
    }

    /// The clone as of a point in time.
    ///
    /// # Errors
    /// When it is refused.
    pub fn clone(&self, drill: &RestoreDrill, target: Timestamp) -> Result<PlannedClone, RestoreError> {
        PlannedClone::of(&self.source, drill, &self.clone_name, (target, self.expires), &self.lock.name)
    }
}

async fn allowed(access: &ClusterAccess, rights: &[Right]) -> Result<(), ClusterError> {
    let missing = missing(access, rights).await?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(ClusterError::Forbidden { doing: "do the drill".to_owned(), missing }),
    }
}

/// How long the drill may take.
pub(super) fn limit(drill: &RestoreDrill) -> std::time::Duration {
    drill.limits.time.map_or(std::time::Duration::from_secs(2 * 60 * 60), |Span(limit)| limit)
}

/// For drills that wait for this one.
fn about(drill: &RestoreDrill) -> String {
    let source = format!("{}/{}", drill.source.namespace, drill.source.name);
    match &drill.name {
        Some(name) => format!("the drill {name} of {source}"),
        None => format!("a drill of {source}"),
    }
}

/// One for each source. Names that are too long end in a digest of the whole.
fn lease(source: &Source) -> String {
    use sha2::{Digest, Sha256};
    let whole = format!("clonedrill-{}-{}", source.namespace, source.name);
    if whole.len() <= LONGEST {
        return whole;
    }
    let digest = Sha256::digest(whole.as_bytes());
    let digest: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let head: String = whole.chars().take(LONGEST - digest.len() - 1).collect();
    format!("{}-{digest}", head.trim_end_matches('-'))
}
