//! `clonedrill completions`: what a shell needs to complete subcommands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure};
use crate::exit::Verdict;

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill completions bash > ~/.local/share/bash-completion/completions/clonedrill
  clonedrill completions zsh  > \"${fpath[1]}/_clonedrill\"
  clonedrill completions fish > ~/.config/fish/completions/clonedrill.fish")]
pub(super) struct CompletionsArgs {
    /// The shell that will read them
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn main(args: &CompletionsArgs) -> Result<Verdict, Failure> {
    clap_complete::generate(args.shell, &mut Cli::command(), "clonedrill", &mut std::io::stdout());
    Ok(Verdict::Passed)
}
