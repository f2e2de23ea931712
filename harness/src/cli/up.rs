//! `clonedrill up`: keep a local environment running, and say how to look inside.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use miette::IntoDiagnostic;

use super::Failure;
use crate::environment::EnvironmentError;
use crate::environment::local::{sandbox, shared};
use crate::exit::Verdict;
use crate::toolchain::{self, Configuration};

/// Keep a local environment running, and say how to look inside
///
/// The environment has a control plane, a node and DNS; what you apply to it runs. `clonedrill down` ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clonedrill up\n  clonedrill up --operator v1.14.0\n  clonedrill down")]
pub struct UpArgs {
    /// Operators whose images the node can run: versions, or names from clonedrill.yaml
    #[arg(long, value_name = "VERSION", num_args = 1.., default_values_t = ["v1.15.1".to_owned()])]
    operator: Vec<String>,
    /// What `clonedrill down` shall know it by
    #[arg(long, default_value = NAME)]
    name: String,
}

/// The name that `up` and `down` agree on.
pub(super) const NAME: &str = "up";

pub fn main(args: UpArgs) -> Result<Verdict, Failure> {
    let here = std::env::current_dir().into_diagnostic().map_err(Failure::broken)?;
    let configuration = Configuration::load(&here).map_err(Failure::invalid)?;
    let tools = toolchain::ensure(&configuration, &args.operator, &toolchain::Terminal::new())
        .map_err(|error| Failure { verdict: error.verdict(), report: error.into() })?;
    let runtime = tokio::runtime::Runtime::new().into_diagnostic().map_err(Failure::broken)?;
    let log = tempfile::NamedTempFile::new().into_diagnostic().map_err(Failure::broken)?;
    let outermost = runtime.block_on(async {
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(100));
        let told = |doing: &str| bar.set_message(format!("starting {doing}"));
        shared::obtain(&tools, &args.name, None, log.path(), &told).await?;
        bar.finish_and_clear();
        shared::outermost(&args.name)
    });
    let outermost =
        outermost.map_err(|error: EnvironmentError| Failure::broken(miette::miette!("failed to {error}")))?;
    print!("{}", instructions(&args.name, outermost));
    Ok(Verdict::Passed)
}

fn instructions(name: &str, outermost: i32) -> String {
    let enter = format!("nsenter --preserve-credentials -U -m -n -t {outermost}");
    let down = if name == NAME { String::new() } else { format!(" {name}") };
    let state = sandbox::STATE;
    let kubeconfig = format!("{state}/admin.kubeconfig");
    format!(
        "The local environment runs; its outermost process is {outermost}. `clonedrill down{down}` ends it.

  look at pods    {enter} \\
                    kubectl --kubeconfig {kubeconfig} get pods -A -o wide
  a shell inside  {enter} \\
                    env KUBECONFIG={kubeconfig} bash
  logs            in that shell: ls {state}/node/logs
  psql            in that shell, with a pod's address and the password from the operator's Secret:
                    psql \"host=<pod address> user=postgres sslmode=require\"
"
    )
}
