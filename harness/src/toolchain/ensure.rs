//! Makes what is missing, in parallel, and answers with all programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use super::cache::{Cache, Manifest};
use super::command;
use super::configuration::{Configuration, FirstBackup};
use super::error::{MakeError, PartError, ToolchainError};
use super::go;
use super::host::{HostProgram, node_lack};
use super::kind::{self, KindTool};
use super::parts::{self, Context, Part};
use super::plan::{Plan, Source};
use super::progress::Progress;
use super::remedy::Remedy;
use super::tools::{PostgresTool, Tools};

/// Go builds at once: one downloads or links while the other compiles; more only need more memory.
const GO_BUILDS: usize = 2;

/// Answers with the programs of a run, after fetching or building once what is not in the cache yet.
///
/// `operators` are versions (`v1.15.1`) or names from the configuration. Blocks; starts threads only where
/// something is missing, and takes milliseconds where nothing is.
///
/// # Errors
/// [`ToolchainError`]; its `verdict` is the exit code.
pub fn ensure(
    configuration: &Configuration,
    operators: &[String],
    progress: &dyn Progress,
) -> Result<Tools, ToolchainError> {
    make_and_tell(&Plan::new(configuration, operators)?, configuration, progress)
}

/// The same for drills whose programs are in images: only the operators' manifests are needed of this machine. What is
/// not in the cache besides is left out of the answer, PostgreSQL with it.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_for_images(
    configuration: &Configuration,
    operators: &[String],
    progress: &dyn Progress,
) -> Result<Tools, ToolchainError> {
    let plan = Plan::new(configuration, operators)?;
    let is_operator = |part: &Part| matches!(part, Part::Operator(_));
    let (wanted, others): (Vec<Part>, Vec<Part>) = plan.missing().into_iter().partition(is_operator);
    if others.is_empty() {
        return make_and_tell(&plan, configuration, progress);
    }
    make_missing(configuration, &plan, &wanted, progress)?;
    Ok(plan.operators_alone())
}

fn make_and_tell(
    plan: &Plan,
    configuration: &Configuration,
    progress: &dyn Progress,
) -> Result<Tools, ToolchainError> {
    plan.is_whole()?;
    let made = make_missing(configuration, plan, &plan.missing(), progress)?;
    let mut tools = plan.tools(|part| match made.get(part) {
        Some(manifest) => Ok(manifest.clone()),
        // It was there a moment ago; only somebody who empties the cache meanwhile comes here.
        None => part.slot(&plan.cache).read().ok_or_else(|| {
            let source = MakeError::Result("it was removed from the cache meanwhile".to_owned());
            ToolchainError::Parts(vec![failure(part, source)])
        }),
    })?;
    tools.spilos_first_backup = configuration.stand_in.first_backup == FirstBackup::AsSpilo;
    Ok(tools)
}

/// The same for PostgreSQL alone, newest major last.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_postgres(
    configuration: &Configuration,
    progress: &dyn Progress,
) -> Result<Vec<PostgresTool>, ToolchainError> {
    let plan = Plan::new(configuration, &[])?;
    plan.is_whole()?;
    let is_postgres = |part: &Part| matches!(part, Part::Postgres(_));
    let missing: Vec<Part> = plan.missing().into_iter().filter(is_postgres).collect();
    make_missing(configuration, &plan, &missing, progress)?;
    plan.postgres()
}

/// The same for the program `kind`, which no other environment needs.
///
/// # Errors
/// As [`ensure`]; also when the one on PATH is too old.
pub fn ensure_kind(
    configuration: &Configuration,
    progress: &dyn Progress,
) -> Result<KindTool, ToolchainError> {
    match kind::source(configuration)? {
        Source::Given(tool, _) | Source::Found(tool, _) => Ok(tool),
        Source::Made(part) => {
            let plan = Plan::new(configuration, &[])?;
            let slot = part.slot(&plan.cache);
            if slot.read().is_none() {
                make_missing(configuration, &plan, std::slice::from_ref(&part), progress)?;
            }
            Ok(KindTool { program: slot.folder.join("bin/kind"), version: part.version().to_owned() })
        }
    }
}

fn make_missing(
    configuration: &Configuration,
    plan: &Plan,
    missing: &[Part],
    progress: &dyn Progress,
) -> Result<BTreeMap<Part, Manifest>, ToolchainError> {
    if missing.is_empty() {
        return Ok(BTreeMap::new());
    }
    let context = context(configuration, plan, missing)?;
    look_up_operators(missing, &context, progress).map_err(|failure| refine(vec![failure], configuration))?;
    make_all(missing, &context, &plan.cache, progress).map_err(|failures| refine(failures, configuration))
}

/// Finds what making needs, and says all that is missing at once.
fn context(configuration: &Configuration, plan: &Plan, missing: &[Part]) -> Result<Context, ToolchainError> {
    let mut lacks = Vec::new();
    let mut find = |program: HostProgram| {
        if !missing.iter().any(|part| part.needs().contains(&program)) {
            return None;
        }
        let found = match program {
            HostProgram::Node => plan.node(),
            HostProgram::Python => parts::python(),
            _ => program.find(),
        };
        if found.is_none() {
            lacks.push(program.remedy());
        }
        found
    };
    let [go, node, npm, _, cc] = HostProgram::ALL.map(&mut find);
    if let Some(lack) = go.as_ref().and_then(|go| too_old(go, missing)) {
        lacks.push(lack);
    }
    lacks.extend(node.as_deref().and_then(node_lack));
    if !lacks.is_empty() {
        return Err(ToolchainError::Missing(lacks));
    }
    Ok(Context {
        go: go.unwrap_or_default(),
        npm: npm.unwrap_or_default(),
        cc: cc.unwrap_or_default(),
        build_caches: (!configuration.has_home()).then(|| plan.cache.root().join("build")),
    })
}

/// What to say where the machine's Go cannot build what is missing.
pub(super) fn too_old(go: &Path, missing: &[Part]) -> Option<Remedy> {
    let mut ask = std::process::Command::new(go);
    ask.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local");
    let said = command::ask(&mut ask)?;
    let have = go::version(&said)?;
    let recipes: Vec<go::GoRecipe> = missing.iter().filter_map(Part::go).collect();
    let need = recipes.iter().filter_map(go::GoRecipe::oldest_go).max_by_key(|text| go::version(text))?;
    (have < go::version(need)?).then(|| {
        Remedy::new(
            format!("{} is {}, too old for what must be built", go.display(), said.trim()),
            format!("install Go {need} or newer and put it first on PATH"),
        )
    })
}

/// A version that nobody has is told before the first build, which takes minutes.
fn look_up_operators(missing: &[Part], context: &Context, progress: &dyn Progress) -> Result<(), PartError> {
    for part in missing {
        let unpinned = part.go().is_some_and(|recipe| !recipe.pinned);
        if let (Part::Operator(version), true) = (part, unpinned) {
            let shown = progress.part(&format!("{}?", part.title()));
            match parts::look_up(version, context, &*shown) {
                Ok(()) => shown.done(),
                Err(source) => {
                    shown.failed();
                    return Err(failure(part, source));
                }
            }
        }
    }
    Ok(())
}

fn make_all(
    missing: &[Part],
    context: &Context,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<BTreeMap<Part, Manifest>, Vec<PartError>> {
    let made = Mutex::new(BTreeMap::new());
    let failures = Mutex::new(Vec::new());
    let make = |part: &Part| {
        let shown = progress.part(&part.title());
        let slot = part.slot(cache);
        match slot.fill(&*shown, |into| part.make(context, into, &slot.folder, &*shown)) {
            Ok(manifest) => {
                shown.done();
                if let Ok(mut made) = made.lock() {
                    made.insert(part.clone(), manifest);
                }
            }
            Err(source) => {
                shown.failed();
                if let Ok(mut failures) = failures.lock() {
                    failures.push(failure(part, source));
                }
            }
        }
    };
    let (go, others): (Vec<&Part>, Vec<&Part>) = missing.iter().partition(|part| part.go().is_some());
    let queue = Mutex::new(go.into_iter());
    let next = || match failures.lock() {
        // One failure is enough to stop for; what has begun is finished and kept.
        Ok(failures) if failures.is_empty() => queue.lock().ok()?.next(),
        _ => None,
    };
    std::thread::scope(|scope| {
        for part in &others {
            scope.spawn(|| make(part));
        }
        for _ in 0..GO_BUILDS {
            scope.spawn(|| {
                while let Some(part) = next() {
                    make(part);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    if failures.is_empty() { Ok(made.into_inner().unwrap_or_default()) } else { Err(failures) }
}

fn failure(part: &Part, source: MakeError) -> PartError {
    PartError { part: part.name().to_owned(), version: part.version().to_owned(), source }
}

/// An operator version that does not exist is a person's mistake, not a failed build.
fn refine(failures: Vec<PartError>, configuration: &Configuration) -> ToolchainError {
    let given: Vec<&str> = configuration.operators().collect();
    if failures.iter().any(|failure| failure.source.is_interruption()) {
        return ToolchainError::Interrupted;
    }
    for failure in &failures {
        if let MakeError::UnknownVersion { why } = &failure.source {
            return parts::unknown(&failure.version, why, &given);
        }
    }
    ToolchainError::Parts(failures)
}
