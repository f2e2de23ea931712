//! Where the recovery ended: on the source's own timelines, and not before something that the archive holds.

use crate::report::Proof;
use crate::restore::history::{Followed, History};
use crate::restore::lsn::Lsn;
use crate::restore::siblings::TakenBy;
use crate::restore::tail::Tail;

const TIMELINES: &str = "timelines of the source";
const WAL: &str = "all archived WAL";

/// What recovery began with is the base backup that was chosen, by its own label. Without the label it would begin at a
/// checkpoint of later, when not all files were as they were then.
pub(in crate::restore) fn backup(chosen: Option<&str>, begins_in: Option<&str>) -> Proof {
    let proof = |holds, seen: String| Proof {
        expected: "recovery from the base backup that was chosen, by the label in it".to_owned(),
        help: if holds { String::new() } else { BACKUP.to_owned() },
        ..Proof::new("base backup", holds, seen)
    };
    match (chosen, begins_in) {
        (_, None) => proof(false, "its label is missing, so a part of it did not come".to_owned()),
        (Some(name), Some(file)) if !file.is_empty() && name.contains(file) => proof(true, name.to_owned()),
        // `LATEST`, or a log that begins later.
        (None | Some("LATEST"), Some(file)) => proof(true, format!("it begins in {file}")),
        (Some(name), Some(file)) => {
            proof(false, format!("{name} was chosen, and what came begins in {file}"))
        }
    }
}

/// A base backup that another cluster's pod took: also where its timelines have the numbers of the source's.
pub(in crate::restore) fn taken_by(taken_by: &TakenBy) -> Proof {
    Proof {
        expected: "a base backup that one of the source's own pods took".to_owned(),
        help: OTHERS.to_owned(),
        ..Proof::new(
            "whose base backup",
            false,
            format!("these are another cluster's data: {}", taken_by.said()),
        )
    }
}

const OTHERS: &str = "another cluster, such as a clone of the source, archives into the source's place: give each a WALG_AZ_PREFIX \
                      of its own, and take a new base backup of the source";
const BACKUP: &str = "parts of the base backup are missing in the archive, or are another backup's: take a new one, and look for \
                      what deletes or overwrites blobs below the prefix";

/// The clone's switches, the last of which is the recovery's end, held against the source's. `whose` is what is known of the
/// owner of a timeline that is not the source's.
pub(in crate::restore) fn timelines(
    recovery: &History,
    followed: Option<&Followed>,
    target_before_switch: bool,
    whose: &[String],
) -> Proof {
    let path: Vec<String> = recovery.0.iter().map(|switch| switch.timeline.to_string()).collect();
    let end = recovery.0.last();
    let at = end.map(|end| end.at.to_string()).unwrap_or_default();
    let came = format!("ended at {at} on timeline {}", path.join(", then "));
    let proof = |holds: bool, seen: String, help: &str| {
        Proof {
        expected: "recovery on the timelines that the source itself was on, up to its current one or that of the target"
            .to_owned(),
        help: help.to_owned(),
        ..Proof::new(TIMELINES, holds, seen)
    }
    };
    match followed {
        None => proof(
            false,
            match end {
                Some(_) => format!("{came}; which timelines the source was on is not known"),
                None => "not known: the clone has no history of its own timeline".to_owned(),
            },
            "Patroni keeps them in the annotation `history` of the source's `…-config` object: the drill has to be allowed to \
             read it; where Patroni's state is kept elsewhere, `compare` asks the source itself",
        ),
        Some(Followed::Current) => proof(true, came, ""),
        Some(Followed::Earlier { left }) if target_before_switch => {
            proof(true, format!("{came}, which the source left later, at {}", left.at), "")
        }
        // What is missing of the archive, the other proof says.
        Some(Followed::Earlier { left }) => proof(
            false,
            format!(
                "{came}; the source left timeline {} at {}, and nothing of what it did since then came back",
                left.timeline, left.at
            ),
            "recovery follows a failover by the new timeline's `.history` file in the archive: it was missing, or could not be \
             read. Take a new base backup at once",
        ),
        Some(Followed::Beyond { left }) => proof(
            false,
            format!(
                "{came}; the source had left timeline {} before, at {}: what comes after that is of a leader that was \
                 replaced, and nothing of what the source did since then came back",
                left.timeline, left.at
            ),
            "recovery follows a failover by the new timeline's `.history` file in the archive: it was missing, or could not be \
             read. Take a new base backup at once",
        ),
        Some(Followed::Foreign { switch }) => Proof {
            evidence: whose.to_vec(),
            ..proof(
                false,
                format!(
                    "these are another cluster's data: {came}; the source never left timeline {} at {}{}",
                    switch.timeline,
                    switch.at,
                    match whose.first() {
                        Some(whose) => format!("; {whose}"),
                        None => String::new(),
                    }
                ),
                OTHERS,
            )
        },
    }
}

/// Why recovery ended where it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::restore) enum Why {
    /// A commit after the target was seen.
    Target,
    /// A file that came from the archive is no WAL from some place on.
    Broken { file: String, says: String, later: Option<usize> },
    /// What the archive has beyond, and why its next file could not be had where somebody tried.
    Tail { tail: Tail, why: Option<String>, written: Option<Lsn> },
    /// The archive could not be asked.
    NotKnown(String),
}

/// Whether something that the archive holds, or should hold, did not come back.
pub(in crate::restore) fn wal(at: Option<Lsn>, why: &Why) -> Proof {
    let proof = |holds: bool, seen: String, help: &str| Proof {
        expected: "recovery up to its target, or with everything that the source has archived".to_owned(),
        help: help.to_owned(),
        ..Proof::new(WAL, holds, seen)
    };
    let Some(at) = at else {
        return proof(false, "not known: nothing tells where recovery ended".to_owned(), "");
    };
    let failed = |file: &str, why: &str, later: Option<usize>| {
        format!(
            "recovery ended at {at} (recovery-ended-before-target); file {file} could not be restored ({why}), and {}",
            match later {
                None => "whether later files are there is not known".to_owned(),
                Some(0) => "no later file is there".to_owned(),
                Some(1) => "1 later file is there".to_owned(),
                Some(count) => format!("{count} later files are there"),
            }
        )
    };
    match why {
        Why::Target => proof(true, format!("recovery ended at {at}, at its target"), ""),
        Why::Broken { file, says, later } => proof(false, failed(file, says, *later), LOST),
        Why::NotKnown(why) => proof(
            false,
            format!("recovery ended at {at}; whether the archive holds more is not known: failed to {why}"),
            "the clone's own WAL-G is asked for it; do the drill again, or use `compare`",
        ),
        Why::Tail { tail, why, written } => match tail {
            Tail::Nothing => {
                let more = match written.filter(|written| *written > at) {
                    Some(written) => {
                        format!("; the source had written up to {written}, which is not archived yet")
                    }
                    None => String::new(),
                };
                proof(true, format!("recovery ended at {at}, and the archive holds nothing later{more}"), "")
            }
            Tail::Late { file } => proof(
                true,
                format!("recovery ended at {at}; {file} was archived only while the clone was made"),
                "",
            ),
            Tail::NotTaken { file, later } => {
                let why = why.as_deref().unwrap_or("it is there, and recovery did not take it");
                proof(false, failed(file, why, Some(*later)), LOST)
            }
            Tail::Missing { file, later, last } => {
                let seen = failed(file, "it is missing in the archive", Some(*later));
                proof(false, format!("{seen}, the last of them {last}"), LOST)
            }
            Tail::NoHistory { file } => {
                proof(false, failed(file, "it is missing in the archive", None).replace(NO_LATER, ""), LOST)
            }
            Tail::NotArchived { file, why } => proof(
                false,
                failed(file, &format!("it is missing in the archive, though {why}"), Some(0)),
                "the source's archive has stopped, or has lost what it held: look at the source's log for its archive_command, \
                 and take a new base backup",
            ),
            Tail::Wait { file, seen } => proof(
                false,
                failed(file, &format!("it is missing in the archive, though {seen}"), Some(0)),
                "the source's archive has stopped, or has lost what it held: look at the source's log for its archive_command, \
                 and take a new base backup",
            ),
        },
    }
}

const NO_LATER: &str = ", and whether later files are there is not known";
const LOST: &str = "what was committed since then cannot be restored from this archive: take a new base backup at once, and find out who \
     deletes or overwrites files in it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::history::Switch;

    fn history(switches: &[(u32, u64)]) -> History {
        let switch = |(timeline, at): &(u32, u64)| Switch {
            timeline: *timeline,
            at: Lsn(*at),
            reason: String::new(),
            time: None,
        };
        History(switches.iter().map(switch).collect())
    }

    #[test]
    fn only_the_sources_own_timelines_hold() {
        let (recovery, left) = (history(&[(1, 0x500_0000)]), history(&[(1, 0x600_0000)]).0.remove(0));
        let holds =
            |followed: Option<Followed>, before| timelines(&recovery, followed.as_ref(), before, &[]).holds();
        assert!(holds(Some(Followed::Current), false));
        assert!(holds(Some(Followed::Earlier { left: left.clone() }), true));
        assert!(!holds(Some(Followed::Earlier { left: left.clone() }), false));
        assert!(!holds(Some(Followed::Beyond { left: left.clone() }), true) && !holds(None, true));
        let whose = ["orders/acid-clone has it in its history".to_owned()];
        let foreign = timelines(&recovery, Some(&Followed::Foreign { switch: left }), true, &whose);
        assert!(!foreign.holds() && foreign.seen.contains(&whose[0]), "{foreign:?}");
    }

    #[test]
    fn the_backup_that_was_chosen_is_the_one_that_came() {
        let (name, file) = ("base_00000001000000000000000A", "00000001000000000000000A");
        assert!(backup(Some(name), Some(file)).holds() && backup(None, Some(file)).holds());
        assert!(
            !backup(Some(name), None).holds()
                && !backup(Some(name), Some("00000001000000000000000B")).holds()
        );
        assert!(!backup(Some(name), Some("")).holds());
    }

    #[test]
    fn a_backup_of_another_clusters_pod_is_another_clusters() {
        let named = TakenBy {
            backup: "base_1".to_owned(),
            host: "acid-clone-0".to_owned(),
            owner: Some("orders/acid-clone".to_owned()),
        };
        let proof = taken_by(&named);
        assert!(!proof.holds());
        assert_eq!(
            proof.seen,
            "these are another cluster's data: base_1 was taken by acid-clone-0, a pod of orders/acid-clone"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let at = Some(Lsn(0x500_0000));
        let tail = |tail| Why::Tail { tail, why: None, written: Some(Lsn(0x500_0100)) };
        let file = || "000000010000000000000005".to_owned();
        assert!(wal(at, &Why::Target).holds());
        assert!(!wal(None, &Why::Target).holds() && !wal(at, &Why::NotKnown("ask".to_owned())).holds());
        assert!(wal(at, &tail(Tail::Nothing)).seen.ends_with("up to 0/5000100, which is not archived yet"));
        assert!(wal(at, &tail(Tail::Late { file: file() })).holds());
        let missing = wal(at, &tail(Tail::Missing { file: file(), later: 2, last: "X".to_owned() }));
        assert!(!missing.holds());
        assert_eq!(
            missing.seen,
            "recovery ended at 0/5000000 (recovery-ended-before-target); file 000000010000000000000005 could not be restored (it is missing in the archive), \
             and 2 later files are there, the last of them X"
        );
        for gone in [
            Tail::NotTaken { file: file(), later: 1 },
            Tail::NoHistory { file: file() },
            Tail::NotArchived { file: file(), why: String::new() },
            Tail::Wait { file: file(), seen: String::new() },
        ] {
            let proof = wal(at, &tail(gone));
            assert!(!proof.holds() && proof.seen.contains(&file()), "{proof:?}");
        }
        let says = "invalid record length at 0/5000060".to_owned();
        let broken = wal(at, &Why::Broken { file: file(), says: says.clone(), later: Some(1) });
        assert!(
            !broken.holds() && broken.seen.contains(&says) && broken.seen.ends_with("1 later file is there")
        );
    }
}
