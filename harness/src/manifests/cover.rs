//! Which parts of a file nobody may read: keys and passwords, and what stands in Secrets.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Map, Value};

use super::configmap;
use crate::secret::{Secret, is_a_word, is_told_by_form, is_told_by_name};
use crate::yaml::{Places, child};

/// What was found in one file.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// In bytes of the file.
    pub ranges: Vec<Range<usize>>,
    /// The values themselves, as they may turn up in the operator's messages.
    pub secrets: Vec<Secret>,
}

impl Covered {
    /// Adds what is secret in a document that was parsed.
    pub(super) fn document(&mut self, value: &Value, places: &Places) {
        self.value(value, "", places);
    }

    fn value(&mut self, value: &Value, pointer: &str, places: &Places) {
        match value {
            Value::Object(fields) => self.map(fields, pointer, places),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{pointer}/{index}"), places);
                }
            }
            Value::String(text) if is_told_by_form(text) => self.add(text, pointer, places),
            _ => {}
        }
    }

    fn map(&mut self, fields: &Map<String, Value>, pointer: &str, places: &Places) {
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        match text("kind") {
            Some("Secret") => {
                for (key, encoded) in [("data", true), ("stringData", false)] {
                    self.whole(fields.get(key), &child(pointer, key), encoded, places);
                }
                return;
            }
            Some("ConfigMap") if !configmap::is_of_operator(fields) => {
                for (name, value) in fields.get("data").and_then(Value::as_object).into_iter().flatten() {
                    self.named(name, value.as_str(), &child(&child(pointer, "data"), name), places);
                }
            }
            _ => {}
        }
        if let Some(name) = text("name") {
            self.named(name, text("value"), &child(pointer, "value"), places);
        }
        for (key, field) in fields {
            self.value(field, &child(pointer, key), places);
        }
    }

    /// All that stands below a Secret's `data` or `stringData`.
    fn whole(&mut self, data: Option<&Value>, pointer: &str, encoded: bool, places: &Places) {
        for (key, value) in data.and_then(Value::as_object).into_iter().flatten() {
            let Some(text) = value.as_str() else { continue };
            self.add(text, &child(pointer, key), places);
            let decoded = encoded.then(|| STANDARD.decode(text).ok()).flatten();
            self.secrets.extend(decoded.and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::new));
        }
        self.ranges
            .extend(places.scalars_below(pointer).map(|(_, span)| span.offset()..span.offset() + span.len()));
    }

    fn named(&mut self, name: &str, value: Option<&str>, pointer: &str, places: &Places) {
        if let Some(value) = value.filter(|value| is_told_by_name(name) && !is_a_word(value)) {
            self.add(value, pointer, places);
        }
    }

    fn add(&mut self, value: &str, pointer: &str, places: &Places) {
        self.secrets.push(Secret::new(value));
        self.ranges.extend(places.locate(pointer).map(|span| span.offset()..span.offset() + span.len()));
    }

    /// Adds what may be secret in a document that is no YAML: too much rather than too little.
    pub(super) fn unparsed(&mut self, document: &str, start: usize) {
        let is_secret = SECRET.is_match(document);
        let mut told = false;
        let mut at = start;
        for line in document.split_inclusive('\n') {
            let tells = TELLING_NAME.is_match(line);
            if (is_secret && !HARMLESS_KEY.is_match(line)) || tells || told {
                let from = line.find(':').map_or(0, |colon| colon + 1);
                self.ranges.push(at + from..at + line.len());
            }
            told = tells;
            at += line.len();
        }
    }
}

static SECRET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"kind["']?\s*:\s*["']?Secret\b"#).expect("a constant, and tested"));
/// A variable's name in a list of them, or before its value.
static TELLING_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[A-Z_]*(?:KEY|PASSWORD|TOKEN|SECRET)").expect("a constant, and tested"));
/// A line of a Secret that holds nothing secret.
static HARMLESS_KEY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(?:---|\.\.\.|\s*#|\s*[\-{]*\s*["']?(?:apiVersion|kind|metadata|name|namespace|type|labels|annotations)["']?\s*:)"#)
        .expect("a constant, and tested")
});
