//! How often base backups are taken, how many are kept, and from whom.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::{Schedule, is_known, release, retention};

pub(super) static SCHEDULE: Definition = Definition {
    code: "schedule-not-a-schedule",
    severity: Severity::Error,
    title: "BACKUP_SCHEDULE is no schedule of cron, so no base backup is taken by the clock",
    page: definition::page!("schedule-not-a-schedule"),
    shown: Shown::By(&["check/backups-otherwise-than-written"]),
    find: schedule,
};

pub(super) static RETENTION: Definition = Definition {
    code: "retention-not-a-number",
    severity: Severity::Warning,
    title: "BACKUP_NUM_TO_RETAIN is no number that Spilo can count with",
    page: definition::page!("retention-not-a-number"),
    shown: Shown::By(&["check/backups-otherwise-than-written"]),
    find: retention,
};

pub(super) static FROM_REPLICA: Definition = Definition {
    code: "backups-from-no-replica",
    severity: Severity::Error,
    title: "base backups are to be taken from a replica, and there is none",
    page: definition::page!("backups-from-no-replica"),
    shown: Shown::By(&["check/backups-otherwise-than-written"]),
    find: from_replica,
};

pub(super) static COMPRESSION: Definition = Definition {
    code: "compression-unknown",
    severity: Severity::Error,
    title: "WAL-G does not know the compression that is asked for",
    page: definition::page!("compression-unknown"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: compression,
};

pub(super) static CONCURRENCY: Definition = Definition {
    code: "concurrency-refused",
    severity: Severity::Error,
    title: "WAL-G refuses the number of uploads at a time, and archives no WAL",
    page: definition::page!("concurrency-refused"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: concurrency,
};

/// What is no number counts as 0, which WAL-G does not take.
fn concurrency(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "WALG_UPLOAD_CONCURRENCY";
    for (cluster, rendered) in world.rendered() {
        let Some(archive) = rendered.model.archive.as_ref().filter(|archive| archive.by_walg) else {
            continue;
        };
        let Some(text) = archive.value(NAME).filter(|text| is_known(text) && !rendered.is_literal(NAME))
        else {
            continue;
        };
        if text.trim().parse::<i64>().is_ok_and(|number| number > 0) {
            continue;
        }
        let message = format!(
            "{}: no WAL file is archived: {NAME} `{text}` is no number above 0, and WAL-G refuses to begin. Base backups without their \
             WAL cannot be restored",
            cluster.name()
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        let repair =
            "write a number, such as \"4\"; without it Spilo takes the number of processors, at most 10";
        found.add(cluster.name(), place, "how many?", message, repair);
    }
}

fn schedule(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "BACKUP_SCHEDULE";
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.pod.archives()) {
        crontab(world, found, cluster, rendered);
        // Spilo's default is for a variable that is not there; one that is empty stays so.
        let Some(text) = given(rendered, NAME) else { continue };
        let now = world.now.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let fields = text.split_whitespace().count();
        let (why, severity) = match (Schedule::parse(text), text.trim()) {
            // It is written into the crontab as it stands, and the command behind it would be on a line of its own.
            _ if text.contains('\n') => (
                "has a line end in it: cron refuses the whole crontab, so no base backup is taken but the first, and none is ever \
                 deleted",
                Severity::Error,
            ),
            (Ok(schedule), _) if schedule.after(now).is_none() => {
                ("is a day that never comes, so no base backup is taken but the first", Severity::Error)
            }
            (Ok(_), _) => continue,
            (Err(_), "") => (
                "leaves the line of the base backup without a time: cron refuses the whole crontab, so no base backup is taken but the first, \
                 and none is ever deleted",
                Severity::Error,
            ),
            (Err(_), "@reboot") => (
                "takes a base backup only when the pod starts, and PostgreSQL is not up then",
                Severity::Warning,
            ),
            (Err(_), _) if fields > 5 && Schedule::parse(&first_five(text)).is_ok() => (
                "has more than five fields: cron takes the sixth for the command, which fails each time",
                Severity::Error,
            ),
            (Err(_), _) => (
                "is no schedule of cron: it refuses the whole crontab, so no base backup is taken but the first, and none is \
                 ever deleted",
                Severity::Error,
            ),
        };
        let message = format!("{}: {NAME} `{}` {why}", cluster.name(), text.trim());
        let repair = "write five fields of cron (minute, hour, day, month, weekday), such as \"0 1 * * *\" for 1 o'clock \
                      (UTC) each night";
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(cluster.name(), place, "when?", message, repair).as_bad_as(severity);
    }
}

/// A variable's text where it is known and somebody gave one, empty or not.
fn given<'r>(rendered: &'r Rendered<'_>, name: &str) -> Option<&'r str> {
    let is_there = rendered.pod.names().any(|other| other == name);
    match rendered.pod.raw(name) {
        None => is_there.then_some(""),
        Some(text) => Some(text).filter(|text| is_known(text) && !rendered.is_literal(name)),
    }
}

/// Lines of one's own, which stand in the same crontab.
fn crontab(world: &World<'_>, found: &mut Found, cluster: &Cluster<'_>, rendered: &Rendered<'_>) {
    const NAME: &str = "CRONTAB";
    let Some(text) = given(rendered, NAME) else { return };
    let is_list = serde_saphyr::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_array());
    if is_list {
        return;
    }
    let message = format!(
        "{}: {NAME} is no list, and Spilo adds it to the crontab as one: cron refuses the whole crontab, or the pod does not start; no base \
         backup is taken by the clock",
        cluster.name()
    );
    let place = world.place_of_name(cluster, rendered, NAME);
    let repair = "write a list of lines, such as [\"0 5 * * * /scripts/mine.sh\"]";
    found.add(cluster.name(), place, "no list", message, repair);
}

fn first_five(text: &str) -> String {
    text.split_whitespace().take(5).collect::<Vec<_>>().join(" ")
}

fn retention(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "BACKUP_NUM_TO_RETAIN";
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.pod.archives()) {
        let Some(text) = given(rendered, NAME) else { continue };
        let trimmed = text.trim();
        let why = match (retention::kept(text), trimmed.parse::<i64>()) {
            (None, _) => {
                "is no number: Spilo's script cannot count with it, and never deletes a backup, until the storage is full or \
                 paid for"
                    .to_owned()
            }
            (Some(kept), Ok(number)) if number >= 2 && usize::try_from(number) == Ok(kept) => continue,
            (Some(_), _) if trimmed.is_empty() => {
                "is empty, which does not keep all of them: two backups and two days are kept, and the others deleted".to_owned()
            }
            (Some(_), Ok(number)) if number < 2 => {
                "is less than Spilo keeps at least: two backups and two days are kept".to_owned()
            }
            (Some(retention::LEAST), Err(_)) => {
                "is no number, so Spilo keeps the least that it knows: two backups and two days".to_owned()
            }
            (Some(kept), _) => format!("is counted by Spilo's script as {kept}"),
        };
        let message = format!("{}: {NAME} `{text}` {why}", cluster.name());
        let digits: String = trimmed.chars().take_while(char::is_ascii_digit).collect();
        let repair = match digits.parse::<u32>() {
            Ok(number) if number >= 2 && digits != trimmed => {
                format!("write \"{number}\": it counts backups and days")
            }
            _ => "write a number, such as \"5\": so many backups are kept, and those of so many days"
                .to_owned(),
        };
        let place = world.place_of_name(cluster, rendered, NAME);
        found.add(cluster.name(), place, "how many?", message, repair);
    }
}

fn from_replica(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "WALG_BACKUP_FROM_REPLICA";
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.pod.archives()) {
        let wanted = rendered.pod.value(NAME).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let instances = cluster.document.value.pointer("/spec/numberOfInstances").and_then(Value::as_u64);
        if !wanted || instances != Some(1) {
            continue;
        }
        let message = format!(
            "{}: no base backup will ever be taken: {NAME} leaves that to replicas, and with numberOfInstances 1 there is none",
            cluster.name()
        );
        let place = world.place_of_name(cluster, rendered, NAME);
        let finding = found.add(
            cluster.name(),
            place,
            "from which replica?",
            message,
            format!("set {NAME} to \"false\" for this cluster, or numberOfInstances to 2"),
        );
        finding.beside(cluster.document.place("/spec/numberOfInstances"), "no replica");
    }
}

/// No compression at all, as WAL-G calls it.
const NONE: &str = "none";
/// The first version of WAL-G that knows it for certain.
const KNOWS_NONE: &str = "3.0.9";

/// Whether the WAL-G of the cluster's image may know `none`; of an image that is not known it may.
fn knows_none(rendered: &Rendered<'_>) -> bool {
    rendered.wal_g().is_none_or(|version| !release::is_older(version, KNOWS_NONE))
}

fn compression(world: &World<'_>, found: &mut Found) {
    const ALL: [&str; 5] = ["lz4", "lzma", "zstd", "brotli", NONE];
    for (cluster, rendered) in world.rendered() {
        let known = if knows_none(rendered) { &ALL[..] } else { &ALL[..4] };
        let Some(archive) = rendered.model.archive.as_ref().filter(|archive| archive.by_walg) else {
            continue;
        };
        for name in ["WALG_COMPRESSION_METHOD", "WALG_BACKUP_COMPRESSION_METHOD"] {
            let Some(method) = archive.value(name).filter(|method| is_known(method)) else { continue };
            if known.contains(&method) || rendered.is_literal(name) {
                continue;
            }
            let what = if name.contains("BACKUP") { "base backup" } else { "backup and WAL file" };
            let message = format!(
                "{}: every {what} fails: WAL-G does not know the compression `{method}`",
                cluster.name()
            );
            let place = world.place_of_name(cluster, rendered, name);
            let repair = format!("{}; without {name} WAL-G takes lz4", crate::yaml::help(method, known));
            found.add(cluster.name(), place, "no compression of WAL-G", message, repair);
        }
    }
}
