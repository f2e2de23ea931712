//! Every archive that the scenarios of sabotage break, before `clonedrill drill`: it may pass only where the clone's data are those
//! that the source had at the target, and says why it does not by the name in the catalogue.
//!
//! What is broken, and what must come of it, stands in the scenarios alone. The archive is made once, and copied by the blob.
// Not every test that includes this needs all of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use clonedrill::observe::catalogue;
use clonedrill::poll::Limit;
use clonedrill::scenario::{Checks, ClusterOutcome, FaultStep, LoadedScenario, Step, find_files, load};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::accounts::{Done, Task};
use crate::cluster::{SOURCE, Source, archiving};
use crate::command::Ended;
use crate::world::{ORDERS, World, one_in_each};

/// As many drills at once, each in a namespace of its own.
pub(crate) const NAMESPACES: [&str; 4] = ["one", "two", "three", "four"];
/// A drill that waits for WAL-G's second try, beside three others.
const LONG: Limit = Limit::seconds(500);
/// The account of the scenarios that is restored from; in the other one their clones keep their own backups, and a restore drill's
/// clone keeps none.
const READ: &str = "prodbackups";
/// Sessions of the harness look for nothing by itself.
pub(crate) const PUBLIC: &str = "SET search_path = public";
/// What a restore drill calls more exactly than the scenario, whose clone's log is all that it has.
const MORE_EXACTLY: [(&str, &str); 1] = [("no-backup-before-target", "no-backup-found")];
/// What the source holds in one value that does not hang on any setting of a session.
const HELD: &str = "CREATE VIEW public.held AS SELECT md5(concat_ws('/',
    (SELECT string_agg(concat_ws(',', id, email, since), ';' ORDER BY id) FROM customers),
    (SELECT string_agg(concat_ws(',', id, customer, state, details, total), ';' ORDER BY id) FROM orders),
    (SELECT string_agg(concat_ws(',', order_id, line, article, pieces), ';' ORDER BY order_id, line) FROM order_lines))) AS digest";
/// As the step `backup` has it taken, by the server itself.
pub(crate) const BACKUP: &str = "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; exec envdir \"${WALE_ENV_DIR:-/run/etc/wal-e.d/env}\" \
    /scripts/postgres_backup.sh \"$PWD\"'";

/// One scenario as a drill.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub slug: String,
    pub fault: FaultStep,
    passes: bool,
    /// Names of the catalogue, one of which the drill must say.
    because: Vec<String>,
}

/// The archive of a source that is still there.
pub(crate) struct Prepared {
    /// After the first work, and before the mistake.
    pub target: Timestamp,
    /// What the source held then.
    pub held: String,
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The scenarios of sabotage that break what a restore drill reads.
pub(crate) fn cases() -> Vec<Case> {
    let checks = Checks { operator_known: &|_| Ok(()), catalogue: catalogue::names() };
    let files = find_files(&[scenarios().join("sabotage")]).unwrap();
    files.iter().filter_map(|file| Case::of(&load(file, &checks).unwrap())).collect()
}

impl Case {
    fn of(loaded: &LoadedScenario) -> Option<Case> {
        let [Step::Fault(fault), Step::Create(clone)] = &loaded.scenario.steps[..] else { return None };
        let account = match (&fault.blobs, &fault.requests) {
            (Some(fault), None) => Some(&fault.account),
            (None, Some(fault)) => fault.account.as_ref(),
            _ => None,
        };
        let expected = &loaded.scenario.expect.clusters[clone];
        let mut known: Vec<String> = expected.because.iter().chain(&expected.logs.known).cloned().collect();
        let exactly = MORE_EXACTLY.iter().filter(|(name, _)| known.iter().any(|known| known == name));
        known.extend(exactly.map(|(_, exactly)| (*exactly).to_owned()).collect::<Vec<_>>());
        (account.map(String::as_str) == Some(READ)).then(|| Case {
            slug: loaded.slug.clone(),
            fault: (**fault).clone(),
            passes: expected.outcome == ClusterOutcome::Running,
            because: known,
        })
    }

    fn lies(&self) -> bool {
        self.fault.blobs.is_some()
    }
}

pub(crate) fn damaged_archives_are_told() {
    let cases: Vec<Case> = cases().into_iter().filter(Case::lies).collect();
    assert!(cases.len() >= 22, "{}", cases.len());
    are_told("damaged", &cases);
}

pub(crate) fn disturbed_requests_are_told() {
    let cases: Vec<Case> = cases().into_iter().filter(|case| !case.lies()).collect();
    assert!(cases.len() >= 36, "{}", cases.len());
    are_told("disturbed", &cases);
}

fn are_told(test: &str, cases: &[Case]) {
    let only = std::env::var("CLONEDRILL_ONLY").unwrap_or_default();
    let cases: Vec<&Case> = cases.iter().filter(|case| case.slug.contains(&only)).collect();
    let namespaces = &NAMESPACES[..at_once()];
    let accounts: Vec<String> = (0..cases.len()).map(|index| format!("copy{index}")).collect();
    let world = World::up_with(test, namespaces, &accounts);
    world.has_an_operator_for_clones_that_fail();
    let prepared = world.prepares(&accounts);
    let damage = cases.iter().zip(&accounts).filter_map(|(case, account)| {
        Some(Task::Damage { account: account.clone(), fault: case.fault.blobs.clone()? })
    });
    for done in world.in_accounts(damage.collect()) {
        assert!(matches!(&done, Done::Damaged(_)), "{done:?}");
    }
    let found = one_in_each(namespaces, cases.iter().zip(&accounts), |(case, account), namespace| {
        let begin = Instant::now();
        let found = world.is_told(case, account, namespace, &prepared);
        let said = if found.is_none() { "as it should" } else { "WRONG" };
        println!("{}: {said}, {:.0?}", case.slug, begin.elapsed());
        found
    });
    let wrong: Vec<String> = found.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

/// Fewer on a machine that others use too.
pub(crate) fn at_once() -> usize {
    let asked = std::env::var("CLONEDRILL_DRILLS_AT_ONCE").ok().map(|text| text.parse().unwrap());
    asked.unwrap_or(NAMESPACES.len()).min(NAMESPACES.len())
}

impl World {
    /// It waits for a clone that has gone, and the clusters of the same worker wait with it: so for less long, and with more workers.
    pub(crate) fn has_an_operator_for_clones_that_fail(&self) {
        self.configure_operator(&json!({ "workers": 32, "timeouts": { "pod_label_wait_timeout": "90s" } }));
    }

    /// Two base backups of the shop, WAL beyond both, a moment before a mistake, and the mistake; all of it in each account too. Base
    /// backups are copied one after the other and before that moment: a copy is as old as its copying, by whole seconds.
    fn prepares(&self, accounts: &[String]) -> Prepared {
        self.create(ORDERS, &archiving(SOURCE));
        let data = |name: &str| std::fs::read_to_string(scenarios().join("clone/data").join(name)).unwrap();
        let source = self.runtime.block_on(async {
            self.has_backed_up(SOURCE).await;
            let source = self.open(&format!("{SOURCE}-0")).await;
            source.sql.batch_execute(PUBLIC).await.unwrap();
            source.sql.batch_execute(&data("orders.sql")).await.unwrap();
            source.sql.batch_execute(HELD).await.unwrap();
            source.archives().await;
            source
        });
        let copy = || Task::Copy { to: accounts.to_vec() };
        self.in_accounts(vec![copy()]);
        self.runtime.block_on(source.sql.batch_execute(BACKUP)).unwrap();
        self.in_accounts(vec![copy()]);
        let prepared = self.runtime.block_on(async {
            source.sql.batch_execute(&data("after-backup.sql")).await.unwrap();
            let held = source.held().await;
            let now = source.sql.query_one("SELECT clock_timestamp()::text", &[]).await.unwrap();
            let now: String = now.get(0);
            let target = now.replacen(' ', "T", 1).parse().unwrap();
            // As after a mark, the same file of WAL shows that the target was reached.
            source.sql.batch_execute("CREATE TABLE later (n int)").await.unwrap();
            source.archives().await;
            source.sql.batch_execute(&data("mistake.sql")).await.unwrap();
            source.archives().await;
            assert_ne!(source.held().await, held, "the mistake changes nothing that the view shows");
            Prepared { target, held }
        });
        self.in_accounts(vec![copy()]);
        prepared
    }

    /// What is wrong with what a drill says of this case.
    fn is_told(&self, case: &Case, account: &str, namespace: &str, prepared: &Prepared) -> Option<String> {
        let begun = case.fault.requests.clone().map(|fault| {
            let begin = Task::Begin { account: account.to_owned(), fault };
            match &self.in_accounts(vec![begin])[..] {
                [Done::Begun(id)] => *id,
                other => panic!("{}: {other:?}", case.slug),
            }
        });
        // Reported, and asked of nobody: the drill knows no more of the data than any other one.
        let newest = vec![json!({ "database": "orders", "table": "public.held", "column": "digest" })];
        let ended = self.restores(&case.slug, account, namespace, prepared.target, newest);
        let hits = begun.map(|rule| match &self.in_accounts(vec![Task::End { rule }])[..] {
            [Done::Ended(state)] => state.hits,
            other => panic!("{}: {other:?}", case.slug),
        });
        let said = ended.said();
        let wrong = match judged(&ended, &prepared.held) {
            Err(why) => why,
            Ok(passed) if passed != case.passes => format!("it passed: {passed}"),
            Ok(true) => String::new(),
            Ok(false) if case.because.iter().any(|name| said.contains(name.as_str())) => String::new(),
            Ok(false) => format!("it says none of {:?}", case.because),
        };
        let wrong = if hits == Some(0) { format!("{wrong}; the fault hit nothing") } else { wrong };
        (!wrong.is_empty()).then(|| format!("{}: {wrong} (code {:?}): {said}", case.slug, ended.code))
    }

    pub(crate) fn restores(
        &self,
        name: &str,
        account: &str,
        namespace: &str,
        target: Timestamp,
        newest: Vec<Value>,
    ) -> Ended {
        let key = json!({ "secretKeyRef": { "name": "storage-accounts", "key": account } });
        let file = json!({
            "name": name,
            "source": { "namespace": ORDERS, "name": SOURCE },
            "into": { "namespace": namespace },
            "target": target.to_string(),
            "proofs": "quick",
            "clone": { "env": [
                { "name": "CLONE_AZURE_STORAGE_ACCOUNT", "value": account },
                { "name": "CLONE_AZURE_STORAGE_ACCESS_KEY", "valueFrom": key },
            ] },
            "newest": newest,
            "limits": { "time": "7m" },
        });
        let path = self.file(&format!("{name}.yaml"), &file.to_string());
        self.start(&["drill", path.to_str().unwrap(), "--format", "json"]).end_within(LONG)
    }
}

/// Whether it passed; an error where it passed over other data than the source's, or said nothing about the backup.
fn judged(ended: &Ended, held: &str) -> Result<bool, String> {
    let report: Value = serde_json::from_str(&ended.stdout).map_err(|error| format!("no report: {error}"))?;
    let proofs = report["drills"][0]["restore"]["proofs"].as_array().cloned().unwrap_or_default();
    let seen = proofs.iter().find(|proof| proof["what"].as_str().is_some_and(|what| what.contains("held")));
    let seen = seen.and_then(|proof| proof["seen"].as_str()).unwrap_or_default();
    match ended.code {
        Some(0) if seen == held => Ok(true),
        Some(0) => Err(format!("A FALSE PASSED: its data are {seen:?}, and the source held {held:?}")),
        Some(1) => Ok(false),
        other => Err(format!("it ended with {other:?}")),
    }
}

impl Source {
    async fn held(&self) -> String {
        self.sql.query_one("SELECT digest FROM public.held", &[]).await.unwrap().get(0)
    }
}

/// The judge of these drills can fail.
pub(crate) fn a_passed_over_other_data_is_noticed() {
    let ended = |code: i32, seen: &str| {
        let proof = json!({ "what": "orders: newest public.held.digest", "seen": seen });
        let report = json!({ "drills": [{ "restore": { "proofs": [proof] } }] });
        Ended { code: Some(code), stdout: report.to_string(), stderr: String::new() }
    };
    assert_eq!(judged(&ended(0, "one"), "one"), Ok(true));
    assert_eq!(judged(&ended(1, "other"), "one"), Ok(false));
    assert!(judged(&ended(0, "other"), "one").unwrap_err().contains("FALSE PASSED"));
    assert!(judged(&ended(0, ""), "one").is_err());
    assert!(judged(&ended(3, "one"), "one").is_err());
}
