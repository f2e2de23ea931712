//! `clonedrill sabotage`: a person's own restore with all faults in turn, and what would have been noticed of each.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::checks::with_checks;
use super::output::say;
use super::place::EnvironmentArgs;
use super::run::plan::{self, Planned};
use super::run::{Run, Shared, shown};
use super::{Failure, programs, run_folder, stop};
use crate::environment::shared::Share;
use crate::environment::{Prepared, Which};
use crate::exit::Verdict;
use crate::manifests::Manifests;
use crate::report::{DrillReport, Event, Format, Noticed, Sabotage, SabotageLine, write_sabotage};
use crate::sabotage::{self, ARCHIVE, Base, Fault, GROUP, MADE, NoScenario, Target, faults, told};
use crate::scenario::{LoadedScenario, Scenario, load};
use crate::toolchain::Configuration;

/// The restore without a fault, which says what there is to break.
const WHOLE: &str = "no-fault";

/// Break your own restore in every way that is known, and say what you would have noticed, and when
///
/// Takes a scenario, or manifests: from those it makes a small cluster that backs up in the same way, with rows of its own. What comes
/// before the restore is done once. Each fault then gets a copy of what that left in the storage, and the restore is tried. Exit code: 0 each
/// fault is survived or shows itself, 1 one is noticed by nobody or by no cause that has a name, 2 a file is at fault, 3 the environment is,
/// 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill sabotage scenarios/clone/into-another-account.yaml
  clonedrill sabotage manifests/ --cluster acid-orders
  clonedrill sabotage my-restore.yaml --only part-deleted --only key-rotated
  clonedrill sabotage my-restore.yaml --kind blobs             only what lies broken in the archive
  clonedrill sabotage my-restore.yaml --format json > sabotage.json
  clonedrill sabotage --list

A page is written beside the evidence. All faults together take about 20 minutes on two cores;
with more cores, --jobs 4 makes it less.")]
pub(super) struct SabotageArgs {
    /// A scenario with a clone in it; or files and folders of manifests, as for `clonedrill check`
    #[arg(required_unless_present = "list", value_name = "SCENARIO OR MANIFESTS")]
    paths: Vec<PathBuf>,
    /// Of manifests with several clusters, the one whose backups are restored
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only this fault; may be given more than once
    #[arg(long, value_name = "FAULT")]
    only: Vec<String>,
    /// Only faults of this kind; may be given more than once
    #[arg(long, value_name = "KIND", value_parser = Fault::KINDS)]
    kind: Vec<String>,
    /// List all faults
    #[arg(long)]
    list: bool,
    /// The operator's version; without it, the last one that the scenario names
    #[arg(long, value_name = "VERSION")]
    operator: Option<String>,
    /// What is printed on stdout at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many drills run at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    #[command(flatten)]
    place: EnvironmentArgs,
}

pub(super) fn main(args: &SabotageArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    let faults = chosen(args)?;
    if args.list {
        return list(&faults, args.format).map(|()| Verdict::Passed);
    }
    if args.place.environment != Which::Local {
        return Err(Failure::invalid(miette::miette!(
            help = "leave --environment out",
            "failed to prepare an archive: only the environment local keeps one"
        )));
    }
    let configuration = args.place.with_images(programs::configuration()?)?;
    let id = run_folder::new_id();
    let folder = run_folder::of(&id).join(GROUP);
    let file = given(args, &folder)?;
    let loaded = with_checks(&configuration, |checks| load(&file, checks)).map_err(Failure::invalid)?;
    let operator = args.operator.clone().or_else(|| loaded.scenario.operator.versions.last().cloned());
    let base = base(&loaded, &operator.unwrap_or_default())?;
    programs::can_hold(args.place.environment)?;
    stop::in_runtime(async |stop| {
        let work = Work { args, configuration: &configuration, base, folder, id };
        work.done(&faults, &stop).await
    })
}

/// The scenario that was given, or one made of manifests.
fn given(args: &SabotageArgs, folder: &Path) -> Result<PathBuf, Failure> {
    if let [file] = &args.paths[..]
        && is_scenario(file)
    {
        return Ok(file.clone());
    }
    let manifests = Manifests::read(&args.paths);
    if let Some(problem) = manifests.problems.first() {
        return Err(Failure::invalid(problem.clone()));
    }
    let operator = args.operator.clone().unwrap_or_else(super::inputs::newest_operator);
    let scenario = sabotage::scenario(&manifests, args.cluster.as_deref(), &operator).map_err(|error| {
        Failure::invalid(miette::miette!(
            help = match &error {
                NoScenario::Several(_) => "name one with --cluster",
                _ => "a cluster's account and WALG_AZ_PREFIX have to be known: give the operator's configuration and what its \
                      pod_environment_configmap names too, or write a scenario (docs/sabotage-yours.md)",
            },
            "failed to {error}"
        ))
    })?;
    write(folder, MADE, &scenario)
}

/// Manifests have no steps.
fn is_scenario(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().any(|line| line.starts_with("steps:"))
}

fn list_of(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
}

fn write(folder: &Path, slug: &str, scenario: &Scenario) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{slug}.yaml"));
    let text = serde_json::to_value(scenario).map(|value| crate::yaml::text(&value));
    let text = text.map_err(|error| Failure::broken(miette::miette!("failed to write {slug}: {error}")))?;
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
    written
        .map_err(|error| Failure::broken(miette::miette!("failed to write {}: {error}", path.display())))?;
    Ok(PathBuf::from(shown(&path)))
}

fn base(loaded: &LoadedScenario, operator: &str) -> Result<Base, Failure> {
    Base::of(loaded, operator).map_err(|error| {
        Failure::invalid(miette::miette!(
            help = "it takes a scenario that makes a backup, marks a moment, and creates a clone with `spec.clone.timestamp` of that \
                    mark: `clonedrill run` has to pass on it; docs/sabotage-yours.md has an example",
            "failed to {error}"
        ))
    })
}

/// The faults that were asked for; a name that there is not is a mistake.
fn chosen(args: &SabotageArgs) -> Result<Vec<Fault>, Failure> {
    let all = faults();
    let names: Vec<&str> = all.iter().map(|fault| fault.name).collect();
    if let Some(unknown) = args.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Failure::invalid(miette::miette!(
            help = crate::yaml::help(unknown, &names),
            "failed to find the fault `{unknown}`: `clonedrill sabotage --list` has them all"
        )));
    }
    let wanted = |fault: &Fault| {
        let named = args.only.is_empty() || args.only.iter().any(|name| name == fault.name);
        named && (args.kind.is_empty() || args.kind.iter().any(|kind| kind == fault.kind()))
    };
    let chosen: Vec<Fault> = all.into_iter().filter(wanted).collect();
    match chosen.is_empty() {
        true => {
            Err(Failure::invalid(miette::miette!("failed to find a fault: none of those is of that kind")))
        }
        false => Ok(chosen),
    }
}

fn list(faults: &[Fault], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let list: Vec<serde_json::Value> = faults
            .iter()
            .map(|fault| serde_json::json!({ "fault": fault.name, "kind": fault.kind(), "about": fault.about }))
            .collect();
        let text = serde_json::to_string_pretty(&list);
        say(text.map_err(|error| Failure::broken(miette::miette!("failed to write the list: {error}")))?);
        return Ok(());
    }
    for fault in faults {
        let about = crate::report::wrap(&fault.about, 45);
        for (index, line) in about.iter().enumerate() {
            let (name, kind) = if index == 0 { (fault.name, fault.kind()) } else { ("", "") };
            say(format!("{name:<40}  {kind:<11}  {line}"));
        }
    }
    Ok(())
}

/// What is under way.
struct Work<'a> {
    args: &'a SabotageArgs,
    configuration: &'a Configuration,
    base: Base,
    /// Of the generated scenarios.
    folder: PathBuf,
    id: String,
}

impl Work<'_> {
    async fn done(&self, faults: &[Fault], stop: &CancellationToken) -> Result<Verdict, Failure> {
        self.write(ARCHIVE, &self.base.archive)?;
        let whole = self.base.scenario(WHOLE, "The restore without a fault.", None);
        let plan = self.plan(&[self.write(WHOLE, &whole)?])?;
        let prepared = plan::prepare(self.configuration, &plan, self.args.place.environment, stop).await?;
        eprintln!("prepare   what is there before the restore, and one restore without a fault");
        let reports = self.run(&plan, &prepared, stop, &|_| {}).await;
        let clean = match reports.into_iter().next() {
            Some(report) if report.verdict == Verdict::Passed => report,
            Some(report) => return Err(not_whole(&report)),
            None => {
                return Err(Failure::broken(miette::miette!("failed to run the restore without a fault")));
            }
        };
        let target = self.target(&clean)?;
        let took = sabotage::restored(&clean, &self.base.clone);
        let (mut files, mut tried, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for fault in faults {
            match fault.step(&target) {
                Some(step) => {
                    let scenario = self.base.scenario(fault.name, &fault.about, Some(step));
                    files.push(self.write(fault.name, &scenario)?);
                    tried.push(fault);
                }
                None => left_out.push(format!("{} (it archives nothing)", fault.name)),
            }
        }
        let plan = self.plan(&files)?;
        let (number, of) = (AtomicUsize::new(0), tried.len());
        let told = |report: &DrillReport| {
            let number = number.fetch_add(1, Ordering::Relaxed) + 1;
            let Some(fault) = tried.iter().find(|fault| is_of(report, fault)) else { return };
            let line = told_of(fault, &self.base.clone, report, took);
            eprintln!("{:>3} of {of}  {:<40}  {}", number, line.fault, short(&line));
        };
        let reports = self.run(&plan, &prepared, stop, &told).await;
        let mut lines = Vec::new();
        let mut broken = false;
        for (fault, report) in tried
            .iter()
            .filter_map(|fault| Some((fault, reports.iter().find(|report| is_of(report, fault))?)))
        {
            match sabotage::has_nothing_for(report) {
                Some(why) => left_out.push(format!("{} ({why})", fault.name)),
                None => {
                    broken |= !matches!(report.verdict, Verdict::Passed | Verdict::Failed);
                    lines.push(told_of(fault, &self.base.clone, report, took));
                }
            }
        }
        let verdict = match stop.is_cancelled() {
            true => Verdict::Interrupted,
            false => sabotage::verdict(&lines, broken),
        };
        self.tell(&Sabotage {
            what: list_of(&self.args.paths),
            clone: self.base.clone.clone(),
            reads: target.read,
            writes: target.written,
            whole: took,
            verdict,
            exit_code: verdict.code(),
            faults: lines,
            left_out,
        })?;
        Ok(verdict)
    }

    fn tell(&self, sabotage: &Sabotage) -> Result<(), Failure> {
        match self.args.format {
            Format::Text => say(sabotage.table(&std::io::stdout()).trim_end()),
            Format::Json => {
                let text = serde_json::to_string_pretty(sabotage);
                say(text.map_err(|error| {
                    Failure::broken(miette::miette!("failed to write the result: {error}"))
                })?);
            }
        }
        let page = self.folder.with_file_name("sabotage.html");
        write_sabotage(&page, sabotage)
            .map_err(|error| Failure::broken(miette::miette!("failed to {error}")))?;
        eprintln!("page      {}", shown(&page));
        Ok(())
    }

    /// The accounts that a restore without a fault was seen to use.
    fn target(&self, clean: &DrillReport) -> Result<Target, Failure> {
        let clone = clean.clusters.iter().find(|cluster| cluster.cluster == self.base.clone);
        let read = clone.and_then(|clone| clone.reads.first().cloned());
        let read = read.ok_or_else(|| {
            Failure::invalid(miette::miette!(
                "failed to find what to break: {} was not seen to read a backup from any account",
                self.base.clone
            ))
        })?;
        let written = clone.and_then(|clone| clone.writes.first().cloned());
        Ok(Target { clone: self.base.clone.clone(), read, written })
    }

    fn write(&self, slug: &str, scenario: &Scenario) -> Result<PathBuf, Failure> {
        write(&self.folder, slug, scenario)
    }

    fn plan(&self, files: &[PathBuf]) -> Result<Vec<Planned>, Failure> {
        plan::plan(self.configuration, files, &[])
    }

    async fn run(
        &self,
        plan: &[Planned],
        prepared: &Prepared,
        stop: &CancellationToken,
        told: &(dyn Fn(&DrillReport) + Sync),
    ) -> Vec<DrillReport> {
        let share = Share { id: self.id.clone(), owner: Some(std::process::id()) };
        let run = Run {
            configuration: self.configuration,
            prepared,
            place: &self.args.place,
            id: self.id.clone(),
            update: false,
            jobs: self.args.jobs,
            keep: false,
            told: &|_, event| {
                if let Event::Finished { report } = event {
                    told(report);
                }
            },
            stop: stop.clone(),
        };
        // It ends with this process, which has more drills for it.
        run.all(plan, &Shared { share, ours: false }).await
    }
}

fn told_of(fault: &Fault, clone: &str, report: &DrillReport, whole: u64) -> SabotageLine {
    told(fault, clone, report, whole, &report.file)
}

fn is_of(report: &DrillReport, fault: &Fault) -> bool {
    report.scenario.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('-')) == Some(fault.name)
}

fn short(line: &SabotageLine) -> String {
    match line.noticed {
        Noticed::Nobody => format!("NOBODY NOTICES: {}", line.wrong),
        Noticed::OnlyInTheLog => format!("only in the log: {}", line.said.join(", ")),
        Noticed::NoClone => format!("no clone: {}", line.seen()),
        Noticed::NothingToNotice => "survived, data right".to_owned(),
        Noticed::NotTried => format!("not tried: {}", line.wrong),
    }
}

/// Breaking what does not stand shows nothing.
fn not_whole(report: &DrillReport) -> Failure {
    let said: Vec<String> =
        report.findings.iter().map(|finding| format!("{}: {}", finding.subject, finding.seen)).collect();
    let verdict = if report.verdict == Verdict::Failed { Verdict::Invalid } else { report.verdict };
    Failure {
        verdict,
        report: miette::miette!(
            help = format!(
                "`clonedrill run {}` says more; its evidence is in {}",
                report.file.display(),
                report.evidence.display()
            ),
            "failed to restore without any fault, so that nothing can be broken: {}",
            said.join("; ")
        ),
    }
}
