//! What containers print: a file for each attempt, kept until the namespace is forgotten.

mod reading;
mod record;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, PipeWriter};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::environment::ContainerLog;

pub(super) use self::reading::{LogOptions, Reading};
pub(super) use self::writing::Writing;

/// All logs of all pods that ever ran on the node.
#[derive(Debug)]
pub(super) struct Logs {
    folder: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// In the order in which the attempts began.
    attempts: Vec<Attempt>,
    /// The uid of the pod that has a name now, by namespace and name.
    pods: HashMap<(String, String), String>,
    /// A container that still starts in one of them must not bring its folder back.
    forgotten: HashSet<String>,
}

#[derive(Debug, Clone)]
struct Attempt {
    namespace: String,
    pod: String,
    uid: String,
    container: String,
    number: u32,
    file: PathBuf,
    progress: watch::Receiver<Progress>,
}

/// How far a log is.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    /// This many bytes of the file are whole records.
    bytes: u64,
    /// Nothing more comes.
    ended: bool,
}

/// Why there is no log to read. The words are kubelet's, which people look for.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error("container {container:?} in pod {pod:?} is waiting to start")]
    NotStarted { pod: String, container: String },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious { pod: String, container: String },
    #[error("failed to read the log: {0}")]
    Read(#[from] io::Error),
}

impl Logs {
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Logs { folder, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the name is this pod's: who asks for its logs does not mean those of a pod that had it before.
    pub(super) fn begin_pod(&self, namespace: &str, pod: &str, uid: &str) {
        self.known().pods.insert((namespace.to_owned(), pod.to_owned()), uid.to_owned());
    }

    /// What an attempt prints to; it is written down where kubelet has it:
    /// `<namespace>_<pod>_<uid>/<container>/<number>.log`. `uid` tells pods apart that have one name after the other.
    /// Call it inside a runtime.
    pub(super) fn begin(
        &self,
        namespace: &str,
        pod: &str,
        uid: &str,
        container: &str,
        number: u32,
    ) -> io::Result<(PipeWriter, Writing)> {
        let mut known = self.known();
        if known.forgotten.contains(namespace) {
            return Err(io::Error::other(format!("namespace {namespace} is gone")));
        }
        let folder = self.folder.join(format!("{namespace}_{pod}_{uid}")).join(container);
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{number}.log"));
        let file = File::options().append(true).create(true).open(&path)?;
        let (tell, progress) = watch::channel(Progress::default());
        let written = Writing::start(file, tell)?;
        let attempt = Attempt {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            uid: uid.to_owned(),
            container: container.to_owned(),
            number,
            file: path,
            progress,
        };
        known.attempts.push(attempt);
        Ok(written)
    }

    /// Everything printed in the namespace so far, oldest attempt first. Bytes that are no UTF-8 are replaced.
    pub(super) fn of_namespace(&self, namespace: &str) -> Vec<ContainerLog> {
        let attempts = self.known().attempts.clone();
        attempts
            .into_iter()
            .filter(|attempt| attempt.namespace == namespace)
            .map(|attempt| ContainerLog {
                text: String::from_utf8_lossy(&attempt.output()).into_owned(),
                pod: attempt.pod,
                uid: attempt.uid,
                container: attempt.container,
                attempt: attempt.number,
            })
            .collect()
    }

    /// The log of a container of the pod that has this name now.
    ///
    /// # Errors
    /// When there is none yet, or none before the last.
    pub(super) fn read(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        options: &LogOptions,
    ) -> Result<Reading, LogError> {
        let (pod_name, container_name) = (pod.to_owned(), container.to_owned());
        let attempt = {
            let known = self.known();
            let uid = known.pods.get(&(namespace.to_owned(), pod.to_owned()));
            let mut attempts = known.attempts.iter().rev().filter(|attempt| {
                uid == Some(&attempt.uid) && attempt.namespace == namespace && attempt.container == container
            });
            attempts.nth(usize::from(options.previous)).cloned()
        };
        let Some(attempt) = attempt else {
            return Err(match options.previous {
                true => LogError::NoPrevious { pod: pod_name, container: container_name },
                false => LogError::NotStarted { pod: pod_name, container: container_name },
            });
        };
        Ok(Reading::start(File::open(&attempt.file)?, attempt.progress, options)?)
    }

    pub(super) fn forget(&self, namespace: &str) {
        let mut known = self.known();
        known.forgotten.insert(namespace.to_owned());
        known.attempts.retain(|attempt| attempt.namespace != namespace);
        known.pods.retain(|(of, _), _| of != namespace);
        let of_namespace = format!("{namespace}_");
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&of_namespace) {
                // What cannot be removed goes with the tmpfs.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Attempt {
    fn output(&self) -> Vec<u8> {
        let written = usize::try_from(self.progress.borrow().bytes).unwrap_or(usize::MAX);
        let mut records = fs::read(&self.file).unwrap_or_default();
        // More may stand there in this moment, not all of it yet.
        records.truncate(written);
        record::output(&records)
    }
}
