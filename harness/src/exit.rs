//! Exit codes, the same for every subcommand.

use serde::{Deserialize, Serialize};

/// What became of a drill. Its exit code is what CI sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was expected was seen.
    Passed,
    /// The world stood, the drill ran, and an expectation or a snapshot did not hold.
    Failed,
    /// A person's file is at fault; nothing was started, or the API server refused it.
    Invalid,
    /// A part of the environment did not do its work, so nothing was proved either way.
    Broken,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl Verdict {
    /// 0 passed, 1 expectation failed, 2 input invalid, 3 environment broken, 130 interrupted.
    pub fn code(self) -> u8 {
        match self {
            Verdict::Passed => 0,
            Verdict::Failed => 1,
            Verdict::Invalid => 2,
            Verdict::Broken => 3,
            Verdict::Interrupted => 130,
        }
    }
}
