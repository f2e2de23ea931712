//! PostgreSQL's log as it writes it into files (`csvlog`), as the lines that it writes to stderr.

/// Columns of PostgreSQL's `csvlog` that a line is made from.
const TIME: usize = 0;
const PID: usize = 3;
const SEVERITY: usize = 11;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;

/// A record that is none is given back: what it hides may be an error.
pub fn lines(csv: &str) -> Result<String, String> {
    let mut text = String::new();
    for record in records(csv) {
        let field = |index: usize| record.get(index).map(String::as_str).unwrap_or_default();
        if record.len() <= MESSAGE {
            return Err(record.join(","));
        }
        text.push_str(&format!(
            "{} [{}]: {}:  {}\n",
            field(TIME),
            field(PID),
            field(SEVERITY),
            // As the server itself does: a line end within a message is followed by a tab.
            field(MESSAGE).replace('\n', "\n\t")
        ));
        if !field(DETAIL).is_empty() {
            text.push_str(&format!("{} [{}]: DETAIL:  {}\n", field(TIME), field(PID), field(DETAIL)));
        }
    }
    Ok(text)
}

/// RFC 4180: fields in quotes may hold commas, line ends and doubled quotes.
fn records(csv: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = vec![String::new()];
    let mut quoted = false;
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut record, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\n' if !quoted => records.push(std::mem::replace(&mut record, vec![String::new()])),
            other => push(&mut record, other),
        }
    }
    records
}

fn push(record: &mut [String], character: char) {
    if let Some(field) = record.last_mut() {
        field.push(character);
    }
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
        assert_eq!(lines("half of a record,,\n"), Err("half of a record,,".to_owned()));
    }
}
