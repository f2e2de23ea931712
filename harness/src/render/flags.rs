//! What an operator's program can be told on its command line.

use std::process::Command;

use super::error::RenderError;
use crate::toolchain::OperatorTool;

/// The flags that a release knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    /// `-kubeqps` and `-kubeburst`: how many requests a second it may send.
    pub requests: bool,
    no_teams: bool,
    no_databases: bool,
}

impl Flags {
    /// Asks the program itself.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub(super) fn of(tool: &OperatorTool) -> Result<Flags, RenderError> {
        let asked = Command::new(&tool.binary).arg("-h").env_clear().output();
        let asked = asked.map_err(|source| RenderError::Flags { operator: tool.version.clone(), source })?;
        let usage = [asked.stdout, asked.stderr].concat();
        Ok(Flags::read(&String::from_utf8_lossy(&usage)))
    }

    fn read(usage: &str) -> Flags {
        let has = |flag: &str| usage.lines().any(|line| line.trim().split(' ').next() == Some(flag));
        Flags {
            requests: has("-kubeqps") && has("-kubeburst"),
            no_teams: has("-noteamsapi"),
            no_databases: has("-nodatabaseaccess"),
        }
    }

    /// Requests without a limit; neither the teams' API, which is not there, nor databases, of which none runs.
    pub(super) fn arguments(self) -> Vec<String> {
        let flags: [(bool, &[&str]); 3] = [
            (self.requests, &["-kubeqps=1000", "-kubeburst=2000"]),
            (self.no_teams, &["-noteamsapi"]),
            (self.no_databases, &["-nodatabaseaccess"]),
        ];
        let known = flags.iter().filter(|(known, _)| *known).flat_map(|(_, flags)| *flags);
        known.map(|flag| (*flag).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_the_usage_and_unknown_ones_not_given() {
        let usage = "Usage of x:\n  -kubeburst int\n    \tlimit. (default 20)\n  -kubeqps int\n    \tper second\n  -noteamsapi\n    \tDisable\n";
        assert_eq!(Flags::read(usage).arguments(), ["-kubeqps=1000", "-kubeburst=2000", "-noteamsapi"]);
        assert!(Flags::read("Usage of x:\n  -kubeconfig string\n").arguments().is_empty());
    }
}
