//! Whom a cluster follows, and how far behind it may be.

use super::{Miss, ObservedCluster, seen, unseen};
use crate::drill::outcome::standby::Lag;
use crate::report::{Finding, FollowsSummary};
use crate::scenario::ClusterExpectation;

pub(super) fn misses(short: &str, expected: &ClusterExpectation, cluster: &ObservedCluster) -> Vec<Miss> {
    let Some(follows) = &expected.follows else { return Vec::new() };
    let finding =
        |expected: String, found: String| Finding::new(format!("{short}: follows"), expected, found);
    let Some(lag) = &cluster.lag else {
        let said = "it follows no cluster, so nothing is known of how far behind it is".to_owned();
        return vec![unseen(finding(follows.cluster.clone(), said))];
    };
    let mut misses = Vec::new();
    if lag.of != follows.cluster {
        misses.push(seen(finding(follows.cluster.clone(), lag.of.clone())));
    }
    if let Some(bytes) = follows.bytes.filter(|bytes| lag.bytes > *bytes) {
        misses.push(seen(finding(format!("at most {bytes} bytes behind"), lag.words())));
    }
    if let Some(seconds) = follows.seconds.filter(|seconds| lag.seconds > *seconds as f64) {
        misses.push(seen(finding(format!("at most {seconds} s behind"), lag.words())));
    }
    misses
}

pub(super) fn summary(lag: &Lag) -> FollowsSummary {
    FollowsSummary {
        cluster: lag.of.clone(),
        bytes: lag.bytes,
        seconds: (lag.seconds * 1000.0).round() / 1000.0,
        timeline: lag.timeline,
        reached: lag.missing.is_none(),
    }
}
