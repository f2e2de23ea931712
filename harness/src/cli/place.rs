//! What the command line says of the environment that drills run in.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::environment::Which;

/// The choice of the environment.
#[derive(Debug, Args)]
pub(super) struct EnvironmentArgs {
    /// Where the drills run
    #[arg(long, env = "CLONEDRILL_ENVIRONMENT", default_value = Which::Local.description().name, value_parser = which())]
    pub environment: Which,
    /// The image of kind's node, for `--environment kind`
    #[arg(long, value_name = "IMAGE", env = "CLONEDRILL_NODE_IMAGE")]
    pub image: Option<String>,
    /// An archive of images (`docker save`) to load first, for `--environment kind`; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub load_image: Vec<PathBuf>,
}

fn which() -> impl TypedValueParser<Value = Which> {
    let described = Which::ALL.map(Which::description);
    let values = described.map(|described| PossibleValue::new(described.name).help(described.about));
    PossibleValuesParser::new(values).try_map(|name| Which::named(&name).ok_or("it is no environment"))
}
