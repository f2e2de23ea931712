//! What is to be known of a kind environment before there is one.

use std::time::Duration;

use super::Order;
use crate::environment::{Description, EnvironmentError, Prepared, Wishes};
use crate::poll::Limit;
use crate::toolchain::{Configuration, Progress, ToolchainError, ensure_for_images, ensure_kind};

/// What is to be known of `kind` before there is one.
pub static DESCRIPTION: Description = Description {
    name: "kind",
    about: "A cluster that kind makes in Docker, with real images",
    variant: Some("kind"),
    prefix: "kind/",
    process: "kind-environment",
    // Whose Docker it is, and where kind looks for things, stands there.
    keeps_variables: true,
    // Images may come from far away.
    ready: Duration::from_secs(2400),
    // Docker takes its time to remove a cluster.
    gone: Limit::seconds(120),
    // What kind or Docker lacks, the error itself says.
    help: "",
    look_inside,
    lacks: || None,
    prepare,
    order,
    // Drills are clients from outside.
    enter: |_: &str| -> Result<(), EnvironmentError> { Ok(()) },
};

fn look_inside(name: &str) -> Vec<String> {
    let cluster = Order::cluster_name(name);
    vec![
        format!("look inside: clonedrill kubeconfig --name {name} > kubeconfig"),
        "             kubectl --kubeconfig kubeconfig get pods --all-namespaces".to_owned(),
        format!("             docker exec -it {cluster}-control-plane bash"),
    ]
}

fn prepare(
    configuration: &Configuration,
    operators: &[String],
    progress: &dyn Progress,
) -> Result<Prepared, ToolchainError> {
    if let Some(path) = configuration.images.paths().next() {
        return Err(ToolchainError::Given {
            program: "image".to_owned(),
            origin: "a person".to_owned(),
            path: path.into(),
            why: "is a path; in kind an image is a reference, and --load-image brings archives".to_owned(),
        });
    }
    let kind = ensure_kind(configuration, progress)?;
    let tools = ensure_for_images(configuration, operators, progress)?;
    Ok(Prepared { tools, maker: Some(kind.program) })
}

fn order(wishes: &Wishes<'_>) -> serde_json::Result<Vec<u8>> {
    let Wishes { name, operator, prepared, configuration, node_image, archives } = *wishes;
    let archives = archives.iter().map(|path| std::path::absolute(path).unwrap_or(path.clone()));
    let given = configuration.kind.name.as_ref().map(|given| format!("{given}-{}", operator.to_lowercase()));
    serde_json::to_vec(&Order {
        cluster: given.unwrap_or_else(|| Order::cluster_name(name)),
        kind: prepared.maker.clone().unwrap_or_else(|| "kind".into()),
        node_image: node_image.map(str::to_owned).or_else(|| configuration.images.node.clone()),
        api_server_port: configuration.kind.api_server_port,
        archives: archives.collect(),
        images: configuration.images.clone(),
        tools: prepared.tools.clone(),
    })
}
