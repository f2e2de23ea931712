//! All kinds of findings: one file for each, or for a small family.

mod accounts;
mod credentials;
mod elsewhere;
mod empty_clone;
mod harmless;
mod ignored;
mod no_backups;
mod overridden;
mod plain_text;
mod prefix_name;
mod references;
mod shared_prefix;
mod target_time;
mod uid;
mod walg_restore;

use super::finding::Definition;

/// In the order in which they are listed: what is lost first.
pub(super) static ALL: &[&Definition] = &[
    &empty_clone::DEFINITION,
    &overridden::DEFINITION,
    &ignored::DEFINITION,
    &walg_restore::DEFINITION,
    &accounts::DEFINITION,
    &credentials::CLONE_WITHOUT,
    &credentials::OF_ANOTHER_ACCOUNT,
    &credentials::TWO,
    &elsewhere::ELSEWHERE,
    &elsewhere::OLDER,
    &shared_prefix::INTO_SOURCE,
    &shared_prefix::SHARED,
    &prefix_name::WITHOUT_CLUSTER,
    &prefix_name::AGAINST_CONVENTION,
    &no_backups::DEFINITION,
    &credentials::BACKUPS_WITHOUT,
    &plain_text::DEFINITION,
    &references::DEFINITION,
    &target_time::WITHOUT_ZONE,
    &target_time::IN_THE_FUTURE,
    &target_time::BEFORE_RETENTION,
    &uid::DEFINITION,
    &harmless::DEFINITION,
];
