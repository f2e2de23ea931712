//! What the command line adds for drills in kind: which images, and what the environment is made of.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::environment::kind::Order;
use crate::toolchain::{Configuration, Tools};

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

/// What the kind environment called `name` is made of.
///
/// # Errors
/// When kind or the gateway's image cannot be had.
pub fn order(
    args: &EnvironmentArgs,
    _configuration: &Configuration,
    _tools: &Tools,
    _operator: &str,
    name: &str,
) -> Result<Order, Failure> {
    Ok(Order {
        cluster: Order::cluster_name(name),
        kind: PathBuf::from("kind"),
        node_image: args.image.clone(),
        api_server_port: None,
        archives: args.load_image.clone(),
        images: Vec::new(),
        azurite_image: String::new(),
        gateway_image: String::new(),
    })
}
