//! Whether one cluster has its data by recovery from another one's backups.

use crate::observe::data::Identity;

/// Every recovery to a target, and every promotion, begins a timeline that is higher than all before. One that follows is in
/// recovery all the time.
pub(super) fn has_recovered(observed: &Identity, expected: &Identity) -> bool {
    let follows = observed.in_recovery && !expected.in_recovery && observed.timeline == expected.timeline;
    observed.system_identifier == expected.system_identifier
        && (observed.timeline > expected.timeline || follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(system_identifier: &str, timeline: u32, in_recovery: bool) -> Identity {
        Identity {
            system_identifier: system_identifier.to_owned(),
            timeline,
            in_recovery,
            lsn: "0/5000000".to_owned(),
            last_commit: None,
            last_replayed: None,
            server_version: "15.13".to_owned(),
            time: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_promoted_one_has_and_so_has_one_that_follows_on_the_same_timeline() {
        let source = identity("71", 1, false);
        let recovered = |identifier, timeline, in_recovery| {
            has_recovered(&identity(identifier, timeline, in_recovery), &source)
        };
        assert!(recovered("71", 2, false) && recovered("71", 1, true));
        assert!(!recovered("71", 1, false) && !recovered("72", 2, false) && !recovered("72", 1, true));
        assert!(!has_recovered(&source, &identity("71", 1, true)));
        assert!(!has_recovered(&identity("71", 1, true), &identity("71", 2, false)));
    }
}
