//! A listing of blobs that says something else than the storage did.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::rule::Pattern;

/// Azure's form of a time: RFC 1123.
const TIME: &str = "%a, %d %b %Y %H:%M:%S GMT";
/// What a blob that is not there is called after another one.
const PHANTOM: &str = ".phantom";

/// What a listing has instead of what it should have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// Without these blobs.
    Hide {
        /// Of their names.
        blobs: Pattern,
    },
    /// With each of these blobs once more, under a name that is not there.
    Phantom {
        /// Of their names.
        blobs: Pattern,
    },
    /// Without the second half of its blobs and without the mark that says where it goes on.
    LosePage,
    /// In the other order.
    Reverse,
    /// With other times of the last change.
    ShiftTimes {
        /// Later, or earlier where it is negative.
        seconds: i64,
    },
    /// Without blobs that were changed after this moment.
    Before {
        /// The last moment that counts.
        time: Timestamp,
    },
}

impl Listing {
    /// The XML of a listing, changed; none where this changes nothing of it.
    pub(super) fn change(&self, xml: &str) -> Option<String> {
        let parts = Parts::of(xml)?;
        let blobs: Vec<&str> = parts.entries.clone();
        let changed: Vec<String> = match self {
            Listing::Hide { blobs: pattern } => {
                let shown = blobs.iter().filter(|entry| !pattern.matches(&name(entry)));
                shown.map(|entry| (*entry).to_owned()).collect()
            }
            Listing::Phantom { blobs: pattern } => {
                let with = |entry: &&str| {
                    let phantom = pattern.matches(&name(entry)).then(|| {
                        let name = text(entry, "Name").unwrap_or_default();
                        entry.replacen(&tag("Name", name), &tag("Name", &format!("{name}{PHANTOM}")), 1)
                    });
                    [Some((*entry).to_owned()), phantom]
                };
                blobs.iter().flat_map(with).flatten().collect()
            }
            Listing::LosePage => {
                blobs.iter().take(blobs.len() / 2).map(|entry| (*entry).to_owned()).collect()
            }
            Listing::Reverse => blobs.iter().rev().map(|entry| (*entry).to_owned()).collect(),
            Listing::ShiftTimes { seconds } => blobs.iter().map(|entry| shifted(entry, *seconds)).collect(),
            Listing::Before { time } => {
                let early = blobs.iter().filter(|entry| modified(entry).is_none_or(|at| at <= *time));
                early.map(|entry| (*entry).to_owned()).collect()
            }
        };
        let mut after = parts.after.to_owned();
        if *self == Listing::LosePage
            && let Some(marker) = text(&after, "NextMarker").map(|marker| tag("NextMarker", marker))
        {
            after = after.replacen(&marker, "<NextMarker/>", 1);
        }
        let text = format!("{}{}{after}", parts.before, changed.concat());
        (text != xml).then_some(text)
    }
}

/// What stands before, in and after the list of blobs.
struct Parts<'x> {
    before: &'x str,
    entries: Vec<&'x str>,
    after: &'x str,
}

impl<'x> Parts<'x> {
    fn of(xml: &'x str) -> Option<Self> {
        const END: &str = "</Blob>";
        let begin = xml.find("<Blob>")?;
        let end = xml.rfind(END)? + END.len();
        let mut entries: Vec<&str> = xml[begin..end].split_inclusive(END).collect();
        // What stands between two of them, such as a folder, goes with the second.
        entries.retain(|entry| !entry.trim().is_empty());
        Some(Parts { before: &xml[..begin], entries, after: &xml[end..] })
    }
}

fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{text}</{name}>")
}

fn text<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn name(entry: &str) -> String {
    let escaped = text(entry, "Name").unwrap_or_default();
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(escaped.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn modified(entry: &str) -> Option<Timestamp> {
    let time = text(entry, "Last-Modified")?;
    jiff::fmt::rfc2822::parse(time).ok().map(|time| time.timestamp())
}

fn shifted(entry: &str, seconds: i64) -> String {
    let said = text(entry, "Last-Modified").unwrap_or_default();
    match modified(entry).and_then(|time| time.checked_add(SignedDuration::from_secs(seconds)).ok()) {
        Some(time) => {
            let time = time.strftime(TIME).to_string();
            entry.replacen(&tag("Last-Modified", said), &tag("Last-Modified", &time), 1)
        }
        None => entry.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(blobs: &[(&str, &str)], marker: &str) -> String {
        let blob = |(name, time): &(&str, &str)| {
            format!(
                "<Blob><Name>{name}</Name><Properties><Last-Modified>{time}</Last-Modified></Properties></Blob>"
            )
        };
        let blobs: String = blobs.iter().map(blob).collect();
        format!("<EnumerationResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>")
    }

    const EARLY: &str = "Tue, 24 Nov 2026 03:00:00 GMT";
    const LATE: &str = "Tue, 24 Nov 2026 04:00:00 GMT";

    fn changed(listing_: &Listing) -> Option<String> {
        listing_.change(&listing(&[("a/x&amp;y", EARLY), ("b", LATE)], "<NextMarker>m</NextMarker>"))
    }

    #[test]
    fn a_listing_says_what_is_wanted_of_it() {
        let pattern = |text: &str| Pattern::try_from(text.to_owned()).unwrap();
        let goes_on = "<NextMarker>m</NextMarker>";
        let (a, b) = (("a/x&amp;y", EARLY), ("b", LATE));
        for (change, expected) in [
            (Listing::Hide { blobs: pattern("a/x&y") }, listing(&[b], goes_on)),
            (Listing::Phantom { blobs: pattern("b") }, listing(&[a, b, ("b.phantom", LATE)], goes_on)),
            (Listing::LosePage, listing(&[a], "<NextMarker/>")),
            (Listing::Reverse, listing(&[b, a], goes_on)),
            (
                Listing::ShiftTimes { seconds: 3600 },
                listing(&[(a.0, LATE), (b.0, "Tue, 24 Nov 2026 05:00:00 GMT")], goes_on),
            ),
            (Listing::Before { time: "2026-11-24T03:30:00Z".parse().unwrap() }, listing(&[a], goes_on)),
        ] {
            assert_eq!(changed(&change).as_deref(), Some(expected.as_str()), "{change:?}");
        }
    }

    #[test]
    fn what_changes_nothing_is_no_change() {
        let nothing = Listing::Hide { blobs: Pattern::try_from("c".to_owned()).unwrap() };
        assert_eq!(changed(&nothing), None);
        assert_eq!(Listing::Reverse.change("<EnumerationResults><Blobs/></EnumerationResults>"), None);
        assert_eq!(Listing::Reverse.change("no listing"), None);
    }
}
