//! Reports that tests render.

use super::proof::ProofState;
use super::{
    Backup, ClusterSummary, DrillReport, Finding, Measure, Phase, PodImage, Proof, RecoveryPhase,
    RecoveryPhaseName, Restore,
};
use crate::exit::Verdict;

fn phase(title: &str, milliseconds: u64) -> Phase {
    Phase { title: title.to_owned(), milliseconds, note: String::new() }
}

fn texts(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

pub(super) fn passed() -> DrillReport {
    DrillReport {
        scenario: "clone-into-another-account".to_owned(),
        file: "scenarios/clone/into-another-account.yaml".into(),
        operator: "v1.15.1".to_owned(),
        environment: "local".to_owned(),
        verdict: Verdict::Passed,
        milliseconds: 16_240,
        phases: vec![
            phase("environment", 1_210),
            phase("create source", 4_020),
            phase("backup source", 610),
            phase("create clone", 8_300),
            phase("observe", 1_400),
        ],
        clusters: vec![ClusterSummary {
            cluster: "clone".to_owned(),
            outcome: "running".to_owned(),
            data: "equals before-mistake (2 databases, 7 tables, 1204 rows)".to_owned(),
            reads: texts(&["prodbackups"]),
            writes: texts(&["clonebackups"]),
            refused: Vec::new(),
            follows: None,
            said: Vec::new(),
            refusal: None,
        }],
        images: vec![PodImage {
            reference: "ghcr.io/zalando/spilo-17:4.0-p3".to_owned(),
            stand_in: true,
            spilo: Some("4.0-p3".to_owned()),
            patroni: Some("4.1.5".to_owned()),
            wal_g: Some("v1.1.3-rc-with-build".to_owned()),
            newer_wal_g: Some("3.0.5".to_owned()),
            postgres: Some("15.20".to_owned()),
            digest: None,
        }],
        findings: Vec::new(),
        told_apart: texts(&[
            "clone: outcome empty: it is running",
            "clone: data equals after-mistake: 1 table differs",
        ]),
        evidence: "/home/me/.cache/clonedrill/runs/20261124-030000/clone-into-another-account-v1.15.1".into(),
        restore: None,
    }
}

pub(super) fn failed() -> DrillReport {
    let diff = [
        "@@ -12,3 +12,3 @@",
        " WALG_AZ_PREFIX               spec-env                azure://backups/spilo/acid-orders-clone/wal",
        "-CLONE_AZURE_STORAGE_ACCOUNT  spec-env                prodbackups",
        "+CLONE_AZURE_STORAGE_ACCOUNT  operator-configuration  otherbackups",
        " CLONE_METHOD                 clone-section           CLONE_WITH_WALE",
    ];
    DrillReport {
        operator: "v1.14.0".to_owned(),
        verdict: Verdict::Failed,
        milliseconds: 31_470,
        findings: vec![
            Finding::new("clone: data", "equals before-mistake (2 databases, 7 tables, 1204 rows)", "1 of 7 tables differs: orders.public.orders has 1190 rows, not 1204; the clone was restored from the right cluster but from an earlier time than its target").with_evidence((1..=30).map(|id| format!("- orders.public.orders id={id}: apples, {}", id * 3)).collect()).with_help("WAL after the last archived file is not in the storage: take a time before the last archived WAL, or wait until it is archived"),
            Finding::new("snapshot env", "the same as in snapshots/clone/into-another-account/v1.14.0.env.snap", "something else: - accepted, + seen now").with_evidence(texts(&diff)).with_help("if this is as it should be: clonedrill run scenarios/clone/into-another-account.yaml --operator v1.14.0 --update, or cargo insta review"),
        ],
        told_apart: Vec::new(),
        evidence: "/home/me/.cache/clonedrill/runs/20261124-030000/clone-into-another-account-v1.14.0".into(),
        ..passed()
    }
}

pub(super) fn broken() -> DrillReport {
    DrillReport {
        scenario: "clone-same-account".to_owned(),
        file: "scenarios/clone/same-account.yaml".into(),
        operator: "v1.10.1".to_owned(),
        verdict: Verdict::Broken,
        milliseconds: 850,
        phases: Vec::new(),
        clusters: Vec::new(),
        findings: vec![Finding::new("environment", "etcd to run", "it ended by itself with exit code 1").with_evidence(texts(&[
                "{\"level\":\"fatal\",\"msg\":\"listen tcp 10.244.0.1:2379: bind: address already in use\"}",
            ]))],
        told_apart: Vec::new(),
        evidence: "/home/me/.cache/clonedrill/runs/20261124-030000/clone-same-account-v1.10.1".into(),
        ..passed()
    }
}

fn proof(what: &str, expected: &str, seen: &str) -> Proof {
    Proof { expected: expected.to_owned(), ..Proof::new(what, true, seen) }
}

fn recovery(phases: &[(RecoveryPhaseName, &str, u64, &str)]) -> Vec<RecoveryPhase> {
    let one = |(phase, began, milliseconds, shown_by): &(RecoveryPhaseName, &str, u64, &str)| RecoveryPhase {
        phase: *phase,
        began: began.parse().expect("a constant"),
        milliseconds: *milliseconds,
        shown_by: (*shown_by).to_owned(),
    };
    phases.iter().map(one).collect()
}

/// A restore drill that passed.
pub(super) fn restored() -> DrillReport {
    use RecoveryPhaseName::{Fetch, ListBackups, Promote, Replay, Start, Verify};
    let time = |text: &str| text.parse().ok();
    let restore = Restore {
        source: "prod/acid-orders".to_owned(),
        clone: "drills/acid-orders-drill".to_owned(),
        context: "aks-prod-westeurope".to_owned(),
        started: time("2026-11-24T03:00:00Z"),
        target: time("2026-11-24T02:59:58Z"),
        backup: Some(Backup {
            name: "base_000000010000000A0000003C".to_owned(),
            started: time("2026-11-24T01:07:41Z"),
        }),
        recovered_to: time("2026-11-24T02:58:12.304518Z"),
        rpo: Some(Measure { milliseconds: 105_695, at_most: true, budget: Some(300_000) }),
        rto: Some(Measure { milliseconds: 1_093_400, at_most: false, budget: Some(1_800_000) }),
        phases: recovery(&[
            (Start, "2026-11-24T03:00:04Z", 41_200, "container postgres started"),
            (ListBackups, "2026-11-24T03:00:45.2Z", 3_800, "INFO: 2026/11/24 03:00:49 Selecting the backup before 2026-11-24T02:59:58Z"),
            (Fetch, "2026-11-24T03:00:49Z", 702_000, "INFO: Backup extraction complete."),
            (Replay, "2026-11-24T03:12:31Z", 214_000, "LOG: recovery stopping before commit of transaction 918274"),
            (Promote, "2026-11-24T03:16:05Z", 22_400, "status Running"),
            (Verify, "2026-11-24T03:16:27.4Z", 110_000, ""),
        ]),
        largest_cause: "fetch took 64 % of the time: 81 GiB at 118 MiB/s, one stream".to_owned(),
        proofs: vec![
            proof("system identifier", "7431889023417740311", "7431889023417740311"),
            proof("timeline", "1", "1"),
            proof("tables readable", "all", "2 databases, 214 tables, 81,402,118 rows"),
            proof("orders: SELECT count(*) FROM orders", "at least 1000", "10482"),
        ],
        manifest: "apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata:\n  name: acid-orders-drill\n  namespace: drills\n".to_owned(),
        reproduce: texts(&["clonedrill drill drills/orders.yaml --kubeconfig ~/.kube/config"]),
        ..Restore::default()
    };
    DrillReport {
        scenario: "orders-nightly".to_owned(),
        file: "drills/orders.yaml".into(),
        environment: "cluster".to_owned(),
        milliseconds: 1_131_000,
        phases: vec![
            phase("look at the source", 1_900),
            phase("restore", 1_093_400),
            phase("clean up", 35_700),
        ],
        clusters: Vec::new(),
        told_apart: Vec::new(),
        evidence: "/home/me/.cache/clonedrill/runs/20261124-030000/orders-nightly".into(),
        restore: Some(Box::new(restore)),
        images: Vec::new(),
        ..passed()
    }
}

/// A restore drill whose clone has too few rows, and took too long.
pub(super) fn not_restored() -> DrillReport {
    let report = restored();
    let mut restore = report.restore.clone().unwrap_or_default();
    restore.rto = Some(Measure { milliseconds: 2_293_400, at_most: false, budget: Some(1_800_000) });
    if let Some(proof) = restore.proofs.last_mut() {
        proof.state = ProofState::Fails;
        proof.seen = "0".to_owned();
        proof.evidence = texts(&["orders=> SELECT count(*) FROM orders", " 0"]);
        proof.help = "the table is there and empty: was it truncated before the target?".to_owned();
    }
    DrillReport {
        verdict: Verdict::Failed,
        findings: vec![
            Finding::new("orders: SELECT count(*) FROM orders", "at least 1000", "0")
                .with_evidence(texts(&["orders=> SELECT count(*) FROM orders", " 0"]))
                .with_help("the table is there and empty: was it truncated before the target?"),
        ],
        restore: Some(restore),
        ..report
    }
}

/// A restore drill that ended before anything was measured.
pub(super) fn restore_broken() -> DrillReport {
    let restore = Restore {
        source: "prod/acid-orders".to_owned(),
        clone: "drills/acid-orders-drill".to_owned(),
        context: "in-cluster".to_owned(),
        ..Restore::default()
    };
    DrillReport {
        verdict: Verdict::Broken,
        milliseconds: 60_100,
        phases: Vec::new(),
        findings: vec![Finding::new("clone", "its pod to run", "ErrImagePull")],
        restore: Some(Box::new(restore)),
        ..restored()
    }
}
