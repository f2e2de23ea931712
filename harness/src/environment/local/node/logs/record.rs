//! The form in which a log file keeps what a container prints, kubelet's own (CRI):
//! `<time> <stream> <F or P> <text>`, where P says that the line goes on in the next record.
//!
//! A container has one pipe for stdout and stderr, so that their order is kept. As kubelet has it for a container with
//! a terminal, the stream of all that comes through it is called `stdout`.

use jiff::Timestamp;

const STREAM: &str = "stdout";

/// A record as it stands in a file, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// RFC 3339 in UTC, with nine digits of a second.
    pub time: &'a str,
    /// The line ends with this record.
    pub whole: bool,
    pub text: &'a [u8],
}

/// The records of `output`, all printed at `time`, each with its line break. The last is unfinished where the output
/// does not end with a line break.
pub(super) fn write(to: &mut Vec<u8>, time: Timestamp, output: &[u8]) {
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let (text, tag) = match line.strip_suffix(b"\n") {
            Some(text) => (text, 'F'),
            None => (line, 'P'),
        };
        to.extend_from_slice(format!("{time} {STREAM} {tag} ").as_bytes());
        to.extend_from_slice(text);
        to.push(b'\n');
    }
}

/// The records of a file, or of the part of one that ends with a record.
pub(super) fn read(records: &[u8]) -> impl Iterator<Item = Record<'_>> {
    records.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.strip_suffix(b"\n")?.splitn(4, |byte| *byte == b' ');
        let time = str::from_utf8(fields.next()?).ok()?;
        fields.next()?;
        let whole = fields.next()? == b"F";
        Some(Record { time, whole, text: fields.next()? })
    })
}

/// What was printed, byte by byte.
pub(super) fn output(records: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(records.len());
    for record in read(records) {
        output.extend_from_slice(record.text);
        if record.whole {
            output.push(b'\n');
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_comes_back_byte_by_byte_whatever_it_was_read_in() {
        let printed = b"one\n\n two  words\r\nno utf-8 \xff\nin pieces, no line break";
        for size in 1..printed.len() {
            let mut file = Vec::new();
            for piece in printed.chunks(size) {
                write(&mut file, Timestamp::UNIX_EPOCH, piece);
            }
            assert_eq!(output(&file), printed, "in pieces of {size}");
        }
    }

    #[test]
    fn records_have_kubelets_form() {
        let mut file = Vec::new();
        write(&mut file, "2026-11-24T10:15:00.5Z".parse().unwrap(), b"a line\nand");
        let expected =
            "2026-11-24T10:15:00.500000000Z stdout F a line\n2026-11-24T10:15:00.500000000Z stdout P and\n";
        assert_eq!(String::from_utf8(file).unwrap(), expected);
    }
}
