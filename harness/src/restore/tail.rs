//! What the archive holds beyond the place where a recovery ended.

use std::time::Duration;

use jiff::Timestamp;

use super::archive::Stored;
use super::history::{Followed, History};
use super::lsn::{Lsn, Segment};
use super::replay::Replay;

/// Clocks of storage and machines may differ by so much.
const CLOCKS: Duration = Duration::from_secs(30);
/// WAL-G sends several files at once: one may be there before the one before it, for no longer than this.
const AT_ONCE: Duration = Duration::from_secs(60);

/// The end of a recovery that no commit after its target had stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub at: Lsn,
    /// The timeline that was left there.
    pub timeline: u32,
    /// Bytes of a WAL segment.
    pub size: u64,
    pub replay: &'a Replay,
    /// The source's, where it is known.
    pub history: Option<&'a History>,
    pub followed: Option<&'a Followed>,
    /// How far the source has written, where it is known.
    pub written: Option<Lsn>,
    /// The last file that the source says it has archived, where it was asked.
    pub archived: Option<&'a str>,
    /// When the clone was created: what was in the archive by then, recovery could have had.
    pub created: Timestamp,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tail {
    /// Recovery took all of it.
    Nothing,
    /// The next file came while the clone was made, or is newer.
    Late { file: String },
    /// The next file was there, and recovery did not take it.
    NotTaken { file: String, later: usize },
    /// The next file is not there, and later ones are.
    Missing { file: String, later: usize, last: String },
    /// The source has ended the next file, and the archive has neither it nor a later one.
    NotArchived { file: String, why: String },
    /// The source's next timeline has no history there.
    NoHistory { file: String },
    /// It may still come; with what is waited for.
    Wait { file: String, seen: String },
}

impl End<'_> {
    /// The number of the segment that recovery asked for last, and did not get.
    pub(super) fn next(&self) -> u64 {
        let here = self.at.segment(self.size) + u64::from(!self.at.begins_segment(self.size));
        let after_restored = self.replay.last_restored(self.size).map_or(0, |last| last.number + 1);
        // A record may go on in a file that is not there, and begin some files before.
        here.max(after_restored)
    }

    /// `now` is what the files' times are held against.
    pub(super) fn tail(&self, files: &[Stored], now: Timestamp) -> Tail {
        if let Some(found) = self.history_of_next(files, now) {
            return found;
        }
        let next = self.next();
        let segments = files.iter().filter_map(|file| Some((file, Segment::parse(&file.name, self.size)?)));
        let mut own: Vec<(&Stored, Segment)> =
            segments.filter(|(_, segment)| segment.number >= next && self.of_source(*segment)).collect();
        own.sort_by_key(|(_, segment)| (segment.number, segment.timeline));
        let file = Segment { timeline: self.timeline_of(next), number: next }.name(self.size);
        let later: Vec<&(&Stored, Segment)> =
            own.iter().filter(|(_, segment)| segment.number > next).collect();
        if let Some((stored, _)) = own.iter().rev().find(|(_, segment)| segment.number == next) {
            let file = stored.name.clone();
            return match self.was_there(stored) {
                true => Tail::NotTaken { file, later: later.len() },
                false => Tail::Late { file },
            };
        }
        if let (Some((oldest, _)), Some((last, _))) =
            (later.iter().min_by_key(|(stored, _)| stored.time), later.last())
        {
            let age = Duration::try_from(now.duration_since(oldest.time)).unwrap_or_default();
            return match age > AT_ONCE {
                true => Tail::Missing { file, later: later.len(), last: last.name.clone() },
                false => Tail::Wait { seen: format!("{} is there, {file} is not", last.name), file },
            };
        }
        let archived = self.archived.and_then(|name| Segment::parse(name, self.size));
        if archived.is_some_and(|archived| archived.number >= next) {
            let why = format!("the source says that it has archived {}", self.archived.unwrap_or_default());
            return Tail::NotArchived { file, why };
        }
        let ends = Lsn((next + 1).saturating_mul(self.size));
        match self.written {
            Some(written) if written >= ends => Tail::Wait {
                seen: format!("the source has written up to {written}, beyond the end of {file}"),
                file,
            },
            _ => Tail::Nothing,
        }
    }

    /// Where the source went on on another timeline, recovery could follow only with its history.
    fn history_of_next(&self, files: &[Stored], now: Timestamp) -> Option<Tail> {
        let Some(Followed::Earlier { left }) = self.followed else { return None };
        let file = format!("{:08X}.history", self.after(left.timeline)?);
        if self.replay.restored.contains(&file) {
            return None;
        }
        Some(match files.iter().find(|stored| stored.name == file) {
            Some(stored) if self.was_there(stored) => {
                Tail::NotTaken { file, later: self.later_than(files, left.timeline) }
            }
            Some(_) => Tail::Late { file },
            // The failover came while the clone was made, and its history is on the way.
            None if left.time.is_some_and(|time| now.duration_since(time).unsigned_abs() < AT_ONCE) => {
                Tail::Wait { seen: format!("the source left timeline {} just now", left.timeline), file }
            }
            None => Tail::NoHistory { file },
        })
    }

    /// How many WAL files of the source's later timelines are there.
    fn later_than(&self, files: &[Stored], timeline: u32) -> usize {
        let segments = files.iter().filter_map(|file| Segment::parse(&file.name, self.size));
        segments.filter(|segment| segment.timeline > timeline && self.of_source(*segment)).count()
    }

    fn was_there(&self, stored: &Stored) -> bool {
        self.created.duration_since(stored.time) > jiff::SignedDuration::try_from(CLOCKS).unwrap_or_default()
    }

    /// The timeline that the source went on on after this one.
    fn after(&self, timeline: u32) -> Option<u32> {
        let switches = &self.history?.0;
        let index = switches.iter().position(|switch| switch.timeline == timeline)?;
        Some(switches.get(index + 1).map_or(timeline + 1, |next| next.timeline))
    }

    /// Whether the source has written such a segment: on a timeline that it was on then.
    pub(super) fn of_source(&self, segment: Segment) -> bool {
        let Some(history) = self.history else { return segment.timeline == self.timeline };
        match history.0.iter().find(|switch| switch.timeline == segment.timeline) {
            Some(left) => segment.number <= left.at.segment(self.size),
            None => {
                history.0.last().is_none_or(|last| {
                    segment.timeline > last.timeline && segment.number >= last.at.segment(self.size)
                }) && segment.timeline == self.current()
            }
        }
    }

    /// The timeline that the source is on.
    fn current(&self) -> u32 {
        match (self.followed, self.history.and_then(|history| history.0.last())) {
            (Some(Followed::Current), _) | (_, None) => self.timeline,
            (_, Some(last)) => last.timeline + 1,
        }
    }

    /// The timeline on which the source wrote the end of this segment.
    fn timeline_of(&self, number: u64) -> u32 {
        let mut switches = self.history.iter().flat_map(|history| &history.0);
        let left = switches.find(|switch| switch.at.segment(self.size) > number);
        left.map_or_else(|| self.current(), |switch| switch.timeline)
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::Switch;
    use super::*;

    const SIZE: u64 = 16 << 20;
    const BEFORE: &str = "2026-11-25T22:00:00Z";
    const CREATED: &str = "2026-11-25T23:00:00Z";
    const NOW: &str = "2026-11-25T23:01:30Z";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn stored(files: &[(&str, &str)]) -> Vec<Stored> {
        files.iter().map(|(name, time)| Stored { name: (*name).to_owned(), time: at(time) }).collect()
    }

    fn wal(timeline: u32, number: u64) -> String {
        Segment { timeline, number }.name(SIZE)
    }

    fn replay(files: &[String]) -> Replay {
        Replay { restored: files.iter().cloned().collect(), ..Replay::default() }
    }

    fn end<'a>(replay: &'a Replay, history: &'a History, followed: &'a Followed, at_lsn: u64) -> End<'a> {
        End {
            at: Lsn(at_lsn),
            timeline: 1,
            size: SIZE,
            replay,
            history: Some(history),
            followed: Some(followed),
            written: Some(Lsn(at_lsn)),
            archived: None,
            created: at(CREATED),
        }
    }

    #[test]
    fn an_archive_that_was_replayed_to_its_end_holds_nothing_more() {
        let (seen, history) = (replay(&[wal(1, 2), wal(1, 3)]), History::default());
        let end = end(&seen, &history, &Followed::Current, 4 * SIZE);
        let files = [(wal(1, 2), BEFORE), (wal(1, 3), BEFORE)];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, time)| (name.as_str(), *time)).collect();
        assert_eq!(end.tail(&stored(&files), at(NOW)), Tail::Nothing);
        // The source has begun the next file.
        let begun = End { written: Some(Lsn(4 * SIZE + 500)), ..end };
        assert_eq!(begun.tail(&stored(&files), at(NOW)), Tail::Nothing);
        // It has ended it: the archive is late, or has lost it.
        let ended = End { written: Some(Lsn(5 * SIZE)), ..end };
        assert!(matches!(ended.tail(&stored(&files), at(NOW)), Tail::Wait { file, .. } if file == wal(1, 4)));
        let archived = wal(1, 4);
        let said = End { archived: Some(&archived), ..end };
        let seen = said.tail(&stored(&files), at(NOW));
        assert!(matches!(seen, Tail::NotArchived { ref file, .. } if *file == wal(1, 4)), "{seen:?}");
        // A record that goes on in a file that is not there.
        let crossing = End { at: Lsn(4 * SIZE - 300), ..end };
        assert_eq!((crossing.next(), crossing.tail(&stored(&files), at(NOW))), (4, Tail::Nothing));
    }

    #[test]
    fn a_gap_is_named_and_what_came_late_is_none() {
        let (seen, history) = (replay(&[wal(1, 3)]), History::default());
        let end = end(&seen, &history, &Followed::Current, 4 * SIZE);
        let tail = |files: &[(String, &str)]| {
            let files: Vec<(&str, &str)> = files.iter().map(|(name, time)| (name.as_str(), *time)).collect();
            end.tail(&stored(&files), at(NOW))
        };
        let gap = tail(&[(wal(1, 3), BEFORE), (wal(1, 5), BEFORE), (wal(1, 6), BEFORE)]);
        assert_eq!(gap, Tail::Missing { file: wal(1, 4), later: 2, last: wal(1, 6) });
        let late = tail(&[(wal(1, 4), "2026-11-25T23:00:20Z"), (wal(1, 5), "2026-11-25T23:00:40Z")]);
        assert_eq!(late, Tail::Late { file: wal(1, 4) });
        let not_taken = tail(&[(wal(1, 4), BEFORE), (wal(1, 5), BEFORE)]);
        assert_eq!(not_taken, Tail::NotTaken { file: wal(1, 4), later: 1 });
        // Two files are on the way at once.
        assert!(matches!(tail(&[(wal(1, 5), "2026-11-25T23:01:20Z")]), Tail::Wait { .. }));
        // Another cluster's, and what is not complete, are no later files.
        let others = [(wal(2, 5), BEFORE), (format!("{}.partial", wal(1, 4)), BEFORE)];
        assert_eq!(tail(&others), Tail::Nothing);
    }

    #[test]
    fn a_failover_is_followed_by_its_history() {
        let left = Switch {
            timeline: 1,
            at: Lsn(4 * SIZE + 96),
            reason: String::new(),
            time: Some(at("2026-11-25T21:00:00Z")),
        };
        let history = History(vec![left.clone()]);
        let earlier = Followed::Earlier { left };
        let seen = replay(&[wal(1, 3)]);
        let end = end(&seen, &history, &earlier, 4 * SIZE);
        let later = [(wal(2, 4), BEFORE), (wal(2, 5), BEFORE), (wal(1, 5), BEFORE)];
        let tail = |more: &[(&str, &str)], end: End<'_>| {
            let mut files: Vec<(&str, &str)> =
                later.iter().map(|(name, time)| (name.as_str(), *time)).collect();
            files.extend(more);
            end.tail(&stored(&files), at(NOW))
        };
        assert_eq!(tail(&[], end), Tail::NoHistory { file: "00000002.history".to_owned() });
        let there = [("00000002.history", BEFORE)];
        assert_eq!(tail(&there, end), Tail::NotTaken { file: "00000002.history".to_owned(), later: 2 });
        let came = [("00000002.history", "2026-11-25T23:00:10Z")];
        assert_eq!(tail(&came, end), Tail::Late { file: "00000002.history".to_owned() });
        // It was followed, and the next file is not there: the new timeline has it.
        let restored = Replay {
            restored: [wal(1, 3), "00000002.history".to_owned()].into_iter().collect(),
            ..Replay::default()
        };
        let followed = End { replay: &restored, ..end };
        assert_eq!(tail(&there, followed), Tail::NotTaken { file: wal(2, 4), later: 1 });
    }
}
