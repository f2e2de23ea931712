//! The container's account: PostgreSQL's programs take their user's name from it, and as the name of the role too.

use std::path::Path;
use std::{fs, io};

use nix::unistd::{Gid, Uid, getegid, geteuid};

use super::log::Voice;

pub(super) const PASSWD: &str = "/etc/passwd";

/// Gives the image's user the id that the pod runs as, as Spilo's launcher does: `spiloRunAsUser` is mostly another.
///
/// # Errors
/// When the file cannot be read. One that cannot be written stays as it is, as in Spilo, and the log says so.
pub(super) fn name_current_user(passwd: &Path) -> io::Result<()> {
    let text = fs::read_to_string(passwd)?;
    let named = with_current_user(&text, geteuid(), getegid());
    if named != text
        && let Err(error) = fs::write(passwd, named)
    {
        Voice::Bootstrapping.warning(format_args!("failed to write {}: {error}", passwd.display()));
    }
    Ok(())
}

fn with_current_user(passwd: &str, uid: Uid, gid: Gid) -> String {
    let line = |line: &str| match line.splitn(5, ':').collect::<Vec<_>>()[..] {
        ["postgres", password, _, _, rest] => format!("postgres:{password}:{uid}:{gid}:{rest}\n"),
        _ => format!("{line}\n"),
    };
    passwd.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_gets_the_id_that_the_pod_runs_as() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:103::/home/postgres:/bin/sh\nother:x:7:7::/:/x\n";
        let named = with_current_user(passwd, Uid::from_raw(1234), Gid::from_raw(5));
        assert_eq!(named, passwd.replace("101:103", "1234:5"));
    }
}
