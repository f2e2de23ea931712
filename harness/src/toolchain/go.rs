//! Builds Go programs from a small module of ours, whose `go.sum` pins everything.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::command::{self, CommandError};
use super::error::MakeError;
use super::parts::Context;
use super::progress::PartProgress;

/// Far more than the five minutes that Kubernetes takes on two cores.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// Settings of the user's that could change what comes out.
const USERS: [&str; 17] = [
    "GO111MODULE",
    "GOOS",
    "GOARCH",
    "GOEXPERIMENT",
    "GOAMD64",
    "GOARM64",
    "GOFIPS140",
    "CGO_CFLAGS",
    "CGO_CFLAGS_ALLOW",
    "CGO_CPPFLAGS",
    "CGO_CXXFLAGS",
    "CGO_FFLAGS",
    "CGO_LDFLAGS",
    "CGO_LDFLAGS_ALLOW",
    "CXX",
    "FC",
    "AR",
];

/// How one or more programs are built. Everything in it is part of the cache's key.
#[derive(Debug, Clone)]
pub(super) struct GoRecipe {
    /// `go.mod`, `go.sum` and `tools.go`.
    pub files: Vec<(&'static str, String)>,
    /// Packages, and what their programs are called.
    pub programs: &'static [(&'static str, &'static str)],
    /// Needs a C compiler.
    pub cgo: bool,
    pub tags: &'static str,
    pub ldflags: &'static str,
    /// False where `go.sum` is made on the fly, checked by Go's checksum database.
    pub pinned: bool,
}

impl GoRecipe {
    /// Eight hex digits that change with anything that changes the result.
    pub(super) fn digest(&self) -> String {
        // Keys of the architecture that was there first stay as they were.
        let architecture = Some(std::env::consts::ARCH).filter(|name| *name != "x86_64").unwrap_or_default();
        digest(&format!("{self:?}{architecture}"))
    }

    /// The oldest Go that can build it, for example `1.25.3`.
    pub(super) fn oldest_go(&self) -> Option<&str> {
        let text = &self.files.iter().find(|(name, _)| *name == "go.mod")?.1;
        text.lines().find_map(|line| line.strip_prefix("go ")).map(str::trim)
    }

    /// Builds into `<into>/bin`; `go.mod` and `go.sum` stay in `<into>/module` as a record.
    ///
    /// # Errors
    /// When Go fails; its last lines are in the error.
    pub(super) fn build(
        &self,
        context: &Context,
        into: &Path,
        progress: &dyn PartProgress,
    ) -> Result<(), MakeError> {
        let module = into.join("module");
        let temporary = into.join("tmp");
        for folder in [&module, &temporary] {
            fs::create_dir_all(folder).map_err(MakeError::io("create", folder))?;
        }
        for (name, text) in &self.files {
            let path = module.join(name);
            fs::write(&path, text).map_err(MakeError::io("write", path))?;
        }
        let packages: Vec<&str> = self.programs.iter().map(|(package, _)| *package).collect();
        progress.says("downloading modules");
        let listed = self.go(context, into, "list", ["-deps"].iter().chain(&packages), progress)?;
        let counting =
            Counting { inner: progress, built: AtomicU64::new(0), all: listed.lines().count() as u64 };
        for (package, program) in self.programs {
            let output = into.join("bin").join(program);
            let flags = [
                OsStr::new("-v"),
                OsStr::new("-trimpath"),
                OsStr::new("-ldflags"),
                OsStr::new(self.ldflags),
                OsStr::new("-o"),
                output.as_os_str(),
                OsStr::new(package),
            ];
            self.go(context, into, "build", flags, &counting)?;
        }
        fs::remove_dir_all(&temporary).map_err(MakeError::io("remove", temporary))
    }

    /// Runs a `go` command in the module, with nothing of the user's settings that could change what comes out.
    pub(super) fn go<A: AsRef<OsStr>>(
        &self,
        context: &Context,
        into: &Path,
        verb: &str,
        arguments: impl IntoIterator<Item = A>,
        progress: &dyn PartProgress,
    ) -> Result<String, CommandError> {
        let mut command = Command::new(&context.go);
        let mode = if self.pinned { "-mod=readonly" } else { "-mod=mod" };
        command.current_dir(into.join("module")).arg(verb).arg(mode);
        if !self.tags.is_empty() {
            command.args(["-tags", self.tags]);
        }
        command.args(arguments);
        for name in USERS {
            command.env_remove(name);
        }
        if self.cgo {
            // Go itself would look for `gcc` alone.
            command.env("CC", &context.cc);
        }
        // An empty GOFLAGS would let the user's `go env -w GOFLAGS` through.
        command.env("GOFLAGS", mode).env("GOTOOLCHAIN", "local").env("GOWORK", "off");
        command.env("CGO_ENABLED", if self.cgo { "1" } else { "0" });
        // What a killed build leaves behind is swept with the part's folder.
        command.env("TMPDIR", into.join("tmp"));
        if let Some(folder) = &context.build_caches {
            command.env("GOPATH", folder.join("go")).env("GOCACHE", folder.join("go-build"));
        }
        command::run(&mut command, LIMIT, progress)
    }
}

/// Counts the packages that `go build -v` names.
struct Counting<'a> {
    inner: &'a dyn PartProgress,
    built: AtomicU64,
    all: u64,
}

impl PartProgress for Counting<'_> {
    fn says(&self, line: &str) {
        if !line.contains(' ') {
            let built = self.built.fetch_add(1, Ordering::Relaxed) + 1;
            self.inner.reached(built.min(self.all), self.all);
        }
        self.inner.says(line);
    }

    fn still(&self, last: &str) {
        self.inner.still(last);
    }

    fn stopped(&self) -> bool {
        self.inner.stopped()
    }

    fn waits(&self, for_whom: &str) {
        self.inner.waits(for_whom);
    }

    fn reached(&self, position: u64, of: u64) {
        self.inner.reached(position, of);
    }

    fn done(&self) {
        self.inner.done();
    }

    fn failed(&self) {
        self.inner.failed();
    }
}

/// Eight hex digits of a SHA-256.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// `go1.26.8` or `1.26` as numbers; `None` for a development version, which is taken as new enough.
pub(super) fn version(text: &str) -> Option<Vec<u32>> {
    let numbers = text.trim().trim_start_matches("go").split(['r', 'b', '-', ' ']).next()?;
    numbers.split('.').map(|number| number.parse().ok()).collect()
}
