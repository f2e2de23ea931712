//! A drill's turn: the Lease of its source, and one of the places of the namespace. Who finds them taken waits; who has waited
//! longest is next.
//!
//! A drill that waits for a place holds its source's Lease, which says since when it waits: that is the queue. A place is a
//! Lease too, so that two drills never have one, and what a killed drill had is free after it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tokio_util::sync::CancellationToken;

use super::bearing::Bearing;
use super::clean::clones;
use super::clone::LABEL;
use super::error::RestoreError;
use super::leftovers::of_lease;
use super::span::Span;
use crate::environment::cluster::{ClusterAccess, ClusterError, Held, Lock, Taken, Watch, queued_since};
use crate::poll::{Limit, Patience, TimedOut};

/// Long enough for a night of drills, one after the other; short enough for the next night's.
const WAIT: Duration = Duration::from_secs(12 * 60 * 60);
/// A holder that was killed is known to be gone only after its silence, also by a drill that does not wait.
const SILENCE: Duration = Duration::from_secs(40);
/// For so long what is told is news: where nobody watches, only what lasts becomes a line.
const NEWS: Duration = Duration::from_secs(15);
const REMINDER: Duration = Duration::from_secs(60);
const LONGEST_INTERVAL: Duration = Duration::from_secs(2);
/// No source's Lease has a name with a dot: neither a namespace nor a cluster has one.
const PLACE: &str = "clonedrill.place.";

/// What a drill needs before it may make anything.
pub(super) struct Turn {
    /// Of its source: no other drill of it goes on.
    pub source: Held,
    /// In its namespace.
    place: Held,
    /// The clones that earlier drills had left.
    pub removed: Vec<String>,
    /// What was planned before may be out of date by now.
    pub waited: Duration,
}

impl Turn {
    /// Comes back when either is held no more.
    pub(super) async fn lost(&self) -> ClusterError {
        tokio::select! {
            lost = self.source.lost() => lost,
            lost = self.place.lost() => lost,
        }
    }

    /// # Errors
    /// When the API server says no.
    pub(super) async fn release(self) -> Result<(), ClusterError> {
        self.source.release().await?;
        self.place.release().await
    }
}

/// What a turn is asked for with.
pub(super) struct Asking<'a> {
    pub access: &'a ClusterAccess,
    /// The source's.
    pub lock: &'a Lock,
    /// How many clones the namespace may hold.
    pub clones: u16,
    pub wait: Option<Span>,
    pub told: &'a (dyn Fn(String) + Sync),
    pub stop: &'a CancellationToken,
}

/// One that waits, with what it has seen so far.
struct Waiting<'a> {
    asking: &'a Asking<'a>,
    begin: Instant,
    since: Timestamp,
    watch: Watch,
    bearing: Bearing,
    patience: Patience,
    /// What was last told, since when it is so, and when it was told.
    said: Option<(String, Instant, Instant)>,
}

/// Why it waits no more.
enum Ended {
    /// It was told to stop.
    Stopped,
    Error(RestoreError),
}

impl<E: Into<RestoreError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Ended::Error(error.into())
    }
}

/// What keeps a drill from its turn.
struct Taker {
    /// For people.
    text: String,
    /// Whoever it is goes on for sure: waiting for its silence is in vain.
    goes_on: bool,
}

impl Asking<'_> {
    fn wait(&self) -> Duration {
        self.wait.map_or(WAIT, |Span(wait)| wait)
    }

    /// Waits for its turn; none where it was told to stop.
    ///
    /// # Errors
    /// When it does not come within `limits.wait`, or the API server says no. Nothing is held then.
    pub(super) async fn turn(&self) -> Result<Option<Turn>, RestoreError> {
        let limit = Limit {
            total: self.wait() + SILENCE,
            first_interval: Duration::from_millis(200),
            longest_interval: LONGEST_INTERVAL,
        };
        let mut waiting = Waiting {
            asking: self,
            begin: Instant::now(),
            since: Timestamp::now(),
            watch: Watch::default(),
            bearing: Bearing::default(),
            patience: Patience::new("its turn", limit),
            said: None,
        };
        let source = match waiting.source().await {
            Ok(source) => source,
            Err(Ended::Stopped) => return Ok(None),
            Err(Ended::Error(error)) => return Err(error),
        };
        match waiting.in_namespace(&source).await {
            Ok((place, removed)) => {
                let waited = waiting.begin.elapsed();
                Ok(Some(Turn { source, place, removed, waited }))
            }
            Err(ended) => {
                source.release().await?;
                match ended {
                    Ended::Stopped => Ok(None),
                    Ended::Error(error) => Err(error),
                }
            }
        }
    }
}

impl Waiting<'_> {
    /// The source's Lease.
    async fn source(&mut self) -> Result<Held, Ended> {
        let Asking { access, lock, .. } = self.asking;
        loop {
            let tried = lock.try_take(access, &mut self.watch).await;
            let taker = match self.bearing.bear(tried)? {
                Ok(Taken::Held(held)) => return Ok(*held),
                Ok(Taken::By(has)) => Taker {
                    text: format!("another drill of the same source goes on: {has}"),
                    goes_on: has.goes_on,
                },
                Ok(Taken::Not) => Taker::passing("another drill of the same source has just begun"),
                Err(passing) => Taker::passing(&passing),
            };
            self.pause(taker).await?;
        }
    }

    /// A place, with nothing in the namespace of drills that were killed; and the names of the clones that were removed.
    async fn in_namespace(&mut self, source: &Held) -> Result<(Held, Vec<String>), Ended> {
        let Asking { access, lock, told, .. } = self.asking;
        let mut removed = of_lease(access, (&lock.namespace, &lock.name), source.noted().await, told).await?;
        let place = self.place(source).await?;
        match self.room(&mut removed).await {
            Ok(()) => Ok((place, removed)),
            Err(error) => {
                place.release().await?;
                Err(error)
            }
        }
    }

    async fn place(&mut self, source: &Held) -> Result<Held, Ended> {
        let mut queued = false;
        loop {
            let tried = self.try_place().await;
            let taker = match self.bearing.bear(tried)? {
                Ok(Ok(place)) => {
                    if queued {
                        source.queue(None).await?;
                    }
                    return Ok(place);
                }
                Ok(Err(taker)) => taker,
                Err(passing) => Taker::passing(&passing),
            };
            if !queued {
                source.queue(Some(self.since)).await?;
                queued = true;
            }
            self.pause(taker).await?;
        }
    }

    /// Takes a free place, unless those who wait for longer need all that are free.
    async fn try_place(&mut self) -> Result<Result<Held, Taker>, RestoreError> {
        let Asking { access, lock, clones, .. } = self.asking;
        let leases: Api<Lease> = Api::namespaced(access.client(), &lock.namespace);
        let listed = leases.list(&ListParams::default().labels(LABEL)).await;
        let listed = listed.map_err(ClusterError::api(format!("list the leases in {}", lock.namespace)))?;
        let leases = listed.items;
        let mut free = Vec::new();
        let mut taken = Vec::new();
        for number in 1..=*clones {
            let name = format!("{PLACE}{number}");
            let there = leases.iter().find(|lease| lease.name_any() == name);
            match there.and_then(|lease| self.watch.holder(lease)) {
                Some(has) => taken.push(has),
                None => free.push(name),
            }
        }
        let mine = (self.since, lock.name.clone());
        let mut before = 0;
        for lease in leases.iter().filter(|lease| lease.name_any() != lock.name) {
            let Some(since) = queued_since(lease) else { continue };
            if (since, lease.name_any()) < mine && self.watch.holder(lease).is_some() {
                before += 1;
            }
        }
        if let Some(name) = free.into_iter().nth(before) {
            let place = Lock { label: (LABEL.to_owned(), name.clone()), name, ..(*lock).clone() };
            return Ok(match place.try_take(access, &mut self.watch).await? {
                Taken::Held(held) => Ok(*held),
                Taken::By(_) | Taken::Not => Err(Taker::passing("another drill has just taken the place")),
            });
        }
        let first = match before {
            0 => String::new(),
            1 => "; one drill has waited for longer".to_owned(),
            _ => format!("; {before} drills have waited for longer"),
        };
        let who: Vec<String> = taken.iter().map(ToString::to_string).collect();
        let namespace = &lock.namespace;
        let full = match who.is_empty() {
            true => format!("{namespace} has a place for {clones} at a time"),
            false => format!("{namespace} has a place for {clones} at a time, taken by {}", who.join("; ")),
        };
        let goes_on = before > 0 || taken.iter().all(|has| has.goes_on);
        Ok(Err(Taker { text: format!("{full}{first}"), goes_on }))
    }

    /// Waits until the namespace holds less clones than it may. Those whose drills were killed are removed.
    async fn room(&mut self, removed: &mut Vec<String>) -> Result<(), Ended> {
        let Asking { access, lock, told, .. } = self.asking;
        let (namespace, limit) = (lock.namespace.as_str(), usize::from(self.asking.clones));
        loop {
            let others = clones(access, namespace).await;
            let others = match self.bearing.bear(others)? {
                Ok(others) => others,
                Err(passing) => {
                    self.pause(Taker::passing(&passing)).await?;
                    continue;
                }
            };
            if others.len() < limit {
                return Ok(());
            }
            let before = removed.len();
            let mut goes_on = true;
            for other in &others {
                let name = other.lease.clone();
                let left = Lock { label: (LABEL.to_owned(), name.clone()), name, ..(*lock).clone() };
                match left.try_take(access, &mut self.watch).await? {
                    Taken::Held(held) => {
                        let gone = of_lease(access, (namespace, &left.name), held.noted().await, told).await;
                        held.release().await?;
                        removed.extend(gone?);
                    }
                    Taken::By(has) => goes_on &= has.goes_on,
                    Taken::Not => {}
                }
            }
            if removed.len() == before {
                let names: Vec<&str> = others.iter().map(|clone| clone.name.as_str()).collect();
                let text = format!(
                    "{namespace} holds {} of at most {limit} clones: {}",
                    names.len(),
                    names.join(", ")
                );
                self.pause(Taker { text, goes_on }).await?;
            }
        }
    }

    /// A wait of hours need not be told every other second, as long as nothing changes.
    fn tell(&mut self, text: &str) {
        let now = Instant::now();
        let since = match &self.said {
            Some((before, since, told)) if before == text => {
                if now.duration_since(*since) > NEWS && now.duration_since(*told) < REMINDER {
                    return;
                }
                *since
            }
            _ => now,
        };
        self.said = Some((text.to_owned(), since, now));
        (self.asking.told)(text.to_owned());
    }

    /// Until the next look.
    async fn pause(&mut self, Taker { text, goes_on }: Taker) -> Result<(), Ended> {
        self.tell(&text);
        let wait = self.asking.wait();
        let spent = self.begin.elapsed();
        if goes_on && spent >= wait {
            return Err(late(spent, &text).into());
        }
        match self.asking.stop.run_until_cancelled(self.patience.pause(text)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(TimedOut { after, last, .. })) => Err(late(after, &last).into()),
            None => Err(Ended::Stopped),
        }
    }
}

impl Taker {
    fn passing(text: &str) -> Self {
        Taker { text: text.to_owned(), goes_on: false }
    }
}

fn late(spent: Duration, last: &str) -> RestoreError {
    RestoreError::Broken {
        what: "get a turn".to_owned(),
        seen: format!("gave up after {}, {last}", Span(Duration::from_secs(spent.as_secs()))),
        help: "`limits.wait` (`--wait`) says how long a drill waits for others, `limits.clones` how many go on at a time"
            .to_owned(),
    }
}
