//! A machine whose programs say what a test wants them to say: nothing is built, fetched or asked of a network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_clonedrill");

/// Answers every question of a build, and does nothing; each `go build` is written down.
const GO: &str = r#"#!/bin/sh
echo "go $* CC=${CC:-}" >>"$RECORD"
case "$*" in
version) echo go version go1.99.0 linux/amd64 ;;
"env GOVERSION") echo go1.99.0 ;;
"env GOCACHE GOMODCACHE") echo "$HOME/go-build"; echo "$HOME/go/pkg/mod" ;;
list*-deps*) echo a; echo b ;;
list*@*) echo "go: module github.com/zalando/postgres-operator: no matching versions: unknown revision" >&2; exit 1 ;;
list*) echo "$HOME/operator" ;;
build*)
    if [ -n "${HANGS:-}" ]; then echo half >half; sleep 600 & wait; fi
    while [ "$1" != -o ]; do shift; done
    mkdir -p "$(dirname "$2")" && echo built >"$2" ;;
esac
"#;
const NPM: &str = "#!/bin/sh
echo \"npm $*\" >>\"$RECORD\"
mkdir -p node_modules/azurite/dist/src/blob && touch node_modules/azurite/dist/src/blob/main.js
";
const NODE: &str = "#!/bin/sh\necho v20.1.0\n";
const PATRONI: &str = "#!/bin/sh\necho 4.1.5\n";
const WAL_G: &str = "#!/bin/sh\necho 'wal-g version v3.0.5 abc 2025 PostgreSQL'\n";

/// The folder of such a machine: programs in `bin`, a home, an empty cache.
pub(super) struct Machine(tempfile::TempDir);

impl Machine {
    /// With all programs but PostgreSQL, which is looked for in the system, and Patroni, which is given.
    pub(super) fn new() -> Self {
        let machine = Machine::bare();
        for (name, text) in
            [("go", GO), ("npm", NPM), ("node", NODE), ("cc", NODE), ("patroni-python", PATRONI)]
        {
            machine.program(name, text);
        }
        machine
    }

    /// With no program on PATH but those of the shell scripts themselves, which lie elsewhere.
    pub(super) fn bare() -> Self {
        let machine = Machine(tempfile::tempdir().unwrap());
        for folder in ["bin", "home", "home/operator/manifests", "tmp", "group"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        machine
    }

    pub(super) fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(inside)
    }

    pub(super) fn program(&self, name: &str, text: &str) -> PathBuf {
        // The scripts' own programs are not on the machine's PATH.
        let text = text.replacen("#!/bin/sh\n", "#!/bin/sh\nPATH=/usr/bin:/bin\n", 1);
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A WAL-G that is newer than the one that can be built.
    pub(super) fn has_wal_g(&self) {
        self.program("wal-g", WAL_G);
    }

    /// A scenario that is sound but for what `operator` and `more` make of it.
    pub(super) fn scenario(&self, slug: &str, operator: &str, more: &str) -> String {
        let text = format!(
            "name: group-{slug}\nabout: Nothing to do.\noperator: {{ versions: [{operator}] }}\n\
             storage: {{ accounts: [unused] }}\nclusters: {{}}\nsteps: []\nexpect: {{}}\n{more}"
        );
        let file = format!("group/{slug}.yaml");
        fs::write(self.path(&file), text).unwrap();
        file
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.0.path()).env_clear();
        for (name, inside) in [
            ("PATH", "bin"),
            ("HOME", "home"),
            ("TMPDIR", "tmp"),
            ("RECORD", "record"),
            ("CLONEDRILL_CACHE", "cache"),
        ] {
            command.env(name, self.path(inside));
        }
        if self.path("bin/patroni-python").exists() {
            command.env("CLONEDRILL_PATRONI_PYTHON", self.path("bin/patroni-python"));
        }
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the programs were asked for, a line for each time.
    pub(super) fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("record")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Folders that a build was left in.
    pub(super) fn half_made(&self) -> Vec<PathBuf> {
        let parts = fs::read_dir(self.path("cache/making")).into_iter().flatten().flatten();
        parts.flat_map(|part| fs::read_dir(part.path()).unwrap().flatten()).map(|made| made.path()).collect()
    }
}
