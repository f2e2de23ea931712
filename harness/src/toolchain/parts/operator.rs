//! Zalando's postgres-operator in any released version, with the manifests of that release.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::cache::Manifest;
use super::super::command::{self, CommandError};
use super::super::error::{MakeError, ToolchainError};
use super::super::go::GoRecipe;
use super::super::progress::PartProgress;
use super::Context;

/// The versions that every shipped scenario runs with; their modules are committed here.
pub const DEFAULT_OPERATORS: [&str; 3] = ["v1.10.1", "v1.14.0", "v1.15.1"];

/// Known to be on the Go module proxy; newer ones are tried all the same.
const RELEASED: [&str; 12] = [
    "v1.8.2", "v1.9.0", "v1.10.0", "v1.10.1", "v1.11.0", "v1.12.0", "v1.12.1", "v1.12.2", "v1.13.0",
    "v1.14.0", "v1.15.0", "v1.15.1",
];

const MODULE: &str = "github.com/zalando/postgres-operator";

/// One question to a module proxy.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

macro_rules! pinned {
    ($version:literal) => {
        Some([
            include_str!(concat!("../../../toolchain/postgres-operator/", $version, "/go.mod")),
            include_str!(concat!("../../../toolchain/postgres-operator/", $version, "/go.sum")),
            include_str!(concat!("../../../toolchain/postgres-operator/", $version, "/tools.go")),
        ])
    };
}

pub(super) fn recipe(version: &str) -> GoRecipe {
    let pinned = match version {
        "v1.10.1" => pinned!("v1.10.1"),
        "v1.14.0" => pinned!("v1.14.0"),
        "v1.15.1" => pinned!("v1.15.1"),
        _ => None,
    };
    let files = match pinned {
        Some([module, sum, tools]) => {
            vec![("go.mod", module.to_owned()), ("go.sum", sum.to_owned()), ("tools.go", tools.to_owned())]
        }
        None => {
            let module = format!(
                "module clonedrill.invalid/postgres-operator\n\ngo 1.24\n\nrequire {MODULE} {version}\n"
            );
            vec![("go.mod", module)]
        }
    };
    GoRecipe {
        files,
        programs: &[("github.com/zalando/postgres-operator/cmd", "postgres-operator")],
        cgo: false,
        tags: "",
        ldflags: "-s -w",
        pinned: pinned.is_some(),
    }
}

/// Whether this can be a released version at all, before anything is fetched.
///
/// # Errors
/// [`ToolchainError::OperatorUnknown`] with what would do.
pub fn check_version(version: &str, given: &[&str]) -> Result<(), ToolchainError> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers: Vec<&str> = version.strip_prefix('v').unwrap_or_default().split('.').collect();
    match numbers[..] {
        ["1", minor, patch] if digits(minor) && digits(patch) => Ok(()),
        [major, minor, patch] if digits(major) && digits(minor) && digits(patch) => {
            Err(ToolchainError::OperatorUnknown {
                version: version.to_owned(),
                why: "its tags are no valid Go module versions, so it cannot be built from the module proxy"
                    .to_owned(),
                help: format!(
                    "give a binary and its manifests in clonedrill.yaml:\noperators:\n  {version}: {{ binary: …, \
                     manifests: …, version: {version} }}"
                ),
            })
        }
        _ => Err(unknown(
            version,
            "it is neither a version such as v1.15.1 nor a name in clonedrill.yaml",
            given,
        )),
    }
}

/// The error for a version that cannot be had.
pub(crate) fn unknown(version: &str, why: &str, given: &[&str]) -> ToolchainError {
    let near = |name: &&str| strsim::damerau_levenshtein(version, name);
    let mut names: Vec<&str> = given.iter().copied().chain(RELEASED.iter().rev().copied()).collect();
    names.sort_by_key(near);
    names.truncate(3);
    ToolchainError::OperatorUnknown {
        version: version.to_owned(),
        why: why.to_owned(),
        help: format!("the nearest that can be had: {}", names.join(", ")),
    }
}

/// Asks Go whether this version can be had, before anything is built; a proxy that does not answer says nothing
/// about it.
///
/// # Errors
/// [`MakeError::UnknownVersion`], or that nobody wants to know any more.
pub(crate) fn look_up(
    version: &str,
    context: &Context,
    progress: &dyn PartProgress,
) -> Result<(), MakeError> {
    progress.says("asking for the version");
    let mut ask = Command::new(&context.go);
    ask.args(["list", "-m", &format!("{MODULE}@{version}")]).current_dir("/");
    ask.env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local").env("GOWORK", "off").env_remove("GO111MODULE");
    if let Some(folder) = &context.build_caches {
        ask.env("GOPATH", folder.join("go")).env("GOCACHE", folder.join("go-build"));
    }
    match command::run(&mut ask, LOOK_LIMIT, progress).map_err(MakeError::from).map_err(unknown_version) {
        Err(error @ MakeError::UnknownVersion { .. }) => Err(error),
        Err(error) if error.is_interruption() => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn make(
    version: &str,
    context: &Context,
    into: &Path,
    progress: &dyn PartProgress,
) -> Result<Manifest, MakeError> {
    let recipe = recipe(version);
    // The versions of those that are pinned here exist: what fails there is the network or the machine.
    let refine = |error| if recipe.pinned { error } else { unknown_version(error) };
    recipe.build(context, into, progress).map_err(refine)?;
    let module = recipe.go(context, into, "list", ["-m", "-f", "{{.Dir}}", MODULE], progress)?;
    copy(&Path::new(module.trim()).join("manifests"), &into.join("manifests"))?;
    let from = match recipe.pinned {
        true => "Go module, pinned here",
        false if unchecked(context) => "Go module, not pinned: the user's GOSUMDB is off",
        false => "Go module, pinned by the checksum database",
    };
    Ok(Manifest { from: from.to_owned(), ..Manifest::default() })
}

/// Whether the user has switched Go's checksum database off.
fn unchecked(context: &Context) -> bool {
    let said = command::ask(Command::new(&context.go).args(["env", "GOSUMDB"]).current_dir("/"));
    said.as_deref() == Some("off")
}

/// Tells a version that nobody has from a network that does not answer.
fn unknown_version(error: MakeError) -> MakeError {
    let MakeError::Command(CommandError::Failed { last, .. }) = &error else { return error };
    // A proxy that refuses a version by its rules says 403: it cannot be had either. The last is a mirror in a folder.
    let signs = [
        "unknown revision",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "invalid version",
        "no such file or directory",
    ];
    match last.iter().find(|line| line.contains(MODULE) && signs.iter().any(|sign| line.contains(sign))) {
        Some(line) => MakeError::UnknownVersion { why: format!("Go says: {}", line.trim()) },
        None => error,
    }
}

/// Files in Go's module cache are read-only; ours must stay removable.
fn copy(from: &Path, to: &Path) -> Result<(), MakeError> {
    fs::create_dir_all(to).map_err(MakeError::io("create", to))?;
    for entry in fs::read_dir(from).map_err(MakeError::io("read", from))? {
        let entry = entry.map_err(MakeError::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
            continue;
        }
        fs::copy(&source, &target).map_err(MakeError::io("copy", &source))?;
        let writable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&target, writable).map_err(MakeError::io("change the mode of", &target))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(version: &str) -> String {
        match check_version(version, &["mine"]).unwrap_err() {
            ToolchainError::OperatorUnknown { help, .. } => help,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn released_versions_pass_and_others_get_the_nearest() {
        check_version("v1.15.1", &[]).unwrap();
        check_version("v1.99.0", &[]).unwrap();
        assert!(help("1.15.1").contains("v1.15.1"));
        assert!(help("mien").contains("mine"));
        assert!(help("v2.0.1").contains("binary: …"));
    }

    #[test]
    fn a_version_that_the_proxy_has_not_is_told_from_a_broken_network() {
        let failed = |line: &str| {
            unknown_version(MakeError::Command(CommandError::Failed {
                command: "go".to_owned(),
                status: "1".to_owned(),
                last: vec![line.to_owned()],
            }))
        };
        let unknown = failed(
            "go: github.com/zalando/postgres-operator@v1.99.0: invalid version: unknown revision v1.99.0",
        );
        assert!(matches!(unknown, MakeError::UnknownVersion { .. }));
        let network = failed("go: github.com/zalando/postgres-operator@v1.99.0: dial tcp: i/o timeout");
        assert!(matches!(network, MakeError::Command(_)));
    }

    #[test]
    fn the_default_versions_are_pinned() {
        for version in DEFAULT_OPERATORS {
            let recipe = recipe(version);
            assert!(recipe.pinned);
            assert!(recipe.files[0].1.contains(&format!("{MODULE} {version}\n")));
        }
    }
}
