//! PostgreSQL from the distribution's packages, unpacked without root. Apt checks their hashes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use super::super::cache::Manifest;
use super::super::command;
use super::super::error::MakeError;
use super::super::host::on_path;
use super::super::postgres;
use super::super::progress::PartProgress;
use super::super::remedy::Remedy;

/// Changes when the way of unpacking does.
pub const RECIPE: &str = "1";
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Lets apt work on lists and caches of our own, where the system's are missing.
const OWN_APT: &str = "Dir::State \"apt/state\";\nDir::Cache \"apt/cache\";\nDebug::NoLocking \"1\";\n\
                       APT::Sandbox::User \"\";\n";

pub fn make(into: &Path, progress: &dyn PartProgress) -> Result<Manifest, MakeError> {
    if !has_packages() {
        return Err(MakeError::Needs(remedy()));
    }
    let work = into.join("work");
    fs::create_dir_all(&work).map_err(MakeError::io("create", &work))?;
    let mut apt = Apt { work: &work, own: false, progress };
    let packages = match apt.packages() {
        Ok(packages) => packages,
        Err(_) => {
            apt.own_lists()?;
            apt.packages()?
        }
    };
    progress.says("downloading packages");
    apt.run(
        "apt-get",
        &[&["download"], &packages.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
    )?;
    for entry in fs::read_dir(&work).map_err(MakeError::io("read", &work))? {
        let path = entry.map_err(MakeError::io("read", &work))?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = Command::new("dpkg");
            unpack.arg("-x").arg(&path).arg(into);
            command::run(&mut unpack, LIMIT, progress)?;
        }
    }
    fs::remove_dir_all(&work).map_err(MakeError::io("remove", &work))?;
    let tool = postgres::unpacked(into).map_err(|why| {
        MakeError::Result(format!("the packages hold no PostgreSQL that can be used: it {why}"))
    })?;
    Ok(Manifest {
        from: "the distribution's packages".to_owned(),
        version: Some(tool.version),
        ..Manifest::default()
    })
}

/// Whose packages they are, such as `debian-12`: those of another release are other ones.
pub fn distribution() -> &'static str {
    static NAME: LazyLock<String> =
        LazyLock::new(|| name_of(&fs::read_to_string("/etc/os-release").unwrap_or_default()));
    &NAME
}

fn name_of(os_release: &str) -> String {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| {
            value.trim_matches('"').replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
        })
    };
    let version = value("VERSION_ID").or_else(|| value("VERSION_CODENAME"));
    let id = value("ID").unwrap_or_else(|| "distribution".to_owned());
    version.map_or_else(|| id.clone(), |version| format!("{id}-{version}"))
}

/// Whether this is a system of Debian's family.
pub fn has_packages() -> bool {
    !on_path("apt-get").is_empty() && !on_path("dpkg").is_empty()
}

/// What to do where there are no Debian packages.
pub fn remedy() -> Remedy {
    Remedy::new(
        "there is no PostgreSQL with OpenSSL and all of its programs",
        "install it with the system's package manager (postgresql-server and postgresql-contrib on Fedora, postgresql on \
         Arch), or give the folder of its programs as CLONEDRILL_POSTGRES",
    )
}

struct Apt<'a> {
    work: &'a Path,
    own: bool,
    progress: &'a dyn PartProgress,
}

impl Apt<'_> {
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, MakeError> {
        let mut command = Command::new(program);
        command.current_dir(self.work).args(arguments).env("LC_ALL", "C");
        if self.own {
            command.env("APT_CONFIG", self.work.join("apt.conf"));
        }
        Ok(command::run(&mut command, LIMIT, self.progress)?)
    }

    fn own_lists(&mut self) -> Result<(), MakeError> {
        let configuration = OWN_APT.replace("apt/", &format!("{}/apt/", self.work.display()));
        // Which packages are installed is still the system's business.
        let configuration = format!("{configuration}Dir::State::status \"/var/lib/dpkg/status\";\n");
        for folder in ["apt/state/lists/partial", "apt/cache/archives/partial"] {
            let path = self.work.join(folder);
            fs::create_dir_all(&path).map_err(MakeError::io("create", path))?;
        }
        let path = self.work.join("apt.conf");
        fs::write(&path, configuration).map_err(MakeError::io("write", path))?;
        self.own = true;
        self.progress.says("reading the package lists");
        self.run("apt-get", &["update"]).map(drop)
    }

    /// The server, its clients, and those libraries of theirs that are not installed.
    fn packages(&self) -> Result<BTreeSet<String>, MakeError> {
        let depends = self.run("apt-cache", &["depends", "postgresql"])?;
        let server = depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.strip_prefix("postgresql-").is_some_and(|major| major.parse::<u16>().is_ok()))
            .ok_or_else(|| MakeError::Result("the package lists name no postgresql".to_owned()))?;
        let major = server.trim_start_matches("postgresql-");
        let plan = self.run("apt-get", &["-s", "--no-install-recommends", "install", server])?;
        let libraries = plan
            .lines()
            .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
            .filter(|name| name.starts_with("lib") && !name.ends_with("-perl"))
            .map(ToOwned::to_owned);
        let own = [server.to_owned(), format!("postgresql-client-{major}"), "libpq5".to_owned()];
        Ok(own.into_iter().chain(libraries).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn packages_are_kept_by_the_release_that_they_are_for() {
        assert_eq!(name_of("PRETTY_NAME=\"Debian 12\"\nVERSION_ID=\"12\"\nID=debian\n"), "debian-12");
        assert_eq!(name_of("ID=debian\nVERSION_CODENAME=trixie/sid\n"), "debian-trixie-sid");
        assert_eq!(name_of(""), "distribution");
    }
}
