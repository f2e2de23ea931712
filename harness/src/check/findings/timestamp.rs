//! The point in time that a clone goes back to.

use jiff::{SignedDuration, Timestamp};

use crate::check::definition;
use crate::check::finding::{Definition, Finding, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::{Schedule, retention};

pub(super) static WITHOUT_ZONE: Definition = Definition {
    code: "timestamp-without-time-zone",
    severity: Severity::Error,
    title: "the clone's timestamp has no time zone",
    page: definition::page!("timestamp-without-time-zone"),
    shown: Shown::By(&["check/clone-section-refused"]),
    find: without_zone,
};

pub(super) static IN_THE_FUTURE: Definition = Definition {
    code: "timestamp-in-the-future",
    severity: Severity::Error,
    title: "the clone's timestamp is in the future",
    page: definition::page!("timestamp-in-the-future"),
    shown: Shown::By(&["clone/target-past-the-end"]),
    find: in_the_future,
};

pub(super) static BEFORE_RETENTION: Definition = Definition {
    code: "timestamp-before-retention",
    severity: Severity::Error,
    title: "the clone's timestamp is older than what is kept of the source's backups",
    page: definition::page!("timestamp-before-retention"),
    shown: Shown::By(&["clone/target-before-first-backup"]),
    find: before_retention,
};

/// The pointer of the clone section's own.
const TIMESTAMP: &str = "/spec/clone/timestamp";
/// Clocks differ a little.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// The target as the container gets it, else as the manifest has it: the API server may have refused that.
fn target<'c>(cluster: &'c Cluster<'_>) -> Option<&'c str> {
    let written = cluster.document.text(TIMESTAMP);
    let got = cluster.rendered.as_ref().ok().and_then(|rendered| rendered.pod.value("CLONE_TARGET_TIME"));
    got.or(written).filter(|time| !time.is_empty())
}

fn without_zone(world: &World<'_>, found: &mut Found) {
    for cluster in &world.clusters {
        let Some(time) = target(cluster).filter(|time| time.parse::<Timestamp>().is_err()) else { continue };
        // What is no time at all the API server or the operator says itself.
        if time.parse::<jiff::civil::DateTime>().is_err() {
            continue;
        }
        let message = match &cluster.rendered {
            Ok(_) => format!(
                "{}: the clone's bootstrap will fail: the timestamp `{time}` has no time zone",
                cluster.name()
            ),
            Err(_) => format!(
                "{}: the API server will refuse the cluster: the timestamp `{time}` has no time zone",
                cluster.name()
            ),
        };
        let repair = format!("append the zone that is meant, for UTC {}+00:00", time.replace(' ', "T"));
        found.add(cluster.name(), cluster.document.place(TIMESTAMP), "which zone?", message, repair);
    }
}

/// Whether the target has not come yet.
pub(super) fn is_in_the_future(world: &World<'_>, cluster: &Cluster<'_>) -> bool {
    let latest = world.now.checked_add(LEEWAY).unwrap_or(world.now);
    parsed(cluster).is_some_and(|(time, _)| time > latest)
}

fn in_the_future(world: &World<'_>, found: &mut Found) {
    for cluster in &world.clusters {
        let Some((_, shown)) = parsed(cluster).filter(|_| is_in_the_future(world, cluster)) else { continue };
        let hides = cluster.rendered.as_ref().ok().and_then(|rendered| rendered.parameters.hides_log());
        let what = match hides {
            Some((name, value)) => format!(
                "the clone's bootstrap fails and is tried again for ever, since Spilo sees a missed target only in CSV log \
                 files, and {name} `{value}` leaves it none"
            ),
            None => "the clone stops at the end of what is archived by then, and says Running without a word"
                .to_owned(),
        };
        let message = format!("{}: the target `{shown}` will not be reached: {what}", cluster.name());
        let repair = "name a time that has passed; to follow a source, leave out the timestamp or use a standby section";
        let finding =
            found.add(cluster.name(), cluster.document.place(TIMESTAMP), "has not come yet", message, repair);
        as_time_goes_by(world, cluster, finding);
    }
}

/// The section of a clone that was made stays in the repository: it is a fault only before the clone is there.
fn as_time_goes_by(world: &World<'_>, cluster: &Cluster<'_>, finding: &mut Finding) {
    if !world.is_new(cluster) {
        finding.as_bad_as(Severity::Note);
        finding.message.push_str(". Where this clone was made already, nothing is wrong");
    }
}

fn before_retention(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some((time, shown)) = parsed(cluster).filter(|_| rendered.pod.source().is_some()) else {
            continue;
        };
        // Backups are kept by whoever makes them; what is not among the manifests may keep them for ever.
        let keeper = world.source_of(cluster);
        if keeper.is_none() && world.settings.retention.is_none() {
            continue;
        }
        let keeps = keeper.map_or(rendered, |(_, keeping)| keeping);
        let name = keeper.map_or_else(|| "its source".to_owned(), |(keeper, _)| keeper.name());
        let Some((oldest, by)) = oldest_kept(world, keeps) else { continue };
        if time >= oldest {
            continue;
        }
        let message = format!(
            "{}: no backup will be found and the bootstrap will fail: the target `{shown}` is older than what is kept ({by} of \
             {}: nothing from before {})",
            cluster.name(),
            name,
            oldest.strftime("%Y-%m-%d %H:%M UTC")
        );
        let repair = "name a later time; keep backups for longer with BACKUP_NUM_TO_RETAIN; where they are kept elsewhere, say so \
                      in clonedrill.yaml (`check: { retention: 90d }`)";
        let place = cluster.document.place(TIMESTAMP);
        let finding = found.add(cluster.name(), place, "older than what is kept", message, repair);
        as_time_goes_by(world, cluster, finding);
    }
}

fn parsed<'c>(cluster: &'c Cluster<'_>) -> Option<(Timestamp, &'c str)> {
    let shown = target(cluster)?;
    Some((shown.parse().ok()?, shown))
}

/// The time of the oldest backup that is still there, and what says so. Spilo keeps at least so many backups, and as many
/// as it takes to go back so many days.
fn oldest_kept(world: &World<'_>, rendered: &Rendered<'_>) -> Option<(Timestamp, String)> {
    if let Some(retention) = world.settings.retention {
        let days = retention.0.as_hours() / 24;
        return Some((
            world.now.checked_sub(retention.0).ok()?,
            format!("the retention of {days} days in clonedrill.yaml, instead of that"),
        ));
    }
    let (count, schedule) =
        (rendered.pod.setting("BACKUP_NUM_TO_RETAIN"), rendered.pod.setting("BACKUP_SCHEDULE"));
    // What the script cannot count with deletes nothing.
    let kept = u16::try_from(retention::kept(count)?).ok()?;
    let runs = Schedule::parse(schedule).ok()?;
    let days_ago = world.now.checked_sub(SignedDuration::from_hours(24 * i64::from(kept))).ok()?;
    let by_days = runs.last(days_ago, 1)?;
    let by_count = runs.last(world.now, usize::from(kept))?;
    Some((by_days.min(by_count), format!("BACKUP_NUM_TO_RETAIN {count} and BACKUP_SCHEDULE \"{schedule}\"")))
}
