//! Whether a sandbox can be made here, by making one; and if not, which of the known reasons it is.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getegid, geteuid, write};
use nix::{fcntl, libc};

use super::super::remedy::Remedy;

/// From linux/sockios.h: makes a bridge.
const SIOCBRADDBR: u32 = 0x89a0;

/// How a child tells that all of its steps were done: no step fails with this.
const DONE: Errno = Errno::ECANCELED;

/// What the local environment does, in its order: the sandbox, its network, a pod's network and user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    UserNamespace,
    UserMap,
    OtherNamespaces,
    Proc,
    Tmpfs,
    Bridge,
    Veth,
    InnerUserNamespace,
}

impl Step {
    const ALL: [Step; 8] = [
        Step::UserNamespace,
        Step::UserMap,
        Step::OtherNamespaces,
        Step::Proc,
        Step::Tmpfs,
        Step::Bridge,
        Step::Veth,
        Step::InnerUserNamespace,
    ];

    fn what(self) -> &'static str {
        match self {
            Step::UserNamespace => "make a user namespace",
            Step::UserMap => "map this user to root in it",
            Step::OtherNamespaces => "make network, mount, PID, IPC and UTS namespaces in it",
            Step::Proc => "mount a /proc of the PID namespace",
            Step::Tmpfs => "mount a tmpfs in it",
            Step::Bridge => "make a bridge in it",
            Step::Veth => "make a veth pair in it",
            Step::InnerUserNamespace => "make a second user namespace in it",
        }
    }
}

/// Tries in a child process what a local environment needs. `None` where all of it works.
pub fn why_no_sandbox() -> Option<Remedy> {
    attempt(Step::InnerUserNamespace).err()?;
    // A child tells its error and not its place, so the steps are tried again one further each.
    let failed = Step::ALL.into_iter().find_map(|step| Some((step, attempt(step).err()?)));
    failed.map(|(step, error)| diagnose(step, &error, &Settings::read()))
}

/// Does all steps up to `last` in a child that then ends.
fn attempt(last: Step) -> io::Result<()> {
    let prepared = Prepared {
        maps: maps(format!("0 {} 1", geteuid()), format!("0 {} 1", getegid())),
        inner_maps: maps("101 0 1".to_owned(), "103 0 1".to_owned()),
        make_veth: make_veth(),
    };
    // Nothing is executed: the child ends with its last step.
    let mut command = Command::new("nothing");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: system calls only, on memory that was prepared before the fork.
    unsafe {
        command.pre_exec(move || {
            let outside = |step: &Step| *step <= Step::OtherNamespaces;
            let steps = |which: &dyn Fn(&Step) -> bool| {
                let mut steps = Step::ALL.into_iter().filter(|step| *step <= last && which(step));
                steps.try_for_each(|step| take(step, &prepared))
            };
            steps(&outside)?;
            if !outside(&last) {
                in_child(|| steps(&|step| !outside(step)))?;
            }
            Err(DONE.into())
        });
    }
    match command.spawn() {
        Err(error) if error.raw_os_error() == Some(DONE as i32) => Ok(()),
        Err(error) => Err(error),
        Ok(mut child) => child.wait().and_then(|status| Err(io::Error::other(status.to_string()))),
    }
}

/// Does the rest in a child: only that is in the PID namespace.
fn in_child(steps: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    // SAFETY: between fork and exec the process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = steps().map_or_else(|errno| errno as i32, |()| 0);
            // SAFETY: nothing of the parent's is to be run at this process's end.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, errno) => Err(Errno::from_raw(errno)),
            _ => Err(Errno::ECHILD),
        },
    }
}

type Maps = [(&'static CStr, String); 3];

/// All that the steps need and that must not be made after the fork.
struct Prepared {
    maps: Maps,
    inner_maps: Maps,
    make_veth: [u8; 44],
}

fn maps(uid: String, gid: String) -> Maps {
    [(c"/proc/self/setgroups", "deny".to_owned()), (c"/proc/self/uid_map", uid), (c"/proc/self/gid_map", gid)]
}

/// A netlink message (linux/rtnetlink.h) that makes a pair of veth links, which the kernel names.
fn make_veth() -> [u8; 44] {
    const RTM_NEWLINK: u16 = 16;
    const FLAGS: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
    let mut message = [0; 44];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &44_u32.to_ne_bytes());
    put(4, &RTM_NEWLINK.to_ne_bytes());
    put(6, &FLAGS.to_ne_bytes());
    // An empty ifinfomsg, and in IFLA_LINKINFO the attribute IFLA_INFO_KIND.
    put(32, &12_u16.to_ne_bytes());
    put(34, &libc::IFLA_LINKINFO.to_ne_bytes());
    put(36, &8_u16.to_ne_bytes());
    put(38, &libc::IFLA_INFO_KIND.to_ne_bytes());
    put(40, b"veth");
    message
}

fn write_maps(maps: &Maps) -> Result<(), Errno> {
    maps.iter().try_for_each(|(path, text)| {
        let file = fcntl::open(*path, fcntl::OFlag::O_WRONLY, Mode::empty())?;
        write(&file, text.as_bytes()).map(drop)
    })
}

fn take(step: Step, prepared: &Prepared) -> Result<(), Errno> {
    let nothing = None::<&CStr>;
    match step {
        Step::UserNamespace => unshare(CloneFlags::CLONE_NEWUSER),
        Step::UserMap => write_maps(&prepared.maps),
        Step::OtherNamespaces => unshare(
            CloneFlags::CLONE_NEWNET
                | CloneFlags::CLONE_NEWNS
                | CloneFlags::CLONE_NEWPID
                | CloneFlags::CLONE_NEWIPC
                | CloneFlags::CLONE_NEWUTS,
        ),
        Step::Proc => {
            mount(nothing, c"/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, nothing)
        }
        Step::Tmpfs => mount(Some(c"tmpfs"), c"/run", Some(c"tmpfs"), MsFlags::MS_NODEV, nothing),
        Step::Veth => {
            use std::os::fd::AsRawFd;
            let route = SockProtocol::NetlinkRoute;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, route)?;
            send(socket.as_raw_fd(), &prepared.make_veth, MsgFlags::empty())?;
            let mut answer = [0; 256];
            recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            // After the header of 16 bytes: 0, or a negative error.
            let mut error = [0; 4];
            error.copy_from_slice(&answer[16..20]);
            match i32::from_ne_bytes(error) {
                0 => Ok(()),
                error => Err(Errno::from_raw(-error)),
            }
        }
        Step::InnerUserNamespace => {
            unshare(CloneFlags::CLONE_NEWUSER)?;
            write_maps(&prepared.inner_maps)
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
    // Some releases refuse the namespace itself, others give it no rights; seccomp says EPERM instead.
    let by_apparmor = step > Step::UserNamespace || error.raw_os_error() == Some(libc::EACCES);
    if set(&settings.apparmor_restricts, "1") && !settings.root && by_apparmor {
        return Remedy::new(
            format!("AppArmor restricts user namespaces (it failed to {}: {error})", step.what()),
            "as root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile with `userns,` \
             for this program",
        );
    }
    if matches!(step, Step::Bridge | Step::Veth) {
        let link = if step == Step::Bridge { "bridge" } else { "veth pair" };
        return Remedy::new(
            format!("the kernel makes no {link} ({error})"),
            "as root: `modprobe -a bridge veth`, and their names in /etc/modules-load.d/",
        );
    }
    // The kernel lets nobody see by another /proc what a container has hidden in its own.
    if step == Step::Proc {
        return Remedy::new(
            format!(
                "the container that this runs in masks parts of /proc, so that none can be mounted ({error})"
            ),
            "start it with `--security-opt systempaths=unconfined` (Podman: `--security-opt unmask=ALL`; Kubernetes: \
             `procMount: Unmasked`), or run outside of it",
        );
    }
    if step == Step::InnerUserNamespace && error.raw_os_error() == Some(libc::ENOSPC) {
        return Remedy::new(
            "there are too few user namespaces for one in another (user.max_user_namespaces)",
            "as root: `sysctl -w user.max_user_namespaces=15000`, and the same line in /etc/sysctl.d/",
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
        // Unless it is said with another error.
        let refused = diagnose(Step::UserNamespace, &io::Error::from(Errno::EACCES), &ubuntu());
        assert!(refused.remedy.contains("apparmor_restrict_unprivileged_userns=0"), "{refused}");
        assert!(remedy(Step::Proc, Settings::default()).contains("systempaths=unconfined"));
        assert!(remedy(Step::Veth, Settings::default()).contains("modprobe -a bridge veth"));
        assert!(remedy(Step::Bridge, Settings::default()).contains("modprobe -a bridge"));
    }

    /// The message to the kernel is written by hand: it must be one that the kernel obeys.
    #[test]
    fn a_veth_pair_that_is_there_is_made_by_the_message() {
        // Where nothing can be made, an earlier step says so.
        if attempt(Step::Bridge).is_ok() {
            attempt(Step::Veth).unwrap();
            attempt(Step::InnerUserNamespace).unwrap();
        }
    }
}
