//! The clone is a copy of the right cluster, recovered from its backup, up to the right time.

use jiff::Timestamp;

use crate::observe::data::Identity;
use crate::report::Proof;

/// What is known of the source and its backup.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The source's, as Patroni keeps it (annotation `initialize`) or the source itself says.
    pub system_identifier: Option<&'a str>,
    /// The base backup's, from its name.
    pub timeline: Option<u32>,
    /// Where the recovery was to end.
    pub target: Timestamp,
}

/// How far recovery went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// The last transaction that was replayed was committed then.
    To(Timestamp),
    /// The server's log shows that recovery ended, and no transaction was replayed.
    Nothing,
    /// Nothing tells.
    NotKnown,
}

/// One proof each: system identifier, end of recovery, timeline, time. What is not known is not proved.
pub fn identity(seen: &Identity, recovered: Recovered, wanted: Wanted<'_>) -> Vec<Proof> {
    vec![
        system_identifier(seen, wanted.system_identifier),
        out_of_recovery(seen),
        timeline(seen, wanted.timeline),
        time(recovered, wanted.target),
    ]
}

fn system_identifier(seen: &Identity, wanted: Option<&str>) -> Proof {
    let expected = match wanted {
        Some(wanted) => format!("{wanted}, the source's"),
        None => "the source's, which is not known".to_owned(),
    };
    let help = match wanted {
        Some(wanted) if wanted != seen.system_identifier => {
            "the clone holds another cluster's data, or was initialised anew: look at the account and the prefix \
             that it reads"
        }
        Some(_) => "",
        None => {
            "Patroni keeps it in the annotation `initialize` of the source's `…-config` object: the drill has to \
             be allowed to read it; where Patroni's state is kept elsewhere, `compare` asks the source itself"
        }
    };
    Proof {
        expected,
        help: help.to_owned(),
        ..Proof::new(
            "system identifier",
            wanted == Some(seen.system_identifier.as_str()),
            seen.system_identifier.clone(),
        )
    }
}

fn out_of_recovery(seen: &Identity) -> Proof {
    let text = if seen.in_recovery { "in recovery" } else { "recovered and promoted" };
    Proof {
        expected: "recovered and promoted".to_owned(),
        ..Proof::new("end of recovery", !seen.in_recovery, text)
    }
}

fn timeline(seen: &Identity, backup: Option<u32>) -> Proof {
    let (holds, expected) = match backup {
        Some(backup) => (seen.timeline > backup, format!("above {backup}, the backup's")),
        // No cluster begins on another than 1, so above it something was recovered.
        None => (seen.timeline > 1, "above 1, where every cluster begins".to_owned()),
    };
    let help = if holds {
        ""
    } else {
        "a recovery always begins a new timeline: this cluster was not recovered from that backup"
    };
    Proof { expected, help: help.to_owned(), ..Proof::new("timeline", holds, seen.timeline.to_string()) }
}

fn time(recovered: Recovered, target: Timestamp) -> Proof {
    let expected = format!("the last commit at {target} or before");
    let (holds, seen, help) = match recovered {
        Recovered::To(time) if time <= target => (true, format!("{time}, {} before", span(time, target)), ""),
        Recovered::To(time) => (
            false,
            format!("{time}, {} after", span(target, time)),
            "recovery did not stop at the target: the archived WAL may have ended before it, whereupon Spilo recovers once \
             more with no target at all",
        ),
        Recovered::Nothing => {
            (true, "nothing was replayed that was committed after the base backup".to_owned(), "")
        }
        Recovered::NotKnown => (
            false,
            "not known: neither the server nor its log says what was replayed last".to_owned(),
            "the clone's server log tells it (`last completed transaction was at log time`)",
        ),
    };
    Proof { expected, help: help.to_owned(), ..Proof::new("point in time", holds, seen) }
}

/// `1m 3s`, to the millisecond.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let span = to.duration_since(from);
    let millis = jiff::SignedDuration::from_millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    format!("{:#}", millis.abs())
}
