//! What is to be known of a local environment before there is one.

use std::time::Duration;

use super::join::enter;
use crate::environment::{Description, Prepared, Wishes};
use crate::poll::Limit;
use crate::toolchain::doctor::why_no_sandbox;
use crate::toolchain::{Configuration, Progress, ToolchainError, ensure, images};

/// What is to be known of `local` before there is one.
pub static DESCRIPTION: Description = Description {
    name: "local",
    about: "Namespaces of this machine's kernel: no Docker, no root",
    variant: None,
    prefix: "",
    process: "environment",
    // The sandbox needs nothing of them.
    keeps_variables: false,
    // The control plane has its own, shorter limit.
    ready: Duration::from_secs(120),
    // It ends within a fraction of a second; this is for a machine that is very busy.
    gone: Limit::seconds(10),
    help: "clonedrill doctor says what this machine lacks",
    look_inside: |_: &str| -> Vec<String> { Vec::new() },
    lacks: why_no_sandbox,
    prepare,
    order,
    enter,
};

fn prepare(
    configuration: &Configuration,
    operators: &[String],
    progress: &dyn Progress,
) -> Result<Prepared, ToolchainError> {
    let mut tools = ensure(configuration, operators, progress)?;
    images::provide(configuration, &mut tools, progress)?;
    Ok(Prepared { tools, maker: None })
}

fn order(wishes: &Wishes<'_>) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&wishes.prepared.tools)
}
