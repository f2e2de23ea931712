//! Holding a clone that came up against everything that was asked for.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::Api;

use super::clone::PlannedClone;
use super::ended::{Ended, ended};
use super::error::RestoreError;
use super::evidence::Evidence;
use super::file::{Partly, Proofs, RestoreDrill};
use super::follow::{Usable, joined};
use super::measure;
use super::moment::Moment;
use super::observations;
use super::plan::Plan;
use super::prove::{self, Recovered, Wanted};
use super::quiet::QuietMoment;
use super::recovery::{Course, Recovery, Said};
use super::replay::Replay;
use super::server_log;
use super::source::Source;
use super::ticking::ticking;
use crate::environment::cluster::{ClusterAccess, ClusterError, PodLogs};
use crate::observe::data::{self, DataError, Identity, Options, identify};
use crate::report::{Finding, Proof, ProofState, RecoveryPhaseName, Restore, Unchecked};
use crate::secret::{Secret, is_a_word, is_told_by_name};

/// For one statement on the clone.
const STATEMENT: Duration = Duration::from_secs(30 * 60);
/// Looking for damage reads everything once more, or some times; what it does not come to in this time, it says.
const DAMAGE: Duration = Duration::from_secs(30 * 60);

/// Proofs that hold whatever there is: they are told, and prove nothing.
const NOTES: [&str; 4] = ["row counts", "log of the clone", "subscriptions", "the moment is archived"];

/// A clone that came up, with all that it is held against.
pub(super) struct Restored<'a> {
    pub access: &'a ClusterAccess,
    pub plan: &'a Plan,
    pub clone: &'a PlannedClone,
    pub drill: &'a RestoreDrill,
    /// The API server took its manifest.
    pub created: Timestamp,
    pub usable: &'a Usable,
    pub moment: Option<&'a Moment>,
    pub logs: &'a PodLogs,
}

/// What was seen of it.
pub(super) struct Proved {
    pub proofs: Vec<Proof>,
    pub identity: Identity,
    pub recovery: Recovery,
    /// When the base backup was begun.
    pub backup_begun: Option<Timestamp>,
    /// Where recovery ended.
    pub ended: Ended,
    /// The clone has what the source had at the moment, where they were compared.
    pub equal: bool,
}

/// Reads everything and proves what was asked for.
///
/// # Errors
/// When the clone does not answer any more. What does not hold is a proof that does not.
pub(super) async fn all(
    restored: &Restored<'_>,
    evidence: &Evidence,
    told: &(dyn Fn(String) + Sync),
) -> Result<Proved, RestoreError> {
    let Restored { plan, clone, drill, created, usable, moment, logs, .. } = restored;
    let connect = &usable.connect;
    let hide = |text: &str| evidence.hide(text);
    let identity = identify(connect).await?;
    let client = connect.open("postgres").await?;
    let subscriptions = subscriptions(&client).await?;
    let query = |what: &str| {
        let what = what.to_owned();
        move |source| DataError::Query { what, database: "postgres".to_owned(), source }
    };
    let server = server_log::read(&client).await.map_err(query("read the clone's server log"))?;
    evidence.text("logs/postgres-server.log", &server)?;
    let label = server_log::label(&client).await.map_err(query("read the backup's label"))?;
    let backup_begun = label.as_ref().and_then(|label| label.begun);
    let zone = server_log::zone(&client).await;
    let now = Timestamp::now();
    let said = said(logs, &server, zone.as_ref());
    let recovery = Recovery::of(&said, *created);
    let of_clone = (&identity, &recovery, &Replay::of(&said));
    let mut ended = ended(restored, &client, of_clone, told, &hide).await?;
    drop(client);

    if let Some(moment) = moment
        && let Some(last) = recovery.recovered_to.filter(|last| *last > moment.moment.target)
        && !moment.archived.commit_after
    {
        // Recovery came to the end of the WAL, and the attempt after it found more.
        return Err(RestoreError::Broken {
            what: "compare the clone with its source".to_owned(),
            seen: format!(
                "while it was cloned, the source archived more, and all of it came back, up to {last}"
            ),
            help: "nothing is wrong with the backup; do the drill again".to_owned(),
        });
    }

    observations::env(evidence, &usable.variables)?;
    let log = observations::logs(evidence, clone, logs, &server)?;

    let spool = moment.map(|_| evidence.folder());
    let options = Options::default();
    // It is the drill's own: what nobody can connect to cannot be read.
    let opened = data::open_closed(connect).await?;
    let reading = data::observe(connect, &options, spool);
    let mut data = ticking("reading all data of the clone", None, told, reading).await?;
    for database in data.databases.iter_mut().filter(|database| opened.contains(&database.name)) {
        database.opened = true;
    }
    let shown = serde_json::to_string_pretty(&data).unwrap_or_default();
    evidence.text("data/clone.json", &shown)?;

    let until = if drill.target.is_none() && moment.is_none() { now.max(clone.target) } else { clone.target };
    let recovered = match recovery.recovered_to.or(identity.last_replayed) {
        Some(time) => Recovered::To(time),
        None if recovery.ended => Recovered::Nothing,
        None => Recovered::NotKnown,
    };
    let timeline = recovery.backup.as_ref().and_then(|backup| timeline_of(&backup.name));
    let system_identifier = system_identifier(&plan.source, moment.map(|moment| &moment.moment));
    let wanted = Wanted { system_identifier, timeline, target: until };
    let mut proofs = prove::identity(&identity, recovered, wanted);
    let backup = recovery.backup.as_ref().map(|backup| backup.name.as_str());
    let file = label.as_ref().map(|label| label.file.as_deref().unwrap_or_default());
    proofs.push(prove::backup(backup, file));
    proofs.append(&mut ended.proofs);
    let nothing_after = recovered == Recovered::Nothing;
    proofs.push(prove::readable_after(&data, moment.map(|moment| &moment.data), nothing_after));
    proofs.push(prove::counts(&data));
    let mut equal = false;
    if let Some(moment) = moment {
        let compared = prove::compared(&data, &moment.data, &moment.moment, &hide)?;
        evidence.text(prove::Compared::FILE, &compared.text)?;
        equal = compared.proof.state != ProofState::Fails;
        proofs.push(compared.proof);
        proofs.push(measure::archived(moment));
    }
    let (target, timeout) = (clone.target, STATEMENT);
    told("asking what the drill's file asks".to_owned());
    proofs.extend(prove::newest(connect, &drill.newest, target, timeout, &hide).await?);
    proofs.extend(prove::assertions(connect, &drill.expect, target, timeout, &hide).await?);
    let checking = prove::damage(connect, &data, drill.proofs, DAMAGE, &hide);
    let what = match drill.proofs {
        Proofs::Quick => "checking tables and indexes (amcheck)",
        Proofs::Full => "checking tables and indexes: amcheck, what indexes point to, other indexes, maps",
    };
    proofs.extend(ticking(what, Some(DAMAGE), told, Box::pin(checking)).await?);
    proofs.extend(subscriptions);
    proofs.push(log);
    Ok(Proved { proofs, identity, recovery, backup_begun, ended, equal })
}

/// The source's: as Patroni keeps it, and where it does not in Kubernetes, as the source itself said when it was compared.
fn system_identifier<'a>(source: &'a Source, moment: Option<&'a QuietMoment>) -> Option<&'a str> {
    let measured = || moment.map(|moment| moment.system_identifier.as_str());
    source.system_identifier.as_deref().or_else(measured)
}

/// Subscriptions that came back enabled: told, since only the network kept them from their publishers.
async fn subscriptions(client: &tokio_postgres::Client) -> Result<Option<Proof>, DataError> {
    let row = client.query_one("SELECT count(*) FROM pg_subscription WHERE subenabled", &[]).await;
    let number: i64 = row.and_then(|row| row.try_get(0)).map_err(|source| DataError::Query {
        what: "count subscriptions".to_owned(),
        database: "postgres".to_owned(),
        source,
    })?;
    let seen = || {
        format!(
            "{number} came back enabled; the clone's NetworkPolicy keeps them in, where the network enforces it"
        )
    };
    Ok((number > 0).then(|| Proof::new("subscriptions", true, seen())))
}

impl Proved {
    /// Puts what was measured and proved into the report; gives what does not hold.
    pub(super) fn into_report(
        self,
        restored: &Restored<'_>,
        verified: Timestamp,
        restore: &mut Restore,
    ) -> Vec<Finding> {
        let (created, usable) = (restored.created, restored.usable);
        let spent = self.recovery.spent(Course { created, usable: usable.since, verified });
        let measured = measure::of(&self, &spent, restored);
        let mut findings: Vec<Finding> =
            self.proofs.iter().filter_map(|proof| finding(proof, restored.drill.partly)).collect();
        findings.extend(nothing_in_full(&self.proofs).filter(|_| findings.is_empty()));
        findings.extend(measured.findings);
        (restore.rpo, restore.rto) = (measured.rpo, measured.rto);
        restore.recovered_to = self.recovery.recovered_to.or(self.identity.last_replayed);
        restore.backup = self.recovery.backup;
        if let Some(backup) = &mut restore.backup {
            backup.started = self.backup_begun;
        }
        restore.phases = spent.phases;
        restore.largest_cause = spent.largest_cause;
        if restore.largest_cause.starts_with(RecoveryPhaseName::Start.name()) {
            let share = usable.pod.shown(created);
            restore.largest_cause.push_str(&format!(" ({share})"));
        }
        restore.proofs = self.proofs;
        findings
    }
}

/// Why a proof fails the drill, where it does.
fn finding(proof: &Proof, partly: Partly) -> Option<Finding> {
    let help = match (proof.state, partly) {
        (ProofState::Holds, _) | (ProofState::Partly, Partly::Passes) => return None,
        (ProofState::Fails, _) => proof.help.clone(),
        (ProofState::Partly, Partly::Fails) => {
            let let_pass = "`partly: passes` lets a drill pass where something could not be checked";
            let help = [proof.help.as_str(), let_pass].into_iter().filter(|text| !text.is_empty());
            help.collect::<Vec<_>>().join("; ")
        }
    };
    let expected = match (proof.state, proof.expected.as_str()) {
        (ProofState::Partly, "") => "to be proved in full".to_owned(),
        (ProofState::Partly, expected) => format!("{expected}, proved in full"),
        (_, expected) => expected.to_owned(),
    };
    Some(Finding {
        subject: proof.what.clone(),
        expected,
        seen: proof.seen.clone(),
        evidence: proof.evidence.clone(),
        help,
    })
}

/// What is proved only in parts is no restored backup.
fn nothing_in_full(proofs: &[Proof]) -> Option<Finding> {
    let proofs: Vec<_> = proofs.iter().filter(|proof| !NOTES.contains(&proof.what.as_str())).collect();
    if proofs.is_empty() || proofs.iter().any(|proof| proof.holds()) {
        return None;
    }
    let gaps = proofs.iter().flat_map(|proof| {
        let line =
            |gap: &Unchecked| format!("{}: {} was not checked, since {}", proof.what, gap.what, gap.why);
        proof.unchecked.iter().map(line)
    });
    Some(Finding {
        subject: "proofs".to_owned(),
        expected: "at least one that holds in full".to_owned(),
        seen: format!("none of {} does", proofs.len()),
        evidence: gaps.collect(),
        help: "what could not be checked stands beside each of them".to_owned(),
    })
}

/// All lines with a time, of the containers and of the server, in the order of time.
fn said(logs: &PodLogs, server: &str, zone: Option<&TimeZone>) -> Vec<Said> {
    let mut said: Vec<Said> = logs
        .so_far()
        .into_iter()
        .flat_map(|log| log.lines)
        .filter_map(|line| Some(Said { time: line.time?, text: line.text }))
        .chain(server_log::said(server, zone))
        .collect();
    said.sort_by_key(|line| line.time);
    said
}

/// `base_000000010000000000000004` begins with the timeline, in hexadecimal.
fn timeline_of(backup: &str) -> Option<u32> {
    u32::from_str_radix(backup.strip_prefix("base_")?.get(..8)?, 16).ok()
}

/// Keeps what the containers printed.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn keep_logs(evidence: &Evidence, logs: &PodLogs) -> Result<(), RestoreError> {
    for log in logs.so_far() {
        let name = format!("logs/{}-{}-{}.log", log.pod, log.container, log.attempt);
        let mut text = joined(&log.lines);
        if log.left_out > 0 {
            text.push_str(&format!("({} lines before the last one are left out)\n", log.left_out));
        }
        evidence.text(&name, &text)?;
    }
    Ok(())
}

/// What the clone's variables refer to: nothing may show it, and it must be there.
///
/// # Errors
/// When a Secret is missing in the clone's namespace, or the API server says no.
pub(super) async fn referred(
    access: &ClusterAccess,
    clone: &PlannedClone,
) -> Result<Vec<Secret>, RestoreError> {
    let api: Api<KubeSecret> = Api::namespaced(access.client(), &clone.namespace);
    let mut secrets = Vec::new();
    for variable in &clone.env {
        let reference = &variable["valueFrom"]["secretKeyRef"];
        let (Some(name), Some(key)) = (reference["name"].as_str(), reference["key"].as_str()) else {
            continue;
        };
        let secret = api.get_opt(name).await;
        let secret =
            secret.map_err(ClusterError::api(format!("read the Secret {name} in {}", clone.namespace)))?;
        let value = secret.as_ref().and_then(|secret| secret.data.as_ref()?.get(key));
        let Some(value) = value else {
            let what =
                if secret.is_some() { format!("no key {key} in it") } else { "no such Secret".to_owned() };
            return Err(RestoreError::Broken {
                what: format!("read the Secret {name} in the namespace {}", clone.namespace),
                seen: format!("there is {what}, and {} refers to it", variable["name"].as_str().unwrap_or_default()),
                help: "the clone has its source's credentials by reference: copy the Secret into its namespace, or give \
                       `clone.env` another"
                    .to_owned(),
            });
        };
        secrets.push(Secret::new(String::from_utf8_lossy(&value.0)));
    }
    // What somebody wrote down openly under `clone.env` is shown nowhere for all that.
    let plain = clone.env.iter().filter(|variable| variable["name"].as_str().is_some_and(is_told_by_name));
    let plain = plain.filter_map(|variable| variable["value"].as_str()).filter(|value| !is_a_word(value));
    secrets.extend(plain.map(Secret::new));
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::samples;

    #[test]
    fn what_is_proved_only_in_parts_fails_where_it_may_not_pass() {
        let gap = Unchecked { what: "shop: indexes".to_owned(), why: "there was no time".to_owned() };
        let partly = || Proof::new("amcheck", true, "1 table checked").without(vec![gap.clone()]);
        assert!(finding(&partly(), Partly::Passes).is_none());
        let found = finding(&partly(), Partly::Fails).unwrap();
        assert!(
            found.expected == "to be proved in full" && found.help.contains("`partly: passes`"),
            "{found:?}"
        );
        assert!(finding(&Proof::new("timeline", true, "2"), Partly::Fails).is_none());
        assert!(finding(&Proof::new("timeline", false, "1"), Partly::Passes).is_some());
    }

    #[test]
    fn a_drill_of_whose_proofs_none_holds_in_full_has_proved_nothing() {
        let gap = Unchecked { what: "shop: indexes".to_owned(), why: "there was no time".to_owned() };
        let partly = || Proof::new("amcheck", true, "1 table checked").without(vec![gap.clone()]);
        let note = || Proof::new("row counts", true, "1 database");
        let found = nothing_in_full(&[partly(), note()]).unwrap();
        assert_eq!(found.evidence, ["amcheck: shop: indexes was not checked, since there was no time"]);
        assert!(nothing_in_full(&[partly(), note(), Proof::new("timeline", true, "2")]).is_none());
    }

    #[test]
    fn a_source_that_was_compared_is_known_by_its_own_word_where_patroni_keeps_none() {
        let time: Timestamp = "2026-11-25T22:00:00Z".parse().unwrap();
        let moment = QuietMoment {
            from: time,
            until: time,
            target: time,
            lsn: "0/3000028".to_owned(),
            wal_file: "000000010000000000000003".to_owned(),
            timeline: 1,
            system_identifier: "7300000000000000001".to_owned(),
            next_transaction: 740,
            sequences: std::collections::BTreeMap::new(),
        };
        let mut source = samples::source();
        assert_eq!(system_identifier(&source, None), None);
        assert_eq!(system_identifier(&source, Some(&moment)), Some("7300000000000000001"));
        source.system_identifier = Some("7300000000000000002".to_owned());
        assert_eq!(system_identifier(&source, Some(&moment)), Some("7300000000000000002"));
    }
}
