//! Markers: texts that are put into the input and looked for in what came out.

use super::types::Origin;

/// A marker is three letters that stand nowhere in the input, and a number. All of it may stand in the name of any
/// Kubernetes object.
const DIGITS: usize = 4;
const BASE: u32 = 36;

/// The markers of one world, each with the place that it was put into.
#[derive(Debug)]
pub(super) struct Markers {
    prefix: String,
    /// By the marker's number.
    origins: Vec<Origin>,
    /// Texts that had to keep a form of their own: uids, timestamps, namespaces.
    whole: Vec<(String, Origin)>,
    /// Values that could only be exchanged for another of their kind: as it was, and as it is now.
    exchanged: Vec<(String, String, Origin)>,
}

impl Markers {
    /// Markers that stand nowhere in `texts`.
    pub(super) fn apart_from(texts: &str) -> Markers {
        let texts = texts.to_ascii_lowercase();
        let letters = || "qxjzvkwy".chars();
        let mut prefixes = letters().flat_map(|one| letters().map(move |two| format!("z{one}{two}"))).skip(1);
        let free = prefixes.find(|prefix| !texts.contains(prefix.as_str()));
        Markers {
            prefix: free.unwrap_or_else(|| "zqzqzq".to_owned()),
            origins: Vec::new(),
            whole: Vec::new(),
            exchanged: Vec::new(),
        }
    }

    fn next(&mut self, origin: Origin) -> String {
        let mut number = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
        self.origins.push(origin);
        let mut digits = String::new();
        for _ in 0..DIGITS {
            digits.insert(0, char::from_digit(number % BASE, BASE).unwrap_or('0'));
            number /= BASE;
        }
        format!("{}{digits}", self.prefix)
    }

    /// `text` with a marker at its end.
    pub(super) fn append(&mut self, text: &str, origin: Origin) -> String {
        format!("{text}{}", self.next(origin))
    }

    /// As [`Markers::append`], `text` cut so that all of it has no more than `longest` bytes.
    pub(super) fn fit(&mut self, text: &str, longest: usize, origin: Origin) -> String {
        let room = longest.saturating_sub(self.prefix.len() + DIGITS);
        let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.append(&text[..end], origin)
    }

    /// A uid that stands for this place.
    pub(super) fn uid(&mut self, origin: Origin) -> String {
        let uid = format!("5fa3c0de-0000-4000-8000-{:012x}", self.whole.len());
        self.whole.push((uid.clone(), origin));
        uid
    }

    /// A timestamp that stands for this place: in the past, with a zone, as every release's definition wants it.
    pub(super) fn timestamp(&mut self, origin: Origin) -> String {
        let number = self.whole.len();
        let (day, hour, minute) = (1 + number / 1440 % 28, number / 60 % 24, number % 60);
        let month = 1 + number / 40_320 % 12;
        let timestamp = format!("2019-{month:02}-{day:02}T{hour:02}:{minute:02}:07.654321+00:00");
        self.whole.push((timestamp.clone(), origin));
        timestamp
    }

    /// Where `text` stands, it is for this place.
    pub(super) fn whole(&mut self, text: &str, origin: Origin) {
        self.whole.push((text.to_owned(), origin));
    }

    /// `was` has become `is` at this place.
    pub(super) fn exchanged(&mut self, was: &str, is: &str, origin: Origin) {
        self.exchanged.push((was.to_owned(), is.to_owned(), origin));
    }

    /// The places whose markers stand in `text`, in the order in which they stand, each once.
    pub(super) fn found_in(&self, text: &str) -> Vec<Origin> {
        let lower = text.to_ascii_lowercase();
        let mut found: Vec<(usize, &Origin)> = Vec::new();
        for (at, _) in lower.match_indices(&self.prefix) {
            let from = at + self.prefix.len();
            let number =
                lower.get(from..from + DIGITS).and_then(|text| usize::from_str_radix(text, BASE).ok());
            found.extend(number.and_then(|number| self.origins.get(number)).map(|origin| (at, origin)));
        }
        for (marker, origin) in &self.whole {
            found.extend(lower.find(&marker.to_ascii_lowercase()).map(|at| (at, origin)));
        }
        found.sort_by_key(|(at, _)| *at);
        let mut origins: Vec<Origin> = Vec::new();
        for (_, origin) in found {
            if !origins.contains(origin) {
                origins.push(origin.clone());
            }
        }
        origins
    }

    /// The place whose exchange alone makes `marked` out of `plain`, among those that `of` accepts.
    pub(super) fn exchange(&self, plain: &str, marked: &str, of: impl Fn(&Origin) -> bool) -> Option<Origin> {
        let exchanges = self.exchanged.iter().filter(|(_, _, origin)| of(origin));
        let mut same = exchanges.filter(|(was, is, _)| plain != marked && marked.replace(is, was) == plain);
        same.next().map(|(_, _, origin)| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::types::InputObject;

    fn origin(pointer: &str) -> Origin {
        Origin { object: InputObject::Cluster(0), pointer: pointer.to_owned(), release_default: false }
    }

    #[test]
    fn markers_are_read_back_from_within_a_text_in_their_order_and_in_any_case() {
        let mut markers = Markers::apart_from("nothing of note");
        let one = markers.append("postgres", origin("/one"));
        let two = markers.append("acid-orders", origin("/two"));
        let three = markers.uid(origin("/three"));
        let text = format!("{{\"{}\": \"{one}.{two}\", \"{three}\": 1, \"{one}\": 0}}", two.to_uppercase());
        assert_eq!(markers.found_in(&text), [origin("/two"), origin("/one"), origin("/three")]);
        assert!(markers.found_in("postgres.acid-orders").is_empty());
    }

    #[test]
    fn the_input_never_holds_a_marker() {
        let first = Markers::apart_from("").append("", origin("/")).to_uppercase();
        let mut markers = Markers::apart_from(&first);
        let made = markers.append("", origin("/"));
        assert!(!first.eq_ignore_ascii_case(&made));
        assert!(markers.found_in(&first).is_empty());
    }

    #[test]
    fn a_name_keeps_within_its_longest() {
        let mut markers = Markers::apart_from("");
        let made = markers.fit(&"a".repeat(60), 50, origin("/name"));
        assert_eq!((made.len(), markers.found_in(&made)), (50, vec![origin("/name")]));
        assert!(markers.fit("acid-orders", 50, origin("/name")).starts_with("acid-orders"));
    }

    #[test]
    fn an_exchange_explains_exactly_its_own_difference() {
        let mut markers = Markers::apart_from("");
        markers.exchanged("15", "16", origin("/version"));
        let place = |plain, marked| markers.exchange(plain, marked, |_| true);
        assert_eq!(place("15", "16"), Some(origin("/version")));
        assert_eq!(place("15", "17"), None);
        assert_eq!(place("15", "15"), None);
    }
}
