//! Text in columns: wrapping, cutting, times, and nothing in it that steers a terminal.

/// No line that we lay out is wider.
pub(super) const WIDTH: usize = 100;

/// A time for people: `850 ms`, `16.2 s`, `2 min 05 s`, `26 h 04 min`.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
        _ => format!("{} h {:02} min", milliseconds / 3_600_000, milliseconds % 3_600_000 / 60_000),
    }
}

/// Cuts at `width` columns, with an ellipsis.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks at blanks; a word that is longer than a line gets a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in printable(text).lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// A log may hold escape sequences, and a terminal would obey them.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|symbol| match symbol {
            '\n' => Some('\n'),
            '\t' => Some(' '),
            symbol if symbol.is_control() => None,
            symbol => Some(symbol),
        })
        .collect()
}

/// `one thing`, `2 things`.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let times: Vec<_> = [850, 16_249, 59_999, 125_000, 93_840_000].into_iter().map(duration).collect();
        assert_eq!(times, ["850 ms", "16.2 s", "59.9 s", "2 min 05 s", "26 h 04 min"]);
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(
            wrap("a clone that runs\nand holds nothing", 8),
            ["a clone", "that", "runs", "and", "holds", "nothing"]
        );
    }

    #[test]
    fn what_steers_a_terminal_is_taken_out() {
        assert_eq!(printable("\u{1b}[2Jgone\r\n\tx"), "[2Jgone\n x");
    }
}
