//! `run --keep`: the cluster goes on, and what is printed lets one look inside.

use super::docker::left_of;
use super::run::{Own, SCENARIO, STANDS};

#[test]
fn a_cluster_that_is_kept_is_looked_into_with_what_was_printed() {
    let own = Own::new("kept");
    let mut run = own.run(&["--keep", SCENARIO]);
    assert!(run.end_within(STANDS).success(), "{}", run.said());
    let said = run.said();
    let environment = own.environment();
    assert!(said.contains(&format!("clonedrill down {environment}")), "{said}");
    assert!(said.contains(&format!("clonedrill kubeconfig --name {environment}")), "{said}");

    let kubeconfig = own.command(&["kubeconfig", "--name", &environment]).output().unwrap();
    assert!(kubeconfig.status.success());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nodes = runtime.block_on(async {
        let text = String::from_utf8(kubeconfig.stdout).unwrap();
        let parsed = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        let config = kube::Config::from_custom_kubeconfig(parsed, &Default::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        kube::Api::<k8s_openapi::api::core::v1::Node>::all(client)
            .list(&Default::default())
            .await
            .unwrap()
            .items
    });
    assert_eq!(nodes.len(), 1);
    assert!(own.command(&["down", &environment]).status().unwrap().success());
    assert_eq!(left_of(&own.cluster()), Vec::<String>::new());
}
