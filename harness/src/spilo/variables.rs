//! The container's environment, with Spilo's reading of it: an empty value is no value.

use std::collections::BTreeMap;

/// Names and values, as Spilo's configuration sees them.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The value, or `None` where it is missing or empty.
    pub fn set(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value, empty where it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether the name is there, empty or not.
    pub fn is_there(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Gives a name that is missing a value; one that is there stays, also where it is empty.
    pub fn fill(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(name.to_owned()).or_insert_with(|| value.into());
    }

    /// Gives a name this value, whatever it had.
    pub fn put(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Whether any of the names has a value.
    pub fn any_set(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
        names.into_iter().any(|name| self.set(name.as_ref()).is_some())
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Variables(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
