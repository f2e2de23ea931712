//! Timelines: which a cluster has been on, and whether a recovery followed them.

use jiff::Timestamp;
use serde_json::Value;

use super::lsn::Lsn;

/// The end of a cluster's life on one timeline: it went on on another one from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The timeline that was left.
    pub timeline: u32,
    pub at: Lsn,
    /// In PostgreSQL's words: `no recovery target specified`, `before 2026-11-25 22:00:00+00`.
    pub reason: String,
    /// When, where that is known.
    pub time: Option<Timestamp>,
}

/// All switches of a cluster, oldest first; empty of one that is still on its first timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(pub Vec<Switch>);

impl History {
    /// PostgreSQL's own file, `00000003.history`.
    pub fn of_file(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let mut parts = line.trim().splitn(3, '\t');
            let timeline = parts.next()?.trim().parse().ok()?;
            let at = Lsn::parse(parts.next()?)?;
            Some(Switch { timeline, at, reason: parts.next().unwrap_or_default().to_owned(), time: None })
        });
        History(lines.collect())
    }

    /// As Patroni keeps it: `[[1, 50331808, "no recovery target specified", "2026-11-25T22:00:00+00:00", "member"], …]`.
    pub fn of_patroni(text: &str) -> Option<Self> {
        let lines: Vec<Value> = serde_json::from_str(text).ok()?;
        let switches = lines.iter().map(|line| {
            Some(Switch {
                timeline: u32::try_from(line.get(0)?.as_u64()?).ok()?,
                at: Lsn(line.get(1)?.as_u64()?),
                reason: line.get(2).and_then(Value::as_str).unwrap_or_default().to_owned(),
                time: line.get(3).and_then(Value::as_str).and_then(|time| time.parse().ok()),
            })
        });
        switches.collect::<Option<_>>().map(History)
    }

    /// Whether it has a switch at this very place.
    pub fn has(&self, switch: &Switch) -> bool {
        self.0.iter().any(|one| same(one, switch))
    }
}

fn same(one: &Switch, another: &Switch) -> bool {
    (one.timeline, one.at) == (another.timeline, another.at)
}

/// How a recovery's timelines are to its source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Followed {
    /// It ended on the timeline that the source is on.
    Current,
    /// It ended on an earlier one, before the source left that, as this switch says.
    Earlier { left: Switch },
    /// It went on on a timeline that the source had left: what it has from there on, the source never had.
    Beyond { left: Switch },
    /// It came by this switch, which is none of the source's.
    Foreign { switch: Switch },
}

/// Holds the switches of a recovery against those of its source. The last of the recovery's is where it ended. `on`: the
/// timeline that the source is on, where that is known for certain.
pub(super) fn followed(source: &History, on: Option<u32>, recovery: &History) -> Option<Followed> {
    let (end, before) = recovery.0.split_last()?;
    // Patroni may be told to keep only the newest.
    let kept_from = source.0.first().and_then(|first| before.iter().position(|switch| same(switch, first)));
    let before = &before[kept_from.unwrap_or(0)..];
    for (index, switch) in before.iter().enumerate() {
        match source.0.get(index) {
            Some(own) if same(own, switch) => {}
            _ => return Some(Followed::Foreign { switch: switch.clone() }),
        }
    }
    // Where the archive had no history of the backup's own timeline, recovery knows none before it.
    let current = on.unwrap_or_else(|| source.0.last().map_or(1, |last| last.timeline + 1));
    if end.timeline == current && before.is_empty() {
        return Some(Followed::Current);
    }
    Some(match source.0.get(before.len()) {
        None if end.timeline == current => Followed::Current,
        // The number alone is Patroni's word for it only where it was read; numbers may be left out.
        None if on.is_none() && source.0.last().is_some_and(|last| end.timeline > last.timeline) => {
            Followed::Current
        }
        None => Followed::Foreign { switch: end.clone() },
        Some(left) if left.timeline != end.timeline => Followed::Foreign { switch: end.clone() },
        Some(left) if end.at <= left.at => Followed::Earlier { left: left.clone() },
        Some(left) => Followed::Beyond { left: left.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(timeline: u32, at: u64) -> Switch {
        Switch { timeline, at: Lsn(at), reason: String::new(), time: None }
    }

    fn history(switches: &[(u32, u64)]) -> History {
        History(switches.iter().map(|(timeline, at)| switch(*timeline, *at)).collect())
    }

    #[test]
    fn both_forms_give_the_same() {
        let file =
            "1\t0/3000060\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-11-25 22:00:00+00\n";
        let patroni = r#"[[1, 50331744, "no recovery target specified", "2026-11-25T22:00:00.5+00:00", "acid-orders-1"], [2, 83886080, "before 2026-11-25 22:00:00+00"]]"#;
        let (file, patroni) = (History::of_file(file), History::of_patroni(patroni).unwrap());
        assert_eq!(file.0.len(), 2);
        for (one, another) in file.0.iter().zip(&patroni.0) {
            assert!(same(one, another) && one.reason == another.reason && patroni.has(one));
        }
        assert_eq!(patroni.0[0].time, Some("2026-11-25T22:00:00.5Z".parse().unwrap()));
        assert_eq!(History::of_patroni("[]"), Some(History::default()));
        assert_eq!(History::of_patroni("nothing"), None);
    }

    #[test]
    fn a_recovery_follows_its_source_or_somebody_else() {
        let ends = |source: &[(u32, u64)], recovery: &[(u32, u64)]| {
            followed(&history(source), None, &history(recovery)).unwrap()
        };
        assert_eq!(ends(&[], &[(1, 90)]), Followed::Current);
        assert_eq!(ends(&[(1, 50)], &[(1, 50), (2, 90)]), Followed::Current);
        // The source is itself a clone, of one that had left a number out.
        assert_eq!(ends(&[(1, 50)], &[(1, 50), (3, 90)]), Followed::Current);
        // Its target was before the failover. Where it knew of that, PostgreSQL names the timeline that it was on its way to.
        assert_eq!(ends(&[(1, 50)], &[(1, 50), (2, 40)]), Followed::Current);
        assert_eq!(ends(&[(1, 50)], &[(1, 40)]), Followed::Earlier { left: switch(1, 50) });
        // The history file was missing: the new timeline has the source's number by chance.
        assert_eq!(ends(&[(1, 50)], &[(1, 50)]), Followed::Earlier { left: switch(1, 50) });
        assert_eq!(ends(&[(1, 50)], &[(1, 60)]), Followed::Beyond { left: switch(1, 50) });
        // Another cluster's timeline, by its history or by the backup alone.
        assert_eq!(ends(&[], &[(1, 70), (2, 90)]), Followed::Foreign { switch: switch(1, 70) });
        assert_eq!(ends(&[(1, 50)], &[(1, 70), (2, 90)]), Followed::Foreign { switch: switch(1, 70) });
        assert_eq!(ends(&[], &[(2, 90)]), Followed::Foreign { switch: switch(2, 90) });
        // Patroni keeps the newest only.
        assert_eq!(ends(&[(2, 60)], &[(1, 50), (2, 60), (3, 90)]), Followed::Current);
        // The archive has no history of the timeline that the backup is on.
        assert_eq!(ends(&[(1, 50)], &[(2, 90)]), Followed::Current);
        assert_eq!(followed(&History::default(), None, &History::default()), None);
    }

    #[test]
    fn where_the_number_is_known_only_that_one_is_the_sources() {
        let ends = |on, recovery: &[(u32, u64)]| {
            followed(&history(&[(1, 50)]), Some(on), &history(recovery)).unwrap()
        };
        assert_eq!(ends(2, &[(1, 50), (2, 90)]), Followed::Current);
        assert_eq!(ends(2, &[(1, 50), (3, 90)]), Followed::Foreign { switch: switch(3, 90) });
    }
}
