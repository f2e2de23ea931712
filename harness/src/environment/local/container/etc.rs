//! The container's own `/etc`: small, made from the pod and image, with nothing of the host's accounts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{ContainerSpec, During, SetupError, mounts};

/// Taken from the host where it has them: the loader's and the C library's tables, and OpenSSL's settings.
const FROM_HOST: [&str; 11] = [
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

pub(super) fn write(spec: &ContainerSpec, host: &Path) -> Result<(), SetupError> {
    fs::create_dir_all("/etc/ssl/certs").during(|| "make /etc".to_owned())?;
    let text = |name: &str, text: &str| {
        fs::write(Path::new("/etc").join(name), text).during(|| format!("write /etc/{name}"))
    };
    text("passwd", &passwd(spec))?;
    text("group", &group(spec))?;
    text("hosts", &spec.hosts)?;
    text("hostname", &format!("{}\n", spec.hostname))?;
    text("resolv.conf", &spec.resolv_conf)?;
    text(
        "nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    )?;
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

fn passwd(spec: &ContainerSpec) -> String {
    let mut lines = Vec::new();
    if spec.uid != 0 {
        lines.push("root:x:0:0:root:/root:/bin/sh".to_owned());
    }
    let (user, home) = if spec.uid == spec.image.uid {
        (spec.image.user.as_str(), spec.image.home.as_path())
    } else {
        ("", Path::new("/"))
    };
    let user = match user {
        "" if spec.uid == 0 => "root",
        "" => "user",
        user => user,
    };
    lines.push(format!("{user}:x:{}:{}::{}:/bin/sh", spec.uid, spec.gid, home.display()));
    if spec.uid != 65534 {
        lines.push("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

fn group(spec: &ContainerSpec) -> String {
    let name = match spec.image.user.as_str() {
        _ if spec.gid == 0 => "root",
        "" => "user",
        user => user,
    };
    let root = if spec.gid == 0 { "" } else { "root:x:0:\n" };
    let nogroup = if spec.gid == 65534 { "" } else { "nogroup:x:65534:\n" };
    format!("{root}{name}:x:{}:\n{nogroup}", spec.gid)
}
