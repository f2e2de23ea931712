//! Programs of another suite run with that suite's loader and libraries. Both stand in each program itself, so that
//! what it starts (a shell, WAL-G) has the machine's own: a variable would reach those, too.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::super::command;
use super::super::super::error::MakeError;
use super::super::super::progress::PartProgress;
use super::LIMIT;

/// The loader of an unpacked root and the folders of its libraries, from the root on.
#[derive(Debug)]
pub(super) struct Loader {
    program: PathBuf,
    libraries: Vec<PathBuf>,
}

impl Loader {
    /// Looks for it in `root`.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of(root: &Path) -> Result<Self, MakeError> {
        let mut libraries = Vec::new();
        for folder in ["usr/lib", "lib"] {
            for name in names(&root.join(folder)) {
                if name.contains("-linux-gnu") && root.join(folder).join(&name).is_dir() {
                    libraries.push(Path::new(folder).join(name));
                }
            }
        }
        let is_loader = |name: &String| name.starts_with("ld-linux") || name.starts_with("ld64.so");
        let found = libraries.iter().find_map(|folder| {
            names(&root.join(folder)).into_iter().find(is_loader).map(|name| folder.join(name))
        });
        match found {
            Some(program) => Ok(Loader { program, libraries }),
            None => Err(MakeError::Result("the packages hold no loader of programs".to_owned())),
        }
    }

    /// For `LD_LIBRARY_PATH` and its like, with the root in the folder `home`.
    fn path(&self, home: &Path) -> String {
        let folders = self.libraries.iter().map(|folder| home.join(folder).display().to_string());
        folders.collect::<Vec<_>>().join(":")
    }

    /// What a program of `root` says.
    pub(super) fn run(
        &self,
        root: &Path,
        program: &str,
        arguments: &[&str],
        progress: &dyn PartProgress,
    ) -> Result<String, MakeError> {
        let mut command = Command::new(root.join(&self.program));
        command.arg("--library-path").arg(self.path(root)).arg(root.join(program)).args(arguments);
        command.env("LC_ALL", "C");
        Ok(command::run(&mut command, LIMIT, progress)?)
    }

    /// Writes loader and libraries into all programs of the folder `bin` of `root`, as they are found when the root is the
    /// folder `home`.
    pub(super) fn set(
        &self,
        root: &Path,
        bin: &str,
        home: &Path,
        patchelf: &str,
        progress: &dyn PartProgress,
    ) -> Result<(), MakeError> {
        let (loader, libraries) = (home.join(&self.program).display().to_string(), self.path(home));
        // The older form holds for the libraries of libraries, too.
        let mut arguments = vec!["--set-interpreter", &loader, "--force-rpath", "--set-rpath", &libraries];
        let folder = root.join(bin);
        let programs = names(&folder).into_iter().map(|name| folder.join(name));
        let programs: Vec<String> =
            programs.filter(|path| is_program(path)).map(|path| path.display().to_string()).collect();
        arguments.extend(programs.iter().map(String::as_str));
        self.run(root, &format!("usr/bin/{patchelf}"), &arguments, progress).map(drop)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Scripts have no loader.
fn is_program(path: &Path) -> bool {
    let mut magic = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}
