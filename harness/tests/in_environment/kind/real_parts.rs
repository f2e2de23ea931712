//! That it is what it says: Azurite a container that testcontainers started, operator and Postgres pods of kind's node.

use std::collections::BTreeSet;

use serde_json::Value;

use super::docker::{docker, left_of};
use super::run::{OPERATOR, Own, SCENARIO, STANDS};
use crate::process::wait;

/// Pods of all namespaces, as the node itself lists its containers: past the API server and our code.
fn pods_on(node: &str) -> Vec<Value> {
    let text = docker(&[
        "exec",
        node,
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/admin.conf",
        "get",
        "pods",
        "-A",
        "-o",
        "json",
    ]);
    let list: Value = serde_json::from_str(&text.join("\n")).unwrap();
    list["items"].as_array().unwrap().clone()
}

#[test]
fn a_drill_runs_on_real_parts_and_leaves_none() {
    let own = Own::new("real");
    let (cluster, node) = (own.cluster(), format!("{}-control-plane", own.cluster()));
    let mut run = own.run(&[SCENARIO, "--format", "json"]);
    let azurite = wait("Azurite's container", STANDS, || {
        run.look();
        assert!(run.child.try_wait().unwrap().is_none(), "{}", run.said());
        let filter = format!("label=clonedrill.cluster={cluster}");
        let found = docker(&["ps", "--filter", &filter, "--format", "{{.ID}} {{.Image}} {{.Networks}}"]);
        found.into_iter().find(|line| line.contains("azurite")).ok_or_else(|| "none".to_owned())
    });
    let id = azurite.split(' ').next().unwrap().to_owned();
    assert!(azurite.ends_with(" kind"), "{azurite}");
    let label =
        docker(&["inspect", "--format", "{{index .Config.Labels \"org.testcontainers.managed-by\"}}", &id]);
    assert_eq!(label, ["testcontainers"]);

    let place =
        docker(&["inspect", "--format", "{{index .Config.Labels \"clonedrill.place\"}}", &id]).remove(0);
    let wanted = ["acid-orders", "acid-orders-clone", "postgres-operator"];
    let wanted: BTreeSet<&str> = wanted.into_iter().collect();
    let mut seen = BTreeSet::new();
    wait("the operator and both clusters to be pods of the node", STANDS, || {
        assert!(run.child.try_wait().unwrap().is_none(), "{seen:?}\n{}", run.said());
        for pod in pods_on(&node).iter().filter(|pod| pod["metadata"]["namespace"] == place) {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let runs = pod["spec"]["nodeName"] == node.as_str() && pod["status"]["phase"] == "Running";
            let base = name.trim_end_matches("-0");
            seen.extend(wanted.iter().filter(|wanted| {
                runs && base.starts_with(**wanted) && (base == **wanted || **wanted == "postgres-operator")
            }));
        }
        if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    let status = run.end_within(STANDS);
    assert!(status.success(), "{}", run.said());
    assert!(
        docker(&["ps", "--all", "--quiet", "--filter", &format!("id={id}")]).is_empty(),
        "Azurite is left"
    );

    // The cluster is shared until the end of who shares; it is taken down as a person would do it.
    let down = own.command(&["down", &own.environment()]).output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(left_of(&cluster), Vec::<String>::new());
    assert!(run.said().contains(OPERATOR));
}
