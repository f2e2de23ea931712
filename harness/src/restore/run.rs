//! A restore drill from its begin to its end. Whatever happens becomes a report, and what was made is removed.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, PostParams};
use tokio_util::sync::CancellationToken;

use super::bundle::{self, Bundled};
use super::clean::remove;
use super::clone::PlannedClone;
use super::error::RestoreError;
use super::evidence::Evidence;
use super::fence;
use super::file::RestoreDrill;
use super::follow::{Fate, Follow, Usable};
use super::leftovers::note;
use super::moment::{self, Moment};
use super::plan::{self, Plan};
use super::progress::Progress;
use super::repeated::FAILED_PART;
use super::siblings;
use super::span::Span;
use super::turn::{Asking, Turn};
use super::verify::{self, Restored};
use crate::drill::outcome::FAILED_BOOTSTRAP;
use crate::environment::cluster::{ClusterAccess, ClusterError, Held, PodLogs};
use crate::exit::Verdict;
use crate::observe::logs::recovery::CLONE_SCRIPT;
use crate::operator::postgresqls;
use crate::poll::within;
use crate::report::{DrillReport, Event, Finding, Restore};

/// Look, wait, clone, verify, remove; a comparison is one more.
const STEPS: usize = 5;

/// What was seen of the source may be so old.
const UP_TO_DATE: Duration = Duration::from_secs(2);

/// What a drill is done with.
pub struct Doing<'a> {
    /// The way to the cluster, with the rights of its user.
    pub access: &'a ClusterAccess,
    /// What was asked for, by file and arguments.
    pub drill: &'a RestoreDrill,
    /// This drill's own folder, made where missing.
    pub evidence: &'a Path,
    /// Ctrl-C, or the end of the pod that it runs in.
    pub stop: CancellationToken,
    /// Hears of each step, and what is waited for.
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
    let begin = Instant::now();
    let progress = Progress::new(doing.told, STEPS + usize::from(doing.drill.compare.is_some()));
    let mut conclusion = Conclusion::default();
    conclusion.restore.source = format!("{}/{}", doing.drill.source.namespace, doing.drill.source.name);
    conclusion.restore.context = doing.access.context().to_owned();
    conclusion.restore.started = Some(Timestamp::now());
    set_budgets(doing.drill, &mut conclusion.restore);
    conclusion.restore.reproduce = super::reproduce::commands(doing.drill, doing.access.context());
    match Evidence::in_folder(doing.evidence) {
        Err(error) => conclusion.error("make the evidence folder", &error),
        Ok(evidence) => {
            let run = Run { doing, evidence: &evidence, progress: &progress, begin };
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

/// They hold, whether or not the drill comes to measure anything.
fn set_budgets(drill: &RestoreDrill, restore: &mut Restore) {
    let milliseconds = |span: Option<Span>| span.and_then(|Span(span)| u64::try_from(span.as_millis()).ok());
    restore.rto_budget = milliseconds(drill.within.rto);
    restore.rpo_budget = milliseconds(drill.within.rpo);
}

/// The report of a drill whose cluster could not be reached.
pub fn unreached(drill: &RestoreDrill, evidence: &Path, error: &ClusterError) -> DrillReport {
    let help = error.help().unwrap_or_default();
    let finding = Finding {
        subject: "cluster".to_owned(),
        expected: match error.verdict() {
            Verdict::Invalid => String::new(),
            _ => "to be reached".to_owned(),
        },
        seen: format!("failed to {error}"),
        evidence: Vec::new(),
        help,
    };
    let mut restore = Restore {
        source: format!("{}/{}", drill.source.namespace, drill.source.name),
        started: Some(Timestamp::now()),
        reproduce: super::reproduce::commands(drill, ""),
        ..Restore::default()
    };
    set_budgets(drill, &mut restore);
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
    /// Of the drill itself: what it waited before does not count.
    begin: Instant,
}

impl Run<'_> {
    async fn all(&self, conclusion: &mut Conclusion) {
        let plan = match self.progress.step("look at the source", self.look()).await {
            Ok(plan) => plan,
            Err(error) => return conclusion.error("look at the source", &error),
        };
        let (plan, turn) = match self.progress.step("wait for its turn", Box::pin(self.turn(plan))).await {
            Ok(Some(came)) => came,
            Ok(None) => {
                conclusion.verdict = Some(Verdict::Interrupted);
                return;
            }
            Err(error) => return conclusion.error("wait for its turn", &error),
        };
        let begun = Run { begin: Instant::now(), ..*self };
        begun.in_turn(&plan, turn, conclusion).await;
    }

    /// What is going to be done, as of now.
    async fn look(&self) -> Result<(Plan, String), RestoreError> {
        let Doing { access, drill, .. } = self.doing;
        let plan = Plan::of(access, drill, Timestamp::now()).await?;
        let note = format!("backups in {}", plan.clone(drill, plan.target)?.reads());
        Ok((plan, note))
    }

    /// The turn, and what is going to be done by then: while it waited, the source has changed and the target moved on.
    async fn turn(&self, plan: Plan) -> Result<(Option<(Plan, Turn)>, String), RestoreError> {
        let Doing { access, drill, stop, .. } = self.doing;
        let told = |text: String| self.progress.say(text);
        let clones = drill.limits.clones.unwrap_or(1);
        let asking = Asking { access, lock: &plan.lock, clones, wait: drill.limits.wait, told: &told, stop };
        let Some(turn) = asking.turn().await? else { return Ok((None, "interrupted".to_owned())) };
        let noted = async {
            let plan = if turn.waited >= UP_TO_DATE { self.look().await?.0 } else { plan };
            turn.source.note(&note(&plan.clone_name, &plan.source.cluster_label)).await?;
            Ok::<_, RestoreError>(plan)
        };
        match noted.await {
            Ok(plan) => {
                let note = match turn.removed.len() {
                    0 => String::new(),
                    _ => format!("removed what an earlier drill left: {}", turn.removed.join(", ")),
                };
                Ok((Some((plan, turn)), note))
            }
            Err(error) => {
                turn.release().await?;
                Err(error)
            }
        }
    }

    async fn in_turn(&self, plan: &Plan, turn: Turn, conclusion: &mut Conclusion) {
        let Doing { access, drill, .. } = self.doing;
        conclusion.restore.clone = format!("{}/{}", drill.into.namespace, plan.clone_name);
        conclusion.restore.target = Some(plan.target);
        conclusion.restore.started = Some(Timestamp::now());
        conclusion.findings.extend(siblings::finding(&plan.source, &plan.sharing));
        // Kept however the drill ends.
        let counted = [&[CLONE_SCRIPT, FAILED_BOOTSTRAP][..], &FAILED_PART].concat();
        let mut logs = PodLogs::new(access.streams(), &drill.into.namespace, &counted);
        let stopped = tokio::select! {
            done = within("the drill", self.limit(), self.drill(plan, &turn.source, &mut logs, conclusion)) => match done {
                Ok(()) => Stopped::AtItsEnd,
                Err(_) => Stopped::TooLate,
            },
            () = self.doing.stop.cancelled() => Stopped::Interrupted,
            lost = turn.lost() => Stopped::Lost(lost.into()),
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
            Stopped::Lost(error) => conclusion.error("keep the lease", &error),
        }
        if let Err(error) = verify::keep_logs(self.evidence, &logs) {
            conclusion.error("keep the logs", &error);
        }
        let passed = conclusion.findings.is_empty() && conclusion.verdict.is_none();
        if !passed && conclusion.verdict != Some(Verdict::Interrupted) {
            self.progress.say("collecting what was seen of the clone".to_owned());
            let of = Bundled { access, drill, plan, evidence: self.evidence, begin: self.begin };
            Box::pin(bundle::keep(&of)).await;
        }
        if let Err(error) = self.progress.step("remove the clone", self.clean(plan, turn)).await {
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
            expected: format!("the drill to be done within {}", Span(plan::limit(self.doing.drill))),
            seen: "it took longer, and was ended".to_owned(),
            evidence: Vec::new(),
            help: "`limits.time` says how long a drill may take".to_owned(),
        }
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
                    Err(error) => return conclusion.error("find a quiet moment of the source", &error),
                }
            }
        };
        let target = moment.as_ref().map_or(plan.target, |moment: &Moment| moment.moment.target);
        conclusion.restore.target = Some(target);
        let clone = match plan.clone(drill, target) {
            Ok(clone) => clone,
            Err(error) => return conclusion.error("clone from the backup", &error),
        };
        let cloned = self.clone(plan, &clone, held, logs, conclusion);
        let cloned = self.progress.step("clone from the backup", Box::pin(cloned)).await;
        let (created, usable) = match cloned {
            Ok(Some(cloned)) => cloned,
            Ok(None) => return,
            Err(error) => return conclusion.error("clone from the backup", &error),
        };
        let access = self.doing.access;
        let moment = moment.as_ref();
        let restored =
            Restored { access, plan, clone: &clone, drill, created, usable: &usable, moment, logs };
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
            Err(error) => conclusion.error("verify the clone", &error),
        }
    }

    /// Creates the clone and waits for it; none where it failed, which is a finding then.
    async fn clone(
        &self,
        plan: &Plan,
        clone: &PlannedClone,
        held: &Held,
        logs: &mut PodLogs,
        conclusion: &mut Conclusion,
    ) -> Result<(Option<(Timestamp, Usable)>, String), RestoreError> {
        let access = self.doing.access;
        for secret in verify::referred(access, clone).await? {
            self.evidence.learn(secret);
        }
        let shown = crate::yaml::text(&clone.manifest);
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

    async fn clean(&self, plan: &Plan, turn: Turn) -> Result<((), String), RestoreError> {
        let told = |text: String| self.progress.say(text);
        let namespace = &self.doing.drill.into.namespace;
        remove(self.doing.access, namespace, &plan.clone_name, &plan.source.cluster_label, &told).await?;
        turn.release().await?;
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
