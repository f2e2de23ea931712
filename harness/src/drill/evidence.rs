//! The folder that a drill leaves for people to look into. Free of secrets.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::error::DrillError;

/// Keys of Kubernetes objects whose values are secrets whatever they are.
const SECRET_FIELDS: [&str; 2] = ["data", "stringData"];

#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    folder: PathBuf,
}

impl Evidence {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn in_folder(folder: &Path) -> Result<Evidence, DrillError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| DrillError::Evidence { path: folder.to_owned(), source })?;
        Ok(Evidence { folder: folder.to_owned() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a text that holds no secret any more. `name` may have folders in it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn text(&self, name: &str, text: &str) -> Result<(), DrillError> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| DrillError::Evidence { path, source })
    }

    /// Writes a value as JSON, with `hide` gone over its text.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn json(
        &self,
        name: &str,
        value: &impl Serialize,
        hide: &dyn Fn(&str) -> String,
    ) -> Result<(), DrillError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| DrillError::Evidence { path: self.folder.join(name), source: error.into() })?;
        self.text(name, &hide(&text))
    }
}

/// A copy of a Kubernetes object that can be shown: the content of a Secret is left out.
pub(super) fn shown(object: &Value) -> Value {
    let mut shown = object.clone();
    if shown["kind"] == "Secret" {
        for field in SECRET_FIELDS {
            for value in shown
                .get_mut(field)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(|map| map.values_mut())
            {
                *value = Value::String("<hidden>".to_owned());
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn the_content_of_a_secret_is_not_shown() {
        let secret = json!({ "kind": "Secret", "stringData": { "key": "abc" } });
        assert_eq!(shown(&secret), json!({ "kind": "Secret", "stringData": { "key": "<hidden>" } }));
        let other = json!({ "kind": "ConfigMap", "data": { "key": "abc" } });
        assert_eq!(shown(&other), other);
    }
}
