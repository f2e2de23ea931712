//! The machine's own programs, with their versions.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::super::host::HostProgram;
use super::super::parts::{self, Part};
use super::super::plan::{Plan, Source};
use super::Check;

pub fn checks(plan: &Plan, missing: &[Part]) -> Vec<Check> {
    let needed: BTreeSet<HostProgram> = missing.iter().flat_map(|part| part.needs()).copied().collect();
    let mut checks: Vec<Check> =
        HostProgram::ALL.into_iter().map(|program| check(program, plan, &needed)).collect();
    if let Some(lack) = HostProgram::Go.find().and_then(|go| super::super::ensure::too_old(&go, missing)) {
        checks.retain(|check| check.name != "go");
        checks.push(Check::bad("go", lack));
    }
    checks.push(postgres(plan));
    checks
}

fn check(program: HostProgram, plan: &Plan, needed: &BTreeSet<HostProgram>) -> Check {
    let name = program.names()[0];
    let found = match program {
        HostProgram::Node => plan.node.clone(),
        HostProgram::Python => parts::python(),
        _ => program.find(),
    };
    match found {
        Some(path) => Check::good(name, version(program, &path)),
        // Azurite runs on it, so it is needed also where nothing is left to make.
        None if program == HostProgram::Node || needed.contains(&program) => {
            Check::bad(name, program.remedy())
        }
        None => Check::not_needed(name, "not there, and all that it would make is in the cache"),
    }
}

fn version(program: HostProgram, path: &Path) -> String {
    let question = if program == HostProgram::Go { "version" } else { "--version" };
    let output = Command::new(path).arg(question).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let first = said.lines().next().unwrap_or("tells no version").trim();
    format!("{first} ({})", path.display())
}

fn postgres(plan: &Plan) -> Check {
    let name = "postgres";
    match &plan.postgres {
        Source::Given(tools, _) | Source::Found(tools, _) => {
            let all: Vec<String> = tools
                .iter()
                .map(|tool| format!("{} with OpenSSL ({})", tool.version, tool.bin.display()))
                .collect();
            Check::good(name, all.join(", "))
        }
        Source::Made(part) if part.slot(&plan.cache).read().is_some() => {
            Check::good(name, "unpacked from the distribution's packages")
        }
        Source::Made(_) if parts::has_packages() => {
            Check::good(name, "none with OpenSSL installed; the distribution's packages will be unpacked")
        }
        Source::Made(_) => Check::bad(name, parts::postgres_remedy()),
    }
}
