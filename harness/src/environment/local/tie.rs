//! Ties a child to the process that forked it, so that it ends with it.
//!
//! The kernel sends the signal only for a parent that dies after it was asked to. Whether it was dead by then cannot
//! be told from its number where it is outside of the child's PID namespace, so a pipe tells.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// Made before the fork; then the parent holds its end, and the child binds itself.
pub(super) struct Tie {
    parent: PipeWriter,
    child: PipeReader,
}

impl Tie {
    /// # Errors
    /// When there are no descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        let (child, parent) = io::pipe()?;
        Ok(Tie { parent, child })
    }

    /// In the parent: keep what this gives until its end.
    #[must_use]
    pub(super) fn hold(self) -> PipeWriter {
        self.parent
    }

    /// In the child: from now on it is killed when its parent ends. A change of credentials or of the user namespace
    /// makes the kernel forget it.
    ///
    /// # Errors
    /// When the parent has ended already.
    pub(super) fn bind(self) -> io::Result<()> {
        drop(self.parent);
        set_pdeathsig(Signal::SIGKILL)?;
        let mut seen = [PollFd::new(self.child.as_fd(), PollFlags::empty())];
        poll(&mut seen, PollTimeout::ZERO)?;
        match seen[0].any() {
            Some(true) => Err(io::Error::other("its parent has ended")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_whose_parent_is_gone_is_told() {
        let tie = Tie::new().unwrap();
        let parent = tie.parent.try_clone().unwrap();
        tie.bind().unwrap();
        drop(parent);
        let tie = Tie::new().unwrap();
        assert_eq!(tie.bind().unwrap_err().to_string(), "its parent has ended");
    }
}
