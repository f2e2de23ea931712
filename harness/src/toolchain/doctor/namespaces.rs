//! Whether a sandbox can be made here, by making one; and if not, which of the known reasons it is.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::Mode;
use nix::unistd::{getegid, geteuid, write};
use nix::{fcntl, libc};

use super::super::remedy::Remedy;

/// From linux/sockios.h: makes a bridge.
const SIOCBRADDBR: u32 = 0x89a0;

/// What the local environment does, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    UserNamespace,
    UserMap,
    OtherNamespaces,
    Tmpfs,
    Bridge,
}

impl Step {
    const ALL: [Step; 5] =
        [Step::UserNamespace, Step::UserMap, Step::OtherNamespaces, Step::Tmpfs, Step::Bridge];

    fn what(self) -> &'static str {
        match self {
            Step::UserNamespace => "make a user namespace",
            Step::UserMap => "map this user to root in it",
            Step::OtherNamespaces => "make network, mount and PID namespaces in it",
            Step::Tmpfs => "mount a tmpfs in it",
            Step::Bridge => "make a bridge in it",
        }
    }
}

/// Tries in a child process what a local environment needs. `None` where all of it works.
pub fn why_no_sandbox() -> Option<Remedy> {
    attempt(Step::Bridge).err()?;
    // A child tells its error and not its place, so the steps are tried again one further each.
    let failed = Step::ALL.into_iter().find_map(|step| Some((step, attempt(step).err()?)));
    failed.map(|(step, error)| diagnose(step, &error, &Settings::read()))
}

/// Does all steps up to `last` in a child that then ends.
fn attempt(last: Step) -> io::Result<()> {
    let maps = [
        (c"/proc/self/setgroups", "deny".to_owned()),
        (c"/proc/self/uid_map", format!("0 {} 1", geteuid())),
        (c"/proc/self/gid_map", format!("0 {} 1", getegid())),
    ];
    let mut command = Command::new("true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: system calls only, on memory that was prepared before the fork.
    unsafe {
        command.pre_exec(move || {
            for step in Step::ALL {
                if step <= last {
                    take(step, &maps)?;
                }
            }
            Ok(())
        });
    }
    let status = command.status()?;
    status.success().then_some(()).ok_or_else(|| io::Error::other(status.to_string()))
}

fn take(step: Step, maps: &[(&CStr, String)]) -> Result<(), Errno> {
    match step {
        Step::UserNamespace => unshare(CloneFlags::CLONE_NEWUSER),
        Step::UserMap => maps.iter().try_for_each(|(path, text)| {
            let file = fcntl::open(*path, fcntl::OFlag::O_WRONLY, Mode::empty())?;
            write(&file, text.as_bytes()).map(drop)
        }),
        Step::OtherNamespaces => {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)
        }
        Step::Tmpfs => {
            let nothing = None::<&CStr>;
            mount(nothing, c"/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
            mount(Some(c"tmpfs"), c"/tmp", Some(c"tmpfs"), MsFlags::empty(), nothing)
        }
        Step::Bridge => {
            use std::os::fd::AsRawFd;
            let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
            // SAFETY: the kernel reads a name of at most 16 bytes, ended by NUL.
            let made = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCBRADDBR as _, c"cd-doctor".as_ptr()) };
            Errno::result(made).map(drop)
        }
    }
}

/// What the kernel's settings say; `None` where it has no such setting.
#[derive(Debug, Default)]
struct Settings {
    unprivileged_userns_clone: Option<String>,
    max_user_namespaces: Option<String>,
    apparmor_restricts: Option<String>,
    seccomp: bool,
    root: bool,
}

impl Settings {
    fn read() -> Self {
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Settings {
            unprivileged_userns_clone: read("kernel/unprivileged_userns_clone"),
            max_user_namespaces: read("user/max_user_namespaces"),
            apparmor_restricts: read("kernel/apparmor_restrict_unprivileged_userns"),
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('2')),
            root: geteuid().is_root(),
        }
    }
}

fn diagnose(step: Step, error: &io::Error, settings: &Settings) -> Remedy {
    let set = |setting: &Option<String>, value: &str| setting.as_deref() == Some(value);
    if set(&settings.max_user_namespaces, "0") {
        return Remedy::new(
            "user namespaces are switched off (user.max_user_namespaces is 0)",
            "as root: `sysctl -w user.max_user_namespaces=15000`, and the same line in /etc/sysctl.d/",
        );
    }
    if set(&settings.unprivileged_userns_clone, "0") && !settings.root {
        return Remedy::new(
            "user namespaces are for root only here (kernel.unprivileged_userns_clone is 0)",
            "as root: `sysctl -w kernel.unprivileged_userns_clone=1`, and the same line in /etc/sysctl.d/",
        );
    }
    if set(&settings.apparmor_restricts, "1") && !settings.root && step > Step::UserNamespace {
        return Remedy::new(
            format!("AppArmor gives a user namespace no rights (it failed to {}: {error})", step.what()),
            "as root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile with `userns,` \
             for this program",
        );
    }
    if step == Step::Bridge {
        return Remedy::new(
            format!("the kernel makes no bridge ({error})"),
            "as root: `modprobe bridge veth`, and their names in /etc/modules-load.d/",
        );
    }
    if settings.seccomp {
        return Remedy::new(
            format!(
                "the container that this runs in forbids namespaces by seccomp (it failed to {}: {error})",
                step.what()
            ),
            "start it with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined`, or run outside of it",
        );
    }
    Remedy::new(
        format!("the kernel does not {} ({error})", step.what()),
        "see `man 7 user_namespaces` for what can forbid it; a kernel needs CONFIG_USER_NS",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(step: Step, settings: Settings) -> String {
        diagnose(step, &io::Error::from(Errno::EPERM), &settings).remedy
    }

    #[test]
    fn each_known_reason_has_its_own_remedy() {
        let text = |value: &str| Some(value.to_owned());
        let none = Settings { max_user_namespaces: text("0"), ..Settings::default() };
        assert!(remedy(Step::UserNamespace, none).contains("user.max_user_namespaces=15000"));
        let debian = Settings { unprivileged_userns_clone: text("0"), ..Settings::default() };
        assert!(remedy(Step::UserNamespace, debian).contains("unprivileged_userns_clone=1"));
        let ubuntu = || Settings { apparmor_restricts: text("1"), seccomp: true, ..Settings::default() };
        assert!(remedy(Step::OtherNamespaces, ubuntu()).contains("apparmor_restrict_unprivileged_userns=0"));
        // AppArmor's restriction lets the namespace itself be made: this refusal is somebody else's.
        assert!(remedy(Step::UserNamespace, ubuntu()).contains("seccomp=unconfined"));
        assert!(remedy(Step::Bridge, Settings::default()).contains("modprobe bridge"));
    }
}
