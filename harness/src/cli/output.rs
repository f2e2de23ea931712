//! What a subcommand prints for people and machines.

use std::fmt;
use std::io::Write;

/// No line that is laid out here is wider.
pub(super) const WIDTH: usize = 100;

/// A line on stdout. A reader that went away (`| head`) is no reason to fail.
pub(super) fn say(line: impl fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}

/// `text` after `first`, broken at blanks; what does not fit goes below its beginning.
pub(super) fn hanging(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let lines = crate::report::wrap(text, WIDTH.saturating_sub(indent));
    let rest = format!("\n{:indent$}", "");
    format!("{first}{}", lines.join(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_below_its_beginning() {
        let text = hanging("✓ go    ", &"word ".repeat(30));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("✓ go    word ") && lines[1].starts_with("        word "), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
