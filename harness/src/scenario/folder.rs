//! Where a scenario stands: `scenarios/<group>/<slug>.yaml`. Its snapshots stand beside `scenarios`, and nowhere else.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The folder that scenarios with snapshots stand in.
const SCENARIOS: &str = "scenarios";

/// Where a scenario's file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The name of the folder that holds the file.
    pub group: String,
    /// The file's name without its extension.
    pub slug: String,
    /// What holds the folder `scenarios`; none where the file stands elsewhere.
    root: Option<PathBuf>,
}

impl Location {
    /// Where `file` stands, behind links and `..`; one that is not there yet is looked at by its name.
    pub fn of(file: &Path) -> Self {
        let named = || std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let full = file.canonicalize().unwrap_or_else(|_| named());
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let group = full.parent();
        let scenarios = group.and_then(Path::parent).filter(|folder| folder.ends_with(SCENARIOS));
        Location {
            group: text(group.and_then(Path::file_name)),
            slug: text(full.file_stem()),
            root: scenarios.and_then(Path::parent).map(Path::to_owned),
        }
    }

    /// The folder of its snapshots; none where it does not stand in `scenarios/<group>/`.
    pub fn snapshots(&self) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join("snapshots").join(&self.group).join(&self.slug))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_stand_beside_the_folder_of_scenarios_whatever_way_leads_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("scenarios/clone/deeper")).unwrap();
        std::fs::write(root.join("scenarios/clone/x.yaml"), "").unwrap();
        std::os::unix::fs::symlink(root.join("scenarios/clone/x.yaml"), root.join("link.yaml")).unwrap();
        let snapshots = |file: &str| Location::of(&root.join(file)).snapshots();
        let wanted = Some(root.join("snapshots/clone/x"));
        for way in ["scenarios/clone/x.yaml", "scenarios/clone/../clone/x.yaml", "link.yaml"] {
            assert_eq!(snapshots(way), wanted, "{way}");
        }
        for elsewhere in ["x.yaml", "clone/x.yaml", "scenarios/x.yaml", "scenarios/clone/deeper/x.yaml"] {
            assert_eq!(snapshots(elsewhere), None, "{elsewhere}");
        }
    }
}
