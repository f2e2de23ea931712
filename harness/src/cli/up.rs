//! `clonedrill up`: keep a local environment running, and say how to look inside.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use miette::{IntoDiagnostic, miette};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::output::say;
use super::world::{CONTAINER, EXAMPLE, KEYS, Told, Wanted};
use super::{Failure, programs, stop};
use crate::environment::{Which, local, shared};
use crate::exit::Verdict;
use crate::scenario::account_name_problem;
use crate::toolchain::Tools;

/// More than the limits of all that is waited for in it, each of which says more.
const STANDS: Duration = Duration::from_secs(240);

/// Keep a local environment running, and say how to look inside
///
/// The environment has a control plane, a node, DNS, and in a namespace an operator and storage accounts behind the
/// gateway; what you apply to it runs. `clonedrill kubeconfig` prints the way in, `clonedrill down` ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill up
  clonedrill up --operator v1.14.0 --account prodbackups clonebackups
  clonedrill up --name another --namespace orders drills
  clonedrill down")]
pub(super) struct UpArgs {
    /// The operator: a version, or a name from clonedrill.yaml
    #[arg(long, value_name = "VERSION", default_value = "v1.15.1")]
    operator: String,
    /// Storage accounts, each with a key of its own; their keys are in a Secret
    #[arg(long = "account", value_name = "NAME", num_args = 1.., value_parser = account,
          default_values_t = ["production".to_owned(), "clones".to_owned()])]
    accounts: Vec<String>,
    /// The namespaces that the operator watches; it runs in the first
    #[arg(long = "namespace", value_name = "NAMESPACE", num_args = 1.., default_value = "clonedrill")]
    namespaces: Vec<String>,
    /// What `clonedrill down` shall know it by
    #[arg(long, default_value = NAME)]
    name: String,
}

/// The name that `up` and `down` agree on.
pub(super) const NAME: &str = "up";

fn account(name: &str) -> Result<String, &'static str> {
    match account_name_problem(name) {
        None => Ok(name.to_owned()),
        Some(why) => Err(why),
    }
}

pub(super) fn main(args: UpArgs) -> Result<Verdict, Failure> {
    super::log(std::io::stderr);
    if let Some(twice) = twice(&args.namespaces) {
        return Err(Failure::invalid(miette!("failed to make the namespace {twice}: it is named twice")));
    }
    let configuration = programs::configuration()?;
    programs::can_sandbox()?;
    if shared::outermost(&args.name).is_ok() {
        return Err(Failure::invalid(miette!(
            help = format!(
                "`clonedrill down{}` ends it, `--name` gives another one its own name",
                down(&args.name)
            ),
            "failed to start the environment `{}`: it is running already",
            args.name
        )));
    }
    stop::in_runtime(async |stop| {
        let operators = std::slice::from_ref(&args.operator);
        let prepared = programs::prepare(Which::Local, &configuration, operators, &stop).await;
        let tools = prepared.map_err(Failure::programs)?.tools;
        let stood = stop.run_until_cancelled(stand_up(&args, &tools)).await;
        match stood {
            Some(Ok(instructions)) => {
                say(instructions);
                Ok(Verdict::Passed)
            }
            // Its owner is this process, so it would end with it anyway; but nothing shall be left when that returns.
            Some(Err(error)) => {
                let _ = shared::end(&args.name).await;
                Err(Failure::broken(error))
            }
            None => {
                let _ = shared::end(&args.name).await;
                Ok(Verdict::Interrupted)
            }
        }
    })
}

async fn stand_up(args: &UpArgs, tools: &Tools) -> miette::Result<String> {
    let log = shared::UnnamedLog::new()
        .map_err(|error| miette!("failed to make a log for the environment: {error}"))?;
    let watched = std::io::stderr().is_terminal();
    let bar = if watched { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(100));
    let told = |doing: &str| match watched {
        true => bar.set_message(format!("starting {doing}")),
        false => eprintln!("up: starting {doing}"),
    };
    let owner = Some(std::process::id());
    let order = shared::order_of(tools).map_err(|error| miette!("failed to {error}"))?;
    let wanted = shared::Wanted {
        described: &local::DESCRIPTION,
        name: &args.name,
        owner,
        publish: args.namespaces.first().map(String::as_str),
        order: &order,
    };
    let environment = shared::obtain_as(&wanted, log.path(), &told).await;
    let environment = environment.map_err(|error| miette!("failed to {error}"))?;
    let stands = tokio::time::timeout(STANDS, world(args, tools, &told));
    let (kubeconfig, example) = tokio::select! {
        stands = stands => stands.map_err(|_| miette!("failed to stand up the operator within {} s", STANDS.as_secs()))??,
        why = environment.failed() => return Err(miette!("failed to {why}")),
    };
    shared::keep(&args.name).await.map_err(|error| miette!("failed to {error}"))?;
    let outermost = shared::outermost(&args.name).map_err(|error| miette!("failed to {error}"))?;
    bar.finish_and_clear();
    Ok(instructions(args, tools, outermost, &kubeconfig, &example))
}

/// Starts the process that stands up the operator and the storage, and waits until they stand.
async fn world(
    args: &UpArgs,
    tools: &Tools,
    told: &dyn Fn(&str),
) -> miette::Result<(std::path::PathBuf, std::path::PathBuf)> {
    let wanted = Wanted {
        environment: args.name.clone(),
        tools: tools.clone(),
        operator: args.operator.clone(),
        namespaces: args.namespaces.clone(),
        accounts: args.accounts.clone(),
    };
    let mut child = Command::new(std::env::current_exe().into_diagnostic()?)
        .arg("world")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C in the terminal is for this process.
        .process_group(0)
        .spawn()
        .into_diagnostic()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(&wanted).into_diagnostic()?).await.into_diagnostic()?;
    }
    let output = child.stdout.take().ok_or_else(|| miette!("failed to hear of the operator"))?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.into_diagnostic()? {
        match serde_json::from_str(&line).into_diagnostic()? {
            Told::Doing { what } => told(&what),
            Told::Stands { kubeconfig, example } => return Ok((kubeconfig, example)),
            Told::Failed { why } => return Err(miette!("failed to {why}")),
        }
    }
    let status = child.wait().await.into_diagnostic()?;
    Err(miette!("failed to stand up the operator: its process ended without a word ({status})"))
}

fn twice(names: &[String]) -> Option<&String> {
    names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)).map(|(_, name)| name)
}

fn down(name: &str) -> String {
    if name == NAME { String::new() } else { format!(" {name}") }
}

fn instructions(args: &UpArgs, tools: &Tools, outermost: i32, kubeconfig: &Path, example: &Path) -> String {
    let UpArgs { operator, accounts, namespaces, name, .. } = args;
    let namespace = &namespaces[0];
    let watches = match namespaces.len() {
        1 => String::new(),
        _ => format!("; it watches all: {}", namespaces.join(", ")),
    };
    let (first, accounts) = (&accounts[0], accounts.join(", "));
    let (kubeconfig, example) = (kubeconfig.display(), example.display());
    let psql = match tools.postgres.last() {
        Some(tool) => format!("{}/psql", tool.bin.display()),
        None => "psql".to_owned(),
    };
    let without = match std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("kubectl").is_file()))
    {
        true => String::new(),
        false => "\nThere is no kubectl on PATH: put one there (1.30 or newer), these commands need it.\n"
            .to_owned(),
    };
    format!(
        "The environment `{name}` runs; its outermost process is {outermost}. `clonedrill down{down}` ends it.

operator  {operator}, in the namespace `{namespace}`{watches}
storage   {accounts}; for pods https://{first}.blob.core.windows.net, container `{CONTAINER}`;
          each key is in the Secret `{KEYS}`, under the account's name
{without}
Paste this; kubectl and other clients then see it as they see any cluster:
  (umask 077; clonedrill kubeconfig{name_option} > kubeconfig); export KUBECONFIG=$PWD/kubeconfig
  kubectl get pods -A -o wide

What runs `inside` sees the environment and your files:
  inside() {{
    nsenter --preserve-credentials -U -m -n -t {outermost} env KUBECONFIG={kubeconfig} \"$@\"
  }}
  inside ls {state}/logs

A cluster with backups in `{first}`, and psql in it:
  inside kubectl apply -f {example}
  inside kubectl wait --timeout=2m postgresql/{EXAMPLE} \\
    --for=jsonpath={{.status.PostgresClusterStatus}}=Running
  inside sh -c '
    credentials=postgres.{EXAMPLE}.credentials.postgresql.acid.zalan.do
    password=$(kubectl get secret $credentials -o go-template=\"{{{{.data.password|base64decode}}}}\")
    host=$(kubectl get pod {EXAMPLE}-0 -o jsonpath={{.status.podIP}})
    PGPASSWORD=$password {psql} \\
      \"host=$host user=postgres dbname=orders sslmode=require\"'

Logs of pods: kubectl logs <pod>; of the parts: the files that were just listed. The node serves logs, and ports
to clients that speak v4.channel.k8s.io (kube-rs), but no exec and no kubectl port-forward: use `inside`.",
        down = down(name),
        name_option = if name == NAME { String::new() } else { format!(" --name {name}") },
        state = local::sandbox::STATE,
    )
}
