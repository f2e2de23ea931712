//! Restore drills as their user does them: the binary, a kubeconfig, and a cluster of which they know nothing else.
//!
//! Each test has an environment of its own. This binary is also the process that lists the blobs, inside of it.
#![allow(clippy::unwrap_used)]

mod accounts;
mod blobs;
mod broken;
mod cluster;
mod command;
mod everything;
mod history;
mod in_cluster;
mod killed;
#[path = "../process/mod.rs"]
mod process;
mod proves;
mod random;
mod rights;
mod sabotage;
mod world;
mod wrong;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == blobs::INSIDE) {
        return blobs::inside(&arguments[2]);
    }
    if arguments.get(1).is_some_and(|first| first == accounts::INSIDE) {
        return accounts::inside(&arguments[2]);
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = vec![
        trial("everything_is_held_and_damage_is_named", everything::everything_is_held_and_damage_is_named),
        trial("a_drill_proves_and_leaves_nothing", proves::a_drill_proves_and_leaves_nothing),
        trial("what_goes_wrong_is_said", wrong::what_goes_wrong_is_said),
        trial(
            "a_drill_that_is_killed_is_cleaned_by_the_next",
            killed::a_drill_that_is_killed_is_cleaned_by_the_next,
        ),
        trial("what_is_wrong_with_wal_is_named", sabotage::what_is_wrong_with_wal_is_named),
        trial(
            "what_is_wrong_with_a_base_backup_is_named",
            sabotage::what_is_wrong_with_a_base_backup_is_named,
        ),
        trial("damaged_archives_are_told", broken::damaged_archives_are_told),
        trial("a_passed_over_other_data_is_noticed", broken::a_passed_over_other_data_is_noticed),
        trial("random_sabotage_is_told", random::ten_random_ones),
        trial("a_lost_row_is_noticed", history::a_lost_row_is_noticed),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
