//! Reports that tests render.

use super::{ClusterSummary, DrillReport, Finding, Phase};
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
            Finding {
                subject: "clone: data".to_owned(),
                expected: "equals before-mistake (2 databases, 7 tables, 1204 rows)".to_owned(),
                seen: "1 of 7 tables differs: orders.public.orders has 1190 rows, not 1204; the clone was restored from the right cluster but from an earlier time than its target".to_owned(),
                evidence: (1..=30).map(|id| format!("- orders.public.orders id={id}: apples, {}", id * 3)).collect(),
                help: "WAL after the last archived file is not in the storage: take a time before the last archived WAL, or wait until it is archived".to_owned(),
            },
            Finding {
                subject: "snapshot env".to_owned(),
                expected: "the same as in snapshots/clone/into-another-account/v1.14.0.env.snap".to_owned(),
                seen: "something else: - accepted, + seen now".to_owned(),
                evidence: texts(&diff),
                help: "if this is as it should be: clonedrill run scenarios/clone/into-another-account.yaml --operator v1.14.0 --update, or cargo insta review".to_owned(),
            },
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
        findings: vec![Finding {
            subject: "environment".to_owned(),
            expected: "etcd to run".to_owned(),
            seen: "it ended by itself with exit code 1".to_owned(),
            evidence: texts(&[
                "{\"level\":\"fatal\",\"msg\":\"listen tcp 10.244.0.1:2379: bind: address already in use\"}",
            ]),
            help: String::new(),
        }],
        told_apart: Vec::new(),
        evidence: "/home/me/.cache/clonedrill/runs/20261124-030000/clone-same-account-v1.10.1".into(),
        ..passed()
    }
}
