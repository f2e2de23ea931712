//! The right cluster, recovered, up to the right time.

use clonedrill::observe::data::Identity;
use clonedrill::report::Proof;
use clonedrill::restore::prove::{Recovered, Wanted, identity};
use jiff::Timestamp;

fn at(time: &str) -> Timestamp {
    format!("2025-11-02T{time}Z").parse().unwrap()
}

fn seen() -> Identity {
    Identity {
        system_identifier: "7312".to_owned(),
        timeline: 4,
        in_recovery: false,
        lsn: "0/5000000".to_owned(),
        last_commit: None,
        last_replayed: None,
        server_version: "15.13".to_owned(),
        time: at("10:00:00"),
    }
}

const WANTED: Wanted<'_> =
    Wanted { system_identifier: Some("7312"), timeline: Some(3), target: Timestamp::UNIX_EPOCH };

fn failing(proofs: Vec<Proof>) -> Vec<String> {
    let failing = proofs.into_iter().filter(|proof| !proof.holds());
    failing.map(|Proof { what, expected, seen, .. }| format!("{what}: {expected}, but {seen}")).collect()
}

#[test]
fn what_is_right_holds_and_what_is_wrong_or_not_known_does_not() {
    let wanted = Wanted { target: at("09:00:00"), ..WANTED };
    let to = Recovered::To(at("08:59:58.5"));
    assert_eq!(failing(identity(&seen(), to, wanted)), [""; 0]);
    assert_eq!(failing(identity(&seen(), Recovered::To(at("09:00:00")), wanted)), [""; 0]);
    assert_eq!(failing(identity(&seen(), Recovered::Nothing, wanted)), [""; 0]);

    let other = Identity { system_identifier: "9999".to_owned(), timeline: 3, in_recovery: true, ..seen() };
    assert_eq!(
        failing(identity(&other, Recovered::To(at("09:00:03")), wanted)),
        [
            "system identifier: 7312, the source's, but 9999",
            "end of recovery: recovered and promoted, but in recovery",
            "timeline: above 3, the backup's, but 3",
            "point in time: the last commit at 2025-11-02T09:00:00Z or before, but 2025-11-02T09:00:03Z, 3s after",
        ]
    );
    let unknown = Wanted { system_identifier: None, timeline: None, ..wanted };
    let first = Identity { timeline: 1, ..seen() };
    assert_eq!(
        failing(identity(&first, Recovered::NotKnown, unknown)),
        [
            "system identifier: the source's, which is not known, but 7312",
            "timeline: above 1, where every cluster begins, but 1",
            "point in time: the last commit at 2025-11-02T09:00:00Z or before, but not known: neither the server nor its log says \
             what was replayed last",
        ]
    );
}
