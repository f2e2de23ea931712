//! What the command line adds for drills in kind: which images, and what the environment is made of.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::environment::kind::Order;
use crate::toolchain::{Configuration, KindTool, Tools};

/// Where drills run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// Namespaces of this machine's kernel: no Docker, no root, no images
    Local,
    /// A cluster that kind makes in Docker, with real images
    Kind,
}

/// The choice of the environment.
#[derive(Debug, Args)]
pub struct EnvironmentArgs {
    /// Where the drills run
    #[arg(long, value_enum, env = "CLONEDRILL_ENVIRONMENT", default_value_t = Where::Local)]
    pub environment: Where,
    /// The image of kind's node, for `--environment kind`
    #[arg(long, value_name = "IMAGE", env = "CLONEDRILL_NODE_IMAGE")]
    pub image: Option<String>,
    /// An archive of images (`docker save`) to load first, for `--environment kind`; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub load_image: Vec<PathBuf>,
}

/// What the kind environment called `name` is made of, for drills with one operator version.
pub fn order(
    args: &EnvironmentArgs,
    configuration: &Configuration,
    kind: &KindTool,
    tools: &Tools,
    (name, operator): (&str, &str),
) -> Order {
    let archives = args.load_image.iter().map(|path| std::path::absolute(path).unwrap_or(path.clone()));
    let given = configuration.kind.name.as_ref().map(|given| format!("{given}-{}", operator.to_lowercase()));
    Order {
        cluster: given.unwrap_or_else(|| Order::cluster_name(name)),
        kind: kind.program.clone(),
        node_image: args.image.clone().or_else(|| configuration.images.node.clone()),
        api_server_port: configuration.kind.api_server_port,
        archives: archives.collect(),
        images: configuration.images.clone(),
        tools: tools.clone(),
    }
}
