//! Who holds a Lease: a process, which others on its machine can look for.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Who holds a lease, in a form that another process on this machine can look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(pub(super) String);

impl Holder {
    /// The holder that this process is.
    pub fn this_process() -> Self {
        let id = std::process::id();
        let host = nix::unistd::gethostname().unwrap_or_default();
        let host = host.to_string_lossy().into_owned();
        let machine = machine().unwrap_or_default();
        Holder(format!("{host}/{id}/{}/{machine}", started(id).unwrap_or_default()))
    }

    /// The machine or pod that it runs on, for people.
    pub(super) fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// Whether it was a process of this machine that is no more.
    pub(super) fn is_gone(&self) -> bool {
        let mut parts = self.0.rsplit('/');
        let (Some(of), Some(start), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let (Ok(id), Some(here)) = (id.parse::<u32>(), machine()) else { return false };
        // Another user's process may hide its start, but not that it is there.
        let is_there =
            || i32::try_from(id).is_ok_and(|id| kill(Pid::from_raw(id), None) != Err(Errno::ESRCH));
        of == here
            && match started(id) {
                Some(now) => now != start,
                None => has_ended(id) || !is_there(),
            }
    }
}

/// When a process started, in ticks since the machine did; none of one that is no more or does not show it.
fn started(id: u32) -> Option<String> {
    let fields = fields(id)?;
    // One that has ended and was not waited for yet holds nothing any more.
    (fields.first()? != "Z").then(|| fields.get(19).cloned())?
}

fn has_ended(id: u32) -> bool {
    fields(id).is_some_and(|fields| fields.first().is_some_and(|state| state == "Z"))
}

/// What stands in a process's `stat` after its name, which may hold anything.
fn fields(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// This machine since it started, as far as its processes see each other; none where that cannot be told.
fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = std::fs::read_link(Path::new("/proc/self/ns/pid")).ok()?;
    let processes: String = processes.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let boot = boot.trim();
    (!boot.is_empty() && !processes.is_empty()).then(|| format!("{boot}-{processes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_on_this_machine_is_known_to_be_gone() {
        let me = Holder::this_process();
        assert!(!me.is_gone(), "{me:?}");
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let id = child.id();
        let other = Holder(format!("host/{id}/{}/{}", started(id).unwrap(), machine().unwrap()));
        assert!(!other.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(other.is_gone());
        let elsewhere = Holder(format!("host/{id}/1/another-machine"));
        assert!(!elsewhere.is_gone(), "what another machine does, this one cannot know");
        assert!(!Holder("somebody".to_owned()).is_gone());
    }
}
