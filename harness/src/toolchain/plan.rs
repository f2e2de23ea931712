//! Which program comes from where: given by a person, found on the machine, or made and kept in the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Manifest};
use super::command;
use super::configuration::{Configuration, Given, GivenPostgres, Program, given_operator};
use super::error::{MakeError, PartError, ToolchainError};
use super::found::{self, PassedOver};
use super::host::{HostProgram, always_visible, is_program, node_lack};
use super::parts::{self, Part};
use super::postgres;
use super::remedy::Remedy;
use super::tools::{AzuriteTool, OperatorTool, PatroniTool, PostgresTool, RunImages, Tools, WalGTool};
use super::wal_g;

/// Where one program comes from.
#[derive(Debug, Clone)]
pub(super) enum Source<T> {
    Given(T, String),
    /// On this machine, with where it was found.
    Found(T, &'static str),
    Made(Part),
}

/// The sources of all programs of a run.
#[derive(Debug)]
pub(super) struct Plan {
    pub cache: Cache,
    pub etcd: Source<PathBuf>,
    pub kube_apiserver: Source<PathBuf>,
    pub kube_controller_manager: Source<PathBuf>,
    pub wal_g: Source<WalGTool>,
    /// The script of the blob service.
    pub azurite: Source<PathBuf>,
    pub patroni: Source<PatroniTool>,
    /// Those that drills run on by default.
    pub postgres: Vec<Source<PostgresTool>>,
    /// Those beside them whose major a manifest names.
    pub named_postgres: Vec<Source<PostgresTool>>,
    /// Majors that are wanted and can be had from nowhere.
    pub no_postgres: Vec<Remedy>,
    /// Installations of the system that cannot be used, and what they lack.
    pub rejected_postgres: Vec<(PathBuf, String)>,
    pub operators: BTreeMap<String, Source<OperatorTool>>,
    /// Programs of this machine that are not used.
    pub passed_over: Vec<PassedOver>,
    /// It is never made.
    pub node: Option<Source<PathBuf>>,
}

/// Without these in its manifests, a given operator cannot be installed.
const MANIFESTS: [&str; 3] =
    ["postgresql.crd.yaml", "operatorconfiguration.crd.yaml", "postgres-operator.yaml"];

impl Plan {
    /// Decides without making anything.
    ///
    /// # Errors
    /// A given path that is not what it must be, or an operator that cannot be had.
    pub(super) fn new(configuration: &Configuration, operators: &[String]) -> Result<Self, ToolchainError> {
        let mut passed_over = Vec::new();
        let mut program = |program: Program, part: Part, says: &str| match configuration
            .programs
            .get(&program)
        {
            None => Ok::<_, ToolchainError>(found::source(program, part, configuration, &mut passed_over)),
            Some(given) => {
                is_the(program, given, says)?;
                Ok(Source::Given(given.path.clone(), given.origin.clone()))
            }
        };
        let cache = configuration.cache()?;
        let postgres = Postgres::of(configuration, &cache)?;
        let etcd = program(Program::Etcd, Part::Etcd, "etcd")?;
        let kube_apiserver = program(Program::KubeApiserver, Part::Kubernetes, "Kubernetes")?;
        let kube_controller_manager =
            program(Program::KubeControllerManager, Part::Kubernetes, "Kubernetes")?;
        Ok(Plan {
            cache,
            etcd,
            kube_apiserver,
            kube_controller_manager,
            passed_over,
            patroni: patroni(configuration)?,
            wal_g: wal_g(configuration)?,
            azurite: azurite(configuration)?,
            postgres: postgres.default,
            named_postgres: postgres.named,
            no_postgres: postgres.lacks,
            rejected_postgres: postgres.rejected,
            operators: operators
                .iter()
                .map(|name| Ok((name.clone(), operator(configuration, name)?)))
                .collect::<Result<_, ToolchainError>>()?,
            node: match configuration.programs.get(&Program::Node) {
                Some(given) => {
                    is_the(Program::Node, given, "v")?;
                    if let Some(lack) = node_lack(&given.path) {
                        return Err(wrong(Program::Node, given, format!("cannot be used: {lack}")));
                    }
                    Some(Source::Given(given.path.clone(), given.origin.clone()))
                }
                None => HostProgram::Node.find().map(|node| Source::Found(node, "PATH")),
            },
        })
    }

    /// The parts that the cache must have.
    pub(super) fn parts(&self) -> BTreeSet<Part> {
        fn part<T>(source: &Source<T>) -> Option<Part> {
            match source {
                Source::Made(part) => Some(part.clone()),
                _ => None,
            }
        }
        let paths = [&self.etcd, &self.kube_apiserver, &self.kube_controller_manager, &self.azurite];
        let operators = self.operators.values().map(part);
        let postgres = self.all_postgres().map(part);
        paths
            .into_iter()
            .map(part)
            .chain([part(&self.wal_g), part(&self.patroni)])
            .chain(postgres)
            .chain(operators)
            .flatten()
            .collect()
    }

    /// Those of them that it has not.
    pub(super) fn missing(&self) -> Vec<Part> {
        self.parts().into_iter().filter(|part| part.slot(&self.cache).read().is_none()).collect()
    }

    /// The answer, once every part is there; `manifest` reads a part's.
    pub(super) fn tools(
        &self,
        manifest: impl Fn(&Part) -> Result<Manifest, ToolchainError>,
    ) -> Result<Tools, ToolchainError> {
        let folder = |part: &Part| part.slot(&self.cache).folder;
        let path = |source: &Source<PathBuf>, inside: &str| match source {
            Source::Given(path, _) | Source::Found(path, _) => path.clone(),
            Source::Made(part) => folder(part).join(inside),
        };
        let mut visible = BTreeSet::new();
        let wal_g = match &self.wal_g {
            Source::Given(tool, _) | Source::Found(tool, _) => {
                visible.insert(tool.program.clone());
                tool.clone()
            }
            Source::Made(part) => {
                visible.insert(folder(part));
                wal_g::tool(&folder(part).join("bin/wal-g"), part.version())
            }
        };
        let patroni = match &self.patroni {
            Source::Given(tool, _) | Source::Found(tool, _) => {
                visible.extend(python_folders(&tool.python));
                tool.clone()
            }
            Source::Made(part) => {
                visible.insert(folder(part));
                visible.extend(manifest(part)?.visible);
                PatroniTool {
                    python: folder(part).join("venv/bin/python"),
                    version: part.version().to_owned(),
                }
            }
        };
        let postgres = self.postgres()?;
        visible.extend(self.all_postgres().filter_map(|source| match source {
            Source::Made(part) => Some(folder(part)),
            Source::Given(tool, _) | Source::Found(tool, _) => tool.bin.parent().map(ToOwned::to_owned),
        }));
        let operators = self.operator_tools();
        for (name, source) in &self.operators {
            match (source, operators.get(name)) {
                (Source::Made(part), _) => visible.insert(folder(part)),
                (_, Some(tool)) => visible.insert(tool.binary.clone()),
                (_, None) => false,
            };
        }
        let node = self.node().ok_or_else(|| ToolchainError::Missing(vec![HostProgram::Node.remedy()]))?;
        visible.insert(node.clone());
        Ok(Tools {
            etcd: path(&self.etcd, "bin/etcd"),
            kube_apiserver: path(&self.kube_apiserver, "bin/kube-apiserver"),
            kube_controller_manager: path(&self.kube_controller_manager, "bin/kube-controller-manager"),
            wal_g,
            azurite: AzuriteTool {
                node,
                script: path(&self.azurite, &format!("node_modules/azurite/{}", parts::AZURITE_SCRIPT)),
            },
            patroni,
            postgres,
            operators,
            visible: visible.into_iter().filter(|path| !always_visible(path)).collect(),
            spilos_first_backup: false,
            images: RunImages::default(),
        })
    }
}

impl Plan {
    /// The operators, once their parts are there.
    fn operator_tools(&self) -> BTreeMap<String, OperatorTool> {
        let tool = |source: &Source<OperatorTool>| match source {
            Source::Given(tool, _) | Source::Found(tool, _) => tool.clone(),
            Source::Made(part) => {
                let folder = part.slot(&self.cache).folder;
                OperatorTool {
                    version: part.version().to_owned(),
                    binary: folder.join("bin/postgres-operator"),
                    manifests: folder.join("manifests"),
                }
            }
        };
        self.operators.iter().map(|(name, source)| (name.clone(), tool(source))).collect()
    }

    /// An answer with nothing but the operators, for drills whose other programs are in images.
    pub(super) fn operators_alone(&self) -> Tools {
        let none = PathBuf::new;
        Tools {
            etcd: none(),
            kube_apiserver: none(),
            kube_controller_manager: none(),
            wal_g: WalGTool { program: none(), version: String::new(), predates_postgres_15: false },
            azurite: AzuriteTool { node: none(), script: none() },
            patroni: PatroniTool { python: none(), version: String::new() },
            postgres: Vec::new(),
            operators: self.operator_tools(),
            visible: Vec::new(),
            spilos_first_backup: false,
            images: RunImages::default(),
        }
    }

    /// The program that runs Azurite.
    pub(super) fn node(&self) -> Option<PathBuf> {
        match self.node.as_ref()? {
            Source::Given(node, _) | Source::Found(node, _) => Some(node.clone()),
            Source::Made(_) => None,
        }
    }

    /// All installations of PostgreSQL.
    pub(super) fn all_postgres(&self) -> impl Iterator<Item = &Source<PostgresTool>> {
        self.postgres.iter().chain(&self.named_postgres)
    }

    /// # Errors
    /// When a major is wanted that can be had from nowhere.
    pub(super) fn is_whole(&self) -> Result<(), ToolchainError> {
        match self.no_postgres.is_empty() {
            true => Ok(()),
            false => Err(ToolchainError::Missing(self.no_postgres.clone())),
        }
    }

    /// The installations of PostgreSQL, once their parts are there, oldest major first.
    ///
    /// # Errors
    /// When an unpacked one does not run.
    pub(super) fn postgres(&self) -> Result<Vec<PostgresTool>, ToolchainError> {
        let tool = |source: &Source<PostgresTool>, named_only| match source {
            Source::Given(tool, _) | Source::Found(tool, _) => {
                Ok(PostgresTool { named_only, ..tool.clone() })
            }
            Source::Made(part) => {
                let folder = part.slot(&self.cache).folder;
                let tool = postgres::unpacked(&folder).map_err(|why| {
                    let source = MakeError::Result(format!("{} {why}", folder.display()));
                    let (part, version) = (part.name().to_owned(), part.version().to_owned());
                    ToolchainError::Parts(vec![PartError { part, version, source }])
                })?;
                Ok(PostgresTool { named_only, ..tool })
            }
        };
        let default = self.postgres.iter().map(|source| tool(source, false));
        let named = self.named_postgres.iter().map(|source| tool(source, true));
        let mut all = default.chain(named).collect::<Result<Vec<_>, ToolchainError>>()?;
        // Those that are given first win.
        all.sort_by_key(|tool| tool.major);
        all.dedup_by_key(|tool| tool.major);
        Ok(all)
    }
}

/// A path that a person gave is a program that says its name when it is asked for its version.
fn is_the(program: Program, given: &Given, says: &str) -> Result<(), ToolchainError> {
    if !is_program(&given.path) {
        return Err(wrong(program, given, "is no program"));
    }
    match command::ask(Command::new(&given.path).arg("--version")) {
        Some(said) if said.starts_with(says) => Ok(()),
        said => {
            let said = said.unwrap_or_default().lines().next().unwrap_or("nothing").to_owned();
            Err(wrong(
                program,
                given,
                format!("is not {}: asked for its version it says `{said}`", program.key()),
            ))
        }
    }
}

fn patroni(configuration: &Configuration) -> Result<Source<PatroniTool>, ToolchainError> {
    let Some(given) = configuration.programs.get(&Program::PatroniPython) else {
        return Ok(Source::Made(Part::Patroni));
    };
    let version = match is_program(&given.path) {
        true => parts::inspect_patroni(&given.path),
        false => Err("is no program".to_owned()),
    };
    let version = version.map_err(|why| wrong(Program::PatroniPython, given, why))?;
    Ok(Source::Given(PatroniTool { python: given.path.clone(), version }, given.origin.clone()))
}

pub(super) fn wrong(program: Program, given: &Given, why: impl Into<String>) -> ToolchainError {
    ToolchainError::Given {
        program: program.key().to_owned(),
        origin: given.origin.clone(),
        path: given.path.clone(),
        why: why.into(),
    }
}

fn wal_g(configuration: &Configuration) -> Result<Source<WalGTool>, ToolchainError> {
    if let Some(given) = configuration.programs.get(&Program::WalG) {
        let tool = wal_g::inspect(&given.path)
            .ok_or_else(|| wrong(Program::WalG, given, "is no wal-g for PostgreSQL"))?;
        return Ok(Source::Given(tool, given.origin.clone()));
    }
    Ok(wal_g::installed().map_or(Source::Made(Part::WalG), |tool| Source::Found(tool, "PATH")))
}

fn azurite(configuration: &Configuration) -> Result<Source<PathBuf>, ToolchainError> {
    let Some(given) = configuration.programs.get(&Program::Azurite) else {
        return Ok(Source::Made(Part::Azurite));
    };
    let script = given.path.join(parts::AZURITE_SCRIPT);
    if !script.is_file() {
        return Err(wrong(Program::Azurite, given, format!("holds no {}", parts::AZURITE_SCRIPT)));
    }
    Ok(Source::Given(script, given.origin.clone()))
}

/// Which installations of PostgreSQL a run has.
#[derive(Default)]
struct Postgres {
    installed: postgres::Installations,
    default: Vec<Source<PostgresTool>>,
    named: Vec<Source<PostgresTool>>,
    rejected: Vec<(PathBuf, String)>,
    lacks: Vec<Remedy>,
}

impl Postgres {
    fn of(configuration: &Configuration, cache: &Cache) -> Result<Self, ToolchainError> {
        let mut all = Postgres { installed: postgres::installed(), ..Postgres::default() };
        let own = || Source::Made(Part::Postgres(parts::distribution().to_owned()));
        for given in &configuration.postgres {
            let source = match given {
                GivenPostgres::Folder(given) => {
                    let tool =
                        postgres::inspect(&given.path).map_err(|why| wrong(Program::Postgres, given, why))?;
                    Some(Source::Given(tool, given.origin.clone()))
                }
                GivenPostgres::Fetch => Some(own()),
                GivenPostgres::Major(major) => all.of_major(*major),
            };
            all.default.extend(source);
        }
        if configuration.postgres.is_empty() {
            let found = all.installed.usable.iter().cloned();
            all.default = found.map(|tool| Source::Found(tool, "the system")).collect();
            if all.default.is_empty() {
                all.rejected = std::mem::take(&mut all.installed.rejected);
                all.default.push(own());
            }
        }
        for major in &configuration.majors {
            if !all.default.iter().any(|source| major_of(source, cache) == Some(*major)) {
                let source = all.of_major(*major);
                all.named.extend(source);
            }
        }
        Ok(all)
    }

    /// The system's, else the packages of a suite that has it.
    fn of_major(&mut self, major: u16) -> Option<Source<PostgresTool>> {
        if let Some(tool) = self.installed.usable.iter().find(|tool| tool.major == major) {
            return Some(Source::Found(tool.clone(), "the system"));
        }
        if parts::can_be_had(major) {
            return Some(Source::Made(Part::Postgres(major.to_string())));
        }
        let versions: Vec<&str> = self.installed.usable.iter().map(|tool| tool.version.as_str()).collect();
        self.lacks.push(parts::nowhere(major, &versions.join(", ")));
        None
    }
}

/// Which major it is, as far as that is known before it is made.
fn major_of(source: &Source<PostgresTool>, cache: &Cache) -> Option<u16> {
    match source {
        Source::Given(tool, _) | Source::Found(tool, _) => Some(tool.major),
        Source::Made(part) => {
            let version = part.slot(cache).read().and_then(|made| made.version);
            let version = version.as_deref().unwrap_or_else(|| part.version());
            let number = version.split('.').next().and_then(|major| major.parse().ok());
            number.or_else(|| parts::major_of(part.version()))
        }
    }
}

fn operator(configuration: &Configuration, name: &str) -> Result<Source<OperatorTool>, ToolchainError> {
    let Some(given) = configuration.operators.get(name) else {
        parts::check_version(name, &configuration.operators().collect::<Vec<_>>())?;
        return Ok(Source::Made(Part::Operator(name.to_owned())));
    };
    let origin = configuration.origin_of(name);
    let wrong = |path: &Path, why: &str| ToolchainError::Given {
        program: given_operator(name),
        origin: origin.clone(),
        path: path.to_owned(),
        why: why.to_owned(),
    };
    if !is_program(&given.binary) {
        return Err(wrong(&given.binary, "is no program"));
    }
    if !given.manifests.is_dir() {
        return Err(wrong(&given.manifests, "is no folder"));
    }
    if let Some(missing) = MANIFESTS.iter().find(|file| !given.manifests.join(file).is_file()) {
        return Err(wrong(&given.manifests, &format!("holds no {missing}, as a release's `manifests` does")));
    }
    let tool = OperatorTool {
        version: given.version.clone(),
        binary: given.binary.clone(),
        manifests: given.manifests.clone(),
    };
    Ok(Source::Given(tool, origin))
}

/// The environment that a given python belongs to, and the installation behind it.
fn python_folders(python: &Path) -> Vec<PathBuf> {
    let root = |program: &Path| Some(program.parent()?.parent()?.to_owned());
    [root(python), python.canonicalize().ok().and_then(|real| root(&real))].into_iter().flatten().collect()
}
