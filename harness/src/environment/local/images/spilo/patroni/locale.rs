//! Locales: Spilo's image has `en_US.UTF-8`, an ordinary machine often only `C.UTF-8`.

use serde_json::{Value, json};

use crate::environment::local::images::spilo::log::Voice;

/// The locales of this machine, as `locale -a` names them.
#[derive(Debug, Clone)]
pub(crate) struct Locales(Vec<String>);

impl Locales {
    pub(crate) fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Locales(names.into_iter().map(|name| plain(name.as_ref())).collect())
    }

    fn has(&self, name: &str) -> bool {
        matches!(name, "C" | "POSIX") || self.0.contains(&plain(name))
    }

    /// The locale itself, or the nearest that this machine has.
    pub(crate) fn nearest<'n>(&self, wanted: &'n str) -> &'n str {
        match wanted {
            wanted if self.has(wanted) => wanted,
            _ if self.has("C.UTF-8") => "C.UTF-8",
            _ => "C",
        }
    }

    /// Replaces locales among the options of `initdb` that it would refuse.
    pub(crate) fn replace_missing(&self, config: &mut Value) {
        let Some(options) = config.pointer_mut("/bootstrap/initdb") else { return };
        let dictionaries: Vec<&mut Value> = match options {
            Value::Array(list) => list.iter_mut().collect(),
            other => vec![other],
        };
        for (name, value) in dictionaries.into_iter().filter_map(Value::as_object_mut).flatten() {
            let wanted = value.as_str().unwrap_or_default();
            if (name == "locale" || name.starts_with("lc-")) && !self.has(wanted) {
                Voice::left_out(&format!("the locale {wanted}"), "this machine does not have it");
                let nearest = self.nearest(wanted).to_owned();
                *value = json!(nearest);
            }
        }
    }
}

/// `en_US.UTF-8` and `en_US.utf8` are the same.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_that_is_there_stays_and_another_gives_way() {
        let machine = Locales::new(["C", "C.utf8", "de_DE.utf8", "POSIX"]);
        assert_eq!(machine.nearest("de_DE.UTF-8"), "de_DE.UTF-8");
        assert_eq!(machine.nearest("en_US.UTF-8"), "C.UTF-8");
        assert_eq!(Locales::new(["C"]).nearest("en_US.UTF-8"), "C");

        let mut config =
            json!({"bootstrap": {"initdb": [{"locale": "en_US.UTF-8"}, {"encoding": "UTF8"}, "x"]}});
        machine.replace_missing(&mut config);
        assert_eq!(config["bootstrap"]["initdb"], json!([{"locale": "C.UTF-8"}, {"encoding": "UTF8"}, "x"]));
        let mut config = json!({"bootstrap": {"initdb": {"lc-collate": "en_US", "encoding": "UTF8"}}});
        machine.replace_missing(&mut config);
        assert_eq!(config["bootstrap"]["initdb"], json!({"lc-collate": "C.UTF-8", "encoding": "UTF8"}));
    }
}
