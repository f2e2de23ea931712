//! Who may read the files of a volume.
//!
//! In a cluster they are root's, and the group's that `fsGroup` names. A container's user namespace has one user and one
//! group, and a file's bits for its owner are what this one user has. So they become those that the container's
//! user would have had: a Secret that Postgres could not read for want of an `fsGroup` cannot be read here either.
//!
//! Folders (claims, emptyDir) may be written to by everyone, as with an `fsGroup` that fits.
//!
//! Where a container of the pod has many users, files are as they are in a cluster; a container with one user has then
//! the rights of them all.

use k8s_openapi::api::core::v1::Pod;

/// As whom the containers of a pod meet the files that root owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Access {
    Root,
    /// As members of the pod's `fsGroup`, for which kubelet makes every file readable.
    FsGroup,
    Others,
    /// Each as who it is: files are root's, and this group's.
    Themselves(Option<u32>),
}

impl Access {
    pub(in super::super) fn of(pod: &Pod, all_are_root: bool, many_users: bool) -> Self {
        let context = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        match context.and_then(|context| context.fs_group) {
            group if many_users => Access::Themselves(group.and_then(|group| u32::try_from(group).ok())),
            _ if all_are_root => Access::Root,
            Some(_) => Access::FsGroup,
            None => Access::Others,
        }
    }

    /// The group that files belong to, where that is not root's.
    pub(super) fn group(self) -> Option<u32> {
        match self {
            Access::Themselves(group) => group,
            _ => None,
        }
    }

    /// The mode that a file has here.
    pub(super) fn seen(self, mode: u32) -> u32 {
        const EVERYONE_READS: u32 = 0o444;
        if mode & EVERYONE_READS == EVERYONE_READS {
            return mode;
        }
        match self {
            Access::Root | Access::Themselves(None) => mode,
            Access::Themselves(Some(_)) => mode | 0o440,
            Access::FsGroup => (((mode | 0o440) >> 3) & 0o7) << 6,
            Access::Others => (mode & 0o7) << 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_for_the_group_is_read_by_the_group_only() {
        let seen = |mode| [Access::Root, Access::FsGroup, Access::Others].map(|access| access.seen(mode));
        assert_eq!(seen(0o640), [0o640, 0o400, 0o000]);
        assert_eq!(seen(0o400), [0o400, 0o400, 0o000]);
        assert_eq!(seen(0o644), [0o644, 0o644, 0o644]);
        assert_eq!(seen(0o755), [0o755, 0o755, 0o755]);
        let among_many = |mode| [None, Some(103)].map(|group| Access::Themselves(group).seen(mode));
        assert_eq!(among_many(0o600), [0o600, 0o640]);
        assert_eq!(among_many(0o640), [0o640, 0o640]);
    }
}
