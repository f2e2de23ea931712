//! SAS tokens: what can be read in one, which never is its signature.

use jiff::{Timestamp, civil::Date, civil::DateTime, tz::TimeZone};

/// The parts of a token that say what it opens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SasToken {
    /// `st`, `se`.
    pub starts: Option<Timestamp>,
    /// `se`, or the end of the user's key that it is signed with (`ske`), whatever comes first; none where the token does not say when
    /// it ends, or in no form that is known.
    pub ends: Option<Timestamp>,
    /// `sp`: one letter for each permission.
    permissions: String,
    /// `ss`, `srt` of a token for the account; none for one of a container.
    services: Option<String>,
    types: Option<String>,
    /// `sr` of a token for one container or blob.
    resource: Option<String>,
    /// `spr`.
    protocols: Option<String>,
    /// `si`: the container's own policy may say the rest.
    has_policy: bool,
    is_signed: bool,
    is_address: bool,
}

/// What Azure will refuse a token for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SasFault {
    /// It is none.
    NoToken,
    /// It is the address that Azure shows beside the token, or has quotes around it.
    Address,
    /// It ended then.
    Expired(Timestamp),
    /// It begins then.
    NotYet(Timestamp),
    /// Permissions that are missing, by their names.
    Lacks(Vec<&'static str>),
    /// It may not be used by HTTPS.
    HttpOnly,
    /// It is for other services than blobs.
    NotForBlobs,
    /// It opens no containers, or no blobs in them; what is missing of `srt`.
    Types(&'static str),
    /// It opens a single blob.
    OneBlob,
}

impl SasToken {
    /// Reads a token, with or without a `?` before it: WAL-G takes both.
    pub fn parse(text: &str) -> SasToken {
        let is_address = text.contains("://") || text.trim_start().starts_with(['"', '\'']);
        let mut token = SasToken { is_address, ..SasToken::default() };
        for pair in text.trim().trim_start_matches('?').split('&') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "st" => token.starts = time(&value),
                "se" | "ske" => token.ends = token.ends.into_iter().chain(time(&value)).min(),
                "sp" => token.permissions = value,
                "ss" => token.services = Some(value),
                "srt" => token.types = Some(value),
                "sr" => token.resource = Some(value),
                "spr" => token.protocols = Some(value),
                "si" => token.has_policy = true,
                "sig" => token.is_signed = !value.is_empty(),
                _ => {}
            }
        }
        token
    }

    /// Whether it has this permission, or a policy that may have it.
    pub fn allows(&self, permission: char) -> bool {
        self.permissions.contains(permission) || (self.has_policy && self.permissions.is_empty())
    }

    /// What is wrong with it for somebody who needs these permissions, the worst first; at most one.
    pub fn fault(&self, needs: &[(char, &'static str)], now: Timestamp) -> Option<SasFault> {
        if !self.is_signed {
            return Some(SasFault::NoToken);
        }
        if self.is_address {
            return Some(SasFault::Address);
        }
        if let Some(ends) = self.ends.filter(|ends| *ends <= now) {
            return Some(SasFault::Expired(ends));
        }
        if let Some(services) = &self.services
            && !services.contains('b')
        {
            return Some(SasFault::NotForBlobs);
        }
        match self.types.as_deref() {
            Some(types) if !types.contains('c') => return Some(SasFault::Types("c (containers)")),
            Some(types) if !types.contains('o') => return Some(SasFault::Types("o (objects)")),
            _ => {}
        }
        if matches!(self.resource.as_deref(), Some("b" | "bs" | "bv")) {
            return Some(SasFault::OneBlob);
        }
        if self.protocols.as_deref().is_some_and(|protocols| !protocols.contains("https")) {
            return Some(SasFault::HttpOnly);
        }
        let missing: Vec<&'static str> = needs
            .iter()
            .filter(|(letter, _)| !self.permissions.contains(*letter))
            .map(|(_, name)| *name)
            .collect();
        let by_policy = self.has_policy && self.permissions.is_empty();
        if !missing.is_empty() && !by_policy {
            return Some(SasFault::Lacks(missing));
        }
        self.starts.filter(|starts| *starts > now).map(SasFault::NotYet)
    }
}

/// `2026-01-01T00:00:00Z`, without seconds too, and a day alone.
fn time(text: &str) -> Option<Timestamp> {
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| text.trim_end_matches('Z').parse::<DateTime>().ok().and_then(utc))
        .or_else(|| text.parse::<Date>().ok().and_then(|day| utc(day.at(0, 0, 0, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: [(char, &str); 3] = [('r', "read"), ('l', "list"), ('w', "write")];
    const SOUND: &str = "sv=2023-11-03&ss=b&srt=sco&sp=rwdl&se=2027-01-01T00:00:00Z&spr=https&sig=abc%3D";

    fn fault(text: &str) -> Option<SasFault> {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56);
        SasToken::parse(text).fault(&NEEDS, now)
    }

    #[test]
    fn a_sound_token_has_no_fault_with_and_without_a_question_mark() {
        assert_eq!(fault(SOUND), None);
        assert_eq!(fault(&format!("?{SOUND}")), None);
        assert_eq!(fault("sv=2023-11-03&sr=c&sp=racwdl&se=2027-01-01&sig=abc"), None);
        assert_eq!(fault("sv=2023-11-03&sr=c&si=policy&sig=abc"), None, "the policy is on the container");
    }

    #[test]
    fn each_fault_is_seen() {
        let with = |from: &str, to: &str| fault(&SOUND.replace(from, to));
        assert!(matches!(with("2027", "2020"), Some(SasFault::Expired(_))));
        assert!(matches!(with("2027-01-01T00:00:00Z", "2020-01-01T00:00Z"), Some(SasFault::Expired(_))));
        assert!(matches!(with("spr", "st=2026-12-01&spr"), Some(SasFault::NotYet(_))));
        assert_eq!(with("rwdl", "rd"), Some(SasFault::Lacks(vec!["list", "write"])));
        assert_eq!(with("spr=https", "spr=http"), Some(SasFault::HttpOnly));
        assert_eq!(with("ss=b", "ss=qt"), Some(SasFault::NotForBlobs));
        assert_eq!(with("srt=sco", "srt=so"), Some(SasFault::Types("c (containers)")));
        assert_eq!(fault("sv=1&sr=b&sp=rlw&se=2027-01-01&sig=abc"), Some(SasFault::OneBlob));
        assert_eq!(fault("bm90IGEgdG9rZW4="), Some(SasFault::NoToken));
        let address = format!("https://prodbackups.blob.core.windows.net/backups?{SOUND}");
        assert_eq!(
            (fault(&address), fault(&format!("\"{SOUND}\""))),
            (Some(SasFault::Address), Some(SasFault::Address))
        );
        let by_user = |ends: &str| fault(&format!("{SOUND}&skoid=1&ske={ends}"));
        assert!(matches!(by_user("2020-01-08T00:00:00Z"), Some(SasFault::Expired(_))));
        assert_eq!(by_user("2027-01-01T00:00:00Z"), None);
    }
}
