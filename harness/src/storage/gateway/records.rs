//! What the gateway remembers of the requests it saw.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::access::{Access, Asker, Who};

/// Tells whose address this is.
pub type WhoIs = Arc<dyn Fn(IpAddr) -> Asker + Send + Sync>;

/// Requests to a drill's storage, in the order of their arrival.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Requests {
    /// Those that are still going on included.
    pub accesses: Vec<Access>,
    /// None was going on.
    pub at_rest: bool,
}

/// All requests so far, oldest first. Clones share one list.
#[derive(Clone)]
pub(super) struct Records {
    who_is: WhoIs,
    all: Arc<Mutex<Vec<Arc<Record>>>>,
}

/// One request while it goes on: written down when it arrives, so that none is lost, completed as bytes flow.
pub(super) struct Record {
    access: Mutex<Access>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Records {
    pub(super) fn new(who_is: WhoIs) -> Self {
        Records { who_is, all: Arc::default() }
    }

    pub(super) fn who_is(&self, address: IpAddr) -> Asker {
        (self.who_is)(address)
    }

    pub(super) fn add(&self, access: Access) -> Arc<Record> {
        let record = Arc::new(Record {
            access: Mutex::new(access),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        });
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        record
    }

    /// A copy of what is known now. Addresses that nobody knew when they asked are looked up once more.
    pub(super) fn snapshot(&self) -> Vec<Access> {
        self.copy(&self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, provided that no request is going on: nothing holds its record any more but the list.
    pub(super) fn at_rest(&self) -> Option<Vec<Access>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().all(|record| Arc::strong_count(record) == 1).then(|| self.copy(&all))
    }

    fn copy(&self, all: &[Arc<Record>]) -> Vec<Access> {
        all.iter()
            .map(|record| {
                let mut access = record.access.lock().unwrap_or_else(PoisonError::into_inner).clone();
                access.bytes_in = record.bytes_in.load(Ordering::Relaxed);
                access.bytes_out = record.bytes_out.load(Ordering::Relaxed);
                if access.who == Who::Unknown {
                    access.who = self.who_is(access.source).who;
                }
                access
            })
            .collect()
    }
}

impl Record {
    pub(super) fn answered(&self, status: u16, error_code: Option<String>) {
        let mut access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        access.status = Some(status);
        access.error_code = error_code;
    }

    /// A rule decided.
    pub(super) fn decided_by(&self, rule: &str) {
        let mut access = self.access.lock().unwrap_or_else(PoisonError::into_inner);
        access.rule = Some(rule.to_owned());
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
