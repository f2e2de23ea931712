//! Parameters of one's own that work against archiving and recovery.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, World};
use crate::diagnosis::Place;
use crate::spilo::parameters::{Level, is_off};

use super::timestamp;

pub(super) static ARCHIVING: Definition = Definition {
    code: "archiving-overridden",
    severity: Severity::Error,
    title: "a parameter of PostgreSQL keeps the WAL from being archived",
    page: definition::page!("archiving-overridden"),
    shown: Shown::By(&["check/backups-never-arrive"]),
    find: archiving,
};

pub(super) static RESTORE: Definition = Definition {
    code: "restore-command-overridden",
    severity: Severity::Warning,
    title: "a restore_command of one's own stands against Spilo's",
    page: definition::page!("restore-command-overridden"),
    shown: Shown::By(&["check/clones-that-stop-short"]),
    find: restore,
};

pub(super) static MISSED_TARGET: Definition = Definition {
    code: "missed-target-not-seen",
    severity: Severity::Warning,
    title: "without CSV log files Spilo does not see that a target was missed, and the clone fails for ever",
    page: definition::page!("missed-target-not-seen"),
    shown: Shown::By(&["check/clones-that-stop-short"]),
    find: missed_target,
};

pub(super) static TIMEOUT: Definition = Definition {
    code: "restore-timeout",
    severity: Severity::Warning,
    title: "a time-out for each WAL file may end the clone's recovery early",
    page: definition::page!("restore-timeout"),
    shown: Shown::By(&["check/clones-that-stop-short"]),
    find: timeout,
};

fn place(cluster: &Cluster<'_>, name: &str) -> Place {
    cluster.document.place(&format!("/spec/postgresql/parameters/{name}"))
}

fn archiving(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.pod.archives()) {
        let given = |name: &str| rendered.parameters.given(name);
        let (name, why, severity) = if let Some((mode, _)) =
            given("archive_mode").filter(|(mode, _)| is_off(mode))
        {
            (
                "archive_mode",
                format!("archive_mode `{mode}` keeps PostgreSQL from archiving any WAL"),
                Severity::Error,
            )
        } else if let Some((library, _)) =
            given("archive_library").filter(|(library, _)| !library.trim().is_empty())
        {
            let why = format!(
                "archive_library `{library}` archives in place of the archive_command that calls WAL-G"
            );
            ("archive_library", why, Severity::Error)
        } else if let Some(command) =
            rendered.parameters.local("archive_command").filter(|command| !pushes(command))
        {
            let where_to = if is_nothing(&command) {
                "throws every WAL file away"
            } else {
                "takes the place of the one that calls WAL-G, and brings WAL elsewhere at best"
            };
            ("archive_command", format!("the archive_command of one's own {where_to}"), Severity::Error)
        } else if let Some((command, _)) =
            given("archive_command").filter(|(command, level)| *level == Level::Shared && !pushes(command))
        {
            let why = if is_nothing(&command) {
                "looks as if WAL were thrown away"
            } else {
                "looks as if it were used"
            };
            let message =
                format!("the archive_command of one's own {why}, and Spilo's own, which calls WAL-G, wins");
            ("archive_command", message, Severity::Note)
        } else {
            continue;
        };
        let and = match severity {
            Severity::Note => "",
            _ => {
                ": its base backups lack the WAL that makes them consistent, and no clone can be made of them"
            }
        };
        let message = format!("{}: {why}{and}", cluster.name());
        let repair = format!("take {name} out of spec.postgresql.parameters");
        found
            .add(cluster.name(), place(cluster, name), "against archiving", message, repair)
            .as_bad_as(severity);
    }
}

/// A command of one's own may well call WAL-G, and do something besides.
fn pushes(command: &str) -> bool {
    (command.contains("wal-g") || command.contains("wal_g")) && command.contains("wal-push")
}

fn is_nothing(command: &str) -> bool {
    matches!(command.trim(), "" | "true" | "/bin/true" | "/usr/bin/true" | ":" | "exit 0" | "(disabled)")
}

fn restore(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.archives().next().is_some()) {
        let Some((command, _)) = rendered.parameters.given("restore_command") else { continue };
        if command.contains("restore_command.sh") || command.contains("wal-fetch") {
            continue;
        }
        let what = if rendered.model.source().is_some() {
            "the clone's recovery may ask it for WAL in place of its source's archive, and its replicas too"
        } else {
            "its replicas may ask it for WAL in place of the archive"
        };
        let message =
            format!("{}: a restore_command of one's own stands against Spilo's: {what}", cluster.name());
        let repair = "take restore_command out of spec.postgresql.parameters: Spilo writes the right one for a clone and for replicas";
        found.add(cluster.name(), place(cluster, "restore_command"), "against Spilo's", message, repair);
    }
}

fn missed_target(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let has_target = rendered.model.source().is_some() && rendered.pod.has("CLONE_TARGET_TIME");
        // Before 13 PostgreSQL ends recovery at the end of the WAL without a word.
        let old = rendered.pod.major().is_some_and(|major| major < 13);
        let Some((name, value)) = rendered.parameters.hides_log().filter(|_| has_target && !old) else {
            continue;
        };
        if timestamp::is_in_the_future(world, cluster) && world.is_new(cluster) {
            continue;
        }
        let message = format!(
            "{}: where the archive misses the target by a little, as that of an idle source does, the clone fails for ever: \
             Spilo sees a missed target only in CSV log files, and {name} `{value}` leaves it none",
            cluster.name()
        );
        let repair = format!(
            "take {name} out of spec.postgresql.parameters for the restore (logging_collector on and log_destination csvlog is \
             what Spilo sets), and put it back afterwards"
        );
        found.add(cluster.name(), place(cluster, name), "hides a missed target", message, repair);
    }
}

/// From here on a file that takes longer has other troubles.
const LONG: u64 = 600;

fn timeout(world: &World<'_>, found: &mut Found) {
    const NAME: &str = "WAL_RESTORE_TIMEOUT";
    for (cluster, rendered) in world.rendered() {
        let Some(text) = rendered.pod.value(NAME) else { continue };
        let is_clone = rendered.model.source().is_some();
        let place = world.place_of_name(cluster, rendered, NAME);
        let Some(seconds) = seconds(text) else {
            if rendered.archives().next().is_none() {
                continue;
            }
            let what = if is_clone { "the clone's bootstrap" } else { "every restore of WAL" };
            let message =
                format!("{}: {what} fails: {NAME} `{text}` is no time that `timeout` knows", cluster.name());
            let repair = "write seconds, such as \"600\", or \"0\" for no time-out";
            found.add(cluster.name(), place, "how long?", message, repair).as_bad_as(Severity::Error);
            continue;
        };
        // A replica asks again; a recovery takes the file for one that there is not.
        if !is_clone || seconds <= 0.0 {
            continue;
        }
        let message = format!(
            "{}: with {NAME} a WAL file that takes longer than {text} s to fetch counts as one that is not there: recovery ends \
             at that file, Spilo repeats it without a target, and the clone says Running with data missing",
            cluster.name()
        );
        let repair = format!(
            "set {NAME} to \"0\" in spec.env of the clone, which is no time-out; a replica asks again, so other clusters may keep it"
        );
        let finding = found.add(cluster.name(), place, "ends recovery", message, repair);
        if seconds >= LONG as f64 {
            finding.as_bad_as(Severity::Note);
        }
    }
}

/// As `timeout` reads it: a number with one of its units.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    number.parse::<f64>().ok().filter(|number| *number >= 0.0).map(|number| number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_read_as_timeout_reads_them() {
        assert_eq!((seconds("16"), seconds("5m"), seconds("1.5h")), (Some(16.0), Some(300.0), Some(5400.0)));
        assert_eq!((seconds("soon"), seconds("-1"), seconds("")), (None, None, None));
    }

    #[test]
    fn a_command_that_pushes_with_wal_g_is_not_against_archiving() {
        assert!(pushes(r#"envdir "/run/etc/wal-e.d/env" wal-g wal-push "%p" && /scripts/tell.sh"#));
        assert!(!pushes("cp %p /mnt/wal/%f") && is_nothing("/bin/true"));
    }
}
