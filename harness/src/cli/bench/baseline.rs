//! The baseline of a drill: a hand-written script with the same programs, in the same sandbox, on the same storage.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use crate::cli::output::say;
use crate::environment::Environment;
use crate::environment::local::images::spilo;
use crate::environment::local::sandbox::STATE;
use crate::environment::local::{self, LocalEnvironment};
use crate::exit::Verdict;
use crate::storage::{Account, Azurite, Blobs, Gateway, GatewaySettings, Who};
use crate::toolchain::Tools;

const SCRIPT: &str = include_str!("../../../benches/baseline.sh");
const AZURITE_PORT: u16 = 10000;

/// Run the baseline once, inside an environment; the programs are read from stdin.
#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    /// The environment's name
    #[arg(long)]
    environment: String,
    /// The folder with the scenario's SQL
    #[arg(long)]
    data: PathBuf,
}

/// Prints the milliseconds that the script took.
pub(super) fn main(args: &BaselineArgs) -> Result<Verdict> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).into_diagnostic()?;
    let tools: Tools = serde_json::from_str(&text).into_diagnostic()?;
    local::enter(&args.environment).into_diagnostic()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().into_diagnostic()?;
    let milliseconds = runtime.block_on(measure(&tools, &args.data))?;
    say(milliseconds);
    Ok(Verdict::Passed)
}

async fn measure(tools: &Tools, data: &Path) -> Result<u128> {
    let environment = LocalEnvironment::join(tools).await.into_diagnostic()?;
    let folder = Path::new(STATE).join(format!("baseline-{}", environment.namespace()));
    fs::create_dir(&folder).into_diagnostic()?;
    let measured = in_folder(tools, data, &environment, &folder).await;
    fs::remove_dir_all(&folder).into_diagnostic()?;
    measured
}

async fn in_folder(
    tools: &Tools,
    data: &Path,
    environment: &LocalEnvironment,
    folder: &Path,
) -> Result<u128> {
    let accounts = [Account::new("source"), Account::new("clone")];
    let address = environment.gateway_address();
    let azurite = Azurite::start(&tools.azurite, address, AZURITE_PORT, &accounts, folder, None)
        .await
        .into_diagnostic()?;
    let gateway = Gateway::start(GatewaySettings {
        listen: SocketAddr::from((address, 443)),
        upstream: azurite.address(),
        authority: environment.authority(),
        accounts: accounts.iter().map(|account| account.name.clone()).collect(),
        who_is: Arc::new(|_| Who::Harness.into()),
    });
    let gateway = gateway.await.into_diagnostic()?;
    for account in &accounts {
        Blobs::new(account, azurite.address()).make_container("backups").await.into_diagnostic()?;
    }
    let variables = variables(tools, &accounts, folder)?;
    let hosts: String = accounts.iter().map(|account| format!("{address} {}\n", account.host())).collect();
    fs::write(folder.join("hosts"), hosts).into_diagnostic()?;
    fs::write(folder.join("ca.crt"), environment.authority().certificate_pem()).into_diagnostic()?;
    for file in ["orders.sql", "after-backup.sql", "mistake.sql"] {
        let from = data.join(file);
        let copied = fs::copy(&from, folder.join(file)).into_diagnostic();
        copied.wrap_err_with(|| format!("failed to read {}", from.display()))?;
    }
    let script = folder.join("baseline.sh");
    fs::write(&script, SCRIPT).into_diagnostic()?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).into_diagnostic()?;

    // PostgreSQL refuses uid 0, and WAL-G knows the storage by its name alone.
    let enter = "mount --bind \"$WORK/hosts\" /etc/hosts && exec unshare --user --map-user=101 --map-group=103 \"$WORK/baseline.sh\"";
    let start = Instant::now();
    let output = tokio::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", enter])
        .env_clear()
        .envs(variables)
        .current_dir(folder)
        .kill_on_drop(true)
        .output()
        .await
        .into_diagnostic()
        .wrap_err("failed to run the baseline")?;
    let milliseconds = start.elapsed().as_millis();
    gateway.stop().await;
    if output.status.success() {
        return Ok(milliseconds);
    }
    Err(miette!("the baseline ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn variables(
    tools: &Tools,
    accounts: &[Account; 2],
    folder: &Path,
) -> Result<BTreeMap<&'static str, String>> {
    let postgres = tools.postgres.last().ok_or_else(|| miette!("there is no PostgreSQL"))?;
    let text = |path: &Path| path.display().to_string();
    let mut variables = BTreeMap::from([
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("PG", text(&postgres.bin)),
        ("WALG", text(&tools.wal_g.program)),
        ("WORK", text(folder)),
        ("SQL", text(folder)),
        ("SSL_CERT_FILE", text(&folder.join("ca.crt"))),
        ("SOURCE_ACCOUNT", accounts[0].name.clone()),
        ("SOURCE_KEY", accounts[0].key.reveal().to_owned()),
        ("CLONE_ACCOUNT", accounts[1].name.clone()),
        ("CLONE_KEY", accounts[1].key.reveal().to_owned()),
    ]);
    if tools.wal_g.predates_postgres_15 && postgres.major >= 15 {
        let legacy = folder.join("legacy.sql");
        fs::write(&legacy, spilo::LEGACY_FUNCTIONS).into_diagnostic()?;
        variables.insert("LEGACY", text(&legacy));
    }
    Ok(variables)
}
