//! As whom a container runs.

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use super::{Capabilities, During, SetupError};
use crate::toolchain::users;

/// The user of a container's program, and what else it may become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The container's user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Where there are many users in the container. Else there is nobody but `uid`.
    pub among_many: Option<Many>,
}

/// What a user among many has besides its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Many {
    /// Its other groups.
    pub groups: Vec<u32>,
    /// What root, or a setuid program, may do at most.
    pub capabilities: Capabilities,
    /// Whether a setuid program makes it somebody else.
    pub may_gain: bool,
}

impl Identity {
    /// A user who is alone in its container.
    pub fn alone(uid: u32, gid: u32) -> Self {
        Identity { uid, gid, among_many: None }
    }

    /// Enters a user namespace of the container's own.
    pub(super) fn make_namespace(&self) -> Result<(), SetupError> {
        if self.among_many.is_some() {
            return users::enter_same_users().during(|| "make the container's users".to_owned());
        }
        let (outer_uid, outer_gid) = (geteuid(), getegid());
        let Identity { uid, gid, .. } = self;
        unshare(CloneFlags::CLONE_NEWUSER).during(|| "make the container's user namespace".to_owned())?;
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{uid} {outer_uid} 1")),
            ("gid_map", format!("{gid} {outer_gid} 1")),
        ] {
            std::fs::write(format!("/proc/self/{file}"), text)
                .during(|| format!("write {file} for user {uid}:{gid}"))?;
        }
        Ok(())
    }

    /// Gives up what no program of the container shall have, for this process and all that it starts.
    pub(super) fn give_up(&self) -> Result<(), SetupError> {
        if let Some(many) = &self.among_many {
            many.capabilities.bound().during(|| "give up capabilities".to_owned())?;
        }
        match &self.among_many {
            Some(many) if many.may_gain => Ok(()),
            _ => nix::sys::prctl::set_no_new_privs().during(|| "give up privileges".to_owned()),
        }
    }

    /// Becomes the container's user. Where there is nobody else, this process is it already.
    pub(super) fn assume(&self) -> Result<(), SetupError> {
        let Some(many) = &self.among_many else { return Ok(()) };
        let Identity { uid, gid, .. } = *self;
        let groups: Vec<Gid> = many.groups.iter().copied().map(Gid::from_raw).collect();
        let (own, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        setgroups(&groups)
            .and_then(|()| setresgid(group, group, group))
            .and_then(|()| setresuid(own, own, own))
            .during(|| format!("become user {uid}:{gid}"))
    }
}
