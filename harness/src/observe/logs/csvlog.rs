//! PostgreSQL's log as it writes it into files (`csvlog`), as the lines that it writes to stderr.

/// Columns of PostgreSQL's `csvlog` that a line is made from.
const TIME: usize = 0;
const PID: usize = 3;
const SEVERITY: usize = 11;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;

/// A record that is none is given back: what it hides may be an error. What is not written to its end is no record yet.
pub fn lines(csv: &str) -> Result<String, String> {
    let lines = parts(csv).into_iter().map(|part| match part {
        Part::Record(record) => Ok(line(&record)),
        Part::Odd(text) => Err(text.trim_end().to_owned()),
        Part::Unfinished(_) => Ok(String::new()),
    });
    lines.collect()
}

/// As [`lines`], but what is no record is given as the text that it is, so that nothing is lost.
pub fn lenient(csv: &str) -> String {
    let mut text = String::new();
    for part in parts(csv) {
        match part {
            Part::Record(record) => text.push_str(&line(&record)),
            Part::Odd(odd) | Part::Unfinished(odd) => text.push_str(odd),
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

fn line(record: &[String]) -> String {
    let field = |index: usize| record.get(index).map(String::as_str).unwrap_or_default();
    // As the server itself does: a line end within a message is followed by a tab.
    let message = field(MESSAGE).replace('\n', "\n\t");
    let mut text = format!("{} [{}]: {}:  {message}\n", field(TIME), field(PID), field(SEVERITY));
    if !field(DETAIL).is_empty() {
        text.push_str(&format!("{} [{}]: DETAIL:  {}\n", field(TIME), field(PID), field(DETAIL)));
    }
    text
}

enum Part<'a> {
    Record(Vec<String>),
    Odd(&'a str),
    /// The last one.
    Unfinished(&'a str),
}

/// A server that crashes may leave half of a record, within quotes; the next one follows all the same.
fn parts(csv: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), csv);
    while !rest.is_empty() {
        let (length, unfinished) = match read(rest) {
            Read::Record(record, length) if record.len() > MESSAGE => {
                parts.push(Part::Record(record));
                rest = &rest[length..];
                continue;
            }
            Read::Record(_, length) => (length, false),
            Read::Broken => (rest.len(), false),
            Read::Unfinished => (rest.len(), true),
        };
        let next = next_record(rest).filter(|next| *next < length);
        let (odd, after) = rest.split_at(next.unwrap_or(length));
        parts.push(if unfinished && next.is_none() { Part::Unfinished(odd) } else { Part::Odd(odd) });
        rest = after;
    }
    parts
}

/// Where the next line is, but for the first, that begins as only records do.
fn next_record(csv: &str) -> Option<usize> {
    let mut ends = csv.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    ends.find(|end| begins_record(&csv[*end..]))
}

/// By its time: `2026-11-24 03:00:00.000 UTC,`.
fn begins_record(line: &str) -> bool {
    const TIME_BEGINS: &str = "0000-00-00 00:00:00.000 ";
    let time = line.split(',').next().unwrap_or_default();
    time.len() > TIME_BEGINS.len()
        && time.len() < line.len()
        && TIME_BEGINS.bytes().zip(time.bytes()).all(|(form, byte)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
}

/// What a text begins with.
enum Read {
    /// With its length in bytes.
    Record(Vec<String>, usize),
    /// Something stands before or behind a field's quotes.
    Broken,
    Unfinished,
}

/// RFC 4180: fields in quotes may hold commas, line ends and doubled quotes.
fn read(csv: &str) -> Read {
    let mut record = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut closed) = (false, false);
    let mut characters = csv.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if quoted && characters.next_if(|(_, next)| *next == '"').is_some() => field.push('"'),
            '"' if quoted => (quoted, closed) = (false, true),
            other if quoted => field.push(other),
            '"' if field.is_empty() && !closed => quoted = true,
            ',' | '\n' => {
                record.push(std::mem::take(&mut field));
                closed = false;
                if character == '\n' {
                    return Read::Record(record, at + 1);
                }
            }
            '"' => return Read::Broken,
            _ if closed => return Read::Broken,
            other => field.push(other),
        }
    }
    Read::Unfinished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_records_become_lines_as_on_stderr() {
        let csv = "2026-11-24 03:00:00.000 UTC,,,42,,65.2a,3,,2026-11-24 03:00:00 UTC,,0,LOG,00000,\
                   \"recovery stopping before commit of transaction 740, time \"\"t\"\"\",,,,,,,,,\"\",\"startup\",,0\n\
                   2026-11-24 03:00:01.000 UTC,,,42,,65.2a,4,,x,,0,FATAL,XX000,\"two\nlines\",\"more, of it\",,,,,,,,\"\",\"startup\",,0\n\
                   cut off in the mid";
        assert_eq!(
            lines(csv).as_deref(),
            Ok(
                "2026-11-24 03:00:00.000 UTC [42]: LOG:  recovery stopping before commit of transaction 740, time \"t\"\n\
             2026-11-24 03:00:01.000 UTC [42]: FATAL:  two\n\tlines\n\
             2026-11-24 03:00:01.000 UTC [42]: DETAIL:  more, of it\n"
            )
        );
        // As in the server's own file: what is not written to its end is no record yet.
        let read: String = lines(csv).unwrap_or_default();
        assert_eq!(lenient(csv), format!("{read}cut off in the mid\n"));
        assert_eq!(lines("half of a record,,\n"), Err("half of a record,,".to_owned()));
    }

    #[test]
    fn a_record_that_is_none_is_kept_as_it_is_and_those_behind_it_are_read() {
        let record = |message: &str| {
            format!(
                "2026-11-24 03:00:02.000 UTC,,,42,,65.2a,3,,x,,0,LOG,00000,{message},,,,,,,,,\"\",\"startup\",,0\n"
            )
        };
        let read = "2026-11-24 03:00:02.000 UTC [42]: LOG:  redo done, \"well\"\n";
        let after = record("\"redo done, \"\"well\"\"\"");
        for odd in [
            "half of a record,,\n",
            "no record, \"of any form\"\n",
            "2026-11-24 03:00:00.000 UTC,,,42,,65.2a,3,,x,,0,FATAL,XX000,\"the disk is\n",
            "2026-11-24 03:00:00.000 UTC,,,42,,65.2a,3,,x,,0,FATAL,XX000,\"two lines,\nof \"\"which\n",
            "\n",
        ] {
            assert_eq!(lenient(&format!("{odd}{after}{after}")), format!("{odd}{read}{read}"), "{odd}");
        }
        // A message that quotes a log is one record.
        let quoting = record(&format!("\"he said:\n{}\"", after.replace('"', "\"\"")));
        let kept = lenient(&format!("{quoting}{after}"));
        assert!(kept.starts_with("2026-11-24 03:00:02.000 UTC [42]: LOG:  he said:\n\t2026-"), "{kept}");
        assert!(kept.ends_with(&format!("\n{read}")) && !kept.contains(&format!("\n{read}{read}")), "{kept}");
    }
}
