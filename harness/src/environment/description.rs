//! What is to be known of an environment before there is one. Whoever starts, joins or ends environments asks this, and
//! never which one it is.

use std::path::PathBuf;
use std::time::Duration;

use super::{EnvironmentError, Share};
use crate::poll::Limit;
use crate::toolchain::{Configuration, Progress, Remedy, ToolchainError, Tools};

/// An environment as those see it who know nothing else of it.
pub struct Description {
    /// As reports and the command line call it.
    pub name: &'static str,
    /// What the command line says of it.
    pub about: &'static str,
    /// What its snapshots are called after where they differ; nothing for the one that all others are measured by.
    pub variant: Option<&'static str>,
    /// What the names of its environments begin with: one who shares may have several at a time.
    pub prefix: &'static str,
    /// The hidden subcommand that is its process.
    pub process: &'static str,
    /// Whether its process gets all variables of the one that starts it, or none but `PATH`.
    pub keeps_variables: bool,
    /// How long it may take until it is ready; its parts have their own, shorter limits.
    pub ready: Duration,
    /// How long its end may take once it was told to.
    pub gone: Limit,
    /// What a person can do where it does not come up; empty where its errors say that themselves.
    pub help: &'static str,
    /// How to look into the environment of this name that was kept; a line each.
    pub look_inside: fn(&str) -> Vec<String>,
    /// What this machine lacks that nobody can fetch.
    pub lacks: fn() -> Option<Remedy>,
    /// Has the programs for drills with these operators, made where they are missing. Blocks.
    pub prepare: fn(&Configuration, &[String], &dyn Progress) -> Result<Prepared, ToolchainError>,
    /// What its process is told on stdin.
    pub order: fn(&Wishes<'_>) -> serde_json::Result<Vec<u8>>,
    /// Brings this process, which has one thread, to where drills of the environment of this name are.
    pub enter: fn(&str) -> Result<(), EnvironmentError>,
}

/// The programs of a run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// All programs of the run, with their paths.
    pub tools: Tools,
    /// The program that makes the environment, where that is not this one.
    pub maker: Option<PathBuf>,
}

/// What a person wants of an environment.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// The environment's name.
    pub name: &'a str,
    /// The operator of the first drills in it.
    pub operator: &'a str,
    /// What was made ready before there is an environment.
    pub prepared: &'a Prepared,
    /// What `clonedrill.yaml` says; the defaults where there is none.
    pub configuration: &'a Configuration,
    /// The image of its nodes, where it has such.
    pub node_image: Option<&'a str>,
    /// Archives of images that are loaded first, where it has such.
    pub archives: &'a [PathBuf],
}

impl Description {
    /// The name of the environment that processes with one share and one operator have in common.
    pub fn name_of(&self, share: &Share, operator: &str) -> String {
        format!("{}{}/{operator}", self.prefix, share.id)
    }
}
