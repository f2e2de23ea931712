//! Reading one log from some place on, as long as it is written where that is asked for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use super::writing::PIECE;
use super::{Progress, record};

/// What is wanted of a log; the names are those of the API's `PodLogOptions`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in super::super) struct LogOptions {
    /// On until the container ends.
    pub follow: bool,
    /// Of the attempt before the last.
    pub previous: bool,
    /// Each line with its time before it.
    pub timestamps: bool,
    /// This many of the last lines there are.
    pub tail_lines: Option<usize>,
    /// Lines that began at this time or later.
    pub since: Option<Timestamp>,
    /// No more than this.
    pub limit_bytes: Option<u64>,
}

/// A log that is being read.
#[derive(Debug)]
pub(in super::super) struct Reading {
    file: File,
    /// Where the next record begins.
    at: u64,
    /// Where to end; open where it is followed.
    until: Option<u64>,
    progress: watch::Receiver<Progress>,
    timestamps: bool,
    since: Option<Timestamp>,
    /// How many bytes may still be given.
    left: Option<u64>,
    /// The last record was unfinished, so that the next goes on with its line.
    in_line: bool,
    /// The line that the last record belongs to is wanted.
    wanted: bool,
}

impl Reading {
    pub(super) fn start(
        file: File,
        progress: watch::Receiver<Progress>,
        options: &LogOptions,
    ) -> io::Result<Self> {
        let written = progress.borrow().bytes;
        let at = match options.tail_lines {
            Some(lines) => start_of_last(&file, written, lines)?,
            None => 0,
        };
        Ok(Reading {
            file,
            at,
            until: (!options.follow).then_some(written),
            progress,
            timestamps: options.timestamps,
            since: options.since,
            left: options.limit_bytes,
            in_line: false,
            wanted: false,
        })
    }

    /// The next lines; nothing at the end.
    pub(in super::super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.left != Some(0) {
            let Progress { bytes, ended } = *self.progress.borrow_and_update();
            let until = self.until.unwrap_or(bytes);
            if self.at < until {
                let text = self.read_some(until)?;
                if !text.is_empty() {
                    return Ok(Some(text));
                }
            } else if self.until.is_some() || ended || self.progress.changed().await.is_err() {
                break;
            }
        }
        Ok(None)
    }

    fn read_some(&mut self, until: u64) -> io::Result<Bytes> {
        let records = records(&self.file, self.at, until)?;
        self.at += records.len() as u64;
        let mut text = Vec::new();
        for record in record::read(&records) {
            if !self.in_line {
                self.wanted = self
                    .since
                    .is_none_or(|since| record.time.parse::<Timestamp>().is_ok_and(|time| time >= since));
            }
            if self.wanted {
                if self.timestamps && !self.in_line {
                    text.extend_from_slice(record.time.as_bytes());
                    text.push(b' ');
                }
                text.extend_from_slice(record.text);
                if record.whole {
                    text.push(b'\n');
                }
            }
            self.in_line = !record.whole;
        }
        if let Some(left) = &mut self.left {
            text.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= text.len() as u64;
        }
        Ok(text.into())
    }
}

/// Some whole records from `at` on.
fn records(file: &File, at: u64, until: u64) -> io::Result<Vec<u8>> {
    let most = (until - at).min(2 * PIECE as u64);
    let mut records = vec![0; usize::try_from(most).unwrap_or(PIECE)];
    file.read_exact_at(&mut records, at)?;
    match records.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => records.truncate(last + 1),
        None => return Err(io::Error::other("a record of the log has no end")),
    }
    Ok(records)
}

/// Where the last `lines` of those begin that end before `written`.
fn start_of_last(file: &File, written: u64, lines: usize) -> io::Result<u64> {
    let mut starts = std::collections::VecDeque::new();
    let (mut at, mut in_line) = (0, false);
    while at < written {
        let records = records(file, at, written)?;
        let mut start = at;
        for (line, record) in records.split_inclusive(|byte| *byte == b'\n').zip(record::read(&records)) {
            if !in_line {
                starts.push_back(start);
                if starts.len() > lines {
                    starts.pop_front();
                }
            }
            in_line = !record.whole;
            start += line.len() as u64;
        }
        at += records.len() as u64;
    }
    Ok(starts.front().copied().unwrap_or(written))
}
