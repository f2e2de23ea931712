//! The image that a drill's pods of Postgres ran, in a line.

use serde::{Deserialize, Serialize};

/// What ran in pods of Spilo's image, as the pods themselves say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodImage {
    /// As the manifest names it.
    pub reference: String,
    /// `sha256:…`, where the node says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// It was clonedrill's stand-in, and not Spilo's own scripts.
    pub stand_in: bool,
    /// Spilo's release, by the image's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spilo: Option<String>,
    /// Its version; none where the pod does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patroni: Option<String>,
    /// Its version; none where the pod does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_g: Option<String>,
    /// The version of WAL-G in the released image, where the one that ran is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_wal_g: Option<String>,
    /// Its version; none where the pod does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<String>,
}

impl PodImage {
    /// `ghcr.io/zalando/spilo-17:4.0-p3 (the stand-in) · Patroni 4.1.5 · WAL-G 1.1.3, older than the image's 3.0.5 · …`
    pub fn to_text(&self) -> String {
        let mut image = self.reference.clone();
        if let Some(digest) = &self.digest {
            image.push_str(&format!(" {}", digest.get(..19).unwrap_or(digest)));
        }
        image.push_str(match (self.stand_in, &self.spilo) {
            (true, _) => " (the stand-in)",
            (false, Some(_)) => " (Spilo's own)",
            (false, None) => " (of no known release)",
        });
        let named = |name: &str, version: &Option<String>| Some(format!("{name} {}", version.as_deref()?));
        let wal_g = named("WAL-G", &self.wal_g).map(|wal_g| match &self.newer_wal_g {
            Some(newer) => format!("{wal_g}, older than the image's {newer}"),
            None => wal_g,
        });
        let programs = [named("Patroni", &self.patroni), wal_g, named("PostgreSQL", &self.postgres)];
        [Some(image)].into_iter().chain(programs).flatten().collect::<Vec<_>>().join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_image_it_was_and_which_programs_were_in_it() {
        let text = |version: &str| Some(version.to_owned());
        let stand_in = PodImage {
            reference: "ghcr.io/zalando/spilo-17:4.0-p3".to_owned(),
            stand_in: true,
            spilo: text("4.0-p3"),
            patroni: text("4.1.5"),
            wal_g: text("v1.1.3"),
            newer_wal_g: text("3.0.5"),
            postgres: text("15.20"),
            digest: None,
        };
        assert_eq!(
            stand_in.to_text(),
            "ghcr.io/zalando/spilo-17:4.0-p3 (the stand-in) · Patroni 4.1.5 · WAL-G v1.1.3, older than the \
             image's 3.0.5 · PostgreSQL 15.20"
        );
        let digest = Some(format!("sha256:{}", "0f".repeat(32)));
        let real = PodImage { stand_in: false, digest, newer_wal_g: None, wal_g: text("v3.0.5"), ..stand_in };
        assert_eq!(
            real.to_text(),
            "ghcr.io/zalando/spilo-17:4.0-p3 sha256:0f0f0f0f0f0f (Spilo's own) · Patroni 4.1.5 · WAL-G v3.0.5 · \
             PostgreSQL 15.20"
        );
    }
}
