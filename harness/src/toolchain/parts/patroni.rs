//! Patroni from PyPI in a virtual environment of its own, every file checked by its hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::cache::Manifest;
use super::super::command::{self, CommandError};
use super::super::error::MakeError;
use super::super::host::{HostProgram, always_visible, is_program, on_path};
use super::super::progress::PartProgress;
use super::Context;

pub(super) const VERSION: &str = "4.1.5";
pub(super) const RECIPE: &str = concat!(
    include_str!("../../../toolchain/patroni/build.txt"),
    include_str!("../../../toolchain/patroni/requirements.txt")
);
const BUILD: &str = include_str!("../../../toolchain/patroni/build.txt");
const REQUIREMENTS: &str = include_str!("../../../toolchain/patroni/requirements.txt");
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Prints the program, its installation's root and whether it can make environments.
const PROBE: &str = "import sys, venv, ensurepip; assert sys.version_info >= (3, 9); \
                     print(sys.executable); print(sys.base_prefix)";

struct Python {
    program: PathBuf,
    base: PathBuf,
}

/// The distribution's Python first: every user and every container sees it, a version manager's only its owner.
fn find(progress: &dyn PartProgress) -> Option<Python> {
    let candidates = std::iter::once(PathBuf::from("/usr/bin/python3")).chain(on_path("python3"));
    candidates.filter(|path| is_program(path)).find_map(|path| {
        let mut probe = Command::new(&path);
        probe.args(["-I", "-c", PROBE]).current_dir("/");
        let printed = command::run(&mut probe, Duration::from_secs(30), progress).ok()?;
        let mut lines = printed.lines().map(PathBuf::from);
        Some(Python { program: lines.next()?, base: lines.next()? })
    })
}

/// The version of Patroni that a python has, with all that a pod needs of it.
///
/// # Errors
/// What it lacks, as a fragment after the path.
pub(crate) fn inspect(python: &Path) -> Result<String, String> {
    const PROBE: &str =
        "import patroni.__main__, psycopg; from patroni.version import __version__; print(__version__)";
    let mut probe = Command::new(python);
    probe.args(["-c", PROBE]).current_dir("/");
    match command::run(&mut probe, Duration::from_secs(30), &super::super::progress::Silent) {
        Ok(version) => Ok(version.trim().to_owned()),
        Err(CommandError::Failed { last, .. }) => {
            let why = last.last().map(String::as_str).unwrap_or_default();
            Err(format!("is no python that has Patroni and psycopg ({why})"))
        }
        Err(error) => Err(format!("does not answer ({error})")),
    }
}

/// The machine's Python that would make the environment.
pub(crate) fn python() -> Option<PathBuf> {
    find(&super::super::progress::Silent).map(|python| python.program)
}

pub(super) fn make(
    context: &Context,
    into: &Path,
    progress: &dyn PartProgress,
) -> Result<Manifest, MakeError> {
    let python = find(progress).ok_or_else(|| MakeError::Needs(HostProgram::Python.remedy()))?;
    let environment = into.join("venv");
    let temporary = into.join("tmp");
    fs::create_dir_all(&temporary).map_err(MakeError::io("create", &temporary))?;
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(into).args(arguments).env("TMPDIR", &temporary);
        for name in
            ["PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"]
        {
            command.env_remove(name);
        }
        if let Some(folder) = &context.build_caches {
            command.env("PIP_CACHE_DIR", folder.join("pip"));
        }
        command::run(&mut command, LIMIT, progress)
    };
    run(&python.program, &["-m", "venv", "venv"])?;
    let inside = environment.join("bin/python");
    // ydiff comes as source only: what builds it is installed first, so that it is checked by hash as well.
    for (name, text) in [("build.txt", BUILD), ("requirements.txt", REQUIREMENTS)] {
        let path = into.join(name);
        fs::write(&path, text).map_err(MakeError::io("write", path))?;
        let flags = [
            "--require-hashes",
            "--no-deps",
            "--no-build-isolation",
            "--no-input",
            "--disable-pip-version-check",
        ];
        run(&inside, &[&["-m", "pip", "install"], &flags[..], &["-r", name]].concat())?;
    }
    run(&inside, &["-c", "import patroni.__main__, psycopg"])?;
    remove_scripts(&environment.join("bin"))?;
    fs::remove_dir_all(&temporary).map_err(MakeError::io("remove", temporary))?;
    Ok(Manifest {
        from: format!("PyPI, by hashes, with {}", python.program.display()),
        visible: if always_visible(&python.base) { Vec::new() } else { vec![python.base] },
        needs: vec![python.program],
        version: None,
    })
}

/// Scripts name the folder they were made in, which is renamed: only python itself is used.
fn remove_scripts(bin: &Path) -> Result<(), MakeError> {
    for entry in fs::read_dir(bin).map_err(MakeError::io("read", bin))? {
        let path = entry.map_err(MakeError::io("read", bin))?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python")) {
            fs::remove_file(&path).map_err(MakeError::io("remove", &path))?;
        }
    }
    Ok(())
}
