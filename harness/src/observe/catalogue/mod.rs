//! Messages that are known: each with a name, what it means and what to do. To add one, add it to a table.

mod backup;
mod bootstrap;
mod cluster;
mod operator;
mod storage;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// One known message.
#[derive(Debug)]
pub struct Entry {
    /// What scenarios and reports call it.
    pub name: &'static str,
    /// How bad it is. What its writer calls worse is not this message: nothing is ever held to be better than its writer says.
    pub level: Level,
    /// Who writes it.
    pub source: Source,
    /// What it says about a drill that it was seen.
    pub standing: Standing,
    /// A regular expression, looked for in what the writer says (not in its frame), and in the exception that caused it.
    pub pattern: &'static str,
    /// What has happened when it is written, in plain words.
    pub means: &'static str,
    /// What a person does about it; empty where there is nothing to do.
    pub do_: &'static str,
}

/// How bad a message is; the worst is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed. A drill passes with one only if it is expected, or harmless by its [`Standing`].
    Error,
    /// Something may go wrong later, or did and is tried again.
    Warning,
    /// What goes on.
    Info,
}

impl Level {
    /// As reports and `clonedrill catalogue` write it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
        }
    }
}

/// The program that wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The postgres-operator.
    Operator,
    /// Spilo's own scripts, such as `configure_spilo.py` or `postgres_backup.sh`.
    Spilo,
    /// Patroni, which runs Postgres.
    Patroni,
    /// The server, by its log.
    Postgres,
    /// WAL-G, by what it prints where Spilo's scripts, Patroni or Postgres call it.
    WalG,
    /// By the warnings in its answers, which the operator logs.
    ApiServer,
    /// In a container's status, not in a log.
    Kubelet,
    /// Nothing in the line tells.
    Unknown,
}

impl Source {
    /// As reports and `clonedrill catalogue` write it.
    pub fn name(self) -> &'static str {
        match self {
            Source::Operator => "operator",
            Source::Spilo => "spilo",
            Source::Patroni => "patroni",
            Source::Postgres => "postgres",
            Source::WalG => "wal-g",
            Source::ApiServer => "api-server",
            Source::Kubelet => "kubelet",
            Source::Unknown => "unknown",
        }
    }
}

/// What it says about a drill that a message was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An error must be expected by name in the scenario. A warning of this kind is never held against a drill.
    Expected,
    /// Part of a healthy run; `means` says why.
    Harmless,
    /// Harmless, and seen or not as the timing or the server's version has it: it stays out of snapshots.
    TimingDependent,
    /// Harmless, and said by some releases of its writer only: it stays out of snapshots.
    ReleaseDependent,
    /// Timing-dependent, provided that the writer gets on: a later message of the same container has this pattern. The last
    /// word of a container is no passing trouble.
    Passing(&'static str),
    /// An informational line that says what the cluster did: it stands in snapshots.
    Notable,
}

impl Standing {
    /// Whether a message of this standing is let pass without being expected.
    pub fn excuses(self) -> bool {
        matches!(
            self,
            Standing::Harmless
                | Standing::TimingDependent
                | Standing::ReleaseDependent
                | Standing::Passing(_)
        )
    }

    /// Whether two runs may differ in it.
    pub fn varies(self) -> bool {
        matches!(self, Standing::TimingDependent | Standing::ReleaseDependent | Standing::Passing(_))
    }
}

impl Entry {
    /// Whether it may be a message of this writer. Spilo's scripts and Patroni share their frames. Of a line without a
    /// frame nobody knows the writer: it may accuse, and excuses nothing.
    fn may_be_of(&self, writer: Source) -> bool {
        let python = |source| matches!(source, Source::Spilo | Source::Patroni);
        match writer {
            Source::Unknown => !self.standing.excuses(),
            writer => writer == self.source || python(writer) && python(self.source),
        }
    }
}

struct Catalogue {
    entries: Vec<&'static Entry>,
    names: Vec<&'static str>,
    patterns: RegexSet,
    /// What ends a passing trouble, by the trouble's name.
    endings: BTreeMap<&'static str, Regex>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    // The first that fits counts.
    let tables = [operator::ENTRIES, storage::ENTRIES, backup::ENTRIES, bootstrap::ENTRIES, cluster::ENTRIES];
    let entries: Vec<&'static Entry> = tables.into_iter().flatten().collect();
    let ending = |entry: &&'static Entry| match entry.standing {
        Standing::Passing(ending) => {
            Some((entry.name, Regex::new(ending).expect("the tables are constant, and tested")))
        }
        _ => None,
    };
    Catalogue {
        names: entries.iter().map(|entry| entry.name).collect(),
        patterns: RegexSet::new(entries.iter().map(|entry| entry.pattern))
            .expect("the tables are constant, and tested"),
        endings: entries.iter().filter_map(ending).collect(),
        entries,
    }
});

/// The names of all known messages, in the order of the tables.
pub fn names() -> &'static [&'static str] {
    &CATALOGUE.names
}

/// All known messages.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.entries.iter().copied()
}

/// The message with this name.
pub fn by_name(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}

/// The known message that a writer's words are, where the writer calls them so bad; the first of the tables.
pub fn find(writer: Source, level: Level, words: &str) -> Option<&'static Entry> {
    let found = CATALOGUE.patterns.matches(words);
    let mut entries = found.iter().filter_map(|index| CATALOGUE.entries.get(index).copied());
    // The worst level is the least.
    entries.find(|entry| level >= entry.level && entry.may_be_of(writer))
}

/// Whether these words end the passing trouble of this name.
pub fn ends(name: &str, words: &str) -> bool {
    CATALOGUE.endings.get(name).is_some_and(|ending| ending.is_match(words))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_slugs_and_unique() {
        let slug = Regex::new("^[a-z0-9]+(-[a-z0-9]+)*$").unwrap();
        let unique: BTreeSet<_> = names().iter().collect();
        assert_eq!(unique.len(), names().len());
        assert!(names().iter().all(|name| slug.is_match(name)));
    }

    #[test]
    fn every_expected_error_says_what_to_do() {
        for entry in entries() {
            assert!(!entry.means.is_empty(), "{} has no meaning", entry.name);
            if entry.level == Level::Error && entry.standing == Standing::Expected {
                assert!(!entry.do_.is_empty(), "{} has no remedy", entry.name);
            }
        }
    }

    #[test]
    fn every_pattern_and_ending_is_a_regular_expression() {
        assert_eq!(entries().count(), names().len());
        assert!(!CATALOGUE.endings.is_empty());
    }

    #[test]
    fn what_kubernetes_says_of_an_object_is_recognised_though_it_stands_in_no_log() {
        for (words, name) in [
            (r#"secret "backup-keys" not found"#, "secret-missing"),
            (r#"couldn't find key prod in secret "backup-keys""#, "secret-key-missing"),
            ("couldn't find key prod in Secret default/backup-keys", "secret-key-missing"),
            (r#"configmap "settings" not found"#, "configmap-missing"),
            (r#"couldn't find key account in configmap "settings""#, "configmap-key-missing"),
            (
                r#"postgresql.acid.zalan.do "acid-orders-clone" is invalid: spec.clone.timestamp: Invalid value: "2026-11-23T10:00:00": spec.clone.timestamp in body should match '^([0-9]+)-…$'"#,
                "clone-timestamp-refused",
            ),
            (
                r#"postgresql.acid.zalan.do "acid-orders-clone" is invalid: spec.clone.uid: Invalid value: "acid-orders": spec.clone.uid in body must be of type uuid: "acid-orders""#,
                "clone-uid-refused",
            ),
        ] {
            let found = find(Source::Unknown, Level::Info, words);
            assert_eq!(found.map(|entry| entry.name), Some(name), "{words}");
        }
    }

    #[test]
    fn nothing_is_better_than_its_writer_says() {
        let words = "could not connect to Postgres database: x509: certificate has expired";
        assert!(find(Source::Operator, Level::Warning, words).is_some());
        assert!(find(Source::Operator, Level::Error, words).is_none());
    }

    #[test]
    fn what_one_program_may_say_excuses_no_other() {
        let refused = "dial tcp 20.60.1.1:443: connect: connection refused";
        assert!(find(Source::Patroni, Level::Error, refused).is_some());
        for other in [Source::WalG, Source::Operator, Source::Postgres, Source::Unknown] {
            assert!(find(other, Level::Error, refused).is_none(), "{other:?}");
        }
        let exists = r#"services "acid-orders" already exists"#;
        assert!(find(Source::Operator, Level::Warning, exists).is_some());
        assert!(find(Source::Postgres, Level::Warning, exists).is_none());
    }

    #[test]
    fn what_hangs_on_timing_stays_out_of_snapshots() {
        let gone = "/home/postgres/pgdata/pgroot/data/base/5/pg_internal.init  deleted during filepath walk";
        let asked = "errors while restarting Postgres in pods via Patroni API: could not restart Postgres in  pod a/b-1: ";
        let early = format!(
            "{asked}could not get member data: Get \"http://10.0.0.1:8008/patroni\": dial tcp 10.0.0.1:8008: connect: connection refused"
        );
        for (source, level, words) in
            [(Source::WalG, Level::Warning, gone), (Source::Operator, Level::Error, &early)]
        {
            assert!(find(source, level, words).is_some_and(|entry| entry.standing.varies()), "{words}");
        }
        assert!(find(Source::Operator, Level::Error, &format!("{asked}it is broken")).is_none());
    }

    #[test]
    fn a_message_nobody_knows_is_not_found() {
        assert!(find(Source::Operator, Level::Error, "could not grease the wheels").is_none());
    }
}
