//! The machine's own programs that making a part needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command;
use super::remedy::Remedy;

/// Azurite's dependencies refuse an older Node.js.
const OLDEST_NODE: u32 = 20;

/// A program of the machine, found by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostProgram {
    Go,
    Node,
    Npm,
    Python,
    Cc,
}

impl HostProgram {
    pub(super) const ALL: [HostProgram; 5] =
        [HostProgram::Go, HostProgram::Node, HostProgram::Npm, HostProgram::Python, HostProgram::Cc];

    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            HostProgram::Go => &["go"],
            HostProgram::Node => &["node"],
            HostProgram::Npm => &["npm"],
            HostProgram::Python => &["python3"],
            HostProgram::Cc => &["cc", "gcc", "clang"],
        }
    }

    /// What it calls itself in a sentence: the first line of what it says of its version.
    pub(super) fn says(self, program: &Path) -> Option<String> {
        let question = if self == HostProgram::Go { "version" } else { "--version" };
        let said = command::ask(Command::new(program).arg(question))?;
        said.lines().next().map(str::to_owned)
    }

    /// The first one on PATH.
    pub(super) fn find(self) -> Option<PathBuf> {
        self.names().iter().find_map(|name| on_path(name).into_iter().next())
    }

    pub(super) fn remedy(self) -> Remedy {
        let (problem, remedy) = match self {
            HostProgram::Go => (
                "there is no `go` on PATH",
                "install Go 1.25.3 or newer (Debian testing: `apt-get install golang-go`) and put its bin folder on PATH",
            ),
            HostProgram::Node => {
                ("there is no `node` on PATH", "install Node.js 20 or newer (`apt-get install nodejs`)")
            }
            HostProgram::Npm => ("there is no `npm` on PATH", "install npm (`apt-get install npm`)"),
            HostProgram::Python => (
                "there is no Python 3.9 or newer with the modules venv and ensurepip",
                "install it (`apt-get install python3 python3-venv`)",
            ),
            HostProgram::Cc => (
                "there is no C compiler (`cc`, `gcc` or `clang`) on PATH",
                "install one (`apt-get install gcc libc6-dev`)",
            ),
        };
        Remedy::new(problem, remedy)
    }
}

/// What to say where this Node.js cannot run Azurite.
pub(super) fn node_lack(node: &Path) -> Option<Remedy> {
    let said = HostProgram::Node.says(node);
    let major = |said: &str| said.trim_start_matches('v').split('.').next()?.parse::<u32>().ok();
    let major = said.as_deref().and_then(major);
    let problem = match (major, said) {
        (Some(major), _) if major >= OLDEST_NODE => return None,
        (Some(_), Some(said)) => format!("{} is Node.js {said}, too old for Azurite", node.display()),
        _ => format!("{} tells no version of Node.js", node.display()),
    };
    let remedy = format!(
        "install Node.js {OLDEST_NODE} or newer and put it first on PATH, or give it as CLONEDRILL_NODE"
    );
    Some(Remedy::new(problem, remedy))
}

/// All programs of this name on PATH, in its order.
pub(super) fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).filter(|file| is_program(file)).collect()
}

/// Whether it is a file that may be run by somebody.
pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether every container sees it anyway, since the host's `/usr` is in its root file system.
pub(super) fn always_visible(path: &Path) -> bool {
    ["/usr", "/bin", "/sbin", "/lib", "/lib64"].iter().any(|folder| path.starts_with(folder))
}
