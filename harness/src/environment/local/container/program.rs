//! Telling the node how the set-up went, and becoming the container's program.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::execve;

use super::{CANNOT_RUN, During, Report, SetupError, init};

/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The pipe on which the node reads how the set-up goes. It ends when no process holds it any more: the
/// program's own copy closes when it is executed, the others must be let go of by hand.
pub(super) struct Outcome {
    pipe: RefCell<Option<File>>,
}

impl Outcome {
    /// Writes one line; where nobody reads any more there is nobody left to tell.
    pub(super) fn say(&self, report: &Report) {
        if let (Some(pipe), Ok(mut line)) = (self.pipe.borrow_mut().as_mut(), serde_json::to_vec(report)) {
            line.push(b'\n');
            let _ = pipe.write_all(&line);
        }
    }

    pub(super) fn close(&self) {
        self.pipe.borrow_mut().take();
    }
}

/// Moves the pipe away from stdout, so that the program's stdout is the log as stderr is, and reports
/// what `run` fails with.
pub(super) fn with_outcome(run: impl FnOnce(&Outcome) -> Result<i32, SetupError>) -> i32 {
    let outcome = match std::io::stdout().as_fd().try_clone_to_owned() {
        Ok(pipe) => Outcome { pipe: RefCell::new(Some(File::from(pipe))) },
        Err(_) => return CANNOT_RUN,
    };
    let ready = nix::unistd::dup2_stdout(std::io::stderr())
        .during(|| "send stdout to the log".to_owned())
        .and_then(|()| empty_stdin());
    ready.and_then(|()| run(&outcome)).unwrap_or_else(|error| {
        outcome.say(&Report::Failed(error.to_string()));
        CANNOT_RUN
    })
}

fn empty_stdin() -> Result<(), SetupError> {
    let null = File::open("/dev/null").during(|| "open /dev/null".to_owned())?;
    nix::unistd::dup2_stdin(null).during(|| "empty stdin".to_owned())
}

/// Replaces this process by `argv`; comes back only when that fails.
pub(super) fn replace_with(argv: &[String], env: &[(String, String)], signals: &init::Blocked) -> SetupError {
    match try_replace_with(argv, env, signals) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn try_replace_with(
    argv: &[String],
    env: &[(String, String)],
    signals: &init::Blocked,
) -> Result<std::convert::Infallible, SetupError> {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let arguments = argv.iter().map(|argument| c_string(argument)).collect::<Result<Vec<_>, _>>()?;
    let variables = env
        .iter()
        .map(|(name, value)| c_string(&format!("{name}={value}")))
        .collect::<Result<Vec<_>, _>>()?;
    let path = env.iter().rev().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, path)| path);
    signals.restore().during(|| "restore signals".to_owned())?;
    // SAFETY: the default action installs no handler. Rust ignores SIGPIPE, and that would be inherited.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.during(|| "restore SIGPIPE".to_owned())?;
    let mut failure = nix::errno::Errno::ENOENT;
    for candidate in candidates(program, path) {
        let Err(errno) = execve(&c_string(&candidate)?, &arguments, &variables);
        // A folder that lacks the program must not hide that another one has it and refuses to run it.
        if errno != nix::errno::Errno::ENOENT {
            failure = errno;
        }
    }
    Err(failure).during(|| format!("exec \"{program}\""))
}

fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    path.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/{program}")).collect()
}

fn c_string(text: &str) -> Result<CString, SetupError> {
    CString::new(text).map_err(std::io::Error::from).during(|| "pass a text with a zero byte".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_for_along_the_path_and_a_path_is_taken_as_it_is() {
        assert_eq!(candidates("sh", "/a::/b"), ["/a/sh", "/b/sh"]);
        assert_eq!(candidates("/bin/sh", "/a"), ["/bin/sh"]);
        assert_eq!(candidates("./sh", "/a"), ["./sh"]);
    }
}
