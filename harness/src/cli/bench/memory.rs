//! How much memory a tree of processes takes together.

use std::collections::BTreeMap;
use std::fs;

/// What the processes below this one take, in KiB: their private memory, their parts of what they share (PSS), and the
/// growth of all shared memory of the machine, which holds the files of sandboxes. What is mapped from it counts
/// twice, so this is an upper bound.
pub(super) struct Gauge {
    shared_at_first: u64,
}

impl Gauge {
    pub(super) fn new() -> Self {
        Gauge { shared_at_first: shared() }
    }

    /// The memory at this moment, and of how many processes.
    pub(super) fn read(&self) -> (u64, usize) {
        let processes = below(std::process::id());
        let proportional: u64 = processes.iter().map(|process| proportional(*process)).sum();
        (proportional + shared().saturating_sub(self.shared_at_first), processes.len())
    }
}

/// All processes below one, itself not among them.
fn below(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(parent) = parent(process) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.push(child);
            open.push(child);
        }
    }
    found
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before may hold anything, brackets too.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// 0 for one that has ended meanwhile.
fn proportional(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    kib(&rollup, "Pss:")
}

fn shared() -> u64 {
    kib(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "Shmem:")
}

fn kib(text: &str, key: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_childs_memory_is_seen_and_gone_with_it() {
        let own = std::process::id();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(below(own).contains(&child.id()));
        assert!(proportional(child.id()) > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!below(own).contains(&child.id()));
        assert_eq!(proportional(child.id()), 0);
    }
}
