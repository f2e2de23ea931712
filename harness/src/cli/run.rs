//! `clonedrill run`: runs scenarios and says whether their backups clone back.

pub(super) mod failed;
pub(super) mod plan;
mod rooms;
mod slots;
mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::place::EnvironmentArgs;
use super::{Failure, programs, run_folder, sharing, stop};
use crate::drill::Job;
use crate::environment::shared::{self, Obtained, Share};
use crate::environment::{Description, Prepared, Wishes};
use crate::exit::Verdict;
use crate::report::{DrillId, DrillReport, Event, Finding, Format, Terminal, write_files, write_junit};
use crate::toolchain::Configuration;
use plan::Planned;
use rooms::Room;

/// A drill mostly waits; more of them than this only slow each other down on a small machine.
const JOBS: u16 = 3;
const DOCTOR: &str = "clonedrill doctor says what this machine lacks";
/// A drill may see that its environment fails before the environment has said so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Run scenarios and say whether their backups clone back.
///
/// Everything that is needed is fetched or built first, once. Exit code: 0 passed, 1 an expectation failed,
/// 2 a file is at fault, 3 the environment is, 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill run scenarios/clone/into-another-account.yaml
  clonedrill run scenarios --operator v1.15.1 --jobs 1
  clonedrill run scenarios/clone --update              accept what differs from the snapshots
  clonedrill run scenarios --format json --junit target/junit.xml
  clonedrill run scenarios/clone --environment kind    on real images, in a cluster that kind makes in Docker")]
pub(super) struct RunArgs {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    paths: Vec<PathBuf>,
    /// Only with this operator version; may be given more than once
    #[arg(long = "operator", value_name = "VERSION")]
    operators: Vec<String>,
    /// Accept what was seen as the new snapshots, if everything else is as expected
    #[arg(long)]
    update: bool,
    /// What is printed on stdout at the end
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a JUnit report to this file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How many drills run at the same time
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Leave the environments running when all is done
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    place: EnvironmentArgs,
}

pub(super) fn main(args: RunArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    let done = planned_and_run(&args);
    if let Err(failure) = &done {
        Terminal::fail(args.format, failure.verdict, &failed::errors(failure));
    }
    done
}

fn planned_and_run(args: &RunArgs) -> Result<Verdict, Failure> {
    let configuration = args.place.with_images(programs::configuration()?)?;
    let plan = plan::plan(&configuration, &args.paths, &args.operators)?;
    programs::can_hold(args.place.environment)?;
    stop::in_runtime(async |stop| {
        let prepared = plan::prepare(&configuration, &plan, args.place.environment, &stop).await?;
        run(args, plan, (&configuration, &prepared), stop).await
    })
}

async fn run(
    args: &RunArgs,
    plan: Vec<Planned>,
    (configuration, prepared): (&Configuration, &Prepared),
    stop: CancellationToken,
) -> Result<Verdict, Failure> {
    let terminal = Terminal::new(args.format);
    let run = Run {
        configuration,
        prepared,
        place: &args.place,
        id: run_folder::new_id(),
        update: args.update,
        jobs: args.jobs,
        keep: args.keep,
        told: &|id, event| terminal.event(id, event),
        stop: stop.clone(),
    };
    let reports = run.all(&plan, &share(&run.id)?).await;
    let verdict = terminal.finish(&reports, stop.is_cancelled());
    if !reports.is_empty() {
        match write_files(&run.folder(), &reports, verdict) {
            Ok(page) => eprintln!("report  {}", shown(&page)),
            Err(error) => eprintln!("failed to {error}"),
        }
    }
    if let Some(path) = &args.junit
        && let Err(error) = write_junit(path, &reports)
    {
        // The report on stdout is complete, and must not be followed by another document.
        eprintln!("failed to {error}");
        return Ok(Verdict::Broken);
    }
    Ok(verdict)
}

/// With whom environments are shared.
pub(super) struct Shared {
    pub share: Share,
    /// Nobody else can be using it, so it ends with its last drill.
    pub ours: bool,
}

fn share(id: &str) -> Result<Shared, Failure> {
    Ok(match sharing::asked_for()? {
        Some(share) => Shared { share, ours: false },
        None => Shared { share: Share { id: id.to_owned(), owner: Some(std::process::id()) }, ours: true },
    })
}

/// What all drills of one run have in common.
pub(super) struct Run<'t> {
    pub configuration: &'t Configuration,
    pub prepared: &'t Prepared,
    pub place: &'t EnvironmentArgs,
    pub id: String,
    pub update: bool,
    pub jobs: u16,
    pub keep: bool,
    /// What a drill tells while it goes on.
    pub told: &'t (dyn Fn(&DrillId, &Event) + Sync),
    pub stop: CancellationToken,
}

impl Run<'_> {
    /// Runs them all; their reports in the order of the plan.
    pub(super) async fn all(&self, plan: &[Planned], share: &Shared) -> Vec<DrillReport> {
        let rooms = rooms::Rooms::of(plan);
        // Those of one operator version begin together, so that no more control planes run than drills do.
        let drill = |planned| self.in_room(planned, rooms.of_operator(planned), share);
        slots::side_by_side(plan, usize::from(self.jobs), drill).await
    }

    /// One drill, in its operator's environment: whoever comes first starts that, and whoever goes last leaves it.
    async fn in_room(&self, planned: &Planned, room: &Room, share: &Shared) -> DrillReport {
        let name = self.described().name_of(&share.share, &planned.operator);
        let environment =
            room.environment.get_or_init(|| self.environment(planned, &name, share.share.owner)).await;
        let report = match environment {
            Ok(environment) => self.drill(planned, &name, environment).await,
            Err(finding) => self.not_run(planned, finding.clone()),
        };
        if room.is_left_by_the_last() && environment.is_ok() {
            self.leave(&name, share).await;
        }
        report
    }

    /// Until now the environment would have ended with this process, however that had ended.
    async fn leave(&self, name: &str, share: &Shared) {
        let left = match self.keep && !self.stop.is_cancelled() {
            true => shared::keep(name).await.map(|()| {
                eprintln!("the environment {name} goes on; `clonedrill down {name}` ends it");
                for line in (self.described().look_inside)(name) {
                    eprintln!("{line}");
                }
            }),
            false if share.ours => shared::end(name).await,
            false => Ok(()),
        };
        if let Err(error) = left {
            eprintln!("failed to {error}");
        }
    }

    async fn environment(
        &self,
        first: &Planned,
        name: &str,
        owner: Option<u32>,
    ) -> Result<Obtained, Finding> {
        if self.stop.is_cancelled() {
            return Err(interrupted());
        }
        let folder = self.folder();
        let help = self.described().help.to_owned();
        let failed = |seen: String| Finding { help: help.clone(), ..of_environment("to come up", &seen) };
        std::fs::create_dir_all(&folder)
            .map_err(|error| failed(format!("make {}: {error}", folder.display())))?;
        let log = self.log(&first.operator);
        let id = first.id();
        let told = |text: &str| (self.told)(&id, &Event::Progress { text: format!("environment: {text}") });
        let node_image = self.place.node_image();
        let order = (self.described().order)(&Wishes {
            name,
            operator: &first.operator,
            prepared: self.prepared,
            configuration: self.configuration,
            node_image: node_image.as_deref(),
            archives: &self.place.load_image,
        });
        let order = order.map_err(|error| failed(format!("tell the environment of its parts: {error}")))?;
        let described = self.described();
        let wanted = shared::Wanted { described, name, owner, publish: None, order: &order };
        let obtained = shared::obtain_as(&wanted, &log, &told);
        match self.stop.run_until_cancelled(obtained).await {
            Some(Ok(obtained)) => Ok(obtained),
            Some(Err(error)) => Err(failed(error.to_string())),
            None => Err(interrupted()),
        }
    }

    /// One drill, unless the run was interrupted before it began.
    async fn drill(&self, planned: &Planned, name: &str, environment: &Obtained) -> DrillReport {
        if self.stop.is_cancelled() {
            return self.not_run(planned, interrupted());
        }
        let evidence = self.evidence(planned);
        let job = Job {
            scenario: (*planned.loaded).clone(),
            operator: planned.operator.clone(),
            tools: self.prepared.tools.clone(),
            environment: name.to_owned(),
            which: self.place.environment,
            update: self.update,
            log: self.log(&planned.operator),
            evidence,
        };
        let id = planned.id();
        let ran = worker::run(&job, &self.stop, |event| (self.told)(&id, event)).await;
        let broken = ran.as_ref().map_or(true, |report| report.verdict == Verdict::Broken);
        let cause = if broken && !self.stop.is_cancelled() {
            environment.failed_within(LAST_WORDS).await.map(|why| of_environment("to keep running", &why))
        } else {
            None
        };
        match ran {
            Ok(mut report) => {
                report.findings.splice(0..0, cause);
                report
            }
            Err(finding) => self.not_run(planned, cause.unwrap_or(finding)),
        }
    }

    /// The report of a drill that could not be run.
    fn not_run(&self, planned: &Planned, finding: Finding) -> DrillReport {
        let interrupted = self.stop.is_cancelled();
        let Planned { loaded, operator, .. } = planned;
        let name = &loaded.scenario.name;
        let report = DrillReport::of_scenario(
            name,
            &loaded.file,
            operator,
            self.described().name,
            &self.evidence(planned),
        );
        let report = match interrupted {
            true => DrillReport { verdict: Verdict::Interrupted, ..report },
            false => DrillReport { findings: vec![finding], ..report },
        };
        (self.told)(&planned.id(), &Event::Finished { report: Box::new(report.clone()) });
        report
    }

    fn described(&self) -> &'static Description {
        self.place.environment.description()
    }

    /// What the environment of an operator version prints.
    fn log(&self, operator: &str) -> PathBuf {
        self.folder().join(format!("environment-{operator}.log"))
    }

    fn folder(&self) -> PathBuf {
        run_folder::of(&self.id)
    }

    fn evidence(&self, planned: &Planned) -> PathBuf {
        let loaded = &planned.loaded;
        self.folder().join(Path::new(&loaded.group)).join(&loaded.slug).join(&planned.operator)
    }
}

fn interrupted() -> Finding {
    of_environment("to come up", "wait for it: interrupted")
}

/// Relative to where the run was started, as one would type it.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn of_environment(expected: &str, seen: &str) -> Finding {
    Finding::new("environment", expected.to_owned(), format!("failed to {seen}")).with_help(DOCTOR.to_owned())
}

impl Planned {
    fn id(&self) -> DrillId {
        DrillId { scenario: self.loaded.scenario.name.clone(), operator: self.operator.clone() }
    }
}
