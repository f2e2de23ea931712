//! A root file system of a few of this machine's programs, as an image that a person gave.

use std::fs;
use std::process::Command;

pub(crate) const PASSWD: &str = "root:x:0:0::/root:/bin/sh\npostgres:x:101:103::/home/postgres:/bin/sh\n";

/// A root file system with these programs of the machine, and nothing else of it.
pub(crate) fn root_with(programs: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let take = |path: &str| {
        let place = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, place).unwrap();
    };
    for program in programs {
        let program = format!("/bin/{program}");
        take(&program);
        let said = String::from_utf8(Command::new("ldd").arg(&program).output().unwrap().stdout).unwrap();
        said.split_whitespace().filter(|word| word.starts_with('/')).for_each(take);
    }
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), PASSWD).unwrap();
    root
}
