//! The parts that can be made: each with its version, its recipe, what it needs, and how it is made.

mod azurite;
mod kubernetes;
mod operator;
mod patroni;
pub(super) mod postgres;

use std::path::{Path, PathBuf};

use super::cache::{Cache, Manifest, Slot};
use super::error::MakeError;
use super::go::{GoRecipe, digest};
use super::host::HostProgram;
use super::progress::PartProgress;

pub(super) use azurite::SCRIPT as AZURITE_SCRIPT;
pub use azurite::VERSION as AZURITE_VERSION;
pub(super) use kubernetes::VERSION as KUBERNETES_VERSION;
pub use operator::{DEFAULT_OPERATORS, check_version};
pub(super) use operator::{look_up, unknown};
pub(super) use patroni::{inspect as inspect_patroni, python};
pub(super) use postgres::{
    can_be_had, distribution, has_packages, major_of, nowhere, remedy as postgres_remedy,
};

/// Something that is fetched or built once and kept in the cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// kube-apiserver and kube-controller-manager.
    Kubernetes,
    WalG,
    Operator(String),
    Etcd,
    Azurite,
    Patroni,
    /// A major, or the distribution that it is the own one of.
    Postgres(String),
    Kind,
}

/// What making needs to know of the machine.
#[derive(Debug)]
pub(super) struct Context {
    pub go: PathBuf,
    pub npm: PathBuf,
    pub cc: PathBuf,
    /// Where build tools keep their own caches, when the user has no home folder.
    pub build_caches: Option<PathBuf>,
}

impl Part {
    /// Its folder in the cache.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Part::Kubernetes => "kubernetes",
            Part::WalG => "wal-g",
            Part::Operator(_) => "postgres-operator",
            Part::Etcd => "etcd",
            Part::Azurite => "azurite",
            Part::Patroni => "patroni",
            Part::Postgres(_) => "postgres",
            Part::Kind => "kind",
        }
    }

    /// Of what it stands for, as its own people write it.
    pub(super) fn version(&self) -> &str {
        match self {
            Part::Kubernetes => kubernetes::VERSION,
            Part::WalG => "1.1.3-rc-with-build",
            Part::Operator(version) => version,
            Part::Etcd => "3.6.6",
            Part::Kind => "0.30.0",
            Part::Azurite => azurite::VERSION,
            Part::Patroni => patroni::VERSION,
            // Which minor version it holds, the making finds out: package lists are not asked before.
            Part::Postgres(version) => version,
        }
    }

    /// For people: name and version.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.name(), self.version())
    }

    /// Where it is kept, whether it is there or not.
    pub(super) fn slot(&self, cache: &Cache) -> Slot {
        let digest = match self.go() {
            Some(recipe) => recipe.digest(),
            None => digest(match self {
                Part::Azurite => azurite::LOCK,
                Part::Patroni => patroni::RECIPE,
                _ => postgres::RECIPE,
            }),
        };
        let slot = cache.slot(self.name(), self.version(), &digest);
        match self {
            Part::Postgres(_) => slot.that_works(|folder| super::postgres::unpacked(folder).is_ok()),
            _ => slot,
        }
    }

    /// How it is built, where it is written in Go.
    pub(super) fn go(&self) -> Option<GoRecipe> {
        match self {
            Part::Kubernetes => Some(kubernetes::recipe()),
            Part::Operator(version) => Some(operator::recipe(version)),
            Part::Etcd => Some(GoRecipe {
                files: vec![
                    ("go.mod", include_str!("../../../toolchain/etcd/go.mod").to_owned()),
                    ("go.sum", include_str!("../../../toolchain/etcd/go.sum").to_owned()),
                    ("tools.go", include_str!("../../../toolchain/etcd/tools.go").to_owned()),
                ],
                programs: &[("go.etcd.io/etcd/server/v3", "etcd")],
                cgo: false,
                tags: "",
                ldflags: "-s -w",
                pinned: true,
            }),
            Part::Kind => Some(GoRecipe {
                files: vec![
                    ("go.mod", include_str!("../../../toolchain/kind/go.mod").to_owned()),
                    ("go.sum", include_str!("../../../toolchain/kind/go.sum").to_owned()),
                    ("tools.go", include_str!("../../../toolchain/kind/tools.go").to_owned()),
                ],
                programs: &[("sigs.k8s.io/kind", "kind")],
                cgo: false,
                tags: "",
                ldflags: "-s -w",
                pinned: true,
            }),
            Part::WalG => Some(GoRecipe {
                files: vec![
                    ("go.mod", include_str!("../../../toolchain/wal-g/go.mod").to_owned()),
                    ("go.sum", include_str!("../../../toolchain/wal-g/go.sum").to_owned()),
                    ("tools.go", include_str!("../../../toolchain/wal-g/tools.go").to_owned()),
                ],
                programs: &[("github.com/wal-g/wal-g/main/pg", "wal-g")],
                cgo: true,
                tags: "brotli",
                ldflags: "-s -w",
                pinned: true,
            }),
            Part::Azurite | Part::Patroni | Part::Postgres(_) => None,
        }
    }

    /// Programs of the machine without which it cannot be made.
    pub(super) fn needs(&self) -> &'static [HostProgram] {
        match self {
            Part::Kubernetes | Part::Operator(_) | Part::Etcd | Part::Kind => &[HostProgram::Go],
            Part::WalG => &[HostProgram::Go, HostProgram::Cc],
            Part::Azurite => &[HostProgram::Node, HostProgram::Npm],
            Part::Patroni => &[HostProgram::Python],
            Part::Postgres(_) => &[],
        }
    }

    /// Makes it in the empty folder `into`, to be used in the folder `home`.
    ///
    /// # Errors
    /// When a build or download fails, with its last lines.
    pub(super) fn make(
        &self,
        context: &Context,
        into: &Path,
        home: &Path,
        progress: &dyn PartProgress,
    ) -> Result<Manifest, MakeError> {
        match self {
            Part::Azurite => azurite::make(context, into, progress),
            Part::Patroni => patroni::make(context, into, progress),
            Part::Postgres(version) => postgres::make(version, into, home, progress),
            Part::Operator(version) => operator::make(version, context, into, progress),
            Part::Kubernetes => {
                built(kubernetes::recipe(), "Go module k8s.io/kubernetes", context, into, progress)
            }
            Part::Etcd | Part::WalG | Part::Kind => {
                let Some(recipe) = self.go() else { return Ok(Manifest::default()) };
                built(recipe, "Go module", context, into, progress)
            }
        }
    }
}

fn built(
    recipe: GoRecipe,
    from: &str,
    context: &Context,
    into: &Path,
    progress: &dyn PartProgress,
) -> Result<Manifest, MakeError> {
    recipe.build(context, into, progress)?;
    Ok(Manifest { from: from.to_owned(), ..Manifest::default() })
}
