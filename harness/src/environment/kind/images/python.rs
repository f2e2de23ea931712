//! What a python needs to run: itself, its standard library, and where it looks for modules.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ImagesError;
use super::closure::Closure;

/// The environment's and the installation's roots, its standard library, itself, then all folders of modules.
const PROBE: &str = "import sys, sysconfig
for path in [sys.prefix, sys.base_prefix, sysconfig.get_path('stdlib'), sys.executable,
             getattr(sys, '_base_executable', sys.executable)] + sys.path: print(path)";

/// Parts of the standard library that no server imports, and the installation's own packages: those that a python
/// finds are taken by their own folder.
const LEFT_OUT: [&str; 9] = [
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tkinter",
    "turtledemo",
];

#[derive(Debug)]
pub(super) struct Python {
    prefix: PathBuf,
    /// The installation that an environment was made with.
    pub base: PathBuf,
    library: PathBuf,
    /// Programs and folders of modules.
    paths: Vec<PathBuf>,
}

impl Python {
    pub(super) fn ask(program: &Path) -> Result<Python, ImagesError> {
        let failed = |why: String| ImagesError::Python { python: program.to_owned(), why };
        let mut ask = Command::new(program);
        ask.args(["-I", "-c", PROBE]).current_dir("/").stdin(Stdio::null());
        let said = ask.output().map_err(|error| failed(error.to_string()))?;
        if !said.status.success() {
            return Err(failed(String::from_utf8_lossy(&said.stderr).trim().to_owned()));
        }
        let mut told: Vec<PathBuf> =
            String::from_utf8_lossy(&said.stdout).lines().map(PathBuf::from).collect();
        if told.len() < 4 {
            return Err(failed("tells too little of itself".to_owned()));
        }
        let paths = told.split_off(3);
        let [prefix, base, library] = [0, 1, 2].map(|at| told[at].clone());
        Ok(Python { prefix, base, library, paths })
    }

    pub(super) fn take(&self, closure: &mut Closure) -> Result<(), ImagesError> {
        let library = self.library.canonicalize().map_err(ImagesError::read(&self.library))?;
        for name in LEFT_OUT {
            closure.leave_out(library.join(name));
        }
        // What extensions are built with, a static library among it.
        for entry in library.read_dir().into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("config-") {
                closure.leave_out(entry.path());
            }
        }
        closure.take(&self.prefix.join("pyvenv.cfg"))?;
        self.paths.iter().filter(|path| path.is_absolute()).try_for_each(|path| closure.take(path))
    }
}
