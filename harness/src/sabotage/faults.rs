//! The faults: each is that of a shipped scenario of sabotage, which also shows what must come of it.

use crate::scenario::{
    BlobsFault, CertificateFault, FaultStep, HostNameFault, HostNameLeads, PodsFault, RequestsFault,
    Scenario, Step, VolumesFault,
};

macro_rules! shipped {
    ($slug:literal) => {
        ($slug, include_str!(concat!("../../../scenarios/sabotage/", $slug, ".yaml")))
    };
}

/// A test holds it to what is in the folder. What takes more than one step, such as a key that is rotated and then mended, is a course of
/// events of its own world, and no fault of somebody else's.
const SHIPPED: &[(&str, &str)] = &[
    shipped!("account-disabled"),
    shipped!("account-lost"),
    shipped!("busy-twice"),
    shipped!("certificate-expired"),
    shipped!("certificate-of-an-unknown-authority"),
    shipped!("certificate-of-another-name"),
    shipped!("clock-of-the-storage-a-day-ahead"),
    shipped!("clock-of-the-storage-a-day-behind"),
    shipped!("connection-closed-after-each-answer"),
    shipped!("connection-closed-before-the-answer"),
    shipped!("connection-closed-before-the-request"),
    shipped!("connection-closed-in-a-part"),
    shipped!("connection-closed-in-the-wal"),
    shipped!("container-being-deleted"),
    shipped!("control-file-deleted"),
    shipped!("control-file-halved"),
    shipped!("control-file-hidden"),
    shipped!("control-file-of-the-other-backup"),
    shipped!("each-request-late"),
    shipped!("error-on-every-fifth"),
    shipped!("everything-deleted"),
    shipped!("files-metadata-deleted"),
    shipped!("files-metadata-halved"),
    shipped!("first-wal-deleted"),
    shipped!("key-rotated"),
    shipped!("last-wal-deleted"),
    shipped!("list-busy-once"),
    shipped!("list-hangs-for-a-while"),
    shipped!("list-in-the-other-order"),
    shipped!("list-without-its-second-page"),
    shipped!("metadata-deleted"),
    shipped!("metadata-halved"),
    shipped!("name-lost-for-a-moment"),
    shipped!("name-of-another-account"),
    shipped!("needed-wal-deleted"),
    shipped!("newest-backups-hidden"),
    shipped!("newest-sentinel-deleted"),
    shipped!("node-restarted"),
    shipped!("operator-killed"),
    shipped!("operator-paused"),
    shipped!("operator-stopped"),
    shipped!("own-key-without-write"),
    shipped!("own-list-old"),
    shipped!("own-sentinel-swallowed"),
    shipped!("own-writes-busy"),
    shipped!("own-writes-late"),
    shipped!("own-writes-swallowed"),
    shipped!("own-writes-twice"),
    shipped!("part-deleted"),
    shipped!("part-flipped-on-its-way"),
    shipped!("part-halved"),
    shipped!("parts-hidden"),
    shipped!("parts-in-the-archive-tier"),
    shipped!("parts-of-the-oldest-deleted"),
    shipped!("patroni-killed"),
    shipped!("phantom-sentinel"),
    shipped!("pod-deleted-in-the-restore"),
    shipped!("postgres-killed"),
    shipped!("precondition-failed-once"),
    shipped!("sas-ends-before-the-wal"),
    shipped!("sas-without-list"),
    shipped!("sas-without-read"),
    shipped!("sentinel-empty-on-its-way"),
    shipped!("sentinel-listed-and-not-there"),
    shipped!("sentinel-of-the-other-backup-on-its-way"),
    shipped!("sentinel-overwritten"),
    shipped!("sentinel-truncated-on-its-way"),
    shipped!("sentinels-deleted"),
    shipped!("slow-storage"),
    shipped!("too-many-requests-once"),
    shipped!("volume-full"),
    shipped!("wal-deleted"),
    shipped!("wal-empty"),
    shipped!("wal-empty-on-its-way"),
    shipped!("wal-flipped"),
    shipped!("wal-flipped-on-its-way"),
    shipped!("wal-g-killed"),
    shipped!("wal-g-paused"),
    shipped!("wal-halved"),
    shipped!("wal-in-the-archive-tier"),
    shipped!("wal-not-found-once"),
    shipped!("wal-of-another-place"),
    shipped!("wal-truncated-on-its-way"),
    shipped!("wal-with-other-content"),
];
/// As the shipped scenarios call what is broken.
const CLONE: &str = "clone";
const READ: &str = "prodbackups";
const WRITTEN: &str = "clonebackups";

/// One thing to break.
#[derive(Debug, Clone)]
pub struct Fault {
    /// As its scenario's file is called.
    pub name: &'static str,
    /// What is broken, one sentence.
    pub about: String,
    step: Step,
}

/// What a restore works with, as a clean one showed it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The clone's short name.
    pub clone: String,
    /// The account that it reads backups from.
    pub read: String,
    /// The account that it writes its own backups to; none where it archives nothing.
    pub written: Option<String>,
}

/// All of them, in the order of their names.
pub fn faults() -> Vec<Fault> {
    SHIPPED.iter().filter_map(|(name, text)| Fault::of(name, text)).collect()
}

impl Fault {
    fn of(name: &'static str, text: &str) -> Option<Fault> {
        let scenario: Scenario = serde_saphyr::from_str(text).ok()?;
        let breaks = |step: &Step| matches!(step, Step::Fault(_) | Step::LoseAccount(_) | Step::RotateKey(_));
        let step = scenario.steps.into_iter().find(breaks)?;
        Some(Fault { name, about: scenario.about, step })
    }

    /// What a fault may be about.
    pub const KINDS: [&str; 9] =
        ["blobs", "requests", "connections", "pods", "volumes", "node", "operator", "key", "account"];

    /// What it is about, one of [`Fault::KINDS`].
    pub fn kind(&self) -> &'static str {
        match &self.step {
            Step::Fault(fault) if fault.blobs.is_some() => "blobs",
            Step::Fault(fault) if fault.requests.is_some() => "requests",
            Step::Fault(fault) if fault.pods.is_some() => "pods",
            Step::Fault(fault) if fault.certificate.is_some() || fault.host_name.is_some() => "connections",
            Step::Fault(fault) if fault.volumes.is_some() => "volumes",
            Step::Fault(fault) if fault.node.is_some() => "node",
            Step::Fault(_) => "operator",
            Step::RotateKey(_) => "key",
            _ => "account",
        }
    }

    /// Blobs are broken where they lie, so that it is there before anybody restores.
    pub fn lies(&self) -> bool {
        matches!(self.kind(), "blobs" | "account")
    }

    /// The step that breaks the same of another restore; none where that has nothing of the kind.
    pub fn step(&self, target: &Target) -> Option<Step> {
        let account = |name: &str| match name {
            READ => Some(target.read.clone()),
            WRITTEN => target.written.clone(),
            other => Some(other.to_owned()),
        };
        let cluster = |name: &str| if name == CLONE { target.clone.clone() } else { name.to_owned() };
        Some(match &self.step {
            Step::LoseAccount(name) => Step::LoseAccount(account(name)?),
            Step::RotateKey(name) => Step::RotateKey(account(name)?),
            Step::Fault(fault) => {
                let requests = match &fault.requests {
                    Some(requests) => Some(RequestsFault {
                        of: requests.of.as_deref().map(cluster),
                        account: match &requests.account {
                            Some(name) => Some(account(name)?),
                            None => None,
                        },
                        ..requests.clone()
                    }),
                    None => None,
                };
                let blobs = match &fault.blobs {
                    Some(blobs) => Some(BlobsFault { account: account(&blobs.account)?, ..blobs.clone() }),
                    None => None,
                };
                let pods = fault.pods.as_ref();
                let pods = pods.map(|pods| PodsFault { of: cluster(&pods.of), ..pods.clone() });
                let certificate = match &fault.certificate {
                    Some(certificate) => Some(CertificateFault {
                        account: account(&certificate.account)?,
                        of: certificate.of.as_deref().map(cluster),
                        ..certificate.clone()
                    }),
                    None => None,
                };
                let host_name = match &fault.host_name {
                    Some(HostNameFault { of, leads: HostNameLeads::To(other) }) => {
                        let (of, to) = (account(of)?, account(other)?);
                        // A restore that reads and writes in one account has no other.
                        (of != to).then_some(())?;
                        Some(HostNameFault { of, leads: HostNameLeads::To(to) })
                    }
                    Some(fault) => Some(HostNameFault { of: account(&fault.of)?, ..fault.clone() }),
                    None => None,
                };
                let volumes = fault.volumes.as_ref();
                let volumes =
                    volumes.map(|volumes| VolumesFault { of: cluster(&volumes.of), ..volumes.clone() });
                let broken =
                    FaultStep { requests, blobs, pods, certificate, host_name, volumes, ..(**fault).clone() };
                Step::Fault(Box::new(broken))
            }
            other => other.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn takes_more_than_one_step(name: &str) -> bool {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/sabotage");
        let text = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
        let scenario: Scenario = serde_saphyr::from_str(&text).unwrap();
        let acts = scenario.steps.iter().filter(|step| {
            matches!(
                step,
                Step::Fault(_)
                    | Step::LoseAccount(_)
                    | Step::RotateKey(_)
                    | Step::SetSecret(_)
                    | Step::Heal(_)
            )
        });
        acts.count() > 1
    }

    fn target(written: Option<&str>) -> Target {
        Target { clone: "restored".to_owned(), read: "first".to_owned(), written: written.map(str::to_owned) }
    }

    #[test]
    fn every_shipped_scenario_of_sabotage_is_a_fault() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/sabotage");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".yaml")?.to_owned()))
            .filter(|name| name != "archive" && !name.ends_with(".world") && !takes_more_than_one_step(name))
            .collect();
        there.sort();
        let known: Vec<&str> = faults().iter().map(|fault| fault.name).collect();
        assert_eq!(known, there);
    }

    #[test]
    fn each_kind_can_be_asked_for_and_has_a_fault() {
        let mut found: Vec<&str> = faults().iter().map(Fault::kind).collect();
        let mut kinds = Fault::KINDS.to_vec();
        for list in [&mut found, &mut kinds] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(found, kinds);
    }

    #[test]
    fn nothing_of_the_shipped_world_is_left_in_a_step_for_another() {
        for fault in faults() {
            let step = serde_json::to_string(&fault.step(&target(Some("second"))).unwrap()).unwrap();
            for name in [READ, WRITTEN, "\"of\":\"clone\""] {
                assert!(!step.contains(name), "{}: {step}", fault.name);
            }
        }
    }

    #[test]
    fn a_restore_that_archives_nothing_has_nothing_to_break_there() {
        let without: Vec<_> =
            faults().into_iter().filter(|fault| fault.step(&target(None)).is_none()).collect();
        assert!(
            !without.is_empty()
                && without
                    .iter()
                    .all(|fault| fault.name.starts_with("own-") || fault.name == "name-of-another-account"),
            "{without:?}"
        );
    }
}
