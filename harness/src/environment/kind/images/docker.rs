//! Docker's own client: which images there are, and making one of a tree.

use std::io::{BufRead, BufReader, BufWriter, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use super::archive::{self, Broken};
use super::recipe::Recipe;
use super::{ImagesError, LABEL};
use crate::tie::tie;
use crate::toolchain::command::{self, CommandError};
use crate::toolchain::{PartProgress, Silent};

/// Each write is a system call of ours and a read of the daemon's.
const BUFFER: usize = 1 << 20;
const KEPT_LINES: usize = 10;
/// The daemon may be busy, or behind a network.
const QUESTION: Duration = Duration::from_secs(60);
/// Far more than the seconds that a gigabyte takes.
const TRANSFER: Duration = Duration::from_secs(20 * 60);
/// How often it is looked whether an import shall end.
const LOOK: Duration = Duration::from_millis(100);

/// A Docker whose daemon answers.
#[derive(Debug)]
pub(super) struct Docker {
    program: PathBuf,
}

/// An image that is there.
#[derive(Debug)]
pub(super) struct Present {
    pub id: String,
    /// How many references lead to it.
    pub names: usize,
    pub size: u64,
    /// Of what it was made, where we made it.
    pub content: Option<String>,
}

impl Docker {
    /// Makes sure that it is there and its daemon answers.
    pub(super) fn connect() -> Result<Docker, ImagesError> {
        Docker::with("docker".into())
    }

    fn with(program: PathBuf) -> Result<Docker, ImagesError> {
        let docker = Docker { program };
        match docker.ask(&["version", "--format", "{{.Server.Version}}"]) {
            Ok(_) => Ok(docker),
            Err(CommandError::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Err(ImagesError::NoDocker)
            }
            Err(CommandError::Failed { last, .. }) => Err(ImagesError::NoDaemon(last.join(" "))),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn image(&self, reference: &str) -> Result<Option<Present>, ImagesError> {
        let said = match self.ask(&["image", "inspect", "--format", "{{json .}}", reference]) {
            Err(CommandError::Failed { last, .. })
                if last.iter().any(|line| line.to_lowercase().contains("no such image")) =>
            {
                return Ok(None);
            }
            said => said?,
        };
        let told: Value = serde_json::from_str(&said).map_err(|error| ImagesError::Answer {
            reference: reference.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Some(Present {
            id: told["Id"].as_str().unwrap_or_default().to_owned(),
            names: told["RepoTags"].as_array().map_or(0, Vec::len),
            size: told["Size"].as_u64().unwrap_or_default(),
            content: told["Config"]["Labels"][LABEL].as_str().map(str::to_owned),
        }))
    }

    /// Streams the recipe's tree into a new image.
    pub(super) fn import(
        &self,
        recipe: &Recipe,
        reference: &str,
        progress: &dyn PartProgress,
    ) -> Result<(), ImagesError> {
        let failed = |why: String, last| ImagesError::Import { reference: reference.to_owned(), why, last };
        let mut import =
            self.start_import(recipe, reference).map_err(|error| failed(error.to_string(), vec![]))?;
        let (input, stderr) = (import.stdin.take(), import.stderr.take());
        let (written, late, ended, last) = std::thread::scope(|scope| {
            let heard = scope.spawn(|| last_lines(stderr));
            let (done, is_done) = mpsc::channel::<()>();
            let id = import.id();
            let watching = scope.spawn(move || end_where_unwanted(id, &is_done, progress));
            let written = write(recipe, input, progress);
            if let Err(Broken::Other(_)) = written {
                // A stream that ends too early must not become an image.
                kill(id);
            }
            progress.says("waiting for Docker to store it");
            let ended = import.wait();
            drop(done);
            (written, watching.join().unwrap_or_default(), ended, heard.join().unwrap_or_default())
        });
        match (written, ended) {
            _ if progress.stopped() => Err(ImagesError::Interrupted),
            (Err(Broken::Other(error)), _) => Err(error),
            _ if late => Err(failed(format!("gave up after {TRANSFER:.0?}"), last)),
            (Ok(()), Ok(ended)) if ended.success() => Ok(()),
            (Err(Broken::Reader(error)), Ok(ended)) if ended.success() => {
                Err(failed(error.to_string(), last))
            }
            (_, ended) => Err(failed(how(ended), last)),
        }
    }

    fn start_import(&self, recipe: &Recipe, reference: &str) -> std::io::Result<Child> {
        let mut import = Command::new(&self.program);
        import.arg("import");
        for change in recipe.changes() {
            import.args(["-c", &change]);
        }
        import.args(["-", reference]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // As other programs of ours: it ends with this process, and Ctrl-C in the terminal is for this process.
        import.process_group(0);
        tie(&mut import);
        import.spawn()
    }

    /// The id of an image of ours with this content, under any name.
    pub(super) fn with_content(&self, content: &str) -> Result<Option<String>, ImagesError> {
        let filter = format!("label={LABEL}={content}");
        let said = self.ask(&["image", "ls", "--quiet", "--no-trunc", "--filter", &filter])?;
        Ok(said.lines().next().map(str::to_owned))
    }

    pub(super) fn tag(&self, from: &str, to: &str) -> Result<(), ImagesError> {
        Ok(self.ask(&["tag", from, to]).map(drop)?)
    }

    /// One that has a name still, or is in use, stays.
    pub(super) fn remove_unnamed(&self, id: &str) {
        let unnamed = self.image(id).is_ok_and(|image| image.is_some_and(|image| image.names == 0));
        if unnamed && let Err(error) = self.ask(&["image", "rm", id]) {
            tracing::debug!("failed to {error}");
        }
    }

    /// Writes images into one archive.
    pub(super) fn save(
        &self,
        references: &[&str],
        into: &Path,
        progress: &dyn PartProgress,
    ) -> Result<(), ImagesError> {
        let mut save = Command::new(&self.program);
        save.args(["save", "--output"]).arg(into).args(references);
        Ok(command::run(&mut save, TRANSFER, progress).map(drop)?)
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, CommandError> {
        command::run(Command::new(&self.program).args(arguments), QUESTION, &Silent)
    }
}

fn write(recipe: &Recipe, input: Option<ChildStdin>, progress: &dyn PartProgress) -> Result<(), Broken> {
    let Some(input) = input else { return Ok(()) };
    archive::write(&recipe.tree, BufWriter::with_capacity(BUFFER, input), progress)
}

/// Kills the client where nobody wants the image any more, or it takes too long: then nothing reads what is written.
fn end_where_unwanted(client: u32, is_done: &mpsc::Receiver<()>, progress: &dyn PartProgress) -> bool {
    let start = Instant::now();
    while is_done.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
        let late = start.elapsed() >= TRANSFER;
        if late || progress.stopped() {
            kill(client);
            return late;
        }
    }
    false
}

fn kill(client: u32) {
    if let Ok(group) = i32::try_from(client) {
        // It may have ended in between, and then wait tells.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn how(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("docker import ended with {status}"),
        Err(error) => error.to_string(),
    }
}

fn last_lines(said: Option<impl std::io::Read>) -> Vec<String> {
    let mut last = Vec::new();
    let lines = said.map(|said| BufReader::new(said).lines());
    for line in lines.into_iter().flatten().map_while(Result::ok) {
        if last.len() == KEPT_LINES {
            last.remove(0);
        }
        last.push(line);
    }
    last
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::environment::local::images::Image;
    use crate::toolchain::Silent;

    /// Does as Docker's client, for as much as is asked of it; what it imports it keeps.
    const FAKE: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$*" in
version*) exit 0 ;;
"image inspect"*ours) echo '{"Id":"sha256:1","Size":7,"RepoTags":["ours"],"Config":{"Labels":{"clonedrill.content":"abc"}}}' ;;
"image inspect"*theirs) echo '{"Id":"sha256:2","Size":8,"RepoTags":["theirs"],"Config":{"Labels":null}}' ;;
"image inspect"*) echo "Error: No such image: nowhere" >&2; exit 1 ;;
"image ls"*) cat "$here/same" 2>/dev/null; exit 0 ;;
tag*) echo "$*" >"$here/tagged" ;;
import*full) cat >/dev/null; echo first >&2; echo "no space left on device" >&2; exit 1 ;;
import*gone) echo "it went away" >&2; exit 1 ;;
import*) echo "$*" >"$here/arguments"; cat >"$here/imported" ;;
esac
"#;

    pub(in super::super) fn fake(folder: &tempfile::TempDir) -> Docker {
        let program = folder.path().join("docker");
        std::fs::write(&program, FAKE).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Docker::with(program).unwrap()
    }

    pub(in super::super) fn recipe() -> Recipe {
        Recipe::new(Image { working_dir: "/".into(), ..Image::default() }, None, |_| Ok(())).unwrap()
    }

    #[test]
    fn an_image_of_ours_is_told_from_one_of_theirs_and_from_none() {
        let folder = tempfile::tempdir().unwrap();
        let docker = fake(&folder);
        let ours = docker.image("ours").unwrap().unwrap();
        assert_eq!((ours.content.as_deref(), ours.size, ours.names), (Some("abc"), 7, 1));
        assert_eq!(docker.image("theirs").unwrap().unwrap().content, None);
        assert!(docker.image("nowhere").unwrap().is_none());
    }

    #[test]
    fn docker_gets_the_tree_and_how_it_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = recipe();
        fake(&folder).import(&recipe, "x:1", &Silent).unwrap();
        let arguments = std::fs::read_to_string(folder.path().join("arguments")).unwrap();
        assert!(arguments.contains(&format!("LABEL {LABEL}={}", recipe.content())), "{arguments}");
        assert!(arguments.ends_with("- x:1\n"), "{arguments}");
        let imported = std::fs::File::open(folder.path().join("imported")).unwrap();
        let mut archive = tar::Archive::new(imported);
        let paths: Vec<PathBuf> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert!(paths.contains(&PathBuf::from("etc/passwd")), "{paths:?}");
    }

    #[test]
    fn an_import_that_fails_says_what_docker_said() {
        let folder = tempfile::tempdir().unwrap();
        for (reference, said) in [("full", "no space left on device"), ("gone", "it went away")] {
            let error = fake(&folder).import(&recipe(), reference, &Silent).unwrap_err().to_string();
            assert!(error.contains("exit status: 1") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_daemon_that_is_not_there_is_told_from_a_client_that_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Docker::with(folder.path().join("nothing")), Err(ImagesError::NoDocker)));
        let program = folder.path().join("docker");
        std::fs::write(&program, "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
            .unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Docker::with(program).unwrap_err().to_string();
        assert_eq!(error, "reach Docker's daemon: Cannot connect to the Docker daemon");
    }
}
