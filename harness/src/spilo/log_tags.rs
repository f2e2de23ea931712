//! `LOG_S3_TAGS`, which Spilo reads where logs are shipped (`LOG_S3_BUCKET`). The logs themselves are not shipped here.

use super::{Release, Variables};

/// What comes of the tags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    Sound,
    /// They are left out.
    Warned(String),
    /// Spilo's configuration ends with an exception.
    End(String),
}

/// The operator sets a bucket and no tags.
pub(crate) fn of(variables: &Variables, release: Release) -> Tags {
    let why = match variables.set("LOG_S3_TAGS") {
        _ if !release.reads_log_tags() => return Tags::Sound,
        None => "TypeError('the JSON object must be str, bytes or bytearray, not NoneType')".to_owned(),
        Some(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => return Tags::Sound,
            Err(error) => format!("JSONDecodeError('{error}')"),
        },
    };
    match release.minds_log_tags() {
        true => Tags::End(why),
        false => Tags::Warned(format!(
            "could not parse LOG_S3_TAGS as a JSON: {why}, reverting to the default empty dict"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(release: &str, given: Option<&str>) -> Tags {
        let given = given.map(|text| ("LOG_S3_TAGS", text));
        of(&given.into_iter().collect(), release.parse().unwrap())
    }

    #[test]
    fn releases_differ_in_what_comes_of_tags_that_are_none() {
        assert_eq!(tags("3.0-p1", None), Tags::Sound);
        assert!(matches!(tags("4.0-p2", None), Tags::End(why) if why.starts_with("TypeError")));
        assert!(matches!(tags("4.0-p3", None), Tags::Warned(text)
            if text.starts_with("could not parse LOG_S3_TAGS as a JSON: TypeError")));
        assert!(
            matches!(tags("4.0-p3", Some("a=b")), Tags::Warned(text) if text.contains("JSONDecodeError"))
        );
        assert_eq!(tags("4.0-p2", Some("{}")), Tags::Sound);
    }
}
