//! The SAS token of a storage account, as a scenario asks for it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// No drill takes so long.
const OPEN: SignedDuration = SignedDuration::from_hours(24);
const ENDED: SignedDuration = SignedDuration::from_hours(1);

/// What a token opens, and whether its time is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sas {
    /// Some of [`Sas::PERMISSIONS`], in their order: what stands behind `sp=`.
    pub permissions: String,
    /// It ended before the drill began.
    pub ended: bool,
}

impl Sas {
    /// Read, add, create, write, delete, list. Azure wants them in this order.
    pub const PERMISSIONS: &str = "racwdl";

    /// Reads what follows `storage.<account>.sas.`, split at its dots: `rl` or `rl.ended`.
    pub(super) fn parse(parts: &[&str]) -> Option<Sas> {
        let (permissions, ended) = match parts {
            [permissions] => (permissions, false),
            [permissions, "ended"] => (permissions, true),
            _ => return None,
        };
        let mut rest = Sas::PERMISSIONS.chars();
        let in_order = permissions.chars().all(|letter| rest.any(|other| other == letter));
        (in_order && !permissions.is_empty()).then(|| Sas { permissions: (*permissions).to_owned(), ended })
    }

    /// When it ends, for a drill that began at `begun`.
    pub fn ends(&self, begun: Timestamp) -> Timestamp {
        if self.ended { begun - ENDED } else { begun + OPEN }
    }
}

impl fmt::Display for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sas.{}{}", self.permissions, if self.ended { ".ended" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_stand_in_the_order_that_azure_wants() {
        let parsed = |text: &str| Sas::parse(&text.split('.').collect::<Vec<_>>()).map(|sas| sas.to_string());
        assert_eq!(parsed("rl").as_deref(), Some("sas.rl"));
        assert_eq!(parsed("racwdl.ended").as_deref(), Some("sas.racwdl.ended"));
        for text in ["lr", "rr", "x", "", "rl.over", "rl.ended.ended"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_outlives_its_drill_or_ended_before_it() {
        let begun: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let ends = |ended| Sas { permissions: "rl".to_owned(), ended }.ends(begun).to_string();
        assert_eq!(
            (ends(false).as_str(), ends(true).as_str()),
            ("2026-12-01T12:00:00Z", "2026-11-30T11:00:00Z")
        );
    }
}
