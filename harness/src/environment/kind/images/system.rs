//! What of this machine's own an image has: the programs of a shell, the C library's tables, locales, time zones.

use std::path::Path;

use super::ImagesError;
use super::closure::Closure;
use super::tree::ROOT;
use crate::environment::local::container::{FROM_HOST, SYSTEM};

/// Where a distribution has its programs.
pub(super) const BIN: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Of the coreutils and the few others that scripts are made of. One that the machine lacks is left out.
const PROGRAMS: &str = "
    [ arch awk b2sum base32 base64 basename bash cat chgrp chmod chown cksum cmp comm cp csplit cut date dd df diff dir
    dircolors dirname du echo egrep env expand expr factor false fgrep find fmt fold free gawk getconf getent grep groups
    gunzip gzip head hostid hostname iconv id install join kill ldd less link ln locale logname ls mawk md5sum mkdir mkfifo
    mknod mktemp more mv nice nl nohup nproc numfmt od openssl paste pathchk pgrep pinky pkill pr printenv printf ps ptx
    pwd readlink realpath rm rmdir run-parts runcon sed seq sh sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf
    sleep sort split stat stdbuf stty su sum sync tac tail tar tee test timeout top touch tput tr true truncate tsort tty
    uname unexpand uniq unlink uptime users vdir vmstat watch wc which who whoami xargs yes zcat";

/// What the C library loads by name: for looking up names, and for threads that are ended.
const MODULES: [&str; 4] = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1"];

/// What programs open by name: PostgreSQL of Debian has no time zones of its own, OpenSSL looks for its settings, and
/// without a terminal's description psql cannot edit lines.
const DATA: [&str; 7] = [
    "/usr/lib/locale",
    "/usr/lib/os-release",
    "/usr/lib/ssl",
    "/usr/lib/terminfo",
    "/usr/share/zoneinfo",
    "/lib/terminfo",
    "/etc/ssl/openssl.cnf",
];

/// What every image has: the links of a root whose programs lie below `/usr`, and the C library's tables.
pub(super) fn base(closure: &mut Closure) -> Result<(), ImagesError> {
    for name in SYSTEM {
        let path = Path::new("/").join(name);
        let Ok(leads_to) = path.read_link() else { continue };
        closure.tree.folder(&Path::new("/").join(&leads_to), 0o755, ROOT);
        closure.tree.link(&path, &leads_to, ROOT);
    }
    closure.tree.link(Path::new("/etc/os-release"), Path::new("/usr/lib/os-release"), ROOT);
    closure.take(Path::new("/usr/lib/os-release"))?;
    // Of the alternatives those come that a program is found by.
    for name in FROM_HOST.into_iter().filter(|name| *name != "alternatives") {
        closure.take(&Path::new("/etc").join(name))?;
    }
    Ok(())
}

/// The C library's modules, beside the C library of the programs that are there.
pub(super) fn modules(closure: &mut Closure) -> Result<(), ImagesError> {
    let library = closure.tree.entries().map(|(path, _)| path).find(|path| path.ends_with("libc.so.6"));
    let Some(folder) = library.and_then(Path::parent).map(Path::to_owned) else { return Ok(()) };
    MODULES.iter().try_for_each(|name| closure.take(&folder.join(name)))
}

/// A shell with its programs, and the data that programs open by name.
pub(super) fn shell(closure: &mut Closure) -> Result<(), ImagesError> {
    for name in PROGRAMS.split_whitespace() {
        for folder in BIN {
            closure.take(&Path::new(folder).join(name))?;
        }
    }
    DATA.iter().try_for_each(|path| closure.take(Path::new(path)))
}
