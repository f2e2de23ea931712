//! The container's own `/etc`: small, made from the pod and image, with nothing of the host's accounts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{ContainerSpec, During, SetupError, mounts};
use crate::environment::local::images::Image;

/// Taken from the host where it has them: the loader's and the C library's tables, and OpenSSL's settings.
pub(in crate::environment) const FROM_HOST: [&str; 11] = [
    "alternatives",
    "gai.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "locale.alias",
    "mime.types",
    "protocols",
    "services",
    "timezone",
];

/// Nothing but files and DNS is asked for names.
pub(in crate::environment) const NSSWITCH: &str =
    "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// The number that distributions give to the user who owns nothing.
const NOBODY: u32 = 65534;

pub(super) fn write(spec: &ContainerSpec, host: &Path) -> Result<(), SetupError> {
    fs::create_dir_all("/etc/ssl/certs").during(|| "make /etc".to_owned())?;
    let text = |name: &str, text: &str| {
        fs::write(Path::new("/etc").join(name), text).during(|| format!("write /etc/{name}"))
    };
    text("passwd", &passwd(&spec.image, spec.identity.uid, spec.identity.gid))?;
    text("group", &group(&spec.image, spec.identity.gid))?;
    text("hosts", &spec.hosts)?;
    text("hostname", &format!("{}\n", spec.hostname))?;
    text("resolv.conf", &spec.resolv_conf)?;
    text("nsswitch.conf", NSSWITCH)?;
    for name in FROM_HOST {
        take(&host.join("etc").join(name), &Path::new("/etc").join(name))?;
    }
    take(&host.join("etc/ssl/openssl.cnf"), Path::new("/etc/ssl/openssl.cnf"))?;
    symlink("/usr/lib/os-release", "/etc/os-release").during(|| "link /etc/os-release".to_owned())
}

fn take(from: &Path, to: &Path) -> Result<(), SetupError> {
    let Ok(kind) = from.symlink_metadata() else { return Ok(()) };
    let what = || format!("bring {}", to.display());
    if kind.is_symlink() {
        return fs::read_link(from).and_then(|leads_to| symlink(leads_to, to)).during(what);
    }
    if kind.is_dir() {
        fs::create_dir(to).during(what)?;
        return mounts::bind(from, to, true);
    }
    fs::copy(from, to).map(drop).during(what)
}

/// The image's own user keeps its id; a pod that runs as another one gets a line of its own after it.
pub(in crate::environment) fn passwd(image: &Image, uid: u32, gid: u32) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, uid: u32, gid: u32, home: &Path| {
        lines.push(format!("{name}:x:{uid}:{gid}::{}:/bin/sh\n", home.display()));
    };
    line("root", 0, if uid == 0 { gid } else { 0 }, Path::new("/root"));
    let has_user = image.uid != 0 && !image.user.is_empty();
    if has_user {
        line(&image.user, image.uid, image.gid, &image.home);
    }
    if uid != 0 && !(has_user && uid == image.uid) {
        line("user", uid, gid, Path::new("/"));
    }
    if image.uid != NOBODY && uid != NOBODY {
        lines.push(format!("nobody:x:{NOBODY}:{NOBODY}:nobody:/nonexistent:/usr/sbin/nologin\n"));
    }
    lines.concat()
}

pub(in crate::environment) fn group(image: &Image, gid: u32) -> String {
    let name = match image.user.as_str() {
        _ if gid == 0 => "root",
        "" => "user",
        user => user,
    };
    let root = if gid == 0 { "" } else { "root:x:0:\n" };
    let nogroup = if gid == NOBODY { String::new() } else { format!("nogroup:x:{NOBODY}:\n") };
    format!("{root}{name}:x:{gid}:\n{nogroup}")
}
