//! Which package source has which major: the machine's own, or another suite of Debian's on the mirror that the machine
//! has for its own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use super::super::super::command;

/// What each of Debian's suites has, from its archive of November 2026. Where there are two, the first that works.
const SUITES: [(u16, &[&str]); 4] =
    [(13, &["bullseye"]), (15, &["bookworm"]), (17, &["trixie"]), (18, &["testing", "sid"])];

/// The majors that Debian has.
pub(in super::super::super) const MAJORS: [u16; 4] = [SUITES[0].0, SUITES[1].0, SUITES[2].0, SUITES[3].0];

/// The keys that Debian's suites are signed with, where its systems have them.
const KEYS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];

/// Where packages come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PackageSource {
    /// What the machine's own configuration of apt names.
    Own,
    Debian {
        suite: &'static str,
        sources: String,
    },
}

impl fmt::Display for PackageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackageSource::Own => f.write_str("the distribution's packages"),
            PackageSource::Debian { suite, .. } => write!(f, "Debian's packages of {suite}"),
        }
    }
}

/// Where to look for a major, in this order; without one, for the distribution's own.
pub(super) fn places(wanted: Option<u16>) -> Vec<PackageSource> {
    let Some(major) = wanted else { return vec![PackageSource::Own] };
    let mut others = other_suites(major);
    match own_has(major) {
        true => others.insert(0, PackageSource::Own),
        // Its lists may be missing or old.
        false => others.push(PackageSource::Own),
    }
    others
}

/// Whether one of them may have it: Debian's suites by their table, the machine's own sources by the lists that it has.
pub(super) fn may_have(major: u16) -> bool {
    !other_suites(major).is_empty() || own_has(major) || !has_lists()
}

/// The major that is the own one of a distribution, as [`distribution`] calls it.
pub(crate) fn major_of(distribution: &str) -> Option<u16> {
    let release: u16 = distribution.strip_prefix("debian-")?.parse().ok()?;
    // Debian 11 has PostgreSQL 13, and each release since has the next but one.
    (11..=13).contains(&release).then(|| 2 * release - 9)
}

fn own_has(major: u16) -> bool {
    let mut ask = Command::new("apt-cache");
    let package = format!("postgresql-{major}");
    ask.args(["pkgnames", &package]).env("LC_ALL", "C");
    command::ask(&mut ask).is_some_and(|names| names.lines().any(|name| name == package))
}

/// A new container has none before the first `apt-get update`.
fn has_lists() -> bool {
    command::ask(Command::new("apt-get").arg("indextargets")).is_some_and(|targets| !targets.is_empty())
}

fn other_suites(major: u16) -> Vec<PackageSource> {
    let suites = SUITES.iter().find(|(has, _)| *has == major).map_or(&[][..], |(_, suites)| suites);
    if suites.is_empty() || os_release("ID").as_deref() != Some("debian") {
        return Vec::new();
    }
    // Asked once: apt takes a while to read its own configuration.
    static MIRROR: LazyLock<Option<Mirror>> = LazyLock::new(Mirror::of_this_machine);
    let Some(mirror) = &*MIRROR else { return Vec::new() };
    suites.iter().map(|suite| PackageSource::Debian { suite, sources: mirror.sources(suite) }).collect()
}

/// Where this machine has its own suite from.
#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    main: String,
    security: Option<String>,
}

impl Mirror {
    fn of_this_machine() -> Option<Self> {
        let mut ask = Command::new("apt-get");
        ask.args(["indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE)"]);
        Mirror::of(&command::ask(ask.env("LC_ALL", "C"))?, os_release("VERSION_CODENAME").as_deref())
    }

    /// From lines with an address and a suite each; `codename` is that of the system's own suite.
    fn of(targets: &str, codename: Option<&str>) -> Option<Self> {
        let targets: BTreeMap<&str, &str> = targets
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(uri, suite)| (suite, uri))
            .collect();
        let rolling = ["stable", "oldstable", "testing", "unstable", "sid"];
        let own = codename.into_iter().chain(rolling).find_map(|suite| targets.get(suite))?;
        let security = targets.iter().find(|(suite, _)| suite.ends_with("-security"));
        Some(Mirror { main: (*own).to_owned(), security: security.map(|(_, uri)| (*uri).to_owned()) })
    }

    /// The lines of a list of sources. What is not signed by Debian's keys, apt refuses.
    fn sources(&self, suite: &str) -> String {
        let keys = KEYS.into_iter().find(|path| Path::new(path).is_file());
        let options = keys.map_or_else(
            || "[target=Packages]".to_owned(),
            |keys| format!("[target=Packages signed-by={keys}]"),
        );
        let mut lines = format!("deb {options} {} {suite} main\n", self.main);
        // These two have no security suite of their own.
        if let (Some(security), false) = (&self.security, ["testing", "sid"].contains(&suite)) {
            lines.push_str(&format!("deb {options} {security} {suite}-security main\n"));
        }
        lines
    }
}

/// Whose packages the machine's own are, such as `debian-12`: those of another release are other ones.
pub(crate) fn distribution() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| name_of(&os_release_file()));
    &NAME
}

fn name_of(os_release: &str) -> String {
    let named = |key: &str| {
        let plain = |value: String| value.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
        value(os_release, key).map(plain)
    };
    let version = named("VERSION_ID").or_else(|| named("VERSION_CODENAME"));
    let id = named("ID").unwrap_or_else(|| "distribution".to_owned());
    version.map_or_else(|| id.clone(), |version| format!("{id}-{version}"))
}

fn os_release(key: &str) -> Option<String> {
    value(&os_release_file(), key)
}

fn os_release_file() -> String {
    fs::read_to_string("/etc/os-release").unwrap_or_default()
}

fn value(os_release: &str, key: &str) -> Option<String> {
    let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.map(|value| value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_kept_by_the_release_that_they_are_for() {
        assert_eq!(name_of("PRETTY_NAME=\"Debian 12\"\nVERSION_ID=\"12\"\nID=debian\n"), "debian-12");
        assert_eq!(name_of("ID=debian\nVERSION_CODENAME=trixie/sid\n"), "debian-trixie-sid");
        assert_eq!(name_of(""), "distribution");
    }

    #[test]
    fn a_release_of_debian_has_its_own_major() {
        let majors = ["debian-11", "debian-12", "debian-13", "debian-14", "ubuntu-12", "distribution"];
        let majors = majors.map(major_of);
        assert_eq!(majors, [Some(13), Some(15), Some(17), None, None, None]);
    }

    #[test]
    fn another_suite_comes_from_the_mirror_of_the_machines_own() {
        let targets = "http://m/pgdg/ bookworm-pgdg\nhttp://m/debian/ bookworm\nhttp://m/debian/ bookworm\n\
                       http://m/debian/ bookworm-updates\nhttp://s/security/ bookworm-security\n";
        let mirror = Mirror::of(targets, Some("bookworm")).unwrap();
        assert_eq!(
            mirror,
            Mirror { main: "http://m/debian/".into(), security: Some("http://s/security/".into()) }
        );
        let sources = mirror.sources("trixie");
        assert!(sources.contains("http://m/debian/ trixie main\n"), "{sources}");
        assert!(sources.contains("http://s/security/ trixie-security main\n"), "{sources}");
        assert!(!mirror.sources("sid").contains("security"));
        assert!(Mirror::of("http://m/debian/ sid\n", Some("forky")).is_some());
        assert!(Mirror::of("http://m/pgdg/ bookworm-pgdg\n", Some("bookworm")).is_none());
    }
}
