//! People's own parameters of PostgreSQL, as they stand in `SPILO_CONFIGURATION`.

use serde_json::Value;

use super::merge;
use super::pod::Pod;

/// Where a parameter of one's own stands, which says what it beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `postgresql.parameters`: it beats what Spilo writes, and what all members share.
    Local,
    /// `bootstrap.dcs.postgresql.parameters`: shared by all members, and what Spilo writes for each member beats it.
    Shared,
}

/// What people say of parameters.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Value);

impl Parameters {
    /// Of the env of a pod; none where there are none, or their text is not known.
    pub fn of(pod: &Pod<'_>) -> Parameters {
        let text = pod.value("SPILO_CONFIGURATION").unwrap_or_default();
        Parameters(merge::parse("SPILO_CONFIGURATION", text).unwrap_or_default())
    }

    /// The value that counts among those that people gave, and where it stands.
    pub fn given(&self, name: &str) -> Option<(String, Level)> {
        let at = |path: &str| {
            let value = self.0.pointer(path)?.get(name)?;
            Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
        };
        at("/postgresql/parameters")
            .map(|value| (value, Level::Local))
            .or_else(|| Some((at("/bootstrap/dcs/postgresql/parameters")?, Level::Shared)))
    }

    /// The value of a parameter that Spilo writes for each member, where people's own beats it.
    pub fn local(&self, name: &str) -> Option<String> {
        self.given(name).filter(|(_, level)| *level == Level::Local).map(|(value, _)| value)
    }

    /// Whether Spilo finds in its log files that recovery ended before its target; else the parameter that hides it.
    pub fn hides_log(&self) -> Option<(&'static str, String)> {
        let found = [
            ("logging_collector", self.local("logging_collector").filter(|value| is_off(value))),
            ("log_destination", self.local("log_destination").filter(|value| !value.contains("csvlog"))),
            (
                "log_directory",
                self.local("log_directory").filter(|value| value.trim_end_matches('/') != "../pg_log"),
            ),
        ];
        found.into_iter().find_map(|(name, value)| Some((name, value?)))
    }
}

/// Whether a boolean parameter is off.
pub fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "off" | "false" | "no" | "0")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_spilo_writes_for_each_member_beats_what_is_shared() {
        let both = json!({
            "postgresql": { "parameters": { "log_destination": "jsonlog", "archive_mode": "off" } },
            "bootstrap": { "dcs": { "postgresql": { "parameters": { "archive_command": "true", "archive_timeout": 60 } } } },
        });
        let parameters = Parameters(both);
        assert_eq!(parameters.given("archive_mode"), Some(("off".to_owned(), Level::Local)));
        assert_eq!(parameters.given("archive_timeout"), Some(("60".to_owned(), Level::Shared)));
        assert_eq!(parameters.local("archive_command"), None);
        assert_eq!(parameters.hides_log(), Some(("log_destination", "jsonlog".to_owned())));
        assert_eq!(Parameters::default().hides_log(), None);
    }

    #[test]
    fn a_csv_log_beside_another_is_enough() {
        let with = |name: &str, value: &str| {
            let mut map = serde_json::Map::new();
            map.insert(name.to_owned(), json!(value));
            Parameters(json!({ "postgresql": { "parameters": map } })).hides_log().is_some()
        };
        assert!(!with("log_destination", "stderr,csvlog") && !with("logging_collector", "on"));
        assert!(with("log_destination", "stderr") && with("logging_collector", "false"));
        assert!(with("log_directory", "/var/log/postgres") && !with("log_directory", "../pg_log"));
    }
}
