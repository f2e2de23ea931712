//! The Spilo stand-in: a launcher that keeps to Spilo's contract over the real Patroni.
//!
//! In full for backups and clones on Azure; `harness/docs/spilo.md` has each row. Not there: log shipping, PgQ, PgBouncer, and stores other than Kubernetes.
//! What would make another cluster than Spilo does is refused, not left out: a major version of PostgreSQL that this machine lacks.

mod account;
mod before_push;
mod certificate;
mod child;
mod clean;
mod clone_with_basebackup;
mod clone_with_wale;
mod container;
mod env_dir;
mod first_backup;
mod launch;
mod log;
mod objects;
mod patroni;
mod postgres_backup;
mod processors;
mod programs;
mod recovery;
mod replica;
mod restart;
mod restore_command;
mod roles;
mod schedule;

pub use programs::FILE as PROGRAMS_FILE;
pub use roles::LEGACY_FUNCTIONS;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Image, ImageContent, ImageFile, OWN_PROGRAM, Root};
use crate::toolchain::Tools;
use programs::Programs;

/// Programs on the container's `PATH` that the host's `/usr` may not have.
const BIN: &str = "/opt/clonedrill/spilo/bin";

/// A part of the launcher, as a program of its own.
type Entry = fn() -> ExitCode;

/// The scripts of Spilo's image that this program stands in for: where each is, and what runs.
const SCRIPTS: &[(&str, Entry)] = &[
    ("/launch.sh", launch::main),
    ("/opt/clonedrill/spilo/bin/envdir", env_dir::main),
    ("/scripts/basebackup.sh", replica::basebackup),
    ("/scripts/clone_with_basebackup.py", clone_with_basebackup::main),
    ("/scripts/clone_with_wale.py", clone_with_wale::main),
    ("/scripts/on_role_change.sh", roles::on_role_change),
    ("/scripts/post_init.sh", roles::post_init),
    ("/scripts/postgres_backup.sh", postgres_backup::main),
    ("/scripts/restore_command.sh", restore_command::main),
    ("/scripts/wale_restore.sh", replica::wale_restore),
];

/// The part of the launcher that a program's file name asks for.
pub fn multicall(program: &str) -> Option<Entry> {
    let wanted = Some(std::ffi::OsStr::new(program));
    SCRIPTS.iter().find(|(path, _)| Path::new(path).file_name() == wanted).map(|(_, entry)| *entry)
}

/// The image of this reference: Spilo's layout, made of links to this program and to the real programs. Its tag says whose
/// behaviour it has.
pub fn image(tools: &Tools, reference: &str) -> Image {
    let link = |path: &str, target: &Path| ImageFile {
        path: PathBuf::from(path),
        content: ImageContent::Symlink(target.to_owned()),
    };
    let mut files: Vec<ImageFile> =
        SCRIPTS.iter().map(|(path, _)| link(path, Path::new(OWN_PROGRAM))).collect();
    files.push(link(&format!("{BIN}/wal-g"), &tools.wal_g.program));
    files.extend(
        ["patroni", "patronictl"]
            .map(|name| link(&format!("{BIN}/{name}"), &tools.patroni.python.with_file_name(name))),
    );
    if let Some(newest) = tools.postgres.last() {
        files.extend(
            program_names(&newest.bin).map(|name| link(&format!("{BIN}/{name}"), &newest.bin.join(&name))),
        );
    }
    files.push(link("/home/postgres/postgres.yml", Path::new("/run/postgres.yml")));
    // Where patronictl looks, whoever runs it.
    files.push(link(
        "/home/postgres/.config/patroni/patronictl.yaml",
        Path::new("/home/postgres/postgres.yml"),
    ));
    files.push(text(recovery::SCRIPT_PATH, recovery::SCRIPT.to_owned()));
    files.push(text(recovery::UPGRADE_PATH, recovery::UPGRADE.to_owned()));
    files.push(text(programs::FILE, serde_json::json!(Programs::of(tools, reference)).to_string()));

    let env = [
        ("PATH", format!("{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").as_str()),
        ("LC_ALL", "en_US.utf-8"),
        ("PGHOME", "/home/postgres"),
        ("RW_DIR", "/run"),
        ("WALE_ENV_DIR", "/run/etc/wal-e.d/env"),
        ("PGROOT", "/home/postgres/pgdata/pgroot"),
        ("PGDATA", "/home/postgres/pgdata/pgroot/data"),
        ("PGLOG", "/home/postgres/pgdata/pgroot/pg_log"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    Image {
        root: Root::Machine,
        entrypoint: vec!["/launch.sh".to_owned()],
        cmd: vec!["init".to_owned()],
        env,
        working_dir: "/home/postgres".into(),
        uid: 101,
        gid: 103,
        user: "postgres".to_owned(),
        home: "/home/postgres".into(),
        visible: tools.visible.clone(),
        folders: [
            "/run",
            "/run/postgresql",
            "/var/run/postgresql",
            "/home/postgres",
            "/home/postgres/pgdata",
            "/scripts",
        ]
        .map(PathBuf::from)
        .into(),
        files,
    }
}

fn text(path: &str, text: String) -> ImageFile {
    ImageFile { path: path.into(), content: ImageContent::Text { text, mode: 0o644 } }
}

/// PostgreSQL's programs, for links on the `PATH`: Debian's own `psql` is a wrapper in Perl.
fn program_names(bin: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(bin).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names.into_iter()
}

#[cfg(test)]
mod tests;
