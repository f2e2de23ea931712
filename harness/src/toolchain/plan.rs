//! Which program comes from where: given by a person, found on the machine, or made and kept in the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Manifest};
use super::command;
use super::configuration::{Configuration, Given, Program, given_operator};
use super::error::{MakeError, PartError, ToolchainError};
use super::host::{HostProgram, always_visible, is_program, node_lack};
use super::parts::{self, Part};
use super::postgres;
use super::tools::{AzuriteTool, OperatorTool, PatroniTool, PostgresTool, Tools, WalGTool};
use super::wal_g;

/// Where one program comes from.
#[derive(Debug, Clone)]
pub enum Source<T> {
    Given(T, String),
    /// On this machine, with where it was found.
    Found(T, &'static str),
    Made(Part),
}

/// The sources of all programs of a run.
#[derive(Debug)]
pub struct Plan {
    pub cache: Cache,
    pub etcd: Source<PathBuf>,
    pub kube_apiserver: Source<PathBuf>,
    pub kube_controller_manager: Source<PathBuf>,
    pub wal_g: Source<WalGTool>,
    /// The script of the blob service.
    pub azurite: Source<PathBuf>,
    pub patroni: Source<PatroniTool>,
    pub postgres: Source<Vec<PostgresTool>>,
    /// Installations of the system that cannot be used, and what they lack.
    pub rejected_postgres: Vec<(PathBuf, String)>,
    pub operators: BTreeMap<String, Source<OperatorTool>>,
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
    pub fn new(configuration: &Configuration, operators: &[String]) -> Result<Self, ToolchainError> {
        let program = |program: Program, part: Part, says: &str| match configuration.programs.get(&program) {
            None => Ok(Source::Made(part)),
            Some(given) => {
                is_the(program, given, says)?;
                Ok(Source::Given(given.path.clone(), given.origin.clone()))
            }
        };
        let (postgres, rejected_postgres) = postgres(configuration)?;
        Ok(Plan {
            cache: configuration.cache()?,
            etcd: program(Program::Etcd, Part::Etcd, "etcd")?,
            kube_apiserver: program(Program::KubeApiserver, Part::Kubernetes, "Kubernetes")?,
            kube_controller_manager: program(Program::KubeControllerManager, Part::Kubernetes, "Kubernetes")?,
            patroni: patroni(configuration)?,
            wal_g: wal_g(configuration)?,
            azurite: azurite(configuration)?,
            postgres,
            rejected_postgres,
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
    pub fn parts(&self) -> BTreeSet<Part> {
        fn part<T>(source: &Source<T>) -> Option<Part> {
            match source {
                Source::Made(part) => Some(part.clone()),
                _ => None,
            }
        }
        let paths = [&self.etcd, &self.kube_apiserver, &self.kube_controller_manager, &self.azurite];
        let operators = self.operators.values().map(part);
        paths
            .into_iter()
            .map(part)
            .chain([part(&self.wal_g), part(&self.patroni), part(&self.postgres)])
            .chain(operators)
            .flatten()
            .collect()
    }

    /// Those of them that it has not.
    pub fn missing(&self) -> Vec<Part> {
        self.parts().into_iter().filter(|part| part.slot(&self.cache).read().is_none()).collect()
    }

    /// The answer, once every part is there; `manifest` reads a part's.
    pub fn tools(
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
        match &self.postgres {
            Source::Made(part) => visible.extend([folder(part)]),
            _ => visible.extend(postgres.iter().filter_map(|tool| tool.bin.parent()).map(ToOwned::to_owned)),
        }
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
    pub fn operators_alone(&self) -> Tools {
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
        }
    }

    /// The program that runs Azurite.
    pub fn node(&self) -> Option<PathBuf> {
        match self.node.as_ref()? {
            Source::Given(node, _) | Source::Found(node, _) => Some(node.clone()),
            Source::Made(_) => None,
        }
    }

    /// The installations of PostgreSQL, once the part is there.
    ///
    /// # Errors
    /// When the unpacked one does not run, as after an upgrade of the system's libraries.
    pub fn postgres(&self) -> Result<Vec<PostgresTool>, ToolchainError> {
        match &self.postgres {
            Source::Given(found, _) | Source::Found(found, _) => Ok(found.clone()),
            Source::Made(part) => {
                let folder = part.slot(&self.cache).folder;
                let tool = postgres::unpacked(&folder).map_err(|why| {
                    let source = MakeError::Result(format!("{} {why}", folder.display()));
                    let (part, version) = (part.name().to_owned(), part.version().to_owned());
                    ToolchainError::Parts(vec![PartError { part, version, source }])
                })?;
                Ok(vec![tool])
            }
        }
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

type FoundPostgres = (Source<Vec<PostgresTool>>, Vec<(PathBuf, String)>);

fn postgres(configuration: &Configuration) -> Result<FoundPostgres, ToolchainError> {
    if let Some(given) = configuration.programs.get(&Program::Postgres) {
        let tool =
            postgres::inspect(&given.path, None).map_err(|why| wrong(Program::Postgres, given, why))?;
        return Ok((Source::Given(vec![tool], given.origin.clone()), Vec::new()));
    }
    let found = match configuration.fetch_postgres {
        true => postgres::Installations::default(),
        false => postgres::installed(),
    };
    let source = match found.usable.is_empty() {
        true => Source::Made(Part::Postgres),
        false => Source::Found(found.usable, "the system"),
    };
    Ok((source, found.rejected))
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
