//! Which program comes from where: given by a person, found on the machine, or made and kept in the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::cache::{Cache, Manifest};
use super::configuration::{Configuration, Given, Program};
use super::error::ToolchainError;
use super::host::{HostProgram, always_visible, is_program};
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
    pub patroni: Source<PathBuf>,
    pub postgres: Source<Vec<PostgresTool>>,
    pub operators: BTreeMap<String, Source<OperatorTool>>,
    pub node: Option<PathBuf>,
}

impl Plan {
    /// Decides without making anything.
    ///
    /// # Errors
    /// A given path that is not what it must be, or an operator that cannot be had.
    pub fn new(configuration: &Configuration, operators: &[String]) -> Result<Self, ToolchainError> {
        let program = |program: Program, part: Part| match configuration.programs.get(&program) {
            None => Ok(Source::Made(part)),
            Some(given) if is_program(&given.path) => {
                Ok(Source::Given(given.path.clone(), given.origin.clone()))
            }
            Some(given) => Err(wrong(program, given, "is no program")),
        };
        Ok(Plan {
            cache: configuration.cache()?,
            etcd: program(Program::Etcd, Part::Etcd)?,
            kube_apiserver: program(Program::KubeApiserver, Part::Kubernetes)?,
            kube_controller_manager: program(Program::KubeControllerManager, Part::Kubernetes)?,
            patroni: program(Program::PatroniPython, Part::Patroni)?,
            wal_g: wal_g(configuration)?,
            azurite: azurite(configuration)?,
            postgres: postgres(configuration)?,
            operators: operators
                .iter()
                .map(|name| Ok((name.clone(), operator(configuration, name)?)))
                .collect::<Result<_, ToolchainError>>()?,
            node: match configuration.programs.get(&Program::Node) {
                Some(given) if !is_program(&given.path) => {
                    return Err(wrong(Program::Node, given, "is no program"));
                }
                Some(given) => Some(given.path.clone()),
                None => HostProgram::Node.find(),
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
        let paths =
            [&self.etcd, &self.kube_apiserver, &self.kube_controller_manager, &self.azurite, &self.patroni];
        let operators = self.operators.values().map(part);
        paths
            .into_iter()
            .map(part)
            .chain([part(&self.wal_g), part(&self.postgres)])
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
            Source::Given(python, _) | Source::Found(python, _) => {
                visible.extend(python_folders(python));
                PatroniTool { python: python.clone(), version: "given".to_owned() }
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
        let postgres = match &self.postgres {
            Source::Given(found, _) | Source::Found(found, _) => {
                visible.extend(found.iter().filter_map(|tool| tool.bin.parent()).map(ToOwned::to_owned));
                found.clone()
            }
            Source::Made(part) => {
                visible.insert(folder(part));
                postgres::unpacked(&folder(part)).into_iter().collect()
            }
        };
        let mut operators = BTreeMap::new();
        for (name, source) in &self.operators {
            let tool = match source {
                Source::Given(tool, _) | Source::Found(tool, _) => {
                    visible.insert(tool.binary.clone());
                    tool.clone()
                }
                Source::Made(part) => {
                    visible.insert(folder(part));
                    OperatorTool {
                        version: part.version().to_owned(),
                        binary: folder(part).join("bin/postgres-operator"),
                        manifests: folder(part).join("manifests"),
                    }
                }
            };
            operators.insert(name.clone(), tool);
        }
        let node =
            self.node.clone().ok_or_else(|| ToolchainError::Missing(vec![HostProgram::Node.remedy()]))?;
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
        })
    }
}

fn wrong(program: Program, given: &Given, why: impl Into<String>) -> ToolchainError {
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

fn postgres(configuration: &Configuration) -> Result<Source<Vec<PostgresTool>>, ToolchainError> {
    if let Some(given) = configuration.programs.get(&Program::Postgres) {
        let tool =
            postgres::inspect(&given.path, None).map_err(|why| wrong(Program::Postgres, given, why))?;
        return Ok(Source::Given(vec![tool], given.origin.clone()));
    }
    let found = if configuration.fetch_postgres { Vec::new() } else { postgres::installed() };
    Ok(if found.is_empty() { Source::Made(Part::Postgres) } else { Source::Found(found, "the system") })
}

fn operator(configuration: &Configuration, name: &str) -> Result<Source<OperatorTool>, ToolchainError> {
    let Some(given) = configuration.operators.get(name) else {
        parts::check_version(name, &configuration.operators().collect::<Vec<_>>())?;
        return Ok(Source::Made(Part::Operator(name.to_owned())));
    };
    let origin = configuration.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let wrong = |path: &PathBuf, why: &str| ToolchainError::Given {
        program: format!("operator {name}"),
        origin: origin.clone(),
        path: path.clone(),
        why: why.to_owned(),
    };
    if !is_program(&given.binary) {
        return Err(wrong(&given.binary, "is no program"));
    }
    if !given.manifests.is_dir() {
        return Err(wrong(&given.manifests, "is no folder"));
    }
    let tool = OperatorTool {
        version: given.version.clone(),
        binary: given.binary.clone(),
        manifests: given.manifests.clone(),
    };
    Ok(Source::Given(tool, origin))
}

/// The environment that a given python belongs to, and the installation behind it.
fn python_folders(python: &std::path::Path) -> Vec<PathBuf> {
    let root = |program: &std::path::Path| Some(program.parent()?.parent()?.to_owned());
    [root(python), python.canonicalize().ok().and_then(|real| root(&real))].into_iter().flatten().collect()
}
