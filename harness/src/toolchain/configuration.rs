//! What a person gave: programs by path, operators by name, and where the cache is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::error::ToolchainError;
use super::found::ASSETS;
use super::images::absolute;

mod check;
mod cluster;
mod convention;
mod file;
mod stand_in;

pub use check::{Acceptance, CheckSettings, Retention};
pub use cluster::{ImageSettings, KindSettings};
pub use convention::PrefixNames;
pub use file::ConfigurationError;
pub(super) use stand_in::{FirstBackup, StandInSettings};

/// The configuration file's name, looked for in the working directory and above it.
const FILE: &str = "clonedrill.yaml";

/// Operators of one's own, as the value of the file's key `operators`; one of the same name wins over the file's.
const OPERATORS: &str = "CLONEDRILL_OPERATORS";

/// When the stand-in takes its first base backup: `at-once` or `as-spilo`; it wins over `stand-in` of the file.
const FIRST_BACKUP: &str = "CLONEDRILL_FIRST_BACKUP";

/// The image of Spilo; it wins over `images.spilo` of the file.
pub const SPILO_IMAGE: &str = "CLONEDRILL_SPILO_IMAGE";

/// Has PostgreSQL come from the distribution's packages even where one is installed.
const FETCH: &str = "fetch";

/// A program that can be given by path: in the file under `programs`, or by an environment variable, which wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// The store of the local control plane.
    Etcd,
    /// The API server of the local control plane.
    KubeApiserver,
    /// What makes pods of StatefulSets in the local control plane.
    KubeControllerManager,
    /// What writes and reads backups in the stand-in for Spilo.
    WalG,
    /// The npm package, run by [`Program::Node`].
    Azurite,
    /// Node.js, for Azurite.
    Node,
    /// A python that can run `-m patroni`.
    PatroniPython,
    /// One or several folders with a server's programs, or majors.
    Postgres,
    /// Only for the environment of that name.
    Kind,
}

impl Program {
    /// Each with its key, its environment variable, and what the path must be.
    pub const TABLE: [(Program, &'static str, &'static str, &'static str); 9] = [
        (Program::Etcd, "etcd", "CLONEDRILL_ETCD", "the program etcd"),
        (Program::KubeApiserver, "kube-apiserver", "CLONEDRILL_KUBE_APISERVER", "the program kube-apiserver"),
        (
            Program::KubeControllerManager,
            "kube-controller-manager",
            "CLONEDRILL_KUBE_CONTROLLER_MANAGER",
            "the program kube-controller-manager",
        ),
        (Program::WalG, "wal-g", "CLONEDRILL_WAL_G", "the program wal-g for PostgreSQL"),
        (Program::Azurite, "azurite", "CLONEDRILL_AZURITE", "the folder of the npm package azurite"),
        (Program::Node, "node", "CLONEDRILL_NODE", "the program node"),
        (Program::PatroniPython, "patroni-python", "CLONEDRILL_PATRONI_PYTHON", "a python that has Patroni"),
        (
            Program::Postgres,
            "postgres",
            "CLONEDRILL_POSTGRES",
            "folders with postgres, initdb, …, majors such as 17, or `fetch` for the distribution's
      packages; several with commas between them",
        ),
        (Program::Kind, "kind", "CLONEDRILL_KIND", "the program kind, for the environment of that name"),
    ];

    /// As it stands in the configuration file.
    pub fn key(self) -> &'static str {
        Program::TABLE[self as usize].1
    }
}

/// How each program is given by path, as text for people: a line for each, at most 100 columns wide.
pub fn ways_to_give() -> String {
    let mut text =
        "Programs that can be given by path, in clonedrill.yaml (here or in a folder above) or by a
variable, which wins:
"
        .to_owned();
    for (_, key, variable, what) in Program::TABLE {
        text.push_str(&format!("  {key:23}  {variable}\n      {what}\n"));
    }
    text + "\nOperators that are no released version, in clonedrill.yaml or the same in CLONEDRILL_OPERATORS:
  operators:
    ours: { binary: ../postgres-operator, manifests: ../manifests, version: v1.15.2-ours }

Images, in clonedrill.yaml: in place of this machine's programs (local) or the releases' own (kind).
Local also takes paths: an OCI layout or archive, what `docker save` writes, a root file system.
  images: { operator: mirror/postgres-operator, spilo: …, azurite: …, node: … }
  (Spilo's also in CLONEDRILL_SPILO_IMAGE; azurite and node are for kind alone)
  images: { others: { \"busybox:1\": ./busybox.tar }, archives: [./all.tar], mirrors: { ghcr.io: … } }
  (for local alone: what manifests name besides, archives of images, who is asked for a registry)

The cluster of the environment kind, in clonedrill.yaml:
  kind: { name: clonedrill, api-server-port: 6443 }

Of the machine itself are used: etcd (3.5 or newer) and Kubernetes' programs (of the minor that is
built here) in KUBEBUILDER_ASSETS or on PATH, WAL-G from 2.0.1 on, kind, PostgreSQL of the system.

The cache's folder: `cache` in clonedrill.yaml, or CLONEDRILL_CACHE."
}

/// A path that a person gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub path: PathBuf,
    /// `CLONEDRILL_ETCD`, or the configuration file.
    pub origin: String,
}

/// A PostgreSQL that a person gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GivenPostgres {
    Folder(Given),
    /// The system's, else from packages.
    Major(u16),
    /// The distribution's own, from its packages.
    Fetch,
}

impl GivenPostgres {
    /// All of a list with commas between them; paths start from `folder`.
    fn list(text: &str, folder: &Path, origin: &str) -> Vec<GivenPostgres> {
        let each = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        each.map(|one| match one.parse() {
            _ if one == FETCH => GivenPostgres::Fetch,
            Ok(major) => GivenPostgres::Major(major),
            Err(_) => GivenPostgres::Folder(Given { path: folder.join(one), origin: origin.to_owned() }),
        })
        .collect()
    }
}

/// An operator of one's own: a version that is not released as a Go module, or a build with changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GivenOperator {
    pub binary: PathBuf,
    /// The release's own `manifests` folder.
    pub manifests: PathBuf,
    pub version: String,
}

/// What a person gave, from `clonedrill.yaml` and the environment.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    pub(super) cache: Option<PathBuf>,
    pub(super) programs: BTreeMap<Program, Given>,
    /// Empty where nobody gave one: then those of the system, else the distribution's own from its packages.
    pub(super) postgres: Vec<GivenPostgres>,
    /// Majors that manifests name.
    pub(super) majors: BTreeSet<u16>,
    pub(super) operators: BTreeMap<String, GivenOperator>,
    /// The names of those operators that come from the environment.
    pub(super) from_variable: BTreeSet<String>,
    /// What manifests are held to.
    pub check: CheckSettings,
    /// Where images are.
    pub images: ImageSettings,
    /// Its cluster.
    pub kind: KindSettings,
    /// How true to Spilo the stand-in is where that costs time.
    pub stand_in: StandInSettings,
    /// The file that was read, where there is one.
    pub(super) file: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
    /// Where envtest keeps its programs.
    pub(super) assets: Option<PathBuf>,
}

impl Configuration {
    /// Reads the nearest `clonedrill.yaml` from `start` upwards, where there is one, and the environment.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what it may not, with the place.
    pub fn load(start: &Path) -> Result<Self, ConfigurationError> {
        Configuration::load_with(start, |name| std::env::var_os(name))
    }

    fn load_with(
        start: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigurationError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut configuration =
            match start.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()) {
                Some(path) => file::read(&path)?,
                None => Configuration::default(),
            };
        for (program, _, name, _) in Program::TABLE {
            let Some(value) = variable(name) else { continue };
            if program == Program::Postgres {
                configuration.postgres = GivenPostgres::list(&value.to_string_lossy(), start, name);
                continue;
            }
            let given = Given { path: start.join(value), origin: name.to_owned() };
            configuration.programs.insert(program, given);
        }
        if let Some(value) = variable(OPERATORS) {
            let operators = file::operators(OPERATORS, &value.to_string_lossy(), start)?;
            configuration.from_variable = operators.keys().cloned().collect();
            configuration.operators.extend(operators);
        }
        if let Some(value) = variable(FIRST_BACKUP) {
            let first_backup =
                FirstBackup::named(&value.to_string_lossy()).ok_or_else(|| file::bad_first_backup(&value))?;
            configuration.stand_in = StandInSettings { first_backup };
        }
        if let Some(image) = variable(SPILO_IMAGE) {
            configuration.images.spilo = Some(absolute(&image.to_string_lossy(), start));
        }
        configuration.home = variable("HOME").map(PathBuf::from);
        configuration.assets = variable(ASSETS).map(|path| start.join(path));
        let cache = variable("CLONEDRILL_CACHE").map(|path| start.join(path)).or(configuration.cache.take());
        let user = || {
            variable("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or(configuration.home.clone().map(|home| home.join(".cache")))
        };
        configuration.cache = cache.or_else(|| user().map(|folder| folder.join("clonedrill")));
        Ok(configuration)
    }

    /// Where programs are kept between runs.
    ///
    /// # Errors
    /// When neither the configuration nor the environment says so.
    pub fn cache_folder(&self) -> Result<PathBuf, ToolchainError> {
        self.cache.clone().ok_or(ToolchainError::NoCacheFolder)
    }

    pub(super) fn cache(&self) -> Result<Cache, ToolchainError> {
        self.cache.clone().map(Cache::new).ok_or(ToolchainError::NoCacheFolder)
    }

    /// Whether the user's own folders can be used by the build tools.
    pub(super) fn has_home(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.is_dir())
    }

    /// The same where manifests name these majors of PostgreSQL, too: each is fetched where the machine lacks it.
    #[must_use]
    pub fn with_postgres(mut self, majors: impl IntoIterator<Item = u16>) -> Self {
        self.majors.extend(majors);
        self
    }

    /// Names of the operators that a person gave.
    pub fn operators(&self) -> impl Iterator<Item = &str> {
        self.operators.keys().map(String::as_str)
    }

    /// Who gave an operator.
    pub(super) fn origin_of(&self, operator: &str) -> String {
        match &self.file {
            _ if self.from_variable.contains(operator) => OPERATORS.to_owned(),
            Some(file) => file.display().to_string(),
            None => String::new(),
        }
    }

    /// The same without a program or operator that was given, as [`ToolchainError::Given`] calls it.
    pub(super) fn without(mut self, given: &str) -> Self {
        self.programs.retain(|program, _| program.key() != given);
        self.postgres.retain(|_| given != Program::Postgres.key());
        self.operators.retain(|name, _| *given != given_operator(name));
        self
    }
}

/// What an error calls an operator that a person gave.
pub(super) fn given_operator(name: &str) -> String {
    format!("operator {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Configuration, ConfigurationError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let below = folder.path().join("scenarios/clone");
        std::fs::create_dir_all(&below).unwrap();
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        Configuration::load_with(&below, find)
    }

    #[test]
    fn the_table_is_in_the_order_of_the_programs() {
        for (program, key, _, _) in Program::TABLE {
            assert_eq!(program.key(), key);
            assert_eq!(serde_json::to_value(program).unwrap(), key);
        }
    }

    #[test]
    fn a_file_above_is_found_and_its_paths_start_from_it() {
        let found = load("programs: { etcd: bin/etcd }\ncache: ../kept", &[]).unwrap();
        let folder = found.file.clone().unwrap().parent().unwrap().to_owned();
        assert_eq!(found.programs[&Program::Etcd].path, folder.join("bin/etcd"));
        assert_eq!(found.cache, Some(folder.join("../kept")));
    }

    #[test]
    fn a_variable_wins_over_the_file() {
        let text = "programs: { wal-g: /a/wal-g }";
        let found = load(text, &[("CLONEDRILL_WAL_G", "/b/wal-g")]).unwrap();
        assert_eq!(found.programs[&Program::WalG].path, Path::new("/b/wal-g"));
        assert_eq!(found.programs[&Program::WalG].origin, "CLONEDRILL_WAL_G");
    }

    #[test]
    fn postgres_is_given_by_folders_majors_and_packages_in_any_form() {
        let given = |text: &str, variables: &[(&str, &str)]| load(text, variables).unwrap();
        let major = GivenPostgres::Major(17);
        assert_eq!(given("programs: { postgres: 17 }", &[]).postgres, std::slice::from_ref(&major));
        assert_eq!(given("programs: { postgres: fetch }", &[]).postgres, [GivenPostgres::Fetch]);
        let found = given("programs: { postgres: '17, pg/bin' }", &[]);
        let path = found.file.clone().unwrap().with_file_name("pg/bin");
        let origin = found.file.unwrap().display().to_string();
        assert_eq!(found.postgres, [major, GivenPostgres::Folder(Given { path, origin })]);
        let found = given("programs: { postgres: 17 }", &[("CLONEDRILL_POSTGRES", "fetch")]);
        assert_eq!(found.postgres, [GivenPostgres::Fetch]);
        assert_eq!(given("{}", &[]).postgres, []);
    }

    #[test]
    fn a_program_that_is_given_as_something_else_is_told_what_is_wanted_at_its_place() {
        for wrong in ["17.2", "[17, 18]", "{ major: 17 }", "true", "-17"] {
            let error = load(&format!("programs:\n  postgres: {wrong}\n"), &[]).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("a major such as 17"), "{wrong}: {said}");
            let shown = format!("{:?}", miette::Report::new(error));
            assert!(shown.contains("clonedrill.yaml:2:"), "{wrong}: {shown}");
        }
    }

    #[test]
    fn an_operator_can_be_given_by_a_variable_alone() {
        let ours = "{ ours: { binary: bin/operator, manifests: /m, version: v9 } }";
        let found = load("{}", &[(OPERATORS, ours)]).unwrap();
        assert_eq!(found.operators().collect::<Vec<_>>(), ["ours"]);
        assert!(found.operators["ours"].binary.ends_with("scenarios/clone/bin/operator"));
        assert_eq!(found.origin_of("ours"), OPERATORS);
        let error = load("{}", &[(OPERATORS, "{ ours: { binray: /b } }")]).unwrap_err();
        let shown = format!("{:?}", miette::Report::new(error));
        assert!(shown.contains(OPERATORS) && shown.contains("did you mean `binary`?"), "{shown}");
    }

    #[test]
    fn every_way_to_give_a_program_is_told_within_100_columns() {
        let text = ways_to_give();
        for (_, key, variable, _) in Program::TABLE {
            assert!(text.contains(key) && text.contains(variable), "{variable}");
        }
        assert!(text.contains(OPERATORS) && text.contains("CLONEDRILL_CACHE"));
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{wide:?}");
    }

    #[test]
    fn the_cache_folder_is_the_users_unless_said_otherwise() {
        let cache = |variables| load("{}", variables).unwrap().cache;
        assert_eq!(cache(&[("HOME", "/h")]), Some("/h/.cache/clonedrill".into()));
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/clonedrill".into()));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("CLONEDRILL_CACHE", "/c")]), Some("/c".into()));
        assert!(matches!(load("{}", &[]).unwrap().cache(), Err(ToolchainError::NoCacheFolder)));
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest_name() {
        let error = load("programs:\n  ectd: /bin/etcd\n", &[]).unwrap_err();
        let shown = format!("{:?}", miette::Report::new(error));
        assert!(shown.contains("clonedrill.yaml:2:3") && shown.contains("did you mean `etcd`?"), "{shown}");
        let error = load("opperators: {}\n", &[]).unwrap_err();
        let shown = format!("{:?}", miette::Report::new(error));
        assert!(shown.contains("did you mean `operators`?"), "{shown}");
    }

    #[test]
    fn a_convention_that_is_none_is_an_error_at_its_place() {
        let found = load("check: { prefix: 'azure://{container}/{cluster}', retention: 2w }", &[]).unwrap();
        assert_eq!(found.check.prefix.text(), "azure://{container}/{cluster}");
        assert_eq!(found.check.retention.unwrap().0.as_hours(), 14 * 24);
        for (text, why) in [
            ("check:\n  prefix: 'azure://{contaner}/x'\n", "did you mean `container`?"),
            ("check:\n  retention: soon\n", "such as `30d`"),
            ("check:\n  retentoin: 3d\n", "did you mean `retention`?"),
        ] {
            let shown = format!("{:?}", miette::Report::new(load(text, &[]).unwrap_err()));
            assert!(shown.contains("clonedrill.yaml:2:") && shown.contains(why), "{shown}");
        }
    }

    #[test]
    fn a_mirror_and_a_cluster_can_be_given_and_mistakes_are_errors_at_their_place() {
        let text =
            "images: { operator: m:5000/op, node: 'm:5000/node:v1' }\nkind: { api-server-port: 7443 }\n";
        let found = load(text, &[]).unwrap();
        assert_eq!(found.images.operator.as_deref(), Some("m:5000/op"));
        assert_eq!((found.images.node.as_deref(), found.images.spilo), (Some("m:5000/node:v1"), None));
        assert_eq!((found.kind.api_server_port, found.kind.name), (Some(7443), None));
        let given = [(SPILO_IMAGE, "m:5000/spilo:4.0-p4")];
        assert_eq!(load(text, &given).unwrap().images.spilo.as_deref(), Some("m:5000/spilo:4.0-p4"));
        for (text, why) in [
            ("images:\n  operater: x\n", "did you mean `operator`?"),
            ("images:\n  spilo: 'https://mirror/spilo'\n", "an image's reference is wanted"),
            ("kind:\n  nmae: x\n", "did you mean `name`?"),
            ("kind:\n  name: My cluster\n", "small letters"),
            ("kind:\n  api-server-port: 70000\n", "70000"),
        ] {
            let shown = format!("{:?}", miette::Report::new(load(text, &[]).unwrap_err()));
            assert!(shown.contains("clonedrill.yaml:2:") && shown.contains(why), "{shown}");
        }
    }

    #[test]
    fn an_operator_needs_all_of_its_keys() {
        let error = load("operators:\n  mine: { binary: /o, version: v2.0.0 }\n", &[]).unwrap_err();
        assert!(format!("{:?}", miette::Report::new(error)).contains("manifests"));
    }
}
