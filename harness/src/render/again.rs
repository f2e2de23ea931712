//! A second sync after an operator took over: what differs then differs at every sync, and pods are rolled without end.

use std::collections::BTreeMap;

use super::engine::{Prepared, Told};
use super::error::RenderError;
use super::upgrade::{REASON, for_all};
use super::world::World;
use crate::poll::{PollError, Seen, poll};

/// What the operator finds to change in each of these clusters when it looks a second time, in its own words: nothing, as it
/// should be; and no entry where it has not looked in time.
pub(super) async fn look_again(
    world: &mut World<'_>,
    newer: &Prepared,
    clusters: &[usize],
    told: Told<'_>,
) -> Result<BTreeMap<usize, Vec<String>>, RenderError> {
    let mut found = BTreeMap::new();
    if world.dead.is_some() || clusters.is_empty() {
        return Ok(found);
    }
    let version = newer.release.version();
    told(&format!("operator {version} looks a second time"));
    // An operator that starts syncs every cluster that is there, as its resync_period lets it do later.
    world.end_operators().await?;
    world.start(newer.operator()).await?;
    let synced = poll(format!("operator {version} to look a second time"), for_all(clusters), async || {
        if world.dead.is_some() || world.death().await?.is_some() {
            return Ok(Seen::Done(()));
        }
        let log = world.log().await?;
        let waiting = clusters.iter().filter(|cluster| !log.has_synced(&world.name(**cluster))).count();
        Ok::<_, RenderError>(match waiting {
            0 => Seen::Done(()),
            waiting => Seen::NotYet(format!("{waiting} of {} clusters are left", clusters.len())),
        })
    });
    match synced.await {
        // Those that are late have no entry.
        Ok(()) | Err(PollError::TimedOut(_)) => {}
        Err(PollError::Failed(error)) => return Err(error),
    }
    let log = world.log().await?;
    for cluster in clusters {
        let name = world.name(*cluster);
        if !log.has_synced(&name) {
            continue;
        }
        let reasons = log.of(&name).iter().filter_map(|line| line.message.strip_prefix(REASON));
        let mut reasons: Vec<String> = reasons.map(|reason| world.in_input_words(reason)).collect();
        reasons.dedup();
        found.insert(*cluster, reasons);
    }
    Ok(found)
}
