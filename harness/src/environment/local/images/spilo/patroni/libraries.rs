//! Libraries that Spilo preloads and this machine's PostgreSQL may not have.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::environment::local::images::spilo::log::Voice;

/// Takes libraries that are not installed out of `shared_preload_libraries`: PostgreSQL would not start.
pub(super) fn leave_out_missing(config: &mut Value, bin: &Path) {
    let Some(Value::String(list)) = config.pointer_mut("/postgresql/parameters/shared_preload_libraries")
    else {
        return;
    };
    let folders = library_folders(bin);
    let (kept, missing): (Vec<&str>, Vec<&str>) =
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).partition(|name| {
            name.contains('/') || folders.iter().any(|folder| folder.join(format!("{name}.so")).is_file())
        });
    if !missing.is_empty() {
        Voice::left_out(&missing.join(", "), "this PostgreSQL has no such library");
    }
    *list = kept.join(",");
    if list.is_empty() {
        config["postgresql"]["parameters"]["shared_preload_libraries"] = json!("");
    }
}

/// Where `$libdir` may be, beside the folder of the programs.
fn library_folders(bin: &Path) -> Vec<PathBuf> {
    let root = bin.parent().unwrap_or(Path::new("/"));
    vec![root.join("lib"), root.join("lib/postgresql")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_libraries_are_preloaded() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("lib")).unwrap();
        std::fs::write(root.path().join("lib/pg_stat_statements.so"), "").unwrap();
        let mut config = json!({"postgresql": {"parameters": {
            "shared_preload_libraries": "bg_mon, pg_stat_statements,set_user"
        }}});
        leave_out_missing(&mut config, &root.path().join("bin"));
        assert_eq!(config["postgresql"]["parameters"]["shared_preload_libraries"], "pg_stat_statements");
    }
}
