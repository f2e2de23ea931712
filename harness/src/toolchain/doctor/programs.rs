//! The machine's own programs, with their versions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::host::{HostProgram, node_lack};
use super::super::parts::{self, Part};
use super::super::plan::{Plan, Source};
use super::super::remedy::Remedy;
use super::Check;

pub fn checks(plan: &Plan, missing: &[Part]) -> Vec<Check> {
    let needed: BTreeSet<HostProgram> = missing.iter().flat_map(|part| part.needs()).copied().collect();
    let mut checks: Vec<Check> =
        HostProgram::ALL.into_iter().map(|program| check(program, plan, missing, &needed)).collect();
    checks.push(postgres(plan));
    checks
}

fn check(program: HostProgram, plan: &Plan, missing: &[Part], needed: &BTreeSet<HostProgram>) -> Check {
    let name = program.names()[0];
    // Azurite runs on it, so it is needed also where nothing is left to make.
    let needed = program == HostProgram::Node || needed.contains(&program);
    let found = match program {
        HostProgram::Node => plan.node(),
        HostProgram::Python => parts::python(),
        _ => program.find(),
    };
    let Some(path) = found else {
        return match needed {
            true => Check::bad(name, program.remedy()),
            false => Check::not_needed(name, "not there, and all that it would make is in the cache"),
        };
    };
    let lack = match program {
        HostProgram::Go => super::super::ensure::too_old(&path, missing),
        HostProgram::Node => node_lack(&path),
        _ => None,
    };
    match lack {
        Some(lack) => Check::bad(name, lack),
        None => Check::good(name, version(program, &path)),
    }
}

fn version(program: HostProgram, path: &Path) -> String {
    let said = program.says(path).unwrap_or_else(|| "tells no version".to_owned());
    format!("{said} ({})", path.display())
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
        Source::Made(part) => match part.slot(&plan.cache).read() {
            Some(manifest) => {
                let version = manifest.version.unwrap_or_default();
                Check::good(name, format!("{version}, unpacked from the distribution's packages"))
            }
            None => to_unpack(&plan.rejected_postgres, parts::has_packages()),
        },
    }
}

/// Nothing usable is installed: whether the packages will do instead.
fn to_unpack(rejected: &[(PathBuf, String)], has_packages: bool) -> Check {
    let lacks: Vec<String> = rejected.iter().map(|(bin, why)| format!("{} {why}", bin.display())).collect();
    let seen = match lacks.is_empty() {
        true => "none is installed".to_owned(),
        false => format!("none that can be used is installed ({})", lacks.join("; ")),
    };
    if has_packages {
        return Check::good("postgres", format!("{seen}; the distribution's packages will be unpacked"));
    }
    Check::bad("postgres", Remedy::new(seen, parts::postgres_remedy().remedy))
}

#[cfg(test)]
mod tests {
    use super::super::CheckState;
    use super::*;

    #[test]
    fn an_installation_that_cannot_be_used_is_named_with_what_it_lacks() {
        let rejected = [(PathBuf::from("/opt/pg/bin"), "is built without OpenSSL".to_owned())];
        let check = to_unpack(&rejected, false);
        assert_eq!(check.state, CheckState::Bad);
        assert!(check.seen.contains("/opt/pg/bin is built without OpenSSL"), "{}", check.seen);
        assert!(check.remedy.is_some_and(|remedy| remedy.contains("CLONEDRILL_POSTGRES")));
        let check = to_unpack(&rejected, true);
        assert_eq!(check.state, CheckState::Good);
        assert!(check.seen.contains("/opt/pg/bin is built without OpenSSL"), "{}", check.seen);
    }
}
