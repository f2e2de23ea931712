//! The machine's own programs, with their versions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::cache::Manifest;
use super::super::found;
use super::super::host::{HostProgram, node_lack};
use super::super::parts::{self, Part};
use super::super::plan::{Plan, Source};
use super::super::remedy::Remedy;
use super::super::tools::PostgresTool;
use super::Check;

pub(super) fn checks(plan: &Plan, missing: &[Part]) -> Vec<Check> {
    let needed: BTreeSet<HostProgram> = missing.iter().flat_map(|part| part.needs()).copied().collect();
    let mut checks: Vec<Check> =
        HostProgram::ALL.into_iter().map(|program| check(program, plan, missing, &needed)).collect();
    checks.extend(control_plane(plan));
    checks.extend(postgres(plan));
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

/// What of it the machine has itself: used, or passed over, which is no fault.
fn control_plane(plan: &Plan) -> Vec<Check> {
    let all = [
        ("etcd", &plan.etcd),
        ("kube-apiserver", &plan.kube_apiserver),
        ("kube-controller-manager", &plan.kube_controller_manager),
    ];
    let used = all.into_iter().filter_map(|(name, source)| match source {
        Source::Found(path, place) => {
            let version = found::version(path).unwrap_or_default();
            Some(Check::good(name, format!("{version} ({}, from {place})", path.display())))
        }
        Source::Given(..) | Source::Made(_) => None,
    });
    let passed_over = plan.passed_over.iter();
    used.chain(passed_over.map(|(program, why)| Check::not_needed(program.key(), why.as_str()))).collect()
}

fn version(program: HostProgram, path: &Path) -> String {
    let said = program.says(path).unwrap_or_else(|| "tells no version".to_owned());
    format!("{said} ({})", path.display())
}

fn postgres(plan: &Plan) -> Vec<Check> {
    let name = "postgres";
    let of = |source: &Source<_>| match source {
        Source::Given(tool, _) | Source::Found(tool, _) => {
            let PostgresTool { version, bin, .. } = tool;
            Check::good(name, format!("{version} with OpenSSL ({})", bin.display()))
        }
        Source::Made(part) => match (part.slot(&plan.cache).read(), &plan.rejected_postgres[..]) {
            (Some(Manifest { version: Some(version), from, .. }), _) => {
                Check::good(name, format!("{version}, unpacked from {from}"))
            }
            (_, []) if parts::has_packages() => {
                Check::good(name, format!("{}: its packages will be unpacked", part.version()))
            }
            (_, rejected) => to_unpack(rejected, parts::has_packages()),
        },
    };
    let lacks = plan.no_postgres.iter().map(|lack| Check::bad(name, lack.clone()));
    plan.all_postgres().map(of).chain(lacks).collect()
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
