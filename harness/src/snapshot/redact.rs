//! The redactor: knows a drill's values by what they are, and replaces each by a placeholder of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use regex::{Captures, Regex, RegexBuilder};

use super::{hide, patterns};
use crate::secret::Secret;

/// Replaces what varies between two runs of a drill. Placeholders have a width of their own whatever they
/// replace, so that tables which are laid out after the redaction are the same in every run.
#[derive(Default)]
pub struct Redactor {
    /// By what stands in the text.
    known: BTreeMap<String, Known>,
    /// The major versions of PostgreSQL that ran, and where they stand: as a part of paths or alone.
    majors: BTreeSet<String>,
    major: Option<Regex>,
    matcher: OnceLock<Option<Regex>>,
}

#[derive(Clone)]
enum Known {
    /// Not secret: shown as it is to people, as this placeholder in a snapshot.
    Value(String),
    /// Secret: a fingerprint to people, this placeholder in a snapshot.
    Key { secret: Secret, placeholder: String },
    /// Secret, with a placeholder that is numbered in order of appearance.
    Password(Secret),
}

/// Only how much it knows: what it knows is what nobody may read.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("known", &self.known.len()).finish()
    }
}

impl Redactor {
    /// A redactor that knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The drill's own Kubernetes namespace.
    #[must_use]
    pub fn namespace(self, name: &str) -> Self {
        self.value(name, "<namespace>".to_owned())
    }

    /// The uid of a cluster's `postgresql` object.
    #[must_use]
    pub fn uid(self, cluster: &str, uid: &str) -> Self {
        self.value(uid, format!("<uid of {cluster}>"))
    }

    /// A mark's time, as the scenario fills it in, and its LSN.
    #[must_use]
    pub fn mark(self, name: &str, time: &str, lsn: &str) -> Self {
        self.value(time, format!("<time of {name}>")).value(lsn, format!("<lsn of {name}>"))
    }

    /// The system identifier of a cluster's database.
    #[must_use]
    pub fn system_identifier(self, cluster: &str, identifier: &str) -> Self {
        self.value(identifier, format!("<system identifier of {cluster}>"))
    }

    /// An address with a role, such as the gateway's.
    #[must_use]
    pub fn address(self, role: &str, address: &str) -> Self {
        self.value(address, format!("<address of {role}>"))
    }

    /// The version of a PostgreSQL that ran, such as `15.18` or `15.18 (Debian 15.18-0+deb12u1)`. Its
    /// major version is replaced where it is a part of a path or a cell of a table of its own.
    #[must_use]
    pub fn postgres_version(mut self, version: &str) -> Self {
        let number = version.split_whitespace().next().unwrap_or_default();
        let major = number.split('.').next().unwrap_or_default();
        if !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()) {
            self.majors.insert(major.to_owned());
            let majors = self.majors.iter().map(String::as_str).collect::<Vec<_>>().join("|");
            let in_path = format!("(?P<slash>/)(?:{majors})(?P<end>[/{CELL}{ROW}\\s\"',]|$)");
            let alone = format!("(?P<cell>{CELL})(?:{majors})(?P<next>[{CELL}{ROW}]|$)");
            self.major = Regex::new(&format!("{in_path}|{alone}")).ok();
        }
        self.value(version, "<postgres version>".to_owned()).value(number, "<postgres version>".to_owned())
    }

    /// A folder or program of this machine.
    #[must_use]
    pub fn path(self, role: &str, path: &str) -> Self {
        self.value(path.trim_end_matches('/'), format!("<{role}>"))
    }

    /// A key of a storage account.
    #[must_use]
    pub fn account_key(self, account: &str, key: &Secret) -> Self {
        let placeholder = format!("<key of {account}>");
        self.secret(key, &Known::Key { secret: key.clone(), placeholder })
    }

    /// A SAS token of a storage account, or its signature; `sas` says what it opens.
    #[must_use]
    pub fn sas_token(self, account: &str, sas: &impl fmt::Display, token: &Secret) -> Self {
        let placeholder = format!("<{sas} of {account}>");
        self.secret(token, &Known::Key { secret: token.clone(), placeholder })
    }

    /// A secret that the scenario itself wrote down: the same in every run, so its fingerprint may stand in a snapshot.
    #[must_use]
    pub fn literal(self, secret: &Secret) -> Self {
        let placeholder = secret.fingerprint();
        self.secret(secret, &Known::Key { secret: secret.clone(), placeholder })
    }

    /// A password that the operator made.
    #[must_use]
    pub fn password(self, password: &Secret) -> Self {
        self.secret(password, &Known::Password(password.clone()))
    }

    /// As it stands in a snapshot: known values and whatever varies by nature become placeholders.
    /// Equal passwords of one text get equal numbers.
    pub fn redact(&self, text: &str) -> String {
        self.without_major(&patterns::normalise(&self.without_known(text)))
    }

    /// As it stands in a snapshot of something that has no times, ids or addresses: known values become placeholders,
    /// and what only looks as if it varied, such as a digest, stays.
    pub fn redact_known(&self, text: &str) -> String {
        self.without_major(&self.without_known(text))
    }

    fn without_known(&self, text: &str) -> String {
        let numbers = RefCell::new(BTreeMap::<String, usize>::new());
        self.replace(text, |known| match known {
            Known::Value(placeholder) | Known::Key { placeholder, .. } => placeholder.clone(),
            Known::Password(secret) => {
                let mut numbers = numbers.borrow_mut();
                let next = numbers.len() + 1;
                format!("<password {}>", numbers.entry(secret.fingerprint()).or_insert(next))
            }
        })
    }

    fn without_major(&self, text: &str) -> String {
        match &self.major {
            Some(major) => {
                major.replace_all(text, "${slash}${cell}<postgres major>${end}${next}").into_owned()
            }
            None => text.to_owned(),
        }
    }

    /// As people may read it: secrets become fingerprints, all else stays.
    pub fn hide(&self, text: &str) -> String {
        self.replace(text, |known| match known {
            Known::Value(_) => None,
            Known::Key { secret, .. } | Known::Password(secret) => Some(secret.fingerprint()),
        })
    }

    fn value(mut self, value: &str, placeholder: String) -> Self {
        // Nothing, or a single digit, stands anywhere by chance.
        if value.len() > 2 {
            self.known.insert(value.to_owned(), Known::Value(placeholder));
            self.matcher = OnceLock::new();
        }
        self
    }

    fn secret(mut self, secret: &Secret, known: &Known) -> Self {
        for form in hide::forms(secret) {
            self.known.insert(form, known.clone());
        }
        self.known.insert(secret.fingerprint(), known.clone());
        self.matcher = OnceLock::new();
        self
    }

    /// Replaces each known value by what `by` gives for it; `None` leaves it as it is.
    fn replace<S: Into<Option<String>>>(&self, text: &str, by: impl Fn(&Known) -> S) -> String {
        if self.known.is_empty() {
            return text.to_owned();
        }
        // What cannot be searched for secrets is not shown.
        let Some(matcher) = self.matcher.get_or_init(|| self.matcher()) else {
            return "<not shown: it could not be searched for secrets>".to_owned();
        };
        let replaced = matcher.replace_all(text, |found: &Captures| {
            let (value, place) = (&found[0], found.get(0).map(|found| found.range()).unwrap_or_default());
            match self.known.get(value) {
                Some(Known::Value(_)) if within(text, place) => value.to_owned(),
                Some(known) => by(known).into().unwrap_or_else(|| value.to_owned()),
                None => value.to_owned(),
            }
        });
        replaced.into_owned()
    }

    fn matcher(&self) -> Option<Regex> {
        // The longest first: a namespace may be the beginning of a longer known value.
        let mut values: Vec<&String> = self.known.keys().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let alternatives: Vec<String> = values.into_iter().map(|value| regex::escape(value)).collect();
        RegexBuilder::new(&alternatives.join("|")).size_limit(MATCHER_BYTES).build().ok()
    }
}

/// Whether a place in a text is a part of a longer word or number, such as `15.1` in `v1.15.18`.
fn within(text: &str, place: Range<usize>) -> bool {
    let found = &text[place.clone()];
    let mut before = text[..place.start].chars().rev();
    let mut after = text[place.end..].chars();
    let longer = |own: Option<char>, next: Option<char>, second: Option<char>| {
        let Some(own) = own.filter(char::is_ascii_alphanumeric) else { return false };
        next.is_some_and(|next| {
            next.is_ascii_alphanumeric()
                || next == '.' && own.is_ascii_digit() && second.is_some_and(|second| second.is_ascii_digit())
        })
    };
    longer(found.chars().next(), before.next(), before.next())
        || longer(found.chars().next_back(), after.next(), after.next())
}

/// Room for some thousand secrets in all their forms.
const MATCHER_BYTES: usize = 256 << 20;

/// Between the cells and the rows of a table that is redacted as a whole and laid out only then. Neither stands in a
/// value that a process can have or a person writes.
pub const CELL: char = '\u{1f}';
/// Between rows; see [`CELL`].
pub const ROW: char = '\u{1e}';

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new()
            .namespace("drill-7f3a")
            .uid("source", "8e0f0f52-1f7f-4a5e-9c40-2b9d3a0a7e11")
            .mark("before-mistake", "2026-11-24T03:00:00.5Z", "0/3000100")
            .account_key("prodbackups", &Secret::new("b2theXktcHJvZA=="))
            .password(&Secret::new("correct horse"))
            .password(&Secret::new("battery staple"))
    }

    #[test]
    fn known_values_are_named_by_their_role() {
        let text = "drill-7f3a/acid-orders /8e0f0f52-1f7f-4a5e-9c40-2b9d3a0a7e11 to 2026-11-24T03:00:00.5Z at 0/3000100, key b2theXktcHJvZA==";
        assert_eq!(
            redactor().redact(text),
            "<namespace>/acid-orders /<uid of source> to <time of before-mistake> at <lsn of before-mistake>, key <key of prodbackups>"
        );
    }

    #[test]
    fn digests_and_limits_stay_where_nothing_varies_by_nature() {
        let text =
            "rows of public.orders: 3, digest 0123456789abcdef0123456789abcdef; max 9223372036854775807";
        assert_eq!(redactor().redact_known(text), text);
        assert_eq!(redactor().redact_known("in drill-7f3a"), "in <namespace>");
    }

    #[test]
    fn the_version_of_this_machine_is_replaced_but_not_every_number() {
        let redactor = Redactor::new().postgres_version("15.18 (Debian 15.18-0+deb12u1)");
        let table = format!("PGVERSION{CELL}operator{CELL}15{ROW}COUNT{CELL}spec-env{CELL}15 GB");
        for (text, redacted) in [
            ("azure://backups/spilo/wal/15", "azure://backups/spilo/wal/<postgres major>".to_owned()),
            ("/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/<postgres major>/bin".to_owned()),
            ("starting PostgreSQL 15.18 on x86", "starting PostgreSQL <postgres version> on x86".to_owned()),
            ("15 rows in 115 tables", "15 rows in 115 tables".to_owned()),
            (&table, table.replace(&format!("{CELL}15{ROW}"), &format!("{CELL}<postgres major>{ROW}"))),
        ] {
            assert_eq!(redactor.redact(text), redacted);
        }
    }

    #[test]
    fn clusters_of_several_majors_are_all_redacted_alike() {
        let redactor = Redactor::new().postgres_version("15.20").postgres_version("17.12");
        assert_eq!(
            redactor.redact("copy x/15/wal to x/17/wal, not x/16/wal"),
            "copy x/<postgres major>/wal to x/<postgres major>/wal, not x/16/wal"
        );
    }

    #[test]
    fn a_key_is_named_by_its_account_also_where_its_fingerprint_stands() {
        let fingerprint = Secret::new("b2theXktcHJvZA==").fingerprint();
        assert_eq!(redactor().redact(&fingerprint), "<key of prodbackups>");
    }

    #[test]
    fn a_secret_of_the_scenario_keeps_its_fingerprint() {
        let token = Secret::new("token-of-the-scenario");
        let redactor = Redactor::new().literal(&token);
        assert_eq!(redactor.redact("token-of-the-scenario"), token.fingerprint());
        assert_eq!(redactor.redact(&token.fingerprint()), token.fingerprint());
    }

    #[test]
    fn a_known_value_within_a_longer_one_stays() {
        let redactor = redactor().postgres_version("15.1").address("gateway", "10.244.254.1");
        for text in ["v1.15.1", "15.18", "10.244.254.12", "0/30001000", "drill-7f3ab"] {
            assert_eq!(redactor.redact_known(text), text);
        }
        assert_eq!(redactor.redact_known("by 10.244.254.1."), "by <address of gateway>.");
    }

    #[test]
    fn equal_passwords_look_equal_and_are_numbered_as_they_appear() {
        assert_eq!(
            redactor().redact("battery staple, correct horse, battery staple, secret:0badcafe"),
            "<password 1>, <password 2>, <password 1>, secret:0badcafe"
        );
    }

    #[test]
    fn a_redactor_does_not_show_what_it_knows() {
        assert!(!format!("{:?}", redactor()).contains("horse"));
    }

    #[test]
    fn people_see_fingerprints_and_everything_else() {
        let key = Secret::new("b2theXktcHJvZA==");
        let hidden = redactor().hide("drill-7f3a: key=b2theXktcHJvZA== url=b2theXktcHJvZA%3D%3D");
        assert_eq!(hidden, format!("drill-7f3a: key={0} url={0}", key.fingerprint()));
    }
}
