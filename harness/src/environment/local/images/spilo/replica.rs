//! `/scripts/wale_restore.sh` and `/scripts/basebackup.sh`: how Patroni makes replicas.
//!
//! Where Spilo streams WAL beside the base backup with `pg_receivewal`, `pg_basebackup` does it itself here, and it
//! asks the leader for a checkpoint at once, where Spilo lets it take its time.

mod restore;

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::Duration;

use super::child::{self, Output};
use crate::poll::{Limit, Seen, poll};

pub(super) use restore::main as wale_restore;

/// Patroni's `--name=value` arguments.
#[derive(Debug)]
struct Arguments(Vec<String>);

impl Arguments {
    fn of_this_process() -> Self {
        Arguments(std::env::args().skip(1).collect())
    }

    /// The last value under this name, with `-` for `_` too, unless it is empty.
    fn get(&self, name: &str) -> Option<&str> {
        let pairs = self.0.iter().rev().filter_map(|word| word.strip_prefix("--")?.split_once('='));
        let mut values = pairs.filter(|(given, _)| given.replace('-', "_") == name).map(|(_, value)| value);
        values.next().filter(|value| !value.is_empty())
    }

    fn number<N: FromStr>(&self, name: &str, default: N) -> N {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}

/// The pauses between the attempts of Spilo's scripts: the first one, and the longest.
#[derive(Debug, Clone, Copy)]
struct Pauses(Duration, Duration);

/// Attempts it once, and `retries` times more where nothing came of it.
async fn attempts<T>(
    what: &str,
    retries: u32,
    pauses: Pauses,
    mut attempt: impl FnMut() -> Option<T>,
) -> Option<T> {
    // The number of attempts is the limit: how long one takes depends on the size of the cluster.
    let limit = Limit { total: Duration::MAX, first_interval: pauses.0, longest_interval: pauses.1 };
    let mut left = retries;
    let result = poll(what, limit, async || {
        let found = attempt();
        if found.is_some() || left == 0 {
            return Ok::<_, Infallible>(Seen::Done(found));
        }
        left -= 1;
        Ok(Seen::NotYet(format!("{left} attempts left")))
    });
    result.await.ok().flatten()
}

/// Runs a script that pauses.
fn block_on(script: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime.block_on(script),
        Err(error) => {
            eprintln!("failed to start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `basebackup.sh`: streams a base backup from the leader.
pub(super) fn basebackup() -> ExitCode {
    // Spilo's second pause is 20 s.
    let pauses = Pauses(Duration::from_secs(10), Duration::from_secs(20));
    let arguments = Arguments::of_this_process();
    block_on(async {
        let code = stream(&arguments, pauses, |command| {
            child::execute(command, Output::Shown).map_or(127, |(code, _)| code)
        });
        ExitCode::from(code.await.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    })
}

/// The last attempt's exit code, or `None` where the arguments do not suffice.
async fn stream(
    arguments: &Arguments,
    pauses: Pauses,
    mut execute: impl FnMut(Command) -> i32,
) -> Option<i32> {
    let (data, connection) = (arguments.get("datadir")?, arguments.get("connstring")?);
    let retries: u32 = arguments.number("retries", 2);
    if !(1..=9).contains(&retries) {
        return None;
    }
    let mut last = None;
    attempts("the base backup", retries, pauses, || {
        // The last attempt's half is in the way.
        if Path::new(data).exists() && fs::remove_dir_all(data).is_err() {
            return Some(());
        }
        let code = execute(base_backup(data, connection));
        last = Some(code);
        (code == 0).then_some(())
    })
    .await;
    last
}

fn base_backup(data: &str, connection: &str) -> Command {
    let arguments =
        [&format!("--pgdata={data}"), "-X", "stream", "-c", "fast", &format!("--dbname={connection}")];
    child::command("pg_basebackup", &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const NO_PAUSE: Pauses = Pauses(Duration::ZERO, Duration::ZERO);

    pub(super) fn arguments(words: &[&str]) -> Arguments {
        Arguments(words.iter().map(|word| (*word).to_owned()).collect())
    }

    pub(super) fn words(command: &Command) -> String {
        let words = [command.get_program()].into_iter().chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn arguments_are_found_by_their_names() {
        let given =
            arguments(&["--datadir=/data", "--connstring=a=b c", "--retries=", "--no-leader=1", "x=y"]);
        assert_eq!((given.get("datadir"), given.get("connstring")), (Some("/data"), Some("a=b c")));
        assert_eq!((given.get("retries"), given.get("no_leader"), given.get("x")), (None, Some("1"), None));
        assert_eq!(given.number("retries", 2), 2);
    }

    /// The exit code, and what each attempt ran and found of the last one.
    async fn streamed(more: &[&str], codes: &[i32]) -> (Option<i32>, Vec<(String, bool)>) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let datadir = format!("--datadir={}", data.display());
        let given = arguments(&[&[datadir.as_str(), "--connstring=host=leader"], more].concat());
        let mut codes = codes.iter();
        let mut ran = Vec::new();
        let code = stream(&given, NO_PAUSE, |command| {
            ran.push((words(&command).replace(&data.display().to_string(), "DATA"), data.exists()));
            fs::create_dir(&data).unwrap();
            *codes.next().unwrap()
        });
        (code.await, ran)
    }

    const RAN: &str = "pg_basebackup --pgdata=DATA -X stream -c fast --dbname=host=leader";

    #[tokio::test]
    async fn a_replica_is_streamed_from_the_leader() {
        assert_eq!(streamed(&[], &[0]).await, (Some(0), vec![(RAN.to_owned(), false)]));
    }

    #[tokio::test]
    async fn streaming_is_tried_again_without_the_last_attempts_half() {
        let attempt = (RAN.to_owned(), false);
        assert_eq!(streamed(&[], &[1, 0]).await, (Some(0), vec![attempt.clone(); 2]));
        assert_eq!(streamed(&[], &[1, 1, 3]).await, (Some(3), vec![attempt.clone(); 3]));
        assert_eq!(streamed(&["--retries=1"], &[1, 2]).await, (Some(2), vec![attempt; 2]));
    }

    #[tokio::test]
    async fn streaming_needs_a_leader_and_a_number_of_attempts() {
        assert_eq!(streamed(&["--connstring="], &[]).await, (None, vec![]));
        assert_eq!(streamed(&["--retries=0"], &[]).await, (None, vec![]));
        assert_eq!(stream(&arguments(&["--connstring=x"]), NO_PAUSE, |_| 0).await, None);
    }
}
