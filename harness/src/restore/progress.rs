//! A drill's steps as they go on, and how long each took.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::report::{Event, Phase};

/// Tells events and remembers phases.
pub(super) struct Progress<'t> {
    told: &'t (dyn Fn(&Event) + Sync),
    /// How many steps there are in all.
    of: usize,
    phases: Mutex<Vec<Phase>>,
}

impl<'t> Progress<'t> {
    pub(super) fn new(told: &'t (dyn Fn(&Event) + Sync), of: usize) -> Self {
        Progress { told, of, phases: Mutex::default() }
    }

    /// What is waited for now.
    pub(super) fn say(&self, text: String) {
        (self.told)(&Event::Progress { text });
    }

    /// A step, from its begin to its end.
    pub(super) async fn step<T, E>(
        &self,
        title: &str,
        work: impl Future<Output = Result<(T, String), E>>,
    ) -> Result<T, E> {
        let index = self.phases.lock().unwrap_or_else(PoisonError::into_inner).len() + 1;
        let title = title.to_owned();
        (self.told)(&Event::StepStarted { index, of: self.of, title: title.clone() });
        let start = Instant::now();
        let done = work.await;
        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let note = match &done {
            Ok((_, note)) => note.clone(),
            Err(_) => "not done".to_owned(),
        };
        let phase = Phase { title: title.clone(), milliseconds, note: note.clone() };
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).push(phase);
        if done.is_ok() {
            (self.told)(&Event::StepFinished { index, of: self.of, title, milliseconds, note });
        }
        done.map(|(value, _)| value)
    }

    pub(super) fn phases(&self) -> Vec<Phase> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
