//! Leases as they are seen again and again: a holder that is silent for longer than it said is gone.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;

use super::holder::Holder;
use super::{ABOUT, DURATION};

/// What was seen of Leases until now, by their names.
#[derive(Debug, Default)]
pub struct Watch(HashMap<String, Renewal>);

#[derive(Debug, Clone)]
struct Renewal {
    time: Option<MicroTime>,
    /// When it was first seen.
    at: Instant,
    /// An earlier one was seen before it, so that somebody does renew.
    goes_on: bool,
}

/// A holder that is not known to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Has {
    /// For people.
    pub by: String,
    /// When it was taken, by its holder's clock; none where the Lease does not say.
    pub since: Option<Timestamp>,
    /// Seen to renew.
    pub goes_on: bool,
    silent: Duration,
    limit: Duration,
}

impl fmt::Display for Has {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.by)?;
        if let Some(since) = self.since {
            write!(f, " since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        if !self.goes_on && self.silent.as_secs() >= 5 {
            write!(f, ", silent for {} s of {} s", self.silent.as_secs(), self.limit.as_secs())?;
        }
        Ok(())
    }
}

impl Watch {
    /// Who has it; nobody where it has no holder, or one that is gone.
    pub fn holder(&mut self, lease: &Lease) -> Option<Has> {
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = Holder(spec.holder_identity.filter(|holder| !holder.is_empty())?);
        let now = Instant::now();
        let (name, time) = (lease.name_any(), spec.renew_time);
        let renewal = match self.0.get(&name) {
            Some(seen) if seen.time == time => seen.clone(),
            Some(_) => Renewal { time, at: now, goes_on: true },
            None => Renewal { time, at: now, goes_on: false },
        };
        let (silent, goes_on) = (now.duration_since(renewal.at), renewal.goes_on);
        self.0.insert(name, renewal);
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let limit = seconds.map_or(DURATION, Duration::from_secs);
        if holder.is_gone() || silent >= limit {
            return None;
        }
        let by = match lease.annotations().get(ABOUT) {
            Some(about) => format!("{about} on {}", holder.host()),
            None => holder.0.clone(),
        };
        Some(Has { by, since: spec.acquire_time.map(|time| time.0), goes_on, silent, limit })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(holder: &str, renewed: &str, seconds: i32) -> Lease {
        let spec = json!({
            "holderIdentity": holder, "leaseDurationSeconds": seconds, "acquireTime": "2026-11-24T03:00:00.000000Z",
            "renewTime": renewed,
        });
        let metadata = json!({ "name": "a", "annotations": { ABOUT: "drill orders of prod/acid-orders" } });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
    }

    #[test]
    fn a_holder_that_renews_goes_on_and_one_that_is_silent_for_too_long_is_gone() {
        let mut watch = Watch::default();
        let early = lease("pod-1/7/1/elsewhere", "2026-11-24T03:00:00.000000Z", 3600);
        let has = watch.holder(&early).unwrap();
        assert!(!has.goes_on);
        assert_eq!(has.to_string(), "drill orders of prod/acid-orders on pod-1 since 2026-11-24T03:00:00Z");
        let later = lease("pod-1/7/1/elsewhere", "2026-11-24T03:00:04.000000Z", 3600);
        assert!(watch.holder(&later).unwrap().goes_on);
        // It said that it is gone after no time at all.
        assert_eq!(watch.holder(&lease("pod-1/7/1/elsewhere", "2026-11-24T03:00:04.000000Z", 0)), None);
        assert_eq!(watch.holder(&lease("", "2026-11-24T03:00:08.000000Z", 3600)), None);
    }
}
