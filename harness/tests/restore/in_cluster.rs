//! As in a pod of a CronJob: no kubeconfig, and a service account's token and authority where Kubernetes puts them.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::command::{Ended, Running, clonedrill};
use crate::world::World;

/// In a mount namespace of its own, since the place is the same in every pod.
const POD: &str = r#"mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io &&
cp -r "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@""#;

impl World {
    /// Runs `clonedrill` with what the account of a kubeconfig would have in a pod.
    pub(crate) fn run_as_in_a_pod(&self, kubeconfig: &Path, arguments: &[&str]) -> Ended {
        let kubeconfig: Value = serde_json::from_slice(&fs::read(kubeconfig).unwrap()).unwrap();
        let cluster = &kubeconfig["clusters"][0]["cluster"];
        let server = cluster["server"].as_str().unwrap().trim_start_matches("https://");
        let (host, port) = server.split_once(':').unwrap();
        let authority = STANDARD.decode(cluster["certificate-authority-data"].as_str().unwrap()).unwrap();
        let account = self.folder().join("serviceaccount");
        fs::create_dir_all(&account).unwrap();
        fs::write(account.join("ca.crt"), authority).unwrap();
        fs::write(account.join("token"), kubeconfig["users"][0]["user"]["token"].as_str().unwrap()).unwrap();
        fs::write(account.join("namespace"), "drills").unwrap();
        let command = clonedrill(self.folder());
        let mut pod = Command::new("unshare");
        pod.args(["--user", "--map-root-user", "--mount", "sh", "-c", POD, "sh"]).arg(&account);
        pod.arg(command.get_program()).args(arguments).current_dir(self.folder());
        pod.env_remove("KUBECONFIG").env_remove("HOME");
        pod.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        Running::start(pod, self.folder()).end()
    }
}
