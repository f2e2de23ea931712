//! What each kind of image has of this machine, beside what the local environment's image store says of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::closure::Closure;
use super::own_program::OwnProgram;
use super::python::Python;
use super::recipe::Recipe;
use super::{ImagesError, MAJORS, system};
use crate::environment::local::images::{
    Image, ImageContent, ImageFile, ImageStore, OWN_PROGRAM, shell, spilo,
};
use crate::toolchain::{AzuriteTool, PostgresTool, Tools};

/// Modules that Debian's Node.js reads from here rather than from its own program.
const NODES_MODULES: [&str; 5] = ["acorn", "acorn-walk", "cjs-module-lexer", "minimatch", "undici"];

/// Half of the files of npm's packages: what they were compiled from, and for people.
const SOURCES: [&str; 4] = [".map", ".ts", ".mts", ".md"];

/// Programs of PostgreSQL that do not begin with `pg_`, for where it lies among all others.
const POSTGRES: [&str; 9] =
    ["postgres", "initdb", "psql", "createdb", "createuser", "dropdb", "dropuser", "reindexdb", "vacuumdb"];

/// The operator: a program that stands alone.
pub(super) fn operator(tools: &Tools, name: &str) -> Result<Recipe, ImagesError> {
    let image = ImageStore::new(tools.clone()).lookup(&format!("postgres-operator:{name}"))?;
    let program = tools.operators.get(name).map(|tool| tool.binary.clone());
    // One that is given may lie where the local environment sees it anyway.
    Recipe::new(image, None, |closure| program.iter().try_for_each(|program| closure.take(program)))
}

/// The Spilo stand-in.
pub(super) fn spilo(tools: &Tools, own: &OwnProgram, reference: &str) -> Result<Recipe, ImagesError> {
    let python = Python::ask(&tools.patroni.python)?;
    let mut image = spilo::image(tools, reference);
    // Spilo's image has an init too: a server that Patroni starts is nobody's child, and process 1 hears no signal by default.
    image.entrypoint.splice(0..0, [OWN_PROGRAM.to_owned(), "init".to_owned()]);
    image.visible.retain(|path| !is_anothers(tools, path) && *path != python.base);
    let recipe = Recipe::new(image, Some(own), |closure| {
        system::shell(closure)?;
        python.take(closure)?;
        closure.take(&tools.wal_g.program)?;
        tools.postgres.iter().try_for_each(|tool| postgres(closure, tool))
    })?;
    let majors: Vec<String> = tools.postgres.iter().map(|tool| tool.major.to_string()).collect();
    Ok(recipe.labelled(MAJORS, majors.join(",")))
}

/// What every pod of the local environment sees and only other images than Spilo's need.
fn is_anothers(tools: &Tools, path: &Path) -> bool {
    let operators = tools.operators.values().map(|tool| tool.binary.as_path());
    let others = operators.chain([tools.azurite.node.as_path()]);
    let postgres = tools.postgres.iter().map(|tool| tool.bin.as_path());
    let mut ours = postgres.chain([tools.wal_g.program.as_path(), tools.patroni.python.as_path()]);
    others.into_iter().any(|program| program.starts_with(path))
        && !ours.any(|program| program.starts_with(path))
}

fn postgres(closure: &mut Closure, tool: &PostgresTool) -> Result<(), ImagesError> {
    let bin = tool.bin.canonicalize().map_err(ImagesError::read(&tool.bin))?;
    if system::BIN.iter().any(|folder| bin == Path::new(folder)) {
        for name in program_names(&bin) {
            closure.take(&bin.join(name))?;
        }
    } else {
        closure.take(&bin)?;
    }
    for folder in folders(tool) {
        // Compiling queries needs LLVM, which is larger than all the rest; the server does without, only slower.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        for name in ["bitcode", "llvmjit.so", "llvmjit_types.bc"] {
            closure.leave_out(real.join(name));
        }
        closure.take(&folder)?;
    }
    Ok(())
}

fn program_names(bin: &Path) -> Vec<String> {
    let names = bin.read_dir().into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("pg_") || POSTGRES.contains(&name.as_str())).collect()
}

/// Its libraries and its data: as it says itself, else where distributions have them.
fn folders(tool: &PostgresTool) -> Vec<PathBuf> {
    let mut ask = Command::new(tool.bin.join("pg_config"));
    ask.args(["--pkglibdir", "--sharedir"]).stdin(Stdio::null());
    let told: Vec<PathBuf> = match ask.output() {
        Ok(said) if said.status.success() => {
            String::from_utf8_lossy(&said.stdout).lines().map(PathBuf::from).collect()
        }
        _ => Vec::new(),
    };
    if !told.is_empty() {
        return told;
    }
    let major = tool.major;
    [
        format!("/usr/lib/postgresql/{major}/lib"),
        format!("/usr/share/postgresql/{major}"),
        "/usr/lib64/pgsql".to_owned(),
        "/usr/share/pgsql".to_owned(),
        "/usr/lib/postgresql".to_owned(),
        "/usr/share/postgresql".to_owned(),
    ]
    .map(PathBuf::from)
    .into()
}

/// Azurite's blob service, called as in its own image.
pub(super) fn azurite(tool: &AzuriteTool) -> Result<Recipe, ImagesError> {
    let text = format!(
        "#!/bin/sh\nexec {} --max-semi-space-size=1 {} \"$@\"\n",
        tool.node.display(),
        tool.script.display()
    );
    let image = Image {
        cmd: vec!["azurite-blob".to_owned()],
        working_dir: "/data".into(),
        home: "/data".into(),
        files: vec![ImageFile {
            path: "/usr/local/bin/azurite-blob".into(),
            content: ImageContent::Text { text, mode: 0o755 },
        }],
        ..shell::image()
    };
    let image = Image { entrypoint: Vec::new(), ..image };
    Recipe::new(image, None, |closure| {
        closure.take(Path::new("/bin/sh"))?;
        closure.take(&tool.node)?;
        for name in NODES_MODULES {
            closure.take(&Path::new("/usr/share/nodejs").join(name))?;
        }
        closure.leave_out_endings(&SOURCES);
        closure.take(&modules(&tool.script))
    })
}

/// Where the script's modules are: with those that npm put beside its package, else in it.
fn modules(script: &Path) -> PathBuf {
    let package = script.ancestors().nth(4).unwrap_or(script);
    match package.parent() {
        Some(beside) if beside.ends_with("node_modules") => beside.to_owned(),
        _ => package.to_owned(),
    }
}

/// This program alone. It opens port 443, which older container runtimes leave to root.
pub(super) fn gateway(own: &OwnProgram) -> Result<Recipe, ImagesError> {
    let image = Image {
        entrypoint: vec![OWN_PROGRAM.to_owned()],
        working_dir: "/".into(),
        home: "/root".into(),
        ..Image::default()
    };
    Recipe::new(image, Some(own), |_| Ok(()))
}

/// For init containers and sidecars that need no more than a shell.
pub(super) fn shell() -> Result<Recipe, ImagesError> {
    Recipe::new(shell::image(), None, system::shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_of_a_script_are_those_that_npm_put_beside_it_or_in_it() {
        let cached = "/cache/node_modules/azurite/dist/src/blob/main.js";
        assert_eq!(modules(Path::new(cached)), Path::new("/cache/node_modules"));
        let given = "/src/azurite/dist/src/blob/main.js";
        assert_eq!(modules(Path::new(given)), Path::new("/src/azurite"));
    }
}
