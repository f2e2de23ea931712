//! A value of COPY's text format as a person reads it: as SQL would write it, without secrets, cut to what matters.

/// Replaces every secret in a text by its fingerprint.
pub(super) type Hide<'a> = &'a dyn Fn(&str) -> String;

/// Characters of a value that are shown.
const SHOWN: usize = 80;
/// Characters that are shown before the place where two values differ.
const BEFORE: usize = 10;
/// A secret that was cut in two is not known for one: of a value that was cut, so many characters at its end are not shown.
const AT_THE_CUT: usize = 512;

/// `'open'`, `7`, `NULL`. `whole` is false for a value of which only the beginning is known.
pub(super) fn shown(value: &[u8], whole: bool, quote: bool, hide: Hide<'_>) -> String {
    match readable(value, whole, hide) {
        None => "NULL".to_owned(),
        Some(text) => from(&text, 0, quote),
    }
}

/// Two values side by side, long ones from shortly before the place where they differ. None where they are equal,
/// or may be as far as they are known.
pub(super) fn beside(
    (observed, observed_whole): (&[u8], bool),
    (expected, expected_whole): (&[u8], bool),
    hide: Hide<'_>,
) -> Option<(String, String)> {
    if observed == expected {
        return None;
    }
    let both = (readable(observed, observed_whole, hide), readable(expected, expected_whole, hide));
    let (Some(one), Some(another)) = &both else {
        let shown =
            |text: &Option<String>| text.as_ref().map_or("NULL".to_owned(), |text| from(text, 0, true));
        return Some((shown(&both.0), shown(&both.1)));
    };
    let same = one.chars().zip(another.chars()).take_while(|(one, another)| one == another).count();
    // What was cut off may be what is the same on the other side.
    let known = |text: &str, whole| whole || text.chars().count() > same;
    if !known(one, observed_whole) || !known(another, expected_whole) {
        return None;
    }
    let start = if same < SHOWN { 0 } else { same - BEFORE };
    let place = if start > 0 { format!(" (from character {} on)", same + 1) } else { String::new() };
    let shown = |text: &str| format!("{}{place}", from(text, start, true));
    Some((shown(one), shown(another)))
}

/// The value without COPY's escapes and without secrets; none for NULL.
fn readable(value: &[u8], whole: bool, hide: Hide<'_>) -> Option<String> {
    if value == b"\\N" {
        return None;
    }
    let text = hide(&String::from_utf8_lossy(&unescaped(value)));
    if whole {
        return Some(text);
    }
    let known = text.chars().count().saturating_sub(AT_THE_CUT);
    Some(text.chars().take(known).collect())
}

/// The escapes that COPY writes; one that was cut in two is left as it is.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match (byte, rest.as_slice().first()) {
            (b'\\', Some(&escaped)) => {
                rest.next();
                match escaped {
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    other => other,
                }
            }
            (byte, _) => byte,
        });
    }
    bytes
}

/// As SQL would write it, from this character on, cut where it gets long.
fn from(text: &str, start: usize, quote: bool) -> String {
    let mut cut: String = text.chars().skip(start).take(SHOWN).collect();
    let end = if text.chars().count() > start + SHOWN { "…" } else { "" };
    let start = if start > 0 { "…" } else { "" };
    let controls = cut.chars().any(char::is_control);
    if controls {
        cut = cut.replace('\\', "\\\\").chars().map(escaped).collect();
    }
    cut.push_str(end);
    match quote && number(text.as_bytes()).is_none() {
        true => format!("{start}{}'{}'", if controls { "E" } else { "" }, cut.replace('\'', "''")),
        false => format!("{start}{cut}"),
    }
}

fn escaped(character: char) -> String {
    match character {
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        other => other.to_string(),
    }
}

/// A value that is a whole number.
pub(super) fn number(text: &[u8]) -> Option<i128> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn values_are_written_as_sql_would() {
        for (value, text) in [
            (r"\N", "NULL"),
            (r"\\N", r"'\N'"),
            (r"a\tb", r"E'a\tb'"),
            (r"a\\tb", r"'a\tb'"),
            (r"a\n\\b", r"E'a\n\\b'"),
            ("it's", "'it''s'"),
            ("-7", "-7"),
            ("", "''"),
        ] {
            assert_eq!(shown(value.as_bytes(), true, true, &plain), text);
        }
        assert_eq!(shown(b"caf\xc3", true, true, &plain), "'caf\u{fffd}'");
        assert_eq!(shown("é".repeat(100).as_bytes(), true, false, &plain), format!("{}…", "é".repeat(80)));
    }

    #[test]
    fn a_secret_is_hidden_before_a_value_is_cut() {
        let key = "k".repeat(88);
        let hide = |text: &str| text.replace(&key, "secret:0badcafe");
        let value = format!("{}{key}", "x".repeat(60));
        assert_eq!(
            shown(value.as_bytes(), true, true, &hide),
            format!("'{}secret:0badcafe'", "x".repeat(60))
        );
        let other = format!("{}{}", "x".repeat(60), "l".repeat(88));
        let (one, _) = beside((value.as_bytes(), true), (other.as_bytes(), true), &hide).unwrap();
        assert!(!one.contains("kkk"), "{one}");
        // Of a secret that was cut in two, neither half is shown.
        let cut = &value.as_bytes()[..100];
        assert_eq!(shown(cut, false, true, &hide), "''");
    }

    #[test]
    fn what_was_cut_off_is_not_held_to_differ() {
        let (long, longer) = ("x".repeat(4000), "x".repeat(5000));
        assert_eq!(beside((long.as_bytes(), false), (longer.as_bytes(), false), &plain), None);
        let other = format!("{}y{}", "x".repeat(1000), "x".repeat(3000));
        let (one, another) = beside((long.as_bytes(), false), (other.as_bytes(), false), &plain).unwrap();
        assert!(one.starts_with("…'xxxxxxxxxxx") && one.ends_with("(from character 1001 on)"), "{one}");
        assert!(another.starts_with("…'xxxxxxxxxxy"), "{another}");
    }
}
