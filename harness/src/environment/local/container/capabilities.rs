//! What root of a container may do: as much as container runtimes leave it.

use std::collections::BTreeSet;

use nix::errno::Errno;
use nix::libc;
use serde::{Deserialize, Serialize};

/// From linux/capability.h, by their numbers.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What containerd and CRI-O leave where a manifest says nothing.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const ALL: &str = "ALL";

/// Capabilities by their names, without `CAP_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities(BTreeSet<String>);

impl Capabilities {
    /// Those that are left by default, with what a manifest adds and without what it drops.
    pub fn of(add: &[String], drop: &[String]) -> Self {
        let named = |name: &str| {
            let name = name.to_uppercase();
            name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
        };
        let has_all = |names: &[String]| names.iter().any(|name| named(name) == ALL);
        let all: &[&str] = if has_all(add) { &NAMES } else { &DEFAULT };
        let mut left: BTreeSet<String> = match has_all(drop) {
            true => BTreeSet::new(),
            false => all.iter().map(|name| (*name).to_owned()).collect(),
        };
        left.extend(add.iter().map(|name| named(name)).filter(|name| name != ALL));
        left.retain(|name| !drop.iter().any(|dropped| named(dropped) == *name));
        Capabilities(left)
    }

    /// From now on this process, and whatever it starts, never has another one.
    pub(super) fn bound(&self) -> Result<(), Errno> {
        for (number, name) in NAMES.iter().enumerate() {
            if self.0.contains(*name) {
                continue;
            }
            // SAFETY: plain numbers.
            let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number as libc::c_ulong, 0, 0, 0) };
            match Errno::result(dropped) {
                // An older kernel does not know the last ones.
                Ok(_) | Err(Errno::EINVAL) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(add: &[&str], drop: &[&str]) -> Capabilities {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Capabilities::of(&owned(add), &owned(drop))
    }

    #[test]
    fn a_manifest_adds_and_drops_by_name() {
        assert_eq!(of(&[], &[]).0.len(), DEFAULT.len());
        assert!(of(&["SYS_NICE"], &[]).0.contains("SYS_NICE"));
        assert!(!of(&[], &["CAP_CHOWN"]).0.contains("CHOWN"));
        assert_eq!(
            of(&["net_bind_service"], &["ALL"]).0.into_iter().collect::<Vec<_>>(),
            ["NET_BIND_SERVICE"]
        );
        assert!(of(&["ALL"], &["NET_RAW"]).0.contains("SYS_ADMIN"));
        assert!(!of(&["ALL"], &["NET_RAW"]).0.contains("NET_RAW"));
    }

    #[test]
    fn what_is_left_by_default_has_a_number() {
        assert!(DEFAULT.iter().all(|name| NAMES.contains(name)));
        assert_eq!((NAMES[21], NAMES[31], NAMES[40]), ("SYS_ADMIN", "SETFCAP", "CHECKPOINT_RESTORE"));
    }
}
