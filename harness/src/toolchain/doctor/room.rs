//! Disk and memory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statvfs::statvfs;

use super::super::command;
use super::super::host::HostProgram;
use super::super::parts::Part;
use super::super::plan::Plan;
use super::super::remedy::Remedy;
use super::Check;

const GIB: u64 = 1 << 30;

/// Measured, with all parts to be built: Go's build cache, its modules, our own cache.
const GO_BUILDS: u64 = 5 * GIB;
const GO_MODULES: u64 = 3 * GIB;
const OWN_CACHE: u64 = GIB;
/// Databases and backups of drills, and what a run reports.
const TO_RUN: u64 = GIB;
/// One environment with two clusters, and a build of the largest program.
const MEMORY: u64 = 4 * GIB;

/// A folder that fills, and what makes room in it.
#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    needs: u64,
    remedy: &'static str,
}

/// The folders that fill, those of one file system together.
pub(super) struct Folders(Vec<Folder>);

impl Folders {
    /// Go's caches fill only where something is left for Go to build.
    pub(super) fn of(plan: &Plan, missing: &[Part]) -> Self {
        let own = Folder {
            path: plan.cache.root().to_owned(),
            needs: if missing.is_empty() { TO_RUN } else { OWN_CACHE },
            remedy: "make room, or name a folder on another disk as CLONEDRILL_CACHE",
        };
        let builds = missing.iter().any(|part| part.go().is_some());
        let go = HostProgram::Go.find().filter(|_| builds);
        let [cache, modules] = go.map_or([None, None], |go| go_folders(&go));
        let cache = cache.map(|path| Folder {
            path,
            needs: GO_BUILDS,
            remedy: "make room (`go clean -cache` often gives some), or name a folder on another disk as GOCACHE",
        });
        let modules = modules.map(|path| Folder {
            path,
            needs: GO_MODULES,
            remedy: "make room (`go clean -modcache` often gives some), or name a folder on another disk as GOMODCACHE",
        });
        Folders([Some(own), cache, modules].into_iter().flatten().collect())
    }
}

/// Go's build cache and its modules.
fn go_folders(go: &Path) -> [Option<PathBuf>; 2] {
    let said = command::ask(Command::new(go).args(["env", "GOCACHE", "GOMODCACHE"])).unwrap_or_default();
    let mut lines = said.lines().map(PathBuf::from);
    [lines.next(), lines.next()]
}

pub(super) fn checks(folders: &Folders) -> Vec<Check> {
    let mut disks: Vec<(u64, u64, Vec<Folder>)> = Vec::new();
    for folder in &folders.0 {
        // The folder itself may not be there yet.
        let there = folder.path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let device = there.metadata().map(|metadata| metadata.dev()).unwrap_or_default();
        match disks.iter_mut().find(|(known, ..)| *known == device) {
            Some((.., folders)) => folders.push(folder.clone()),
            None => {
                let free = statvfs(there).map(|stat| stat.blocks_available() * stat.fragment_size());
                disks.push((device, free.unwrap_or(0), vec![folder.clone()]));
            }
        }
    }
    let mut checks: Vec<Check> = disks.iter().map(|(_, free, folders)| disk(*free, folders)).collect();
    checks.push(memory(total_memory()));
    checks
}

fn disk(free: u64, folders: &[Folder]) -> Check {
    let needed = folders.iter().map(|folder| folder.needs).sum();
    let paths: Vec<String> =
        folders.iter().map(|folder| format!("{} {}", gib(folder.needs), folder.path.display())).collect();
    let seen = format!("{} free, needs {}: {}", gib(free), gib(needed), paths.join(", "));
    if free >= needed {
        return Check::good("disk", seen);
    }
    let greediest = folders.iter().max_by_key(|folder| folder.needs);
    Check::bad("disk", Remedy::new(seen, greediest.map(|folder| folder.remedy).unwrap_or_default()))
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

    fn folder(path: &str, needs: u64, remedy: &'static str) -> Folder {
        Folder { path: PathBuf::from(path), needs, remedy }
    }

    #[test]
    fn too_little_room_is_told_with_the_remedy_for_the_folder_that_needs_most() {
        let own = folder("/c", OWN_CACHE, "CLONEDRILL_CACHE");
        let go = folder("/g", GO_BUILDS, "GOCACHE");
        assert_eq!(disk(10 * GIB, &[own.clone(), go.clone()]).state, CheckState::Good);
        let full = disk(5 * GIB, &[own.clone(), go]);
        assert_eq!(full.state, CheckState::Bad);
        assert!(full.seen.contains("/c") && full.seen.contains("/g"), "{}", full.seen);
        assert_eq!(full.remedy.as_deref(), Some("GOCACHE"));
        assert_eq!(disk(2 * GIB, &[own]).state, CheckState::Good);
    }

    #[test]
    fn folders_of_one_file_system_are_counted_together_and_others_apart() {
        let folders = ["/proc/self/nothing", "/", "/not/there"].map(|path| folder(path, GIB, "room"));
        let checks = checks(&Folders(folders.to_vec()));
        let disks: Vec<&Check> = checks.iter().filter(|check| check.name == "disk").collect();
        assert_eq!(disks.len(), 2, "{checks:?}");
        assert!(disks[1].seen.contains("/, ") && disks[1].seen.contains("/not/there"), "{checks:?}");
    }

    #[test]
    fn little_memory_is_told() {
        assert_eq!(memory(2 * GIB).state, CheckState::Bad);
        assert_eq!(memory(4 * GIB - GIB / 8).state, CheckState::Good);
    }
}
