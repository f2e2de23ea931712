//! Writing down what a container prints, with the time of each line.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{Progress, record};
use crate::poll::within;

/// No record is longer by more than its time.
pub(super) const PIECE: usize = 32 * 1024;
/// What a container has printed is in the pipe when it ends, and its end closes the pipe.
const END: Duration = Duration::from_secs(10);

/// The log of an attempt that is written.
#[derive(Debug)]
pub(in super::super) struct Writing {
    task: AbortOnDropHandle<()>,
}

impl Writing {
    /// Gives the pipe's end to print to.
    pub(super) fn start(file: File, progress: watch::Sender<Progress>) -> io::Result<(PipeWriter, Self)> {
        let (from, to) = io::pipe()?;
        let from = receiver(from)?;
        let task = tokio::spawn(write_down(from, file, progress));
        Ok((to, Writing { task: AbortOnDropHandle::new(task) }))
    }

    /// Comes back when all is written that was printed. Only then is the container's end told.
    pub(in super::super) async fn end(self) {
        match within("the end of a container's output", END, self.task).await {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the log of a container may lack its end"),
        }
    }
}

fn receiver(from: PipeReader) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(OwnedFd::from(from))
}

async fn write_down(mut from: pipe::Receiver, mut file: File, progress: watch::Sender<Progress>) {
    let mut piece = vec![0; PIECE];
    let mut records = Vec::new();
    let mut refused = false;
    loop {
        let length = match from.read(&mut piece).await {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => {
                tracing::warn!(%error, "a container's output cannot be read");
                break;
            }
        };
        records.clear();
        record::write(&mut records, Timestamp::now(), &piece[..length]);
        // Memory, so nothing waits here. What cannot be written is lost; the container shall not stand still for it.
        match file.write_all(&records) {
            Ok(()) => progress.send_modify(|progress| progress.bytes += records.len() as u64),
            Err(error) if !refused => {
                refused = true;
                tracing::warn!(%error, "a container's log cannot be written");
            }
            Err(_) => {}
        }
    }
    progress.send_modify(|progress| progress.ended = true);
}
