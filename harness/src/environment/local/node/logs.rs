//! What containers print: a file for each attempt, kept until the namespace is forgotten.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::environment::ContainerLog;

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
    /// A container that still starts in one of them must not bring its folder back.
    forgotten: HashSet<String>,
}

#[derive(Debug, Clone)]
struct Attempt {
    namespace: String,
    pod: String,
    container: String,
    number: u32,
    file: PathBuf,
}

impl Logs {
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Logs { folder, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that an attempt writes to, where kubelet has it: `<namespace>_<pod>_<uid>/<container>/<number>.log`.
    /// `uid` tells pods apart that have one name after the other.
    pub(super) fn begin(
        &self,
        namespace: &str,
        pod: &str,
        uid: &str,
        container: &str,
        number: u32,
    ) -> std::io::Result<File> {
        let mut known = self.known();
        if known.forgotten.contains(namespace) {
            return Err(std::io::Error::other(format!("namespace {namespace} is gone")));
        }
        let folder = self.folder.join(format!("{namespace}_{pod}_{uid}")).join(container);
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{number}.log"));
        let file = File::options().append(true).create(true).open(&path)?;
        let attempt = Attempt {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            number,
            file: path,
        };
        known.attempts.push(attempt);
        Ok(file)
    }

    /// Everything printed in the namespace so far, oldest attempt first. Bytes that are no UTF-8 are replaced.
    pub(super) fn of_namespace(&self, namespace: &str) -> Vec<ContainerLog> {
        let attempts = self.known().attempts.clone();
        attempts
            .into_iter()
            .filter(|attempt| attempt.namespace == namespace)
            .map(|attempt| ContainerLog {
                text: String::from_utf8_lossy(&fs::read(&attempt.file).unwrap_or_default()).into_owned(),
                pod: attempt.pod,
                container: attempt.container,
                attempt: attempt.number,
            })
            .collect()
    }

    pub(super) fn forget(&self, namespace: &str) {
        let mut known = self.known();
        known.forgotten.insert(namespace.to_owned());
        known.attempts.retain(|attempt| attempt.namespace != namespace);
        let of_namespace = format!("{namespace}_");
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&of_namespace) {
                // What cannot be removed goes with the tmpfs.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn every_attempt_is_kept_in_order_until_the_namespace_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::in_folder(folder.path().to_owned());
        for (uid, number, text) in [("u1", 0, "first"), ("u1", 1, "second"), ("u2", 0, "of the successor")] {
            logs.begin("ns", "db-0", uid, "postgres", number).unwrap().write_all(text.as_bytes()).unwrap();
        }
        logs.begin("other", "db-0", "u3", "postgres", 0).unwrap();
        let texts: Vec<_> = logs.of_namespace("ns").into_iter().map(|log| (log.attempt, log.text)).collect();
        let expected = [(0, "first"), (1, "second"), (0, "of the successor")];
        assert_eq!(texts, expected.map(|(number, text)| (number, text.to_owned())));
        logs.forget("ns");
        assert!(logs.of_namespace("ns").is_empty());
        assert_eq!(logs.of_namespace("other").len(), 1);
        assert!(!folder.path().join("ns_db-0_u1").exists() && folder.path().join("other_db-0_u3").exists());
        assert!(logs.begin("ns", "db-0", "u4", "postgres", 0).is_err());
    }
}
