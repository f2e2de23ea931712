//! Which users a sandbox has: a range of them where the machine lets it, else one.
//!
//! A user namespace shows users of the machine under other numbers. Root may map as many as it likes; anybody else gets
//! those that `/etc/subuid` and `/etc/subgid` leave to him, mapped by `newuidmap` and `newgidmap`.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, getegid, geteuid, getpid};

use super::host::on_path;
use super::remedy::Remedy;

/// What images count on: the last one is `nobody`.
const ALL: u32 = 65536;

/// The bits of the capabilities to change users and groups (linux/capability.h).
const SETGID_AND_SETUID: u64 = 1 << 6 | 1 << 7;

/// How the users of a sandbox, from 0 on, are called outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Root's: each has its own number.
    Same,
    /// 0 is this user, and those from 1 on begin at these numbers.
    Subordinate {
        /// Of the user 1.
        uid: u32,
        /// Of the group 1.
        gid: u32,
    },
    /// This user alone, under any one number.
    One,
}

impl Users {
    /// Those that this process may map, and where that is one only, what would give it more.
    pub fn allowed() -> (Users, Option<Remedy>) {
        let uid = geteuid();
        let allowed = if uid.is_root() && may_map() { of_root() } else { subordinate(uid) };
        match allowed {
            Ok(users) => (users, None),
            Err(lack) => (Users::One, Some(lack)),
        }
    }

    /// What to say where more than one may be mapped, and it failed.
    pub(super) fn refused() -> Remedy {
        Remedy::new(
            "newuidmap and newgidmap refuse the users that /etc/subuid and /etc/subgid leave to this one",
            "see that both programs are setuid root, or have the capabilities `cap_setuid` and `cap_setgid`",
        )
    }

    /// Whether there is more than one.
    pub fn are_many(&self) -> bool {
        *self != Users::One
    }

    /// What is unpacked for these users is of no use to others.
    pub fn key(&self) -> String {
        match self {
            Users::Same => "root".to_owned(),
            Users::Subordinate { uid, gid } => format!("{}-{uid}-{gid}", geteuid()),
            Users::One => format!("{}-alone", geteuid()),
        }
    }

    /// The text of `/proc/<pid>/uid_map` and `gid_map`; of one user none.
    fn maps(&self) -> Option<[String; 2]> {
        let mapped = |own: u32, from: u32| format!("0 {own} 1\n1 {from} {}\n", ALL - 1);
        match self {
            Users::Same => Some([format!("0 0 {ALL}\n"), format!("0 0 {ALL}\n")]),
            Users::Subordinate { uid, gid } => {
                Some([mapped(geteuid().as_raw(), *uid), mapped(getegid().as_raw(), *gid)])
            }
            Users::One => None,
        }
    }
}

/// Whether the user namespace that this process is in has all users that images count on.
pub fn are_many_here() -> bool {
    ["uid_map", "gid_map"].iter().all(|file| extents(file).is_some_and(|extents| covers(&extents)))
}

/// Makes a user namespace and those of `flags` for this process, in which it is root, with all users that it may have.
///
/// Must be called while the process has one thread.
///
/// # Errors
/// What the kernel refused. That there is only one user is no error.
pub fn enter_namespaces(flags: CloneFlags) -> io::Result<Users> {
    let (wanted, _) = Users::allowed();
    let outside = (geteuid(), getegid());
    let users = match wanted.maps() {
        Some(maps) => with_helper(flags, |process| write_maps(process, &wanted, &maps))?.then_some(wanted),
        None => {
            unshare(flags | CloneFlags::CLONE_NEWUSER)?;
            None
        }
    };
    match users {
        Some(users) => Ok(users),
        None => map_one(outside).map(|()| Users::One),
    }
}

/// Makes a user namespace in this one, with the same users under the same numbers.
///
/// Must be called while the process has one thread, and it may change users here.
///
/// # Errors
/// What the kernel refused.
pub fn enter_same_users() -> io::Result<()> {
    // Two of them: an extent may not reach over the border of two that it is made of.
    let same = format!("0 0 1\n1 1 {}\n", ALL - 1);
    let maps = [same.clone(), same];
    match with_helper(CloneFlags::empty(), |process| write_maps(process, &Users::Same, &maps))? {
        true => Ok(()),
        false => Err(io::Error::other("its users could not be mapped")),
    }
}

/// Only a process outside of a namespace may map others than itself: a child that stays behind does it.
fn with_helper(flags: CloneFlags, map: impl FnOnce(Pid) -> io::Result<()>) -> io::Result<bool> {
    let (heard, told) = io::pipe()?;
    let process = getpid();
    // SAFETY: the process has one thread, so the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let mapped = help(heard, told, || map(process));
            // SAFETY: nothing of the parent's is to be run at this process's end.
            unsafe { nix::libc::_exit(i32::from(mapped.is_err())) }
        }
        ForkResult::Parent { child } => {
            drop(heard);
            let made = unshare(flags | CloneFlags::CLONE_NEWUSER);
            if made.is_ok() {
                (&told).write_all(b"m")?;
            }
            drop(told);
            let ended = waitpid(child, None)?;
            made?;
            Ok(matches!(ended, WaitStatus::Exited(_, 0)))
        }
    }
}

fn help(mut heard: PipeReader, told: PipeWriter, map: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    drop(told);
    let mut word = [0];
    // The pipe's end says that there is no namespace.
    heard.read_exact(&mut word)?;
    map()
}

fn write_maps(process: Pid, users: &Users, [uids, gids]: &[String; 2]) -> io::Result<()> {
    let by_program = |program: &str, map: &str| {
        let mut command = Command::new(program);
        command.arg(process.to_string()).args(map.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{program} refused"))),
        }
    };
    match users {
        Users::Subordinate { .. } => {
            by_program("newgidmap", gids)?;
            by_program("newuidmap", uids)
        }
        _ => {
            fs::write(format!("/proc/{process}/gid_map"), gids)?;
            fs::write(format!("/proc/{process}/uid_map"), uids)
        }
    }
}

/// This user as root, and nobody else. A map that is there already stays.
fn map_one((uid, gid): (Uid, Gid)) -> io::Result<()> {
    let is_empty = |file: &str| fs::read_to_string(file).map(|text| text.trim().is_empty());
    // An unprivileged process may map its group only after it has given up setgroups.
    if is_empty("/proc/self/gid_map")? {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    if is_empty("/proc/self/uid_map")? {
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    }
    Ok(())
}

/// Whether this process has the right to map others than itself, which a container may have taken from its root.
fn may_map() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    effective.is_some_and(|bits| bits & SETGID_AND_SETUID == SETGID_AND_SETUID)
}

/// Inside, outside, how many.
type Extent = (u32, u32, u32);

fn extents(file: &str) -> Option<Vec<Extent>> {
    let text = fs::read_to_string(format!("/proc/self/{file}")).ok()?;
    let parsed = text.lines().map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    parsed.collect()
}

/// Whether all that images count on are there.
fn covers(extents: &[Extent]) -> bool {
    let mut next = 0;
    for (inside, _, count) in extents {
        if *inside != next {
            break;
        }
        next = next.saturating_add(*count);
    }
    next >= ALL
}

fn of_root() -> Result<Users, Remedy> {
    match are_many_here() {
        true => Ok(Users::Same),
        false => Err(Remedy::new(
            "the container that this runs in has fewer than 65536 users",
            "start it without a user namespace of its own, or give it 65536 users",
        )),
    }
}

fn subordinate(uid: Uid) -> Result<Users, Remedy> {
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    let shown = name.clone().unwrap_or_else(|| uid.to_string());
    if ["newuidmap", "newgidmap"].iter().any(|program| on_path(program).is_empty()) {
        return Err(Remedy::new(
            "there is no newuidmap and newgidmap, by which a user who is not root may have other users",
            "install them (Debian: `apt-get install uidmap`)",
        ));
    }
    let first = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        of_user(&text, name.as_deref(), uid)
    };
    match (first("/etc/subuid"), first("/etc/subgid")) {
        (Some(uid), Some(gid)) => Ok(Users::Subordinate { uid, gid }),
        _ => Err(Remedy::new(
            format!("/etc/subuid and /etc/subgid leave no 65535 users and groups to {shown}"),
            format!("as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {shown}`"),
        )),
    }
}

/// The first number of the first range that is large enough, of lines such as `name:100000:65536`.
fn of_user(text: &str, name: Option<&str>, uid: Uid) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let whose = fields.next()?;
        if Some(whose) != name && whose != uid.to_string() {
            return None;
        }
        let (first, count): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count >= ALL - 1).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_users_own_by_name_or_number_and_large_enough() {
        let text = "other:1:70000\nme:5:10\n1000:7:65535\nme:9:65536\n";
        assert_eq!(of_user(text, Some("me"), Uid::from_raw(1)), Some(9));
        assert_eq!(of_user(text, Some("me"), Uid::from_raw(1000)), Some(7));
        assert_eq!(of_user(text, Some("nobody"), Uid::from_raw(2)), None);
    }

    #[test]
    fn a_map_covers_what_images_count_on_or_not() {
        assert!(covers(&[(0, 0, u32::MAX)]));
        assert!(covers(&[(0, 1000, 1), (1, 100_000, 65535)]));
        assert!(!covers(&[(0, 1000, 1)]) && !covers(&[(0, 1000, 1), (2, 100_000, 70000)]) && !covers(&[]));
    }

    #[test]
    fn what_is_unpacked_for_one_is_told_from_what_is_for_many() {
        let subordinate = Users::Subordinate { uid: 100_000, gid: 100_000 };
        let keys = [Users::Same.key(), subordinate.key(), Users::One.key()];
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
        let [uids, _] = subordinate.maps().unwrap();
        assert_eq!(uids, format!("0 {} 1\n1 100000 65535\n", geteuid()));
    }
}
