//! All kinds of findings: one file for each, or for a small family.

mod account_without_prefix;
mod clone_without_prefix;
mod credentials;
mod harmless;
mod ignored;
mod overridden;
mod plain_text;
mod prefix_form;
mod reads_elsewhere;
mod references;
mod shared_prefix;
mod timestamp;
mod uid;
mod without_account;
mod without_walg_restore;

use super::finding::Definition;

/// In the order in which they are listed: what is lost first.
pub(super) static ALL: &[&Definition] = &[
    &clone_without_prefix::DEFINITION,
    &overridden::DEFINITION,
    &ignored::DEFINITION,
    &without_walg_restore::DEFINITION,
    &without_account::DEFINITION,
    &credentials::CLONE_WITHOUT,
    &credentials::OF_ANOTHER_ACCOUNT,
    &credentials::TWO,
    &reads_elsewhere::ELSEWHERE,
    &reads_elsewhere::OLDER,
    &shared_prefix::INTO_SOURCE,
    &shared_prefix::SHARED,
    &prefix_form::WITHOUT_CLUSTER,
    &prefix_form::AGAINST_CONVENTION,
    &account_without_prefix::DEFINITION,
    &credentials::BACKUPS_WITHOUT,
    &plain_text::IN_MANIFEST,
    &plain_text::IN_CONFIG_MAP,
    &references::SECRET,
    &references::SECRET_KEY,
    &references::CONFIG_MAP,
    &references::CONFIG_MAP_KEY,
    &timestamp::WITHOUT_ZONE,
    &timestamp::IN_THE_FUTURE,
    &timestamp::BEFORE_RETENTION,
    &uid::DEFINITION,
    &harmless::DEFINITION,
];
