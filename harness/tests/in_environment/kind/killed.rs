//! A run that is killed in the middle leaves a cluster behind; the next run removes it.

use std::time::Duration;

use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng};

use super::docker::left_of;
use super::run::{Own, SCENARIO, STANDS};
use crate::process::{descendants, signal, wait};

const TIMES: usize = 10;

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_ten_times() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let mut chance = rand::rngs::StdRng::seed_from_u64(seed);
    let mut before: Option<String> = None;
    for round in 0..TIMES {
        let own = Own::new(&format!("killed-{round}"));
        let mut run = own.run(&[SCENARIO]);
        let cluster = own.cluster();
        wait("something to be left", STANDS, || {
            run.look();
            assert!(run.child.try_wait().unwrap().is_none(), "{}", run.said());
            if left_of(&cluster).is_empty() { Err("nothing yet".to_owned()) } else { Ok(()) }
        });
        if let Some(before) = before.take() {
            // The sweep comes before anything of the new one is made.
            assert_eq!(left_of(&before), Vec::<String>::new(), "round {round}");
        }
        // From the first moment of the cluster's making to the middle of the drill.
        let moment = chance.random_range(0..45_000);
        println!("round {round}: killed {moment} ms after its mark was made");
        std::thread::sleep(Duration::from_millis(moment));
        // Whoever could remove anything: the run, the environment's process, the drill, and what they have started.
        for process in descendants(&[run.id()]).iter().filter(|process| process.name == "clonedrill") {
            signal(process.id, Signal::SIGKILL);
        }
        signal(run.id(), Signal::SIGKILL);
        run.end();
        assert!(!left_of(&cluster).is_empty(), "it removed its cluster although it was killed");
        before = Some(cluster);
    }
    let own = Own::new("killed-last");
    let mut last = own.run(&[SCENARIO]);
    assert!(last.end_within(STANDS).success(), "{}", last.said());
    assert_eq!(left_of(&before.unwrap()), Vec::<String>::new());
    assert!(own.command(&["down", &own.environment()]).status().unwrap().success());
    assert_eq!(left_of(&own.cluster()), Vec::<String>::new());
}
