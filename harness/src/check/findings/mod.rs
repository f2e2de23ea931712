//! All kinds of findings: one file for each, or for a small family.

mod account_without_prefix;
mod another_store;
mod backup_settings;
mod clone_source;
mod clone_without_prefix;
mod credentials;
mod encryption;
mod harmless;
mod identity;
mod ignored;
mod literal;
mod log_tags;
mod logical_backup;
mod memory;
mod mounted;
mod names_refused;
pub(crate) mod no_backups;
mod not_from_backups;
mod not_read;
mod overridden;
mod parameters;
mod plain_text;
mod prefix_form;
mod reads_elsewhere;
mod references;
mod refused_values;
mod sas_token;
mod shared_prefix;
mod source_elsewhere;
mod standby;
mod switches;
mod timestamp;
mod too_deep;
mod uid;
mod upgraded_in_place;
mod without_account;
mod without_walg_restore;

use super::finding::Definition;

/// In the order in which they are listed: what is lost first.
pub(super) static ALL: &[&Definition] = &[
    &no_backups::DEFINITION,
    &clone_without_prefix::DEFINITION,
    &clone_without_prefix::NOT_READ,
    &not_from_backups::DEFINITION,
    &standby::DEFINITION,
    &log_tags::DEFINITION,
    &mounted::DEFINITION,
    &another_store::DEFINITION,
    &not_read::DEFINITION,
    &not_read::NOT_HANDED_ON,
    &literal::DEFINITION,
    &names_refused::NO_URL,
    &names_refused::CONTAINER,
    &names_refused::ACCOUNT,
    &names_refused::CLOUD,
    &overridden::DEFINITION,
    &ignored::DEFINITION,
    &without_walg_restore::DEFINITION,
    &without_walg_restore::OWN,
    &without_account::DEFINITION,
    &without_account::OWN,
    &credentials::CLONE_WITHOUT,
    &credentials::OF_ANOTHER_ACCOUNT,
    &credentials::TWO,
    &credentials::NO_KEY,
    &identity::DEFINITION,
    &sas_token::EXPIRED,
    &sas_token::REFUSED,
    &encryption::WITHOUT_KEY,
    &encryption::OTHER_KEY,
    &encryption::MALFORMED,
    &too_deep::DEFINITION,
    &reads_elsewhere::ELSEWHERE,
    &reads_elsewhere::OLDER,
    &shared_prefix::INTO_SOURCE,
    &shared_prefix::SHARED,
    &shared_prefix::INSIDE,
    &prefix_form::WITHOUT_CLUSTER,
    &prefix_form::AGAINST_CONVENTION,
    &upgraded_in_place::DEFINITION,
    &account_without_prefix::DEFINITION,
    &credentials::BACKUPS_WITHOUT,
    &backup_settings::SCHEDULE,
    &backup_settings::RETENTION,
    &backup_settings::FROM_REPLICA,
    &backup_settings::COMPRESSION,
    &backup_settings::CONCURRENCY,
    &refused_values::DEFINITION,
    &parameters::ARCHIVING,
    &parameters::RESTORE,
    &parameters::MISSED_TARGET,
    &parameters::TIMEOUT,
    &switches::DEFINITION,
    &memory::DEFINITION,
    &logical_backup::DEFINITION,
    &clone_source::OLDER,
    &clone_source::CLOUD,
    &clone_source::MISNAMED,
    &source_elsewhere::DEFINITION,
    &clone_source::IN_PLACE,
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
    &super::acceptance::WITHOUT_FINDING,
];
