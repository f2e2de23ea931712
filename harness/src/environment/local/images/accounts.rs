//! Who a container's user is, as its image's `/etc/passwd` and `/etc/group` say.

use std::path::PathBuf;

/// The user's own group.
pub fn gid_of(passwd: &str, uid: u32) -> Option<u32> {
    line_of(passwd, uid).and_then(|fields| fields.get(3)?.parse().ok())
}

/// The user's home folder.
pub fn home_of(passwd: &str, uid: u32) -> Option<PathBuf> {
    line_of(passwd, uid).and_then(|fields| fields.get(5).map(PathBuf::from))
}

/// The groups that have the user among their members.
pub fn groups_of(passwd: &str, group: &str, uid: u32) -> Vec<u32> {
    let Some(name) = line_of(passwd, uid).and_then(|fields| fields.first().copied()) else {
        return Vec::new();
    };
    let lines = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let of =
        |fields: &Vec<&str>| fields.get(3).is_some_and(|members| members.split(',').any(|one| one == name));
    lines.filter(of).filter_map(|fields| fields.get(2)?.parse().ok()).collect()
}

fn line_of(passwd: &str, uid: u32) -> Option<Vec<&str>> {
    let lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.into_iter().find(|fields| fields.get(2).is_some_and(|own| own.parse() == Ok(uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:103::/home/postgres:/bin/sh\n";
        let group = "root:x:0:\nssl-cert:x:102:other,postgres\npostgres:x:103:\n";
        assert_eq!(gid_of(passwd, 101), Some(103));
        assert_eq!(home_of(passwd, 101), Some("/home/postgres".into()));
        assert_eq!(groups_of(passwd, group, 101), [102]);
        assert_eq!(groups_of(passwd, group, 7), [0; 0]);
        assert_eq!(gid_of("", 0), None);
    }
}
