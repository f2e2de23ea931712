use std::io::Write;

use futures::FutureExt;
use jiff::Timestamp;

use super::*;

struct Folder {
    _folder: tempfile::TempDir,
    logs: Logs,
}

fn logs() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let logs = Logs::in_folder(folder.path().to_owned());
    Folder { _folder: folder, logs }
}

impl Folder {
    /// An attempt of the one container of `db-0`, which prints this and ends.
    async fn attempt(&self, uid: &str, number: u32, text: &str) {
        let (mut pipe, writing) = self.logs.begin("ns", "db-0", uid, "postgres", number).unwrap();
        let text = text.to_owned();
        // It may be more than the pipe holds, and then this waits for who writes it down.
        tokio::task::spawn_blocking(move || pipe.write_all(text.as_bytes()).unwrap()).await.unwrap();
        writing.end().await;
    }

    async fn read(&self, options: LogOptions) -> String {
        rest(&mut self.logs.read("ns", "db-0", "postgres", &options).unwrap()).await
    }
}

async fn rest(reading: &mut Reading) -> String {
    let mut text = Vec::new();
    while let Some(more) = reading.next().await.unwrap() {
        text.extend_from_slice(&more);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn every_attempt_is_kept_in_order_until_the_namespace_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let logs = Logs::in_folder(folder.path().to_owned());
    for (uid, number, text) in [("u1", 0, "first"), ("u1", 1, "second\n"), ("u2", 0, "of the successor")] {
        let (mut pipe, writing) = logs.begin("ns", "db-0", uid, "postgres", number).unwrap();
        pipe.write_all(text.as_bytes()).unwrap();
        drop(pipe);
        writing.end().await;
    }
    let (_pipe, _writing) = logs.begin("other", "db-0", "u3", "postgres", 0).unwrap();
    let texts: Vec<_> = logs.of_namespace("ns").into_iter().map(|log| (log.attempt, log.text)).collect();
    let expected = [(0, "first"), (1, "second\n"), (0, "of the successor")];
    assert_eq!(texts, expected.map(|(number, text)| (number, text.to_owned())));
    logs.forget("ns");
    assert!(logs.of_namespace("ns").is_empty());
    assert_eq!(logs.of_namespace("other").len(), 1);
    assert!(!folder.path().join("ns_db-0_u1").exists() && folder.path().join("other_db-0_u3").exists());
    assert!(logs.begin("ns", "db-0", "u4", "postgres", 0).is_err());
}

#[tokio::test]
async fn the_last_attempt_is_read_and_the_one_before_where_it_is_asked_for() {
    let folder = logs();
    folder.attempt("u0", 0, "of a pod that is gone\n").await;
    folder.logs.begin_pod("ns", "db-0", "u1");
    let none = folder.logs.read("ns", "db-0", "postgres", &LogOptions::default()).unwrap_err();
    assert_eq!(none.to_string(), r#"container "postgres" in pod "db-0" is waiting to start"#);
    folder.attempt("u1", 0, "first\n").await;
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let none = folder.logs.read("ns", "db-0", "postgres", &previous).unwrap_err();
    assert_eq!(none.to_string(), r#"previous terminated container "postgres" in pod "db-0" not found"#);
    folder.attempt("u1", 1, "second\n").await;
    assert_eq!(folder.read(LogOptions::default()).await, "second\n");
    assert_eq!(folder.read(previous).await, "first\n");
}

#[tokio::test]
async fn of_a_log_its_last_lines_its_first_bytes_or_its_newest_are_read() {
    let folder = logs();
    folder.logs.begin_pod("ns", "db-0", "u1");
    // More than is read at once.
    let lines: Vec<String> = (1..=20_000).map(|number| format!("line {number}\n")).collect();
    let before = Timestamp::now();
    folder.attempt("u1", 0, &lines.concat()).await;
    assert_eq!(folder.read(LogOptions::default()).await, lines.concat());
    let tail = |lines| LogOptions { tail_lines: Some(lines), ..LogOptions::default() };
    assert_eq!(folder.read(tail(2)).await, "line 19999\nline 20000\n");
    assert_eq!(folder.read(tail(0)).await, "");
    assert_eq!(folder.read(tail(30_000)).await, lines.concat());
    let limited = LogOptions { limit_bytes: Some(10), ..LogOptions::default() };
    assert_eq!(folder.read(limited).await, "line 1\nlin");
    let since = |time| LogOptions { since: Some(time), ..LogOptions::default() };
    assert_eq!(folder.read(since(before)).await, lines.concat());
    assert_eq!(folder.read(since(Timestamp::now())).await, "");
    let timed = folder.read(LogOptions { timestamps: true, ..tail(1) }).await;
    let (time, text) = timed.split_once(' ').unwrap();
    assert_eq!(text, "line 20000\n");
    assert!(time.parse::<Timestamp>().unwrap() >= before, "{time}");
}

#[tokio::test]
async fn a_log_is_followed_until_its_container_ends() {
    let folder = logs();
    folder.logs.begin_pod("ns", "db-0", "u1");
    let (mut pipe, writing) = folder.logs.begin("ns", "db-0", "u1", "postgres", 0).unwrap();
    let options = LogOptions { follow: true, timestamps: true, ..LogOptions::default() };
    let mut reading = folder.logs.read("ns", "db-0", "postgres", &options).unwrap();
    assert!(reading.next().now_or_never().is_none());
    pipe.write_all(b"begun, ").unwrap();
    let begun = reading.next().await.unwrap().unwrap();
    assert!(begun.ends_with(b"Z begun, "), "{begun:?}");
    pipe.write_all(b"ended\n").unwrap();
    drop(pipe);
    // A line that came in pieces has one time.
    assert_eq!(rest(&mut reading).await, "ended\n");
    writing.end().await;
    assert_eq!(folder.logs.of_namespace("ns")[0].text, "begun, ended\n");
}
