//! The naming convention of backup prefixes: a pattern with `{names}` and `[optional parts]`.

use regex::Regex;
use serde::Deserialize;

/// In a folder that is the cluster's own, below any folders; who has a convention says it.
const DEFAULT: &str = "azure://{container}/{path}{cluster}[/{uid}][/wal][/{version}]";
const UID: &str = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

/// What a prefix is held to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Convention {
    text: String,
    parts: Vec<Part>,
    is_given: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(Name),
    Optional(Vec<Part>),
}

/// What stands in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Container,
    Account,
    Path,
    Namespace,
    Team,
    Cluster,
    Uid,
    Version,
}

const NAMES: [(&str, Name); 8] = [
    ("container", Name::Container),
    ("account", Name::Account),
    ("path", Name::Path),
    ("namespace", Name::Namespace),
    ("team", Name::Team),
    ("cluster", Name::Cluster),
    ("uid", Name::Uid),
    ("version", Name::Version),
];

/// What the names stand for in one cluster. A value that is not known may be any.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrefixNames<'n> {
    /// None where the cluster names none.
    pub account: Option<&'n str>,
    /// That of the cluster's manifest.
    pub namespace: &'n str,
    /// The manifest's `teamId`.
    pub team: Option<&'n str>,
    /// The `metadata.name` of its manifest.
    pub cluster: &'n str,
    /// The major version of PostgreSQL.
    pub version: Option<u16>,
}

impl Convention {
    /// As it stands in `clonedrill.yaml`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a person agreed on it; the default is nobody's.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    pub fn holds(&self, prefix: &str, names: &PrefixNames<'_>) -> bool {
        let pattern = format!("^{}$", pattern(&self.parts, names));
        // PrefixNames are escaped, so that the pattern is one whatever they are.
        Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(prefix))
    }

    /// What the prefix of this cluster could be: without the optional parts, but with the version where the pattern has it.
    pub fn example(&self, names: &PrefixNames<'_>, container: &str) -> String {
        example(&self.parts, names, container)
    }
}

impl Default for Convention {
    fn default() -> Self {
        let default = Convention::try_from(DEFAULT.to_owned()).expect("a constant, and tested");
        Convention { is_given: false, ..default }
    }
}

impl TryFrom<String> for Convention {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut rest = text.as_str();
        let parts = parse(&mut rest, false)?;
        Ok(Convention { parts, text, is_given: true })
    }
}

fn parse(rest: &mut &str, inside: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    loop {
        let end = rest.find(['{', '[', ']']).unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        *rest = after;
        if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
            let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, name)| *name);
            parts.push(Part::Name(known.ok_or_else(|| {
                let names = NAMES.map(|(name, _)| name);
                format!("`{{{name}}}` is not known in a prefix; {}", crate::yaml::help(name, &names))
            })?));
            *rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            *rest = after;
            parts.push(Part::Optional(parse(rest, true)?));
        } else if let Some(after) = rest.strip_prefix(']') {
            if !inside {
                return Err("a `]` has no `[` before it".to_owned());
            }
            *rest = after;
            return Ok(parts);
        } else if inside {
            return Err("a `[` is not closed".to_owned());
        } else {
            return Ok(parts);
        }
    }
}

fn pattern(parts: &[Part], names: &PrefixNames<'_>) -> String {
    let segment = || "[^/]+".to_owned();
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => regex::escape(text),
            Part::Optional(parts) => format!("(?:{})?", pattern(parts, names)),
            // As Azure wants it: 3 to 63 lowercase letters, digits and single hyphens
            Part::Name(Name::Container) => "[a-z0-9](?:-?[a-z0-9]){2,62}".to_owned(),
            Part::Name(Name::Account) => names.account.map_or_else(segment, regex::escape),
            Part::Name(Name::Path) => "(?:[^/]+/)*".to_owned(),
            Part::Name(Name::Namespace) => regex::escape(names.namespace),
            Part::Name(Name::Team) => names.team.map_or_else(segment, regex::escape),
            Part::Name(Name::Cluster) => regex::escape(names.cluster),
            Part::Name(Name::Uid) => UID.to_owned(),
            Part::Name(Name::Version) => names.version.map_or_else(segment, |version| version.to_string()),
        })
        .collect()
}

fn example(parts: &[Part], names: &PrefixNames<'_>, container: &str) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Optional(parts) if parts.contains(&Part::Name(Name::Version)) => {
                example(parts, names, container)
            }
            Part::Optional(_) | Part::Name(Name::Path) => String::new(),
            Part::Name(Name::Container) => container.to_owned(),
            Part::Name(Name::Account) => names.account.unwrap_or("<account>").to_owned(),
            Part::Name(Name::Namespace) => names.namespace.to_owned(),
            Part::Name(Name::Team) => names.team.unwrap_or("<team>").to_owned(),
            // What the container expands itself holds for every cluster.
            Part::Name(Name::Cluster) => "$(SCOPE)".to_owned(),
            Part::Name(Name::Uid) => "<uid>".to_owned(),
            Part::Name(Name::Version) => "$(PGVERSION)".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES_OF_ORDERS: PrefixNames<'_> = PrefixNames {
        account: Some("prodbackups"),
        namespace: "shop",
        team: Some("acid"),
        cluster: "acid-orders",
        version: Some(16),
    };

    fn holds(convention: &str, prefix: &str) -> bool {
        Convention::try_from(convention.to_owned()).unwrap().holds(prefix, &NAMES_OF_ORDERS)
    }

    #[test]
    fn the_default_takes_what_is_usual() {
        for prefix in [
            "azure://backups/acid-orders",
            "azure://backups/acid-orders/16",
            "azure://backups/spilo/acid-orders/d4b7c1a2-0000-4000-8000-1234567890ab/wal/16",
            "azure://backups/spilo/acid-orders/wal",
            "azure://backups/shop/acid-orders",
            "azure://backups/walg-folder/team/acid-orders/16",
        ] {
            assert!(holds(DEFAULT, prefix), "{prefix}");
        }
        for prefix in [
            "azure://backups/acid-orders/15",
            "azure://backups/acid-other",
            "azure://backups//acid-orders",
            "azure://Backups/acid-orders",
            "azure://b/acid-orders",
            "s3://backups/acid-orders",
        ] {
            assert!(!holds(DEFAULT, prefix), "{prefix}");
        }
    }

    #[test]
    fn a_convention_of_ones_own_knows_the_clusters_names() {
        let ours = "azure://{account}/{namespace}/{team}/{cluster}[/{version}]";
        assert!(holds(ours, "azure://prodbackups/shop/acid/acid-orders/16"));
        assert!(!holds(ours, "azure://otherbackups/shop/acid/acid-orders/16"));
        let convention = Convention::try_from(ours.to_owned()).unwrap();
        let example = convention.example(&NAMES_OF_ORDERS, "backups");
        assert_eq!(example, "azure://prodbackups/shop/acid/$(SCOPE)/$(PGVERSION)");
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (text, why) in [
            ("azure://{contaner}/x", "did you mean `container`?"),
            ("azure://{container", "a `{` is not closed"),
            ("azure://x[/y", "a `[` is not closed"),
            ("azure://x]", "a `]` has no `[` before it"),
        ] {
            let error = Convention::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
