//! Apt, as an ordinary user: with lists and a cache of our own, and of what is installed it knows nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::super::command;
use super::super::super::error::MakeError;
use super::super::super::progress::PartProgress;
use super::suites::PackageSource;

pub(super) const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Read after the machine's own configuration, so that its mirrors, proxies and logins hold. Nothing is installed in it, so
/// that a package's dependencies are all of its libraries.
const OWN: &str = "Dir::State::lists \"{work}/lists\";
Dir::State::status \"{work}/status\";
Dir::State::extended_states \"{work}/extended_states\";
Dir::Cache \"{work}/cache\";
Acquire::Languages \"none\";
APT::Sandbox::User \"\";
APT::Default-Release \"\";
Debug::NoLocking \"1\";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
";

/// Besides, where another suite is asked than the machine's.
const OTHER_SUITE: &str = "Dir::Etc::sourcelist \"{work}/sources.list\";
Dir::Etc::sourceparts \"{work}/none\";
Dir::Etc::preferences \"{work}/preferences\";
Dir::Etc::preferencesparts \"{work}/none\";
APT::Update::Error-Mode \"any\";
";

/// Apt in a folder of its own.
pub(super) struct Apt<'a> {
    work: &'a Path,
    pub progress: &'a dyn PartProgress,
}

impl<'a> Apt<'a> {
    /// Makes the folder `work`, for the package sources of `place`.
    pub(super) fn new(
        work: &'a Path,
        place: &PackageSource,
        progress: &'a dyn PartProgress,
    ) -> Result<Self, MakeError> {
        for folder in ["lists/partial", "cache/archives/partial", "none", "packages"] {
            let path = work.join(folder);
            fs::create_dir_all(&path).map_err(MakeError::io("create", path))?;
        }
        let mut configuration = OWN.to_owned();
        let mut files = vec![("status", String::new()), ("preferences", String::new())];
        if let PackageSource::Debian { sources, .. } = place {
            configuration.push_str(OTHER_SUITE);
            files.push(("sources.list", sources.clone()));
        }
        files.push(("apt.conf", configuration.replace("{work}", &work.display().to_string())));
        for (name, text) in files {
            let path = work.join(name);
            fs::write(&path, text).map_err(MakeError::io("write", path))?;
        }
        Ok(Apt { work, progress })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, MakeError> {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.work.join("apt.conf")).args(arguments);
        command.current_dir(self.work.join("packages")).env("LC_ALL", "C");
        Ok(command::run(&mut command, LIMIT, self.progress)?)
    }

    pub(super) fn update(&self) -> Result<(), MakeError> {
        self.progress.says("reading the package lists");
        self.run("apt-get", &["update"]).map(drop)
    }

    pub(super) fn has(&self, package: &str) -> Result<bool, MakeError> {
        Ok(self.run("apt-cache", &["pkgnames", package])?.lines().any(|name| name == package))
    }

    /// The major of the distribution's own `postgresql`.
    pub(super) fn default_postgres(&self) -> Result<Option<u16>, MakeError> {
        if !self.has("postgresql")? {
            return Ok(None);
        }
        let depends = self.run("apt-cache", &["depends", "postgresql"])?;
        let named = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: postgresql-"));
        Ok(named.filter_map(|major| major.parse().ok()).next())
    }

    /// The server, its clients, all libraries that they are loaded with, and `besides`.
    pub(super) fn packages(&self, major: u16, besides: &str) -> Result<BTreeSet<String>, MakeError> {
        let server = format!("postgresql-{major}");
        let plan = self.run("apt-get", &["-s", "--no-install-recommends", "install", &server, besides])?;
        let names = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        let client = format!("postgresql-client-{major}");
        let wanted = |name: &&str| *name == server || *name == client || *name == besides || is_library(name);
        Ok(names.filter(wanted).map(ToOwned::to_owned).collect())
    }

    /// The files of these packages, whose hashes apt has checked.
    pub(super) fn download(&self, packages: &BTreeSet<String>) -> Result<Vec<PathBuf>, MakeError> {
        self.progress.says("downloading packages");
        let names = packages.iter().map(String::as_str);
        self.run("apt-get", &std::iter::once("download").chain(names).collect::<Vec<_>>())?;
        let folder = self.work.join("packages");
        let entries = fs::read_dir(&folder).map_err(MakeError::io("read", &folder))?;
        let paths = entries.flatten().map(|entry| entry.path());
        Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
    }
}

/// Perl's own are scripts', and LLVM is not unpacked (`COMPILER`).
fn is_library(name: &str) -> bool {
    let name = name.split(':').next().unwrap_or(name);
    let others = ["libperl", "libllvm", "libz3-"];
    (name.starts_with("lib") || name.starts_with("zlib"))
        && !name.ends_with("-perl")
        && !others.iter().any(|other| name.starts_with(other))
}

#[cfg(test)]
mod tests {
    use super::is_library;

    #[test]
    fn libraries_are_told_from_scripts_and_compilers() {
        for name in ["libc6", "libssl3t64", "zlib1g", "libpq5:amd64", "libgcc-s1"] {
            assert!(is_library(name), "{name}");
        }
        for name in ["perl-base", "libjson-perl", "libperl5.40", "libllvm19", "libz3-4", "tzdata", "adduser"]
        {
            assert!(!is_library(name), "{name}");
        }
    }
}
