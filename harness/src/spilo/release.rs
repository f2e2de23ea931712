//! What Spilo's releases do differently, and which programs are in their images. Facts are those of Spilo's own repository.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A release of Spilo, such as 4.0-p3: the tag of its image. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    major: u16,
    minor: u16,
    patch: u16,
}

/// Programs of a released image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Programs {
    /// The one whose image holds them.
    pub release: Release,
    /// The operator that names this image in its release.
    pub operator: &'static str,
    /// Its version.
    pub wal_g: &'static str,
    /// Its version.
    pub patroni: &'static str,
    /// Of PostgreSQL, the oldest and the newest.
    pub majors: (u16, u16),
}

/// The images of the operators that this program knows, oldest first.
pub const IMAGES: [Programs; 3] = [
    Programs {
        release: Release::new(3, 0, 1),
        operator: "v1.10.1",
        wal_g: "2.0.1",
        patroni: "3.0.1",
        majors: (10, 15),
    },
    Programs {
        release: Release::new(4, 0, 2),
        operator: "v1.14.0",
        wal_g: "3.0.3",
        patroni: "4.0.4",
        majors: (13, 17),
    },
    Programs {
        release: Release::new(4, 0, 3),
        operator: "v1.15.1",
        wal_g: "3.0.5",
        patroni: "4.0.4",
        majors: (13, 17),
    },
];

/// No release is called so.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("read the release of Spilo `{0}`: it should be such as `4.0-p3`")]
pub struct BadRelease(String);

impl Release {
    const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Release { major, minor, patch }
    }

    /// The newest one whose behaviour is known.
    pub const NEWEST: Release = Release::new(4, 0, 3);

    /// By an image's reference: `…/spilo-17:4.0-p3`. None where its tag is no release's.
    pub fn of_image(reference: &str) -> Option<Self> {
        let name = reference.split('@').next().unwrap_or(reference);
        let last = name.rsplit('/').next().unwrap_or(name);
        last.split_once(':')?.1.parse().ok()
    }

    /// The programs of its image, where it is one of the known ones.
    pub fn programs(self) -> Option<&'static Programs> {
        IMAGES.iter().find(|image| image.release == self)
    }

    /// Old base backups are deleted before the new one is pushed, and the script ends with the push's exit code. Since 4.0-p3
    /// they are deleted afterwards, whether or not the push succeeded, and its exit code is lost.
    pub fn deletes_before_push(self) -> bool {
        self < Release::new(4, 0, 3)
    }

    /// The pods' label of the leader has the value `master` whatever `KUBERNETES_LEADER_LABEL_VALUE` says: Patroni 3.0 knows
    /// no other one.
    pub fn leader_is_always_master(self) -> bool {
        self.major < 4
    }

    /// It ends with an exception where `LOG_S3_TAGS` is no JSON. Since 4.0-p3 it warns.
    pub fn minds_log_tags(self) -> bool {
        self < Release::new(4, 0, 3)
    }

    /// Shipped logs have tags: the first release that has them for certain.
    pub fn reads_log_tags(self) -> bool {
        self >= Release::new(3, 3, 3)
    }
}

impl Default for Release {
    fn default() -> Self {
        Release::NEWEST
    }
}

impl FromStr for Release {
    type Err = BadRelease;

    fn from_str(text: &str) -> Result<Self, BadRelease> {
        let bad = || BadRelease(text.to_owned());
        let (version, patch) = text.split_once("-p").ok_or_else(bad)?;
        let (major, minor) = version.split_once('.').ok_or_else(bad)?;
        let number = |text: &str| text.parse().map_err(|_| bad());
        Ok(Release::new(number(major)?, number(minor)?, number(patch)?))
    }
}

impl TryFrom<String> for Release {
    type Error = BadRelease;

    fn try_from(text: String) -> Result<Self, BadRelease> {
        text.parse()
    }
}

impl From<Release> for String {
    fn from(release: Release) -> String {
        release.to_string()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-p{}", self.major, self.minor, self.patch)
    }
}

/// Whether a version of WAL-G is older than another: `v1.1.3-rc` than `3.0.5`. One that says no number is taken as old.
pub fn is_older(version: &str, than: &str) -> bool {
    numbers(version) < numbers(than)
}

fn numbers(version: &str) -> Vec<u32> {
    let parts = version.trim_start_matches('v').split(['.', '-']);
    parts.map_while(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_its_images_tag() {
        for reference in ["ghcr.io/zalando/spilo-17:4.0-p3", "mirror:5000/spilo:4.0-p3@sha256:00"] {
            assert_eq!(Release::of_image(reference), Some(Release::NEWEST), "{reference}");
        }
        for reference in ["mirror:5000/spilo", "spilo-17:latest", "spilo-17@sha256:00"] {
            assert_eq!(Release::of_image(reference), None, "{reference}");
        }
        let of = |tag: &str| tag.parse::<Release>().unwrap();
        assert!(of("3.0-p1") < of("3.2-p3") && of("3.2-p3") < of("4.0-p2") && of("4.0-p2") < of("4.0-p3"));
        assert_eq!(of("3.0-p1").to_string(), "3.0-p1");
    }

    #[test]
    fn every_known_image_is_newer_than_the_one_before() {
        for pair in IMAGES.windows(2) {
            let [old, new] = pair else { unreachable!("windows of two") };
            assert!(old.release < new.release && is_older(old.wal_g, new.wal_g), "{old:?} {new:?}");
        }
        assert_eq!(Release::NEWEST, IMAGES[IMAGES.len() - 1].release);
        assert_eq!(Release::NEWEST.programs().unwrap().wal_g, "3.0.5");
    }

    #[test]
    fn a_version_is_older_by_its_numbers() {
        assert!(is_older("1.1.3-rc-with-build", "3.0.5") && is_older("v3.0.3", "3.0.5"));
        assert!(!is_older("v3.0.5", "3.0.5") && !is_older("3.0.10", "3.0.5"));
        assert!(is_older("devel", "2.0.1"));
    }
}
