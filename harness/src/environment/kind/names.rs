//! Whose pod an address is, as far as the drill has told the gateway's pod: only the drill sees all pods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::storage::{Asker, WhoIs};

/// An address may become another pod's.
const VALID: Duration = Duration::from_secs(5);
/// A drill that asks for nothing is asked again before its connection is given up.
const ASK_AGAIN: Duration = Duration::from_secs(20);

/// Clones share what they know.
#[derive(Clone, Default)]
pub(super) struct Names {
    known: Arc<Mutex<Known>>,
    wanted: Arc<Notify>,
}

#[derive(Default)]
struct Known {
    named: BTreeMap<IpAddr, (Asker, Instant)>,
    unnamed: BTreeSet<IpAddr>,
}

impl Names {
    /// Knows what the drill has told, and notes what it has not.
    pub(super) fn who_is(&self) -> WhoIs {
        let names = self.clone();
        Arc::new(move |address| {
            let mut known = names.known();
            let named = known.named.get(&address).filter(|(_, since)| since.elapsed() < VALID);
            if let Some((asker, _)) = named {
                return asker.clone();
            }
            known.unnamed.insert(address);
            names.wanted.notify_one();
            Asker::unknown()
        })
    }

    /// Waits for addresses that somebody asked for and nobody has told.
    pub(super) async fn unnamed(&self) -> Vec<IpAddr> {
        let _ = tokio::time::timeout(ASK_AGAIN, async {
            while self.known().unnamed.is_empty() {
                self.wanted.notified().await;
            }
        })
        .await;
        std::mem::take(&mut self.known().unnamed).into_iter().collect()
    }

    /// Those that nobody knows are asked for again.
    pub(super) fn learn(&self, named: Vec<(IpAddr, Asker)>) {
        let now = Instant::now();
        let named = named.into_iter().filter(|(_, asker)| asker.is_known());
        self.known().named.extend(named.map(|(address, asker)| (address, (asker, now))));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
