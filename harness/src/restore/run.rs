//! A restore drill from its begin to its end. Whatever happens becomes a report, and what was made is removed.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, PostParams};
use tokio_util::sync::CancellationToken;

use super::clean::remove;
use super::clone::Clone;
use super::error::RestoreError;
use super::evidence::Evidence;
use super::fence;
use super::file::RestoreDrill;
use super::follow::{Fate, Follow, Usable};
use super::leftovers::{note, of_lease};
use super::moment::{self, Moment};
use super::plan::{self, Plan};
use super::progress::Progress;
use super::verify::{self, Restored};
use crate::drill::outcome::FAILED_BOOTSTRAP;
use crate::environment::cluster::{ClusterAccess, ClusterError, Held, PodLogs};
use crate::exit::Verdict;
use crate::observe::logs::recovery::CLONE_SCRIPT;
use crate::operator::postgresqls;
use crate::poll::within;
use crate::report::{DrillReport, Event, Finding, Restore};

/// Look, lease, clone, verify, remove; a comparison is one more.
const STEPS: usize = 5;

/// What a drill is done with.
pub struct Doing<'a> {
    pub access: &'a ClusterAccess,
    pub drill: &'a RestoreDrill,
    /// This drill's own folder, made where missing.
    pub evidence: &'a Path,
    /// Ctrl-C, or the end of the pod that it runs in.
    pub stop: CancellationToken,
    pub told: &'a (dyn Fn(&Event) + Sync),
}

/// What came out, before it is a report.
#[derive(Default)]
struct Conclusion {
    restore: Restore,
    findings: Vec<Finding>,
    verdict: Option<Verdict>,
}

impl Conclusion {
    fn error(&mut self, doing: &str, error: &RestoreError) {
        self.verdict.get_or_insert(error.verdict());
        self.findings.push(error.finding(doing));
    }
}

/// Does the drill. It ends only after what it made is gone, or could not be removed, which the report says.
pub async fn run(doing: &Doing<'_>) -> DrillReport {
    let (begin, started) = (Instant::now(), Timestamp::now());
    let progress = Progress::new(doing.told, STEPS + usize::from(doing.drill.compare.is_some()));
    let mut conclusion = Conclusion::default();
    conclusion.restore.source = format!("{}/{}", doing.drill.source.namespace, doing.drill.source.name);
    conclusion.restore.context = doing.access.context().to_owned();
    conclusion.restore.started = Some(started);
    conclusion.restore.reproduce = super::reproduce::commands(doing.drill, doing.access.context());
    match Evidence::in_folder(doing.evidence) {
        Err(error) => conclusion.error("evidence folder", &error),
        Ok(evidence) => {
            let run = Run { doing, evidence: &evidence, progress: &progress, begin, started };
            run.all(&mut conclusion).await;
            conclude(&evidence, &mut conclusion);
        }
    }
    let verdict = conclusion.verdict.unwrap_or(match conclusion.findings.is_empty() {
        false => Verdict::Failed,
        // Nothing speaks against it, and nothing for it.
        true if conclusion.restore.proofs.is_empty() => Verdict::Broken,
        true => Verdict::Passed,
    });
    DrillReport {
        verdict,
        milliseconds: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        phases: progress.phases(),
        findings: conclusion.findings,
        ..report(doing.drill, doing.evidence, conclusion.restore)
    }
}

fn report(drill: &RestoreDrill, evidence: &Path, restore: Restore) -> DrillReport {
    let file = drill.file.as_deref().unwrap_or(Path::new(""));
    DrillReport::of_restore(&drill.shown(), file, evidence, restore)
}

/// The report of a drill whose cluster could not be reached.
pub fn unreached(drill: &RestoreDrill, evidence: &Path, error: &ClusterError) -> DrillReport {
    let help = error.help().unwrap_or_default();
    let finding = Finding {
        subject: "cluster".to_owned(),
        expected: "to be reached".to_owned(),
        seen: format!("failed to {error}"),
        evidence: Vec::new(),
        help,
    };
    let restore = Restore {
        source: format!("{}/{}", drill.source.namespace, drill.source.name),
        started: Some(Timestamp::now()),
        reproduce: super::reproduce::commands(drill, ""),
        ..Restore::default()
    };
    let report = report(drill, evidence, restore);
    DrillReport { verdict: error.verdict(), findings: vec![finding], ..report }
}

/// What ended the part of a drill that can be given up.
enum Stopped {
    AtItsEnd,
    TooLate,
    Interrupted,
    /// Another drill has the lease.
    Lost(RestoreError),
}

struct Run<'a> {
    doing: &'a Doing<'a>,
    evidence: &'a Evidence,
    progress: &'a Progress<'a>,
    begin: Instant,
    started: Timestamp,
}

impl Run<'_> {
    async fn all(&self, conclusion: &mut Conclusion) {
        let Doing { access, drill, .. } = self.doing;
        let look = async {
            let plan = Plan::of(access, drill, self.started).await?;
            let note = format!("backups in {}", plan.clone(drill, plan.target)?.reads());
            Ok::<_, RestoreError>((plan, note))
        };
        let plan = match self.progress.step("look at the source", look).await {
            Ok(plan) => plan,
            Err(error) => return conclusion.error("source", &error),
        };
        conclusion.restore.clone = format!("{}/{}", drill.into.namespace, plan.clone_name);
        conclusion.restore.target = Some(plan.target);
        let held = match self.progress.step("take the lease", self.lease(&plan)).await {
            Ok(held) => held,
            Err(error) => return conclusion.error("lease", &error),
        };
        // Kept however the drill ends.
        let counted = [CLONE_SCRIPT, FAILED_BOOTSTRAP];
        let mut logs = PodLogs::new(access.streams(), &drill.into.namespace, &counted);
        let stopped = tokio::select! {
            done = within("the drill", self.limit(), self.drill(&plan, &held, &mut logs, conclusion)) => match done {
                Ok(()) => Stopped::AtItsEnd,
                Err(_) => Stopped::TooLate,
            },
            () = self.doing.stop.cancelled() => Stopped::Interrupted,
            lost = held.lost() => Stopped::Lost(lost.into()),
        };
        match stopped {
            Stopped::AtItsEnd => {}
            Stopped::TooLate => {
                // Where nothing was restored yet, the time says nothing of the backup.
                let restored = logs.seen(CLONE_SCRIPT) > 0;
                conclusion.verdict.get_or_insert(if restored { Verdict::Failed } else { Verdict::Broken });
                conclusion.findings.push(self.too_long());
            }
            Stopped::Interrupted => conclusion.verdict = Some(Verdict::Interrupted),
            Stopped::Lost(error) => conclusion.error("lease", &error),
        }
        if let Err(error) = verify::keep_logs(self.evidence, &logs) {
            conclusion.error("logs", &error);
        }
        if let Err(error) = self.progress.step("remove the clone", self.clean(&plan, held)).await {
            // A drill that leaves something behind has not passed, whatever it has proved.
            conclusion.error("remove the clone", &error);
        }
    }

    /// What the drill may still take.
    fn limit(&self) -> Duration {
        plan::limit(self.doing.drill).saturating_sub(self.begin.elapsed())
    }

    fn too_long(&self) -> Finding {
        Finding {
            subject: "time".to_owned(),
            expected: format!("the drill to be done within {:.0?}", plan::limit(self.doing.drill)),
            seen: "it was not".to_owned(),
            evidence: Vec::new(),
            help: "`limits.time` says how long a drill may take".to_owned(),
        }
    }

    /// Removes first what an earlier drill of this source left.
    async fn lease(&self, plan: &Plan) -> Result<(Held, String), RestoreError> {
        let Doing { access, drill, .. } = self.doing;
        let told = |text: String| self.progress.say(text);
        let held = plan.lock.take(access, &told).await?;
        let namespace = drill.into.namespace.as_str();
        let ours = (namespace, plan.lock.name.as_str());
        let removed = of_lease(access, ours, held.noted().await, &told).await?;
        let others = super::clean::clones(access, namespace).await?;
        let limit = usize::from(drill.limits.clones.unwrap_or(1));
        if others.len() >= limit {
            let names: Vec<&str> = others.iter().map(|clone| clone.name.as_str()).collect();
            // Not ours to wait for, and the lease is given back.
            held.release().await?;
            return Err(RestoreError::Broken {
                what: "make another clone".to_owned(),
                seen: format!("{namespace} has {} of at most {limit} already: {}", others.len(), names.join(", ")),
                help: "`clonedrill clean` removes what is left of drills that were killed; `limits.clones` allows more"
                    .to_owned(),
            });
        }
        held.note(&note(&plan.clone_name, &plan.source.cluster_label)).await?;
        let note = match removed.len() {
            0 => String::new(),
            _ => format!("removed what an earlier drill left: {}", removed.join(", ")),
        };
        Ok((held, note))
    }

    /// All that can be given up in the middle.
    async fn drill(&self, plan: &Plan, held: &Held, logs: &mut PodLogs, conclusion: &mut Conclusion) {
        let drill = self.doing.drill;
        let told = |text: String| self.progress.say(text);
        let moment = match &drill.compare {
            None => None,
            Some(compare) => {
                let found = moment::of(
                    self.doing.access,
                    &plan.source,
                    (compare, self.limit()),
                    self.evidence,
                    &told,
                );
                match self.progress.step("find a quiet moment of the source", Box::pin(found)).await {
                    Ok(moment) => Some(moment),
                    Err(error) => return conclusion.error("compare", &error),
                }
            }
        };
        let target = moment.as_ref().map_or(plan.target, |moment: &Moment| moment.moment.target);
        conclusion.restore.target = Some(target);
        let clone = match plan.clone(drill, target) {
            Ok(clone) => clone,
            Err(error) => return conclusion.error("clone", &error),
        };
        let cloned = self.clone(plan, &clone, held, logs, conclusion);
        let cloned = self.progress.step("clone from the backup", Box::pin(cloned)).await;
        let (created, usable) = match cloned {
            Ok(Some(cloned)) => cloned,
            Ok(None) => return,
            Err(error) => return conclusion.error("clone", &error),
        };
        let restored =
            Restored { plan, clone: &clone, drill, created, usable: &usable, moment: moment.as_ref(), logs };
        let verified = async {
            let proved = verify::all(&restored, self.evidence, &told).await?;
            let note = format!("{} proofs", proved.proofs.len());
            Ok::<_, RestoreError>((proved, note))
        };
        match self.progress.step("verify the clone", Box::pin(verified)).await {
            Ok(proved) => {
                let findings = proved.into_report(&restored, Timestamp::now(), &mut conclusion.restore);
                conclusion.findings.extend(findings);
            }
            Err(error) => conclusion.error("verify", &error),
        }
    }

    /// Creates the clone and waits for it; none where it failed, which is a finding then.
    async fn clone(
        &self,
        plan: &Plan,
        clone: &Clone,
        held: &Held,
        logs: &mut PodLogs,
        conclusion: &mut Conclusion,
    ) -> Result<(Option<(Timestamp, Usable)>, String), RestoreError> {
        let access = self.doing.access;
        for secret in verify::referred(access, clone).await? {
            self.evidence.learn(secret);
        }
        let shown = super::manifest::yaml(&clone.manifest);
        self.evidence.text("manifest.yaml", &shown)?;
        conclusion.restore.manifest = shown;
        let fence =
            fence::of(clone, self.doing.drill, &plan.source.cluster_label, &plan.lock.name, &held.owner());
        let fence: NetworkPolicy =
            serde_json::from_value(fence).map_err(|error| RestoreError::refused(error.to_string(), ""))?;
        let fences: Api<NetworkPolicy> = Api::namespaced(access.client(), &clone.namespace);
        let made = fences.create(&PostParams::default(), &fence).await;
        made.map_err(ClusterError::api("create the clone's NetworkPolicy"))?;
        let created = Timestamp::now();
        let object = serde_json::from_value(clone.owned_by(&held.owner()));
        let object = object.map_err(|error| RestoreError::refused(error.to_string(), ""))?;
        let api = postgresqls(access.client(), &clone.namespace);
        let made = api.create(&PostParams::default(), &object).await;
        made.map_err(ClusterError::api(format!("create the clone {}", clone.name)))?;
        let told = |text: String| self.progress.say(text);
        let hide = |text: &str| self.evidence.hide(text);
        let follow = Follow::new((access, &plan.source, clone), logs, &told, &hide, self.limit());
        Ok(match follow.fate().await? {
            Fate::Usable(usable) => {
                self.evidence.learn(usable.connect.password.clone());
                let note = format!("{}, {}", clone.name, usable.status);
                (Some((created, usable)), note)
            }
            Fate::Failed(failure) => {
                conclusion.verdict.get_or_insert(failure.verdict);
                conclusion.findings.push(failure.finding);
                (None, "it did not come up".to_owned())
            }
        })
    }

    async fn clean(&self, plan: &Plan, held: Held) -> Result<((), String), RestoreError> {
        let told = |text: String| self.progress.say(text);
        let namespace = &self.doing.drill.into.namespace;
        remove(self.doing.access, namespace, &plan.clone_name, &plan.source.cluster_label, &told).await?;
        held.release().await?;
        Ok(((), String::new()))
    }
}

/// No secret leaves it, whoever wrote the text.
fn conclude(evidence: &Evidence, conclusion: &mut Conclusion) {
    let hide = |text: &mut String| *text = evidence.hide(text);
    for Finding { subject, expected, seen, evidence, help } in &mut conclusion.findings {
        [subject, expected, seen, help].into_iter().chain(evidence).for_each(hide);
    }
    let restore = &mut conclusion.restore;
    for proof in &mut restore.proofs {
        let lines = [&mut proof.what, &mut proof.expected, &mut proof.seen, &mut proof.help];
        let gaps = proof.unchecked.iter_mut().flat_map(|gap| [&mut gap.what, &mut gap.why]);
        lines.into_iter().chain(&mut proof.evidence).chain(gaps).for_each(hide);
    }
    restore.phases.iter_mut().for_each(|phase| hide(&mut phase.shown_by));
    hide(&mut restore.manifest);
}
