//! What a machine has already: programs in the right version are used, and its shell and `man` are served.

use serde_json::Value;

use super::fakes::Machine;
use super::{checks, ends};

#[test]
fn a_shell_and_man_know_the_subcommands_that_people_call() {
    let machine = Machine::bare();
    for shell in ["bash", "zsh", "fish"] {
        ends(&machine.run(&["completions", shell]), 0, &["inventory", "operator"]);
    }
    ends(&machine.run(&["man", "pages"]), 0, &["man pages/clonedrill.1"]);
    for page in ["clonedrill.1", "clonedrill-run.1", "clonedrill-tools-export.1"] {
        assert!(machine.path("pages").join(page).is_file(), "{page}");
    }
    assert!(!machine.path("pages/clonedrill-drill-worker.1").exists());
}

#[test]
fn a_control_plane_of_the_machine_is_used_in_the_right_version_and_passed_over_in_another() {
    let machine = Machine::new();
    machine.program("etcd", "#!/bin/sh\necho 'etcd Version: 3.5.16'\necho 'Git SHA: abc'\n");
    machine.program("assets-kube-apiserver", "#!/bin/sh\necho Kubernetes v1.34.1\n");
    machine.program("kube-controller-manager", "#!/bin/sh\necho Kubernetes v1.33.0\n");
    std::fs::create_dir(machine.path("assets")).unwrap();
    std::fs::rename(machine.path("bin/assets-kube-apiserver"), machine.path("assets/kube-apiserver"))
        .unwrap();
    let with_assets = |arguments: &[&str]| {
        machine.command(arguments).env("KUBEBUILDER_ASSETS", machine.path("assets")).output().unwrap()
    };
    let listed: Vec<Value> =
        serde_json::from_slice(&with_assets(&["tools", "--format", "json"]).stdout).unwrap();
    let of =
        |name: &str| listed.iter().find(|tool| tool["program"] == name).unwrap_or_else(|| panic!("{name}"));
    let seen =
        |name: &str| (of(name)["state"].clone(), of(name)["from"].clone(), of(name)["version"].clone());
    assert_eq!(seen("etcd"), ("ready".into(), "PATH".into(), "3.5.16".into()));
    assert_eq!(seen("kube-apiserver"), ("ready".into(), "KUBEBUILDER_ASSETS".into(), "1.34.1".into()));
    assert_eq!(seen("kube-controller-manager").0, "missing");
    let note = of("kube-controller-manager")["note"].as_str().unwrap();
    assert!(note.contains("is 1.33.0, and 1.34.x is wanted"), "{note}");
    let doctor = with_assets(&["doctor", "--format", "json"]);
    assert_eq!(checks(&doctor, "etcd")[0]["state"], "good");
    let passed_over = &checks(&doctor, "kube-controller-manager")[0];
    assert_eq!(passed_over["state"], "not-needed");
    assert!(passed_over["seen"].as_str().unwrap().contains("is 1.33.0"), "{passed_over}");
}
