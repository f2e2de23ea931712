//! What PostgreSQL, Patroni and Spilo say of a recovery, by their words alone.

/// Patroni says it when it begins to restore.
pub const CLONE_SCRIPT: &str = "Running custom bootstrap script";
/// Recovery saw a commit after its target.
pub const STOPPED_AT_TARGET: [&str; 2] = ["recovery stopping before", "recovery stopping after"];
/// Recovery came to the end of the WAL: by PostgreSQL's word and by Spilo's.
const MISSED_TARGET: [&str; 2] =
    ["recovery ended before configured recovery target", "Retrying point-in-time recovery without target"];
/// How far recovery came, said after it has stopped.
const LAST_COMMIT: &str = "last completed transaction was at log time ";

/// Whether a line says that recovery stopped at its target (`true`) or never reached it (`false`); most say neither.
pub fn reached_target(line: &str) -> Option<bool> {
    let says = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
    match says(&STOPPED_AT_TARGET) {
        true => Some(true),
        false => says(&MISSED_TARGET).then_some(false),
    }
}

/// The time that a line has of the last commit which was replayed, as it stands there: `2026-11-25 22:00:00.123456+00`.
pub fn last_commit(line: &str) -> Option<&str> {
    Some(line.split_once(LAST_COMMIT)?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_how_a_recovery_ended_and_how_far_it_came() {
        let stopped =
            "LOG:  recovery stopping before commit of transaction 740, time 2027-01-15 08:00:01.5+00";
        assert_eq!(reached_target(stopped), Some(true));
        assert_eq!(
            reached_target("FATAL:  recovery ended before configured recovery target was reached"),
            Some(false)
        );
        assert_eq!(reached_target("WARNING: Retrying point-in-time recovery without target"), Some(false));
        assert_eq!(reached_target("LOG:  redo done at 0/3000028"), None);
        let last = "LOG:  last completed transaction was at log time 2027-01-15 07:59:59.25+00";
        assert_eq!(last_commit(last), Some("2027-01-15 07:59:59.25+00"));
        assert_eq!(last_commit(stopped), None);
    }
}
