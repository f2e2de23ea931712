//! Many drills one after another, and drills that are killed at random moments: nothing is ever left of them.
//!
//! It takes most of an hour, so it is not run by default: `cargo nextest run --profile endurance`.
//! `CLONEDRILL_ENDURANCE_SEED` repeats the moments of a run, `CLONEDRILL_ENDURANCE_DRILLS` says how many drills.
#![allow(clippy::unwrap_used)]

#[path = "restore/accounts.rs"]
mod accounts;
#[path = "restore/blobs.rs"]
mod blobs;
#[path = "restore/broken.rs"]
mod broken;
#[path = "restore/cluster.rs"]
mod cluster;
#[path = "restore/command.rs"]
mod command;
#[path = "restore/history.rs"]
mod history;
mod process;
#[path = "restore/random.rs"]
mod random;
#[path = "restore/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clonedrill::environment::shared;
use clonedrill::poll::Limit;
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use cluster::{PREFIX, SOURCE};
use command::{Ended, Running};
use process::{GONE, descendants, wait};
use world::{ORDERS, World};

const DRILLS: &str = "drills";
const KILLS: usize = 20;
/// Twice a minute, or the last drills would mostly replay WAL.
const SWITCH: u64 = 300;

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
        trial("drills_one_after_another_leave_nothing", drills_one_after_another_leave_nothing),
        trial(
            "drills_killed_at_random_moments_are_cleaned_by_the_next",
            drills_killed_at_random_moments_are_cleaned_by_the_next,
        ),
        trial("disturbed_requests_are_told", broken::disturbed_requests_are_told),
        trial("random_sabotage_is_told", random::two_hundred_random_ones),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn drills_one_after_another_leave_nothing() {
    let world = World::up("endurance", &[DRILLS]);
    let writer = world.writes(world.source(), SWITCH);
    let before = Left::of(&world);
    let drills = number("CLONEDRILL_ENDURANCE_DRILLS").unwrap_or(50);
    for count in 1..=drills {
        let begin = Instant::now();
        passed(&world.begin().end());
        println!("drill {count} of {drills}: {:.1?}", begin.elapsed());
        before.is_all_there_is(&world);
    }
    assert!(!writer.is_finished());
}

fn drills_killed_at_random_moments_are_cleaned_by_the_next() {
    let seed = number("CLONEDRILL_ENDURANCE_SEED").unwrap_or_else(|| rand::rng().random());
    println!("CLONEDRILL_ENDURANCE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::up("kills", &[DRILLS]);
    // One of the operator's workers waits so long for a pod that is gone because its clone was removed too early, and every
    // eighth cluster is that worker's. By default it is 10 minutes, which drills sit out; for a test a minute is enough.
    let wait = "1m";
    world.configure_operator(&json!({ "timeouts": {
        "resource_check_timeout": wait, "pod_label_wait_timeout": wait, "pod_deletion_wait_timeout": wait,
    } }));
    let writer = world.writes(world.source(), SWITCH);
    let before = Left::of(&world);
    let begin = Instant::now();
    passed(&world.begin().end());
    let whole = begin.elapsed();
    for count in 1..=KILLS {
        let moment = whole.mul_f64(random.random_range(0.0..1.0));
        let mut drill = world.begin();
        let ended = drill.ends_within(moment);
        drill.signal(Signal::SIGKILL);
        drill.end();
        let too_late = if ended { " (it had ended)" } else { "" };
        println!("kill {count} of {KILLS} after {moment:.1?} of {whole:.1?}{too_late}");
        let begin = Instant::now();
        // By turns: both must do.
        let by = match count % 2 {
            0 => {
                let cleaned = world.run(&["clean", "-n", DRILLS]);
                assert_eq!(cleaned.code, Some(0), "{cleaned:?}");
                "clean"
            }
            _ => {
                passed(&world.begin().end());
                "the next drill"
            }
        };
        println!("  cleaned by {by} after {:.1?}", begin.elapsed());
        before.is_all_there_is(&world);
    }
    assert!(!writer.is_finished());
}

fn passed(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// What is there without a drill.
struct Left {
    drills: BTreeMap<String, String>,
    orders: BTreeSet<String>,
    processes: Vec<String>,
}

impl Left {
    fn of(world: &World) -> Self {
        Left {
            drills: world.objects(DRILLS),
            orders: world.objects(ORDERS).into_keys().collect(),
            processes: processes(world),
        }
    }

    fn is_all_there_is(&self, world: &World) {
        world.is_again(DRILLS, &self.drills);
        assert_eq!(world.objects(ORDERS).into_keys().collect::<BTreeSet<_>>(), self.orders);
        let blobs = world.blobs();
        assert!(blobs.iter().all(|blob| blob.starts_with(PREFIX)), "{blobs:?}");
        wait("all processes of the clone to be gone", GONE, || {
            let now = processes(world);
            let new: Vec<&String> = now.iter().filter(|name| !self.processes.contains(name)).collect();
            if new.is_empty() && now.len() <= self.processes.len() { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }
}

/// The programs of the environment's pods, without those that the source's archiving comes and goes with.
fn processes(world: &World) -> Vec<String> {
    let outermost = shared::outermost(world.name()).unwrap();
    let mut names: Vec<String> = descendants(&[outermost]).into_iter().map(|process| process.name).collect();
    names.retain(|name| !["wal-g", "sh", "envdir", "pg_isready"].contains(&name.as_str()));
    names.sort();
    names
}

impl World {
    fn begin(&self) -> Running {
        self.start(&["drill", "--source", &format!("{ORDERS}/{SOURCE}"), "--into", DRILLS])
    }
}

impl Running {
    /// Whether it ended by itself within this time.
    fn ends_within(&mut self, time: Duration) -> bool {
        let limit = Limit {
            total: time,
            first_interval: Duration::from_millis(10),
            longest_interval: Duration::from_millis(10),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(clonedrill::poll::poll("it to end", limit, async || {
            Ok::<_, std::convert::Infallible>(match self.has_ended() {
                true => clonedrill::poll::Seen::Done(()),
                false => clonedrill::poll::Seen::NotYet("it runs".to_owned()),
            })
        }));
        ended.is_ok()
    }
}
