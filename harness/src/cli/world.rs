//! `clonedrill world`: the operator and the storage of an environment that is kept up. Hidden; `up` starts it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use nix::sys::prctl::set_pdeathsig;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Failure;
use super::output::say;
use crate::drill;
use crate::environment::Environment;
use crate::environment::local::sandbox::STATE;
use crate::environment::local::{LocalEnvironment, enter, rules};
use crate::exit::Verdict;
use crate::operator::{Release, apply, install, install_for_all};
use crate::storage::{Account, Azurite, Blobs, Gateway, GatewaySettings, Who};
use crate::toolchain::Tools;

/// Azurite's port on the gateway's address; the gateway itself has 443.
const AZURITE_PORT: u16 = 10_000;
/// The container in every account.
pub(super) const CONTAINER: &str = "backups";
/// The Secret with the accounts' keys.
pub(super) const KEYS: &str = "storage-accounts";
/// The cluster of the example manifest.
pub(super) const EXAMPLE: &str = "acid-example";

/// Stand up an operator and storage accounts, and stay. What is wanted is read from stdin.
#[derive(Debug, Args)]
pub(super) struct WorldArgs {}

/// What is wanted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub environment: String,
    pub tools: Tools,
    pub operator: String,
    /// The first is the operator's own.
    pub namespaces: Vec<String>,
    pub accounts: Vec<String>,
}

/// What `up` is told, a JSON document a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "world", rename_all = "kebab-case")]
pub(super) enum Told {
    Doing {
        what: String,
    },
    /// It stands. Both files are in the environment.
    Stands {
        kubeconfig: PathBuf,
        example: PathBuf,
    },
    Failed {
        why: String,
    },
}

pub(super) fn main(_args: WorldArgs) -> Result<Verdict, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Failure::broken_while("read stdin"))?;
    let wanted: Wanted =
        serde_json::from_str(&text).map_err(Failure::invalid_while("understand what came on stdin"))?;
    enter(&wanted.environment).map_err(|error| Failure::broken(super::failed(error)))?;
    log_inside().map_err(Failure::broken)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::broken_while("start"))?;
    let failed = runtime.block_on(async {
        match stand_up(&wanted).await {
            Ok((world, stands)) => {
                // From here on it ends with the environment, and no more with the process that asked for it.
                if let Err(errno) = set_pdeathsig(None) {
                    return miette!("stay: {errno}");
                }
                tell(&stands);
                match rules::serve(world.gateway.clone()).await {
                    Ok(late) => miette!("{late}"),
                    Err(error) => miette!("{error}"),
                }
            }
            Err(error) => error,
        }
    });
    let why: Vec<String> = failed.chain().map(ToString::to_string).collect();
    tell(&Told::Failed { why: why.join(": ") });
    Ok(Verdict::Broken)
}

fn tell(told: &Told) {
    match serde_json::to_string(told) {
        Ok(line) => say(line),
        Err(error) => tracing::error!(%error, "nobody hears what was to be told"),
    }
}

/// The terminal is not this process's own: what it logs goes where the other parts' logs are.
fn log_inside() -> Result<()> {
    let path = Path::new(STATE).join("logs/world.log");
    let file = OpenOptions::new().create(true).append(true).open(&path).into_diagnostic();
    let file = file.wrap_err_with(|| format!("open {}", path.display()))?;
    nix::unistd::dup2_stderr(&file).into_diagnostic()?;
    super::log(std::io::stderr);
    Ok(())
}

/// All that lives as long as the world does.
struct Standing {
    _environment: LocalEnvironment,
    _azurite: Azurite,
    gateway: Arc<Gateway>,
}

async fn stand_up(wanted: &Wanted) -> Result<(Standing, Told)> {
    let tool = wanted.tools.operators.get(&wanted.operator);
    let tool = tool.ok_or_else(|| miette!("find the operator {}", wanted.operator))?;
    let release = Release::read(tool).into_diagnostic()?;
    let environment = LocalEnvironment::join_as(&wanted.namespaces, &wanted.tools).await.into_diagnostic()?;
    let accounts: Vec<Account> = wanted.accounts.iter().map(Account::new).collect();

    tell(&Told::Doing { what: "the storage accounts".to_owned() });
    let folder = Path::new(STATE).join("world");
    fs::create_dir_all(&folder).map_err(|error| miette!("make {}: {error}", folder.display()))?;
    let address = environment.gateway_address();
    let azurite =
        Azurite::start(&wanted.tools.azurite, address, AZURITE_PORT, &accounts, &folder, None).await;
    let azurite = azurite.into_diagnostic()?;
    for account in &accounts {
        Blobs::new(account, azurite.address()).make_container(CONTAINER).await.into_diagnostic()?;
    }
    let gateway = Gateway::start(GatewaySettings {
        listen: SocketAddr::from((address, 443)),
        upstream: azurite.address(),
        authority: environment.authority(),
        accounts: wanted.accounts.iter().cloned().collect(),
        who_is: Arc::new(|_| Who::Unknown.into()),
    });
    let gateway = gateway.await.into_diagnostic()?;
    for namespace in &wanted.namespaces {
        apply(&environment.client(), namespace, &keys(&accounts)).await.into_diagnostic()?;
    }

    tell(&Told::Doing { what: format!("operator {}", wanted.operator) });
    match wanted.namespaces[..] {
        [_] => install(&environment, &release, &Map::new()).await,
        _ => install_for_all(&environment, &release, &Map::new()).await,
    }
    .into_diagnostic()?;

    let example = Path::new(STATE).join("example.yaml");
    let major = drill::postgres_major(&wanted.tools, &release);
    let text = serde_json::to_string_pretty(&example_cluster(&accounts[0].name, major)).into_diagnostic()?;
    let readable = Permissions::from_mode(0o644);
    let written = fs::write(&example, text).and_then(|()| fs::set_permissions(&example, readable));
    written.map_err(|error| miette!("write {}: {error}", example.display()))?;
    let kubeconfig = kubeconfig(environment.namespace())?;
    let world = Standing { _environment: environment, _azurite: azurite, gateway: Arc::new(gateway) };
    Ok((world, Told::Stands { kubeconfig, example }))
}

/// Each key under its account's name. It is where manifests take them from.
fn keys(accounts: &[Account]) -> Value {
    let keys: BTreeMap<&str, &str> =
        accounts.iter().map(|account| (account.name.as_str(), account.key.reveal())).collect();
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": KEYS }, "stringData": keys })
}

/// A cluster that keeps its backups in an account, to begin with.
fn example_cluster(account: &str, postgres_major: u16) -> Value {
    json!({
        "apiVersion": "acid.zalan.do/v1",
        "kind": "postgresql",
        "metadata": { "name": EXAMPLE },
        "spec": {
            "teamId": "acid",
            "numberOfInstances": 1,
            "volume": { "size": "1Gi" },
            "postgresql": { "version": postgres_major.to_string() },
            "users": { "orders": [] },
            "databases": { "orders": "orders" },
            "env": [
                { "name": "AZURE_STORAGE_ACCOUNT", "value": account },
                { "name": "AZURE_STORAGE_ACCESS_KEY", "valueFrom": { "secretKeyRef": { "name": KEYS, "key": account } } },
                { "name": "WALG_AZ_PREFIX", "value": format!("azure://{CONTAINER}/$(SCOPE)/$(PGVERSION)") },
            ],
        },
    })
}

/// The environment's own, with the world's namespace as the one that `kubectl` means.
fn kubeconfig(namespace: &str) -> Result<PathBuf> {
    let admin = Path::new(STATE).join("admin.kubeconfig");
    let mut config: Value = serde_json::from_slice(&fs::read(admin).into_diagnostic()?).into_diagnostic()?;
    config["contexts"][0]["context"]["namespace"] = json!(namespace);
    let path = Path::new(STATE).join("kubeconfig");
    let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
    serde_json::to_writer(file.into_diagnostic()?, &config).into_diagnostic()?;
    Ok(path)
}
