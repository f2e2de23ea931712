//! The archive that a clone was restored from, asked through the clone: its server runs the WAL-G of its own container, with
//! the env dir that the restore had. No key of the storage comes here.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;
use serde_json::Value;
use tokio_postgres::Client;

use crate::observe::data::detail;
use crate::poll::within;

/// For one request to the storage, by WAL-G's own hand.
const REQUEST: Duration = Duration::from_secs(120);
/// Until the server gives up by itself.
const MARGIN: Duration = Duration::from_secs(30);
/// The last line of each answer, before the exit code.
const EXIT: &str = "clonedrill-exit ";
/// Where WAL-G keeps WAL, below the prefix.
const WAL: &str = "wal_005/";

/// Why the archive did not answer. Fits after "failed to ".
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("run WAL-G in the clone: {0}")]
    Server(String),
    #[error("ask the archive by the clone's WAL-G (exit code {code}): {said}")]
    WalG { code: i32, said: String },
}

impl ArchiveError {
    /// WAL-G's own words, where it has some.
    pub(super) fn said(&self) -> String {
        match self {
            ArchiveError::WalG { said, .. } => format!("WAL-G says: {said}"),
            ArchiveError::Server(_) => format!("failed to {self}"),
        }
    }
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Without what its compression adds.
    pub name: String,
    /// When it was last written, by the storage's clock.
    pub time: Timestamp,
}

/// The way to it.
pub(super) struct Archive<'c> {
    /// Of the clone, as its superuser.
    client: &'c Client,
    env_dir: String,
}

impl<'c> Archive<'c> {
    /// `env_dir`: the folder with WAL-G's variables, in the clone's container.
    pub(super) fn new(client: &'c Client, env_dir: &str) -> Self {
        Archive { client, env_dir: env_dir.to_owned() }
    }

    /// Its WAL files and histories of timelines.
    ///
    /// # Errors
    /// When WAL-G cannot be run, or the storage does not answer.
    pub(super) async fn wal(&self) -> Result<Vec<Stored>, ArchiveError> {
        Ok(listing(&self.wal_g(&format!("st ls {WAL}")).await?))
    }

    /// Fetches one file as recovery does, and throws it away.
    ///
    /// # Errors
    /// When it cannot be fetched, with WAL-G's words.
    pub(super) async fn fetch(&self, file: &str) -> Result<(), ArchiveError> {
        self.wal_g(&format!("wal-fetch {file} \"$place/{file}\"")).await.map(drop)
    }

    /// The host that took a base backup, by what the backup says of itself.
    ///
    /// # Errors
    /// As [`Archive::wal`].
    pub(super) async fn host_of(&self, backup: &str) -> Result<Option<String>, ArchiveError> {
        Ok(host(&self.wal_g("backup-list --detail --json").await?, backup))
    }

    /// What WAL-G prints, of both streams.
    async fn wal_g(&self, arguments: &str) -> Result<String, ArchiveError> {
        let mut rng = rand::rng();
        let name: String = (0..12).map(|_| char::from(b'a' + rng.random_range(0..26_u8))).collect();
        let file = format!("/tmp/clonedrill-{name}");
        let run = script(&self.env_dir, &file, arguments);
        self.execute(&run).await?;
        let said = self.read(&file).await;
        // It goes with the clone at the latest.
        let removed = self.execute(&format!("cat > /dev/null; rm -rf {file} {file}.d")).await;
        let said = said?;
        removed?;
        answer(&said)
    }

    /// Writing to a program is no writing to the database: it works in sessions that only read, too.
    async fn execute(&self, command: &str) -> Result<(), ArchiveError> {
        let quoted = command.replace('\'', "''");
        let sql = format!("COPY (SELECT 1) TO PROGRAM '{quoted}'");
        self.within(self.client.batch_execute(&sql)).await
    }

    async fn read(&self, file: &str) -> Result<String, ArchiveError> {
        let row = self.within(self.client.query_one("SELECT pg_read_binary_file($1)", &[&file])).await?;
        let bytes: Vec<u8> = row.try_get(0).map_err(|error| ArchiveError::Server(detail(&error)))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ArchiveError> {
        let done = within("the clone's WAL-G", REQUEST + MARGIN, work).await;
        let done = done.map_err(|late| ArchiveError::Server(late.to_string()))?;
        done.map_err(|error| ArchiveError::Server(detail(&error)))
    }
}

/// One connection, no prefetching: nothing goes on after its end.
fn script(env_dir: &str, file: &str, arguments: &str) -> String {
    let env_dir = env_dir.replace(['"', '$', '`', '\\'], "");
    let seconds = REQUEST.as_secs();
    format!(
        "cat > /dev/null; place={file}.d; mkdir -p \"$place\"; \
         {{ timeout {seconds} envdir \"{env_dir}\" env WALG_DOWNLOAD_CONCURRENCY=1 wal-g {arguments}; \
         code=$?; echo; echo \"{EXIT}$code\"; }} > {file} 2>&1"
    )
}

fn answer(text: &str) -> Result<String, ArchiveError> {
    let (said, code) = text.rsplit_once(EXIT).ok_or_else(|| {
        ArchiveError::Server(format!("its output has no end: {}", text.lines().last().unwrap_or_default()))
    })?;
    match code.trim().parse() {
        Ok(0) => Ok(said.to_owned()),
        Ok(code) => Err(ArchiveError::WalG { code, said: complaint(said) }),
        Err(_) => Err(ArchiveError::Server(format!("its output ends with {code}"))),
    }
}

/// What WAL-G calls an error, on one line, without times and Go's stack.
fn complaint(said: &str) -> String {
    let lines = said.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('\t'));
    let lines: Vec<&str> = lines.collect();
    let errors = lines.iter().position(|line| line.starts_with("ERROR:"));
    let shown = match errors {
        Some(first) => &lines[first..],
        None => &lines[lines.len().saturating_sub(3)..],
    };
    // `ERROR: 2026/11/25 22:00:00.123456 text`
    let without_time = |line: &str| match line.strip_prefix("ERROR: ") {
        Some(rest) => rest.splitn(3, ' ').nth(2).unwrap_or(rest).to_owned(),
        None => line.to_owned(),
    };
    // What follows is Go's stack: functions, each with its place below it.
    let text = shown.iter().take_while(|line| !line.starts_with("github.com/") && !line.starts_with("main."));
    let text: Vec<String> = text.map(|line| without_time(line)).collect();
    match text.is_empty() {
        true => "it says nothing of it".to_owned(),
        false => text.join(" ").chars().take(400).collect(),
    }
}

/// `obj 65536 2026-11-25 22:00:00 +0000 UTC 000000010000000000000003.lz4`, the same from WAL-G 1.1 to 3.0.
fn listing(text: &str) -> Vec<Stored> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (kind, _, day, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let (offset, _, name) = (words.next()?, words.next()?, words.next()?);
        let (hours, minutes) = offset.split_at_checked(3)?;
        let time = format!("{day}T{time}{hours}:{minutes}").parse().ok()?;
        (kind == "obj").then(|| Stored { name: stem(name).to_owned(), time })
    });
    lines.collect()
}

/// `000000010000000000000003.partial.lz4` is that of a `.partial`.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, "lz4" | "lzma" | "lzo" | "br" | "zst" | "zstd" | "gz")) => stem,
        _ => name,
    }
}

fn host(text: &str, backup: &str) -> Option<String> {
    let json = &text[text.find('[')?..=text.rfind(']')?];
    let backups: Vec<Value> = serde_json::from_str(json).ok()?;
    let of_backup = |one: &&Value| one["backup_name"] == backup;
    let one = backups.iter().find(of_backup)?;
    ["hostname", "Hostname"].iter().find_map(|key| one[*key].as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_names_and_times() {
        let text = "type size   last modified                 name\n\
                    dir  0      0001-01-01 00:00:00 +0000 UTC x/\n\
                    obj  65593  2026-11-25 22:00:01 +0000 UTC 000000010000000000000003.lz4\n\
                    obj  120    2026-11-25 22:00:02 +0000 UTC 00000002.history.br\n\
                    obj  9      2026-11-25 22:00:02 +0000 UTC 000000010000000000000004.partial.zst\n\nINFO: x\n";
        let files = listing(text);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            ["000000010000000000000003", "00000002.history", "000000010000000000000004.partial"]
        );
        assert_eq!(files[0].time, "2026-11-25T22:00:01Z".parse().unwrap());
    }

    #[test]
    fn an_answer_ends_with_its_exit_code() {
        assert_eq!(answer("x\n\nclonedrill-exit 0\n").unwrap(), "x\n\n");
        let said = "ERROR: 2026/11/25 22:00:00.123456 unexpected EOF\ngithub.com/wal-g/x\n\t/go/x.go:1\n\nclonedrill-exit 1\n";
        assert_eq!(
            answer(said).unwrap_err().to_string(),
            "ask the archive by the clone's WAL-G (exit code 1): unexpected EOF"
        );
        assert!(answer("half").is_err());
    }

    #[test]
    fn a_script_gives_wal_gs_own_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out").to_string_lossy().into_owned();
        // No such program: the shell says 127, `timeout` and `env` pass it on.
        let run = script("/nowhere", &file, "st ls x");
        let run = run
            .replace("envdir \"/nowhere\" env WALG_DOWNLOAD_CONCURRENCY=1 wal-g st ls x", "sh -c 'exit 7'");
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", &run]).stdin(std::process::Stdio::null()).status().unwrap().success());
        let said = std::fs::read_to_string(&file).unwrap();
        assert!(matches!(answer(&said), Err(ArchiveError::WalG { code: 7, .. })), "{said}");
    }

    #[test]
    fn a_backup_names_its_host() {
        let text = r#"INFO: x
[{"backup_name":"base_1","hostname":"acid-orders-0"},{"backup_name":"base_2","hostname":"acid-orders-clone-0"}]
"#;
        assert_eq!(host(text, "base_2").as_deref(), Some("acid-orders-clone-0"));
        assert_eq!(host(text, "base_3"), None);
    }
}
