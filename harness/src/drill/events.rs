//! Tells the process that asked for the drill what goes on: JSON lines on stdout.

use std::io::Write;
use std::time::Instant;

use crate::report::{Event, Phase};

/// Writes events and remembers how long things took.
#[derive(Debug, Default)]
pub struct Teller {
    phases: Vec<Phase>,
}

impl Teller {
    /// Writes one event. A reader that has gone is no error here: the drill dies with its parent.
    pub fn tell(&self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(&line).and_then(|()| out.flush());
        }
    }

    /// Tells people what is being done.
    pub fn progress(&self, text: impl Into<String>) {
        self.tell(&Event::Progress { text: text.into() });
    }

    /// Notes that a part of the drill's time has ended.
    pub fn phase(&mut self, title: impl Into<String>, since: Instant, note: impl Into<String>) -> u64 {
        let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.phases.push(Phase { title: title.into(), milliseconds, note: note.into() });
        milliseconds
    }

    /// The phases so far, the one that goes on included.
    pub fn phases(self) -> Vec<Phase> {
        self.phases
    }
}
