//! Random sabotage: combinations of the scenarios' faults over a random workload, by a seed. Whatever a drill calls passed has to
//! hold what was acknowledged before its target, and nothing else.
//!
//! `CLONEDRILL_SABOTAGE_SEED` repeats a run; a failure says its seed, and which of its faults are needed for it.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::fmt::Write as _;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::accounts::{Done, Task};
use crate::broken::{BACKUP, Case, NAMESPACES, PUBLIC, at_once, cases};
use crate::cluster::{SOURCE, Source, archiving};
use crate::command::Ended;
use crate::history::{Acknowledged, Change, History, SHOWN};
use crate::world::{ORDERS, World, one_in_each};

const WRITERS: usize = 3;
/// Transactions of each writer before the last base backup, and after it.
const BEFORE: usize = 40;
const AFTER: usize = 150;
/// Copies that stay whole until a failure has to be shrunk.
const SPARE: usize = 4;
/// At most so many faults in one drill.
const FAULTS: usize = 3;

/// One drill: the moment that it restores, and what is broken.
#[derive(Debug, Clone)]
struct Plan {
    target: i64,
    faults: Vec<Case>,
}

/// Drills of one world, whose workload and faults all come of the seed.
pub(crate) fn random_sabotage(drills: usize, seed: u64) {
    println!("CLONEDRILL_SABOTAGE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let namespaces = &NAMESPACES[..at_once()];
    let names = |prefix: &str, count: usize| (0..count).map(|index| format!("{prefix}{index}")).collect();
    let (accounts, spare): (Vec<String>, Vec<String>) = (names("copy", drills), names("spare", SPARE));
    let world = World::up_with("random", namespaces, &[accounts.clone(), spare.clone()].concat());
    world.has_an_operator_for_clones_that_fail();
    let (histories, from, until) = world.works(&mut random, &[accounts.clone(), spare.clone()].concat());
    let faults = cases();
    let plans: Vec<Plan> = (0..drills)
        .map(|_| {
            let count = random.random_range(0..=FAULTS);
            let faults = faults.choose_multiple(&mut random, count).cloned().collect();
            Plan { target: random.random_range(from..until), faults }
        })
        .collect();
    let came = one_in_each(namespaces, plans.iter().zip(&accounts), |(plan, account), namespace| {
        let came = world.tries(plan, account, namespace, &histories);
        println!("{}: {}", plan.named(), came.as_ref().unwrap_or_else(|said| said));
        came.err().map(|why| (plan.clone(), why))
    });
    let wrong: Vec<(Plan, String)> = came.into_iter().flatten().collect();
    if let Some((plan, why)) = wrong.first() {
        let least = world.shrinks(plan, spare, namespaces[0], &histories);
        panic!(
            "{} of {drills} drills, CLONEDRILL_SABOTAGE_SEED={seed}\nfaults: {}\nfewest that do it: {}\n{why}",
            wrong.len(),
            plan.named(),
            least.named()
        );
    }
}

pub(crate) fn ten_random_ones() {
    random_sabotage(10, seed());
}

/// Many workloads, and twenty drills of each.
pub(crate) fn two_hundred_random_ones() {
    let first = seed();
    for round in 0..10 {
        random_sabotage(20, first.wrapping_add(round));
    }
}

fn seed() -> u64 {
    let given = std::env::var("CLONEDRILL_SABOTAGE_SEED").ok().map(|text| text.parse().unwrap());
    given.unwrap_or_else(|| rand::rng().random())
}

impl Plan {
    fn named(&self) -> String {
        let mut named = format!("to {}", self.target);
        for fault in &self.faults {
            write!(named, " + {}", fault.slug).unwrap();
        }
        named
    }

    fn without(&self, index: usize) -> Plan {
        let mut less = self.clone();
        less.faults.remove(index);
        less
    }
}

impl World {
    /// Writers work before and after the last base backup, which is copied in between: a copy is as old as its copying. Gives
    /// their histories, and the span of time after the copying.
    fn works(&self, random: &mut StdRng, accounts: &[String]) -> (Vec<History>, i64, i64) {
        self.create(ORDERS, &archiving(SOURCE));
        let columns: Vec<String> = (0..WRITERS)
            .map(|writer| format!("(SELECT {SHOWN} FROM history WHERE writer = {writer}) AS w{writer}"))
            .collect();
        let table = format!(
            "CREATE TABLE history (writer int, n int, value text NOT NULL, PRIMARY KEY (writer, n)); CREATE VIEW held AS SELECT {}",
            columns.join(", ")
        );
        let mut histories = vec![History::default(); WRITERS];
        let mut seeds: Vec<StdRng> = (0..WRITERS).map(|_| StdRng::seed_from_u64(random.random())).collect();
        let source = self.runtime.block_on(async {
            self.has_backed_up(SOURCE).await;
            let source = self.open(&format!("{SOURCE}-0")).await;
            source.sql.batch_execute(PUBLIC).await.unwrap();
            source.sql.batch_execute(&table).await.unwrap();
            self.writes_all(&mut histories, &mut seeds, BEFORE).await;
            source.archives().await;
            source
        });
        let copy = || Task::Copy { to: accounts.to_vec() };
        self.in_accounts(vec![copy()]);
        self.runtime.block_on(source.sql.batch_execute(BACKUP)).unwrap();
        self.in_accounts(vec![copy()]);
        let (from, until) = self.runtime.block_on(async {
            let from = now(&source).await;
            self.writes_all(&mut histories, &mut seeds, AFTER).await;
            let until = now(&source).await;
            source.archives().await;
            // Somebody went on: the last moment is no end of the archive.
            source.sql.batch_execute("CREATE TABLE later (n int)").await.unwrap();
            source.archives().await;
            (from, until)
        });
        self.in_accounts(vec![copy()]);
        (histories, from, until)
    }

    async fn writes_all(&self, histories: &mut [History], seeds: &mut [StdRng], count: usize) {
        let writers =
            histories.iter_mut().zip(seeds).enumerate().map(|(writer, (history, random))| async move {
                let source = self.open(&format!("{SOURCE}-0")).await;
                for _ in 0..count {
                    source.one(i32::try_from(writer).unwrap(), history, random).await;
                }
            });
        futures::future::join_all(writers).await;
    }

    /// What came of a drill, or why that may not be.
    fn tries(
        &self,
        plan: &Plan,
        account: &str,
        namespace: &str,
        histories: &[History],
    ) -> Result<String, String> {
        let mut rules = Vec::new();
        for fault in plan.faults.iter().map(|case| &case.fault) {
            let account = account.to_owned();
            let task = match (&fault.blobs, &fault.requests) {
                (Some(fault), _) => Task::Damage { account, fault: fault.clone() },
                (_, Some(fault)) => Task::Begin { account, fault: fault.clone() },
                _ => continue,
            };
            // What one fault has deleted, the next one does not find.
            if let [Done::Begun(id)] = &self.in_accounts(vec![task])[..] {
                rules.push(*id);
            }
        }
        let target = Timestamp::from_microsecond(plan.target).unwrap();
        let columns = (0..WRITERS).map(
            |writer| json!({ "database": "orders", "table": "public.held", "column": format!("w{writer}") }),
        );
        let ended = self.restores(account, account, namespace, target, columns.collect());
        self.in_accounts(rules.into_iter().map(|rule| Task::End { rule }).collect());
        judged(plan, &ended, histories).map_err(|why| format!("{why}: {}", ended.said()))
    }

    /// As few of its faults as do it still, each try with a copy of its own.
    fn shrinks(&self, plan: &Plan, spare: Vec<String>, namespace: &str, histories: &[History]) -> Plan {
        let mut least = plan.clone();
        for account in spare {
            let fewer = (0..least.faults.len()).map(|index| least.without(index)).next_back();
            let Some(fewer) = fewer else { break };
            match self.tries(&fewer, &account, namespace, histories) {
                Err(_) => least = fewer,
                // That one is needed: it goes to the front, and another one is left out.
                Ok(_) => least.faults.rotate_right(1),
            }
        }
        least
    }
}

fn judged(plan: &Plan, ended: &Ended, histories: &[History]) -> Result<String, String> {
    let report: Value = serde_json::from_str(&ended.stdout).map_err(|error| format!("no report: {error}"))?;
    match ended.code {
        Some(0) => {}
        Some(1) if plan.faults.is_empty() => return Err("A FALSE ALARM: nothing was broken".to_owned()),
        Some(1) => return Ok("failed".to_owned()),
        other => return Err(format!("it ended with {other:?}")),
    }
    let proofs = report["drills"][0]["restore"]["proofs"].as_array().cloned().unwrap_or_default();
    for (writer, history) in histories.iter().enumerate() {
        let column = format!("held.w{writer}");
        let proof =
            proofs.iter().find(|proof| proof["what"].as_str().is_some_and(|what| what.ends_with(&column)));
        let shown = proof.and_then(|proof| proof["seen"].as_str()).unwrap_or_default();
        history
            .allows(plan.target, shown)
            .map_err(|why| format!("A FALSE PASSED: of writer {writer}, {why}"))?;
    }
    Ok("passed, and right".to_owned())
}

async fn now(source: &Source) -> i64 {
    const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    source.sql.query_one(NOW, &[]).await.unwrap().get(0)
}

impl Source {
    /// One transaction, whose acknowledgement is noted; now and then one that is rolled back, or a WAL file's end.
    async fn one(&self, writer: i32, history: &mut History, random: &mut StdRng) {
        let n = random.random_range(0..60);
        let value = format!("{:x}", random.random::<u32>());
        let put = format!(
            "INSERT INTO public.history AS history VALUES ({writer}, {n}, '{value}') ON CONFLICT (writer, n) DO UPDATE SET value = excluded.value"
        );
        let (statement, change) = match random.random_range(0..20) {
            0 => {
                let ends = format!("BEGIN; {put}; ROLLBACK");
                return self.sql.batch_execute(&ends).await.unwrap();
            }
            1 => return self.sql.batch_execute("SELECT pg_switch_wal()").await.unwrap(),
            2..=5 => {
                (format!("DELETE FROM public.history WHERE writer = {writer} AND n = {n}"), Change::Delete(n))
            }
            _ => (put, Change::Put(n, value)),
        };
        let begun = now(self).await;
        self.sql.batch_execute(&statement).await.unwrap();
        let answered = now(self).await;
        history.0.push(Acknowledged { change, begun, answered });
    }
}
