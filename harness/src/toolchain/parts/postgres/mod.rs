//! PostgreSQL from packages, unpacked without root into a root of its own. Apt checks signatures and hashes.

mod apt;
mod loader;
mod suites;

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::cache::Manifest;
use super::super::command;
use super::super::error::MakeError;
use super::super::host::on_path;
use super::super::postgres;
use super::super::progress::PartProgress;
use super::super::remedy::Remedy;
use apt::{Apt, LIMIT};
use suites::PackageSource;

#[cfg(test)]
pub(in super::super) use suites::MAJORS;
pub(crate) use suites::{distribution, major_of};

/// Changes when the way of unpacking does.
pub(crate) const RECIPE: &str = "2";

/// Sets the loader of programs; of the same suite, since it runs with its libraries.
const PATCHELF: &str = "patchelf";

/// What compiles queries needs LLVM, which is larger than all the rest; the server does without, only slower.
const COMPILER: [&str; 3] = ["lib/bitcode", "lib/llvmjit.so", "lib/llvmjit_types.bc"];

/// Unpacks a major, or the distribution's own one for any other `version`, into `into`, to be used in the folder `home`.
///
/// # Errors
/// When no package source of this machine has it, or it cannot be downloaded.
pub(crate) fn make(
    version: &str,
    into: &Path,
    home: &Path,
    progress: &dyn PartProgress,
) -> Result<Manifest, MakeError> {
    if !has_packages() {
        return Err(MakeError::Needs(remedy()));
    }
    let work = into.join("work");
    let wanted = version.parse().ok();
    let mut first_failure = None;
    for place in suites::places(wanted) {
        let apt = Apt::new(&work, &place, progress)?;
        match unpack(&apt, wanted, into) {
            Ok(Some(major)) => return finish(&work, into, home, major, &place, progress),
            Ok(None) => {}
            Err(error @ MakeError::Command(command::CommandError::Interrupted { .. })) => return Err(error),
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
        fs::remove_dir_all(&work).map_err(MakeError::io("remove", &work))?;
    }
    Err(first_failure.unwrap_or_else(|| match wanted {
        Some(major) => MakeError::Needs(nowhere(major, "")),
        None => MakeError::Result("the package lists name no postgresql".to_owned()),
    }))
}

/// Downloads and unpacks all that the wanted major needs; `None` where this place has no such package.
fn unpack(apt: &Apt<'_>, wanted: Option<u16>, into: &Path) -> Result<Option<u16>, MakeError> {
    apt.update()?;
    let Some(major) = wanted.map_or_else(|| apt.default_postgres(), |major| Ok(Some(major)))? else {
        return Ok(None);
    };
    if !apt.has(&format!("postgresql-{major}"))? {
        return Ok(None);
    }
    let packages = apt.packages(major, PATCHELF)?;
    for package in apt.download(&packages)? {
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("-x").arg(&package).arg(into);
        command::run(&mut unpack, LIMIT, apt.progress)?;
    }
    Ok(Some(major))
}

fn finish(
    work: &Path,
    into: &Path,
    home: &Path,
    major: u16,
    place: &PackageSource,
    progress: &dyn PartProgress,
) -> Result<Manifest, MakeError> {
    progress.says("giving the programs their own libraries");
    fs::remove_dir_all(work).map_err(MakeError::io("remove", work))?;
    let server = format!("usr/lib/postgresql/{major}");
    for name in COMPILER {
        let path = into.join(&server).join(name);
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(MakeError::io("remove", path)(error));
            }
            _ => {}
        }
    }
    let unusable = |why: String| {
        MakeError::Result(format!("the packages hold no PostgreSQL that can be used: it {why}"))
    };
    let bin = format!("{server}/bin");
    let loader = loader::Loader::of(into)?;
    let said = loader.run(into, &format!("{bin}/postgres"), &["--version"], progress)?;
    let version = postgres::version(&said)
        .map(|(_, version)| version)
        .ok_or_else(|| unusable("has a postgres that does not tell its version".to_owned()))?;
    loader.set(into, &bin, home, PATCHELF, progress)?;
    postgres::lacks(&into.join(&bin)).map_or(Ok(()), |why| Err(unusable(why)))?;
    Ok(Manifest { from: place.to_string(), version: Some(version), ..Manifest::default() })
}

/// Whether this is a system of Debian's family.
pub(crate) fn has_packages() -> bool {
    !on_path("apt-get").is_empty() && !on_path("dpkg-deb").is_empty()
}

/// Whether a package source that this machine knows of has, as far as can be told without asking it, this major.
pub(crate) fn can_be_had(major: u16) -> bool {
    has_packages() && suites::may_have(major)
}

/// What to do where there are no Debian packages.
pub(crate) fn remedy() -> Remedy {
    Remedy::new(
        "there is no PostgreSQL with OpenSSL and all of its programs",
        "install it with the system's package manager (postgresql-server and postgresql-contrib on Fedora, postgresql on \
         Arch), or give the folder of its programs as CLONEDRILL_POSTGRES",
    )
}

/// What to do where a major can be had from nowhere; `at_hand` are those that can be used now.
pub(crate) fn nowhere(major: u16, at_hand: &str) -> Remedy {
    let at_hand = if at_hand.is_empty() { "no other" } else { at_hand };
    let packages: Vec<String> =
        suites::MAJORS.iter().filter(|major| can_be_had(**major)).map(u16::to_string).collect();
    let packages = match packages.is_empty() {
        true => "no package source that this machine knows has it".to_owned(),
        false => format!("packages can be fetched of {}", packages.join(", ")),
    };
    Remedy::new(
        format!("there is no PostgreSQL {major}: this machine has {at_hand}, and {packages}"),
        format!(
            "install it (`apt-get install postgresql-{major}` where a package source has it), or give the folder of its \
             programs beside the others: CLONEDRILL_POSTGRES=/opt/postgresql-{major}/bin, or `programs: {{ postgres: … }}` \
             in clonedrill.yaml"
        ),
    )
}
