//! What Docker says, asked past all of clonedrill's own code.

use std::process::Command;

/// The lines that `docker` prints; it must succeed.
pub(super) fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// All containers, volumes and folders that clonedrill made for a cluster, and the cluster's own containers.
pub(super) fn left_of(cluster: &str) -> Vec<String> {
    let by_label = |label: String| {
        let filter = format!("label={label}");
        docker(&["ps", "--all", "--filter", &filter, "--format", "container {{.Names}}"])
    };
    let mut left = by_label(format!("io.x-k8s.kind.cluster={cluster}"));
    left.extend(by_label(format!("clonedrill.cluster={cluster}")));
    let filter = format!("label=clonedrill.cluster={cluster}");
    left.extend(docker(&["volume", "ls", "--filter", &filter, "--format", "volume {{.Name}}"]));
    let folders = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // kind calls so what it writes images to on their way into a node.
    left.extend(names.filter(|name| name.starts_with(cluster) || name.starts_with("images-tar")));
    left
}
