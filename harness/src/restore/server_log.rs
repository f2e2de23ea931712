//! The clone's own server log, read through SQL: Spilo keeps it as files that no container prints.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio_postgres::Client;

use super::recovery::Said;
use crate::observe::logs::csvlog;

/// Oldest first. Where the server logs elsewhere there are no files, and the containers' logs have its lines.
const FILES: &str = "
SELECT pg_read_file(folder || '/' || file) AS text
FROM (SELECT current_setting('log_directory') AS folder) AS setting,
     LATERAL pg_ls_dir(folder, true, false) AS file
WHERE file LIKE '%.csv'
ORDER BY (pg_stat_file(folder || '/' || file)).modification, file";
/// The base backup's label, which recovery keeps under this name.
const LABEL: &str = "SELECT pg_read_file('backup_label.old', 0, 65536, true)";
const START_TIME: &str = "START TIME: ";
const START_PLACE: &str = "START WAL LOCATION: ";

/// Its lines in the form that the server gives them on stderr.
///
/// # Errors
/// The server's.
pub(super) async fn read(client: &Client) -> Result<String, tokio_postgres::Error> {
    let rows = client.query(FILES, &[]).await?;
    let mut text = String::new();
    for row in rows {
        let csv: String = row.try_get(0)?;
        text.push_str(&csvlog::lenient(&csv));
    }
    Ok(text)
}

/// What a base backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub begun: Option<Timestamp>,
    /// The WAL file that it begins in, which is part of WAL-G's name for it.
    pub file: Option<String>,
}

/// The label of the base backup that this server came from; none where it is gone.
///
/// # Errors
/// The server's.
pub(super) async fn label(client: &Client) -> Result<Option<Label>, tokio_postgres::Error> {
    let label: Option<String> = client.query_one(LABEL, &[]).await?.try_get(0)?;
    let zone = zone(client).await;
    Ok(label.map(|text| Label::of(&text, zone.as_ref())))
}

impl Label {
    fn of(text: &str, zone: Option<&TimeZone>) -> Self {
        let field = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
        let begun = field(START_TIME).and_then(|line| time_at_start(line, zone)).map(|(time, _)| time);
        let file = field(START_PLACE).and_then(|line| line.split_once("(file ")?.1.split(')').next());
        Label { begun, file: file.map(str::to_owned) }
    }
}

/// The history of a timeline, as the server keeps it; none of the first, or where it is gone.
///
/// # Errors
/// The server's.
pub(super) async fn history(client: &Client, timeline: u32) -> Result<Option<String>, tokio_postgres::Error> {
    const FILE: &str = "SELECT pg_read_file($1, 0, 1048576, true)";
    client.query_one(FILE, &[&format!("pg_wal/{timeline:08X}.history")]).await?.try_get(0)
}

/// Bytes of a WAL segment.
///
/// # Errors
/// The server's.
pub(super) async fn segment_size(client: &Client) -> Result<u64, tokio_postgres::Error> {
    const SIZE: &str = "SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'";
    let size: i64 = client.query_one(SIZE, &[]).await?.try_get(0)?;
    Ok(size.unsigned_abs().max(1))
}

/// The zone of the times in its log; none where nobody here knows its name.
pub(super) async fn zone(client: &Client) -> Option<TimeZone> {
    let row = client.query_one("SELECT current_setting('log_timezone')", &[]).await.ok()?;
    TimeZone::get(row.try_get(0).ok()?).ok()
}

/// The lines with a time at their start: `2026-11-24 03:00:00.000 UTC [42]: LOG:  …`.
pub(super) fn said(text: &str, zone: Option<&TimeZone>) -> Vec<Said> {
    let lines = text.lines().filter_map(|line| {
        let (time, rest) = time_at_start(line, zone)?;
        Some(Said { time, text: rest.to_owned() })
    });
    lines.collect()
}

/// A time of the server's log. The zone beside it is an abbreviation, which only the server's setting makes clear.
fn time_at_start<'l>(line: &'l str, zone_of_server: Option<&TimeZone>) -> Option<(Timestamp, &'l str)> {
    let mut parts = line.splitn(4, ' ');
    let (day, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let rest = parts.next().unwrap_or_default();
    let offset = match zone {
        "UTC" | "GMT" | "Etc/UTC" => "Z",
        zone if zone.starts_with(['+', '-']) => zone,
        _ => {
            let local: DateTime = format!("{day}T{time}").parse().ok()?;
            return Some((local.to_zoned(zone_of_server?.clone()).ok()?.timestamp(), rest));
        }
    };
    Some((format!("{day}T{time}{offset}").parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_times() {
        let text = "2026-11-24 03:00:00.250 UTC [42]: LOG:  redo done at 0/3\n\tgoes on\n\
                    2026-11-24 04:00:01 CET [42]: LOG:  x\n";
        let lines = said(text, None);
        assert_eq!(lines.len(), 1, "whose CET it is, only the server's setting tells");
        assert_eq!(lines[0].text, "[42]: LOG:  redo done at 0/3");
        assert_eq!(lines[0].time.to_string(), "2026-11-24T03:00:00.25Z");
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(said(text, Some(&zone))[1].time.to_string(), "2026-11-24T03:00:01Z");
    }

    #[test]
    fn a_label_tells_where_and_when_its_backup_begins() {
        let text = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n\
                    BACKUP METHOD: streamed\nSTART TIME: 2026-11-24 03:00:00 UTC\nLABEL: x\nSTART TIMELINE: 1\n";
        let label = Label::of(text, None);
        assert_eq!(label.file.as_deref(), Some("000000010000000000000002"));
        assert_eq!(label.begun.map(|time| time.to_string()).as_deref(), Some("2026-11-24T03:00:00Z"));
    }
}
