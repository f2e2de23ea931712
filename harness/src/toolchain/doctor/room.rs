//! Disk and memory.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::super::remedy::Remedy;
use super::Check;

const GIB: u64 = 1 << 30;

/// Measured: Go's build cache about 5 GiB, its modules 3 GiB, our own cache 0.7 GiB.
const TO_BUILD: u64 = 9 * GIB;
/// Databases and backups of drills, and what a run reports.
const TO_RUN: u64 = GIB;
/// One environment with two clusters, and a build of the largest program.
const MEMORY: u64 = 4 * GIB;

pub fn checks(cache: &Path, to_build: bool) -> [Check; 2] {
    let needed = if to_build { TO_BUILD } else { TO_RUN };
    // The cache folder itself may not be there yet.
    let there = cache.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let free = statvfs(there).map(|stat| stat.blocks_available() * stat.fragment_size()).unwrap_or(0);
    [disk(free, needed, cache), memory(total_memory())]
}

fn disk(free: u64, needed: u64, cache: &Path) -> Check {
    let seen = format!("{} free for {}, needs {}", gib(free), cache.display(), gib(needed));
    if free >= needed {
        return Check::good("disk", seen);
    }
    let remedy = "make room (`go clean -cache` often gives some), or name a folder on another disk as CLONEDRILL_CACHE";
    Check::bad("disk", Remedy::new(seen, remedy))
}

fn memory(total: u64) -> Check {
    let seen = format!("{}, needs {}", gib(total), gib(MEMORY));
    // Machines sold with 4 GiB show a little less.
    if total >= MEMORY / 100 * 93 {
        return Check::good("memory", seen);
    }
    let remedy = "use a machine with more memory, or raise the container's limit";
    Check::bad("memory", Remedy::new(seen, remedy))
}

/// The machine's memory, or the limit of the container where that is lower.
fn total_memory() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = info.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    });
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    machine.unwrap_or(0).min(limit.unwrap_or(u64::MAX))
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / GIB as f64)
}

#[cfg(test)]
mod tests {
    use super::super::CheckState;
    use super::*;

    #[test]
    fn too_little_room_is_told_with_its_remedy() {
        let cache = Path::new("/c");
        assert_eq!(disk(10 * GIB, TO_BUILD, cache).state, CheckState::Good);
        let full = disk(8 * GIB, TO_BUILD, cache);
        assert_eq!(full.state, CheckState::Bad);
        assert!(full.remedy.is_some_and(|remedy| remedy.contains("CLONEDRILL_CACHE")));
        assert_eq!(disk(2 * GIB, TO_RUN, cache).state, CheckState::Good);
        assert_eq!(memory(2 * GIB).state, CheckState::Bad);
        assert_eq!(memory(4 * GIB - GIB / 8).state, CheckState::Good);
    }
}
