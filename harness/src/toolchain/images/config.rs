//! What an image says of itself: its configuration, and the names of its users.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The architecture of this machine, as images call it.
pub(super) const ARCHITECTURE: &str = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => "amd64",
    b"aarch64" => "arm64",
    _ => std::env::consts::ARCH,
};

/// An image's configuration (image-spec, `config.md`), as much of it as is used; Docker writes null for what is not there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub config: Option<Run>,
    #[serde(default)]
    pub rootfs: Rootfs,
}

/// How its containers are started.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Run {
    pub user: Option<String>,
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub working_dir: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rootfs {
    pub diff_ids: Vec<String>,
}

/// A manifest or an index of several (image-spec, `manifest.md` and `image-index.md`).
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    pub manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub config: Option<Descriptor>,
    #[serde(default)]
    pub layers: Option<Vec<Descriptor>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub digest: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub platform: Option<Platform>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Platform {
    pub architecture: String,
    pub os: String,
}

impl Platform {
    pub(super) fn is_ours(&self) -> bool {
        self.os == "linux" && self.architecture == ARCHITECTURE
    }
}

/// One who may log in, of `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct User<'t> {
    pub name: &'t str,
    pub uid: u32,
    pub gid: u32,
    pub home: &'t str,
}

fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
        Some(User { name, uid: uid.parse().ok()?, gid: gid.parse().ok()?, home })
    })
}

/// The user of this number.
pub(super) fn user(passwd: &str, uid: u32) -> Option<User<'_>> {
    users(passwd).find(|user| user.uid == uid)
}

/// User and group of an image's `USER`: numbers or names, the group after a colon.
///
/// # Errors
/// The name that the image does not know.
pub(super) fn ids(given: &str, passwd: &str, group: &str) -> Result<(u32, u32), String> {
    let (own, of_group) = match given.split_once(':') {
        Some((own, group)) => (own, Some(group)),
        None => (given, None),
    };
    let (uid, its) = match own.parse() {
        _ if own.is_empty() => (0, Some(0)),
        Ok(uid) => (uid, user(passwd, uid).map(|user| user.gid)),
        Err(_) => match users(passwd).find(|user| user.name == own) {
            Some(user) => (user.uid, Some(user.gid)),
            None => return Err(format!("there is no user {own} in its /etc/passwd")),
        },
    };
    let gid = match of_group.filter(|group| !group.is_empty()) {
        None => its.unwrap_or(0),
        Some(name) => match name.parse() {
            Ok(gid) => gid,
            Err(_) => gid_of(group, name).ok_or(format!("there is no group {name} in its /etc/group"))?,
        },
    };
    Ok((uid, gid))
}

fn gid_of(group: &str, name: &str) -> Option<u32> {
    group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:103::/home/postgres:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nssl-cert:x:102:postgres\npostgres:x:103:\n";

    #[test]
    fn a_user_is_a_number_or_a_name_and_so_is_the_group() {
        let of = |given| ids(given, PASSWD, GROUP);
        assert_eq!(of(""), Ok((0, 0)));
        assert_eq!(of("postgres"), Ok((101, 103)));
        assert_eq!(of("101"), Ok((101, 103)));
        assert_eq!(of("7"), Ok((7, 0)));
        assert_eq!(of("postgres:ssl-cert"), Ok((101, 102)));
        assert_eq!(of("1:2"), Ok((1, 2)));
        assert_eq!(of("nobody"), Err("there is no user nobody in its /etc/passwd".to_owned()));
        assert_eq!(of("1:x"), Err("there is no group x in its /etc/group".to_owned()));
    }

    #[test]
    fn docker_writes_null_for_what_is_not_there() {
        let config: Config = serde_json::from_str(
            r#"{"architecture":"amd64","os":"linux","config":{"User":"","Env":null,"Cmd":["a"],"Volumes":null,"Labels":null},
                "rootfs":{"type":"layers","diff_ids":["sha256:00"]},"history":null}"#,
        )
        .unwrap();
        let run = config.config.unwrap();
        assert_eq!((run.env, run.cmd), (None, Some(vec!["a".to_owned()])));
        assert_eq!(config.rootfs.diff_ids, ["sha256:00"]);
    }
}
