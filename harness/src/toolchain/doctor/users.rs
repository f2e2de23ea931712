//! Whether a sandbox has the users that images count on.

use super::super::configuration::Configuration;
use super::super::images;
use super::{Check, CheckState};

const NAME: &str = "users";

/// One user is enough for the stand-in: it is in the way of images only that are known to need more.
pub(super) fn check(configuration: &Configuration) -> Check {
    let Some(lack) = images::lack_of_users() else {
        return Check::good(
            NAME,
            "a sandbox has 65536 of them, for images that start as root and become somebody else",
        );
    };
    let refused = images::needing_many(configuration);
    if refused.is_empty() {
        return Check {
            name: NAME,
            state: CheckState::NotNeeded,
            seen: format!(
                "a sandbox has one only, which the stand-in needs; images that start as root need more ({})",
                lack.problem
            ),
            remedy: Some(lack.remedy),
        };
    }
    let mut lack = lack;
    lack.problem = format!(
        "a sandbox has one only, and {} start{} as root with files of other users: {}",
        refused.join(", "),
        if refused.len() == 1 { "s" } else { "" },
        lack.problem
    );
    Check::bad(NAME, lack)
}
