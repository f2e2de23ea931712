//! Subcommands as a person calls them, on machines that lack something: what is said, exit codes, what is left.

mod fakes;
mod of_the_machine;

use std::process::{Output, Stdio};

use crate::process::{END, GONE, MIDDLE, Run, signal, wait};
use fakes::Machine;
use nix::sys::signal::Signal;
use serde_json::Value;

/// All that was said, which has no colours since nobody sees them.
fn said(output: &Output) -> String {
    let said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    assert!(!said.contains('\x1b'), "{said:?}");
    said
}

fn ends(output: &Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    // Lines are broken at 80 columns.
    let flat = said.replace("│", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in words {
        assert!(flat.contains(words), "it does not say {words:?}:\n{said}");
    }
}

/// `doctor`'s checks of this name, by JSON.
fn checks(output: &Output, name: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    all.into_iter().filter(|check| check["name"] == name).collect()
}

#[test]
fn doctor_names_every_program_that_is_missing_with_its_remedy() {
    let output = Machine::bare().run(&["doctor", "--format", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    for (name, remedy) in
        [("go", "Go 1.25.3"), ("node", "Node.js 20"), ("npm", "install npm"), ("cc", "install gcc")]
    {
        let check = checks(&output, name).remove(0);
        assert_eq!(check["state"], "bad", "{check}");
        assert!(check["remedy"].as_str().unwrap().contains(remedy), "{check}");
    }
}

#[test]
fn doctor_names_programs_that_are_too_old() {
    let machine = Machine::new();
    machine.program("go", "#!/bin/sh\n[ \"$1\" = version ] && echo go version go1.20 || echo go1.20\n");
    machine.program("node", "#!/bin/sh\necho v16.0.0\n");
    let output = machine.run(&["doctor"]);
    ends(&output, 3, &["is go1.20, too old", "install Go 1.25.3", "is Node.js v16.0.0, too old for Azurite"]);
    let wide = said(&output).lines().filter(|line| line.chars().count() > 100).count();
    assert_eq!(wide, 0, "{}", said(&output));
    // With the operators alone that need no newer one, Go 1.20 is too old still.
    ends(&machine.run(&["doctor", "--operator", "v1.14.0"]), 3, &["install Go 1.24"]);
}

#[test]
fn doctor_goes_on_where_something_given_cannot_be_used() {
    let machine = Machine::new();
    let mut command = machine.command(&["doctor", "--format", "json"]);
    command.env("CLONEDRILL_ETCD", "nowhere/etcd").env("CLONEDRILL_NODE", machine.path("bin/go"));
    let output = command.env("CLONEDRILL_POSTGRES", machine.path("home")).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let given: Vec<String> =
        checks(&output, "given").iter().map(|check| check["seen"].as_str().unwrap().to_owned()).collect();
    let all = given.join("\n");
    for words in ["etcd given by CLONEDRILL_ETCD", "node given by CLONEDRILL_NODE", "has no program postgres"]
    {
        assert!(all.contains(words), "{all}");
    }
    assert_eq!(checks(&output, "go")[0]["state"], "good");
}

#[test]
fn a_path_that_cannot_be_used_is_no_fault_of_the_scenarios() {
    let machine = Machine::new();
    let file = machine.scenario("given", "v1.15.1", "");
    let python = machine.program("python3", "#!/bin/sh\necho \"No module named 'patroni'\" >&2; exit 1\n");
    let not_etcd = machine.path("bin/node");
    for (variable, path, words) in [
        ("CLONEDRILL_ETCD", machine.path("nowhere"), "nowhere is no program"),
        ("CLONEDRILL_ETCD", not_etcd, "is not etcd: asked for its version it says `v20.1.0`"),
        ("CLONEDRILL_PATRONI_PYTHON", python, "No module named 'patroni'"),
    ] {
        let output = machine.command(&["run", &file]).env(variable, &path).output().unwrap();
        ends(&output, 2, &["failed to use the", variable, words]);
        assert!(!said(&output).contains("given.yaml"), "{}", said(&output));
    }
    assert_eq!(machine.record(), [""; 0]);
}

#[test]
fn an_operator_without_its_manifests_is_refused() {
    let machine = Machine::new();
    let file = machine.scenario("given", "ours", "");
    let ours = "{ ours: { binary: bin/go, manifests: home/operator/manifests, version: v9 } }";
    let output = machine.command(&["run", &file]).env("CLONEDRILL_OPERATORS", ours).output().unwrap();
    ends(&output, 2, &["operator ours given by CLONEDRILL_OPERATORS", "holds no postgresql.crd.yaml"]);
}

#[test]
fn a_version_that_nobody_has_is_told_before_anything_is_built() {
    let machine = Machine::new();
    let file = machine.scenario("unknown", "v1.15.99", "");
    let output = machine.run(&["run", &file]);
    ends(&output, 2, &["group/unknown.yaml:3:24", "unknown revision", "the nearest that can be had: v1.15"]);
    let built =
        machine.record().iter().filter(|line| line.contains(" build ") || line.starts_with("npm")).count();
    assert_eq!(built, 0, "{:?}", machine.record());
}

#[test]
fn an_operator_that_no_scenario_knows_is_refused_also_beside_one_that_is_known() {
    let machine = Machine::new();
    let file = machine.scenario("sound", "v1.15.1", "");
    let output = machine.run(&["run", &file, "--operator", "v1.15.1", "--operator", "v1.15.2"]);
    ends(&output, 2, &["operator `v1.15.2`", "did you mean `v1.15.1`?"]);
}

#[test]
fn machines_are_told_too_why_nothing_was_run() {
    let machine = Machine::new();
    machine.scenario("one", "v1.15.1", "abuot: twice\n");
    machine.scenario("two", "1.15.1", "");
    let output = machine.run(&["run", "group", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"], "invalid");
    assert_eq!(document["exit_code"], 2);
    let errors = document["errors"].as_array().unwrap();
    let places: Vec<_> =
        errors.iter().map(|error| (error["file"].as_str().unwrap(), &error["line"])).collect();
    assert_eq!(places, [("group/one.yaml", &Value::from(8)), ("group/two.yaml", &Value::from(3))]);
    assert!(errors[1]["help"].as_str().unwrap().contains("v1.15.1"), "{document}");
    let output = machine.run(&["run", "group/on.yaml", "--format", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["errors"][0]["help"], "did you mean `group/one.yaml`?");
}

#[test]
fn ctrl_c_ends_the_set_up_with_all_that_it_has_started() {
    for arguments in [&["tools", "fetch", "--operator", "v1.15.1"][..], &["run", "group/sound.yaml"], &["up"]]
    {
        let machine = Machine::new();
        machine.has_wal_g();
        machine.scenario("sound", "v1.15.1", "");
        let mut command = machine.command(arguments);
        command.env("HANGS", "1");
        let mut run = Run::start(command, machine.path("output"));
        run.until_runs("sleep");
        signal(run.id(), Signal::SIGINT);
        assert_eq!(run.end().code(), Some(130), "{}", run.said());
        run.leaves_nothing();
        assert!(machine.half_made().is_empty(), "{:?}", machine.half_made());
    }
}

#[test]
fn a_fetch_that_was_killed_half_way_is_made_good_by_the_next() {
    let machine = Machine::new();
    machine.has_wal_g();
    let fetch = ["tools", "fetch", "--operator", "v1.15.1"];
    let mut command = machine.command(&fetch);
    command.env("HANGS", "1");
    let mut run = Run::start(command, machine.path("output"));
    // Two are built at once, and both hang.
    wait("two builds", MIDDLE, || {
        run.look();
        let builds = run.seen.values().filter(|process| process.name == "sleep").count();
        if builds == 2 { Ok(()) } else { Err(run.names()) }
    });
    signal(run.id(), Signal::SIGKILL);
    run.child.wait().unwrap();
    assert!(!machine.half_made().is_empty());
    // What a build left running holds the part's lock, since it may write still.
    for process in run.seen.values().filter(|process| process.lives()) {
        signal(process.id, Signal::SIGKILL);
    }
    run.leaves_nothing();
    ends(&machine.run(&fetch), 0, &[]);
    assert!(machine.half_made().is_empty(), "{:?}", machine.half_made());
    let made = std::fs::read_dir(machine.path("cache/etcd")).unwrap().flatten().next().unwrap().path();
    assert!(made.join("bin/etcd").is_file() && !made.join("module/half").exists());
}

#[test]
fn two_fetches_at_once_build_each_program_once() {
    let machine = Machine::new();
    let fetch = ["tools", "fetch", "--operator", "v1.15.1", "v1.14.0"];
    let mut runs = ["one", "two"].map(|output| Run::start(machine.command(&fetch), machine.path(output)));
    for run in &mut runs {
        assert_eq!(run.end().code(), Some(0), "{}", run.said());
    }
    let record = machine.record();
    let mut built: Vec<&String> = record.iter().filter(|line| line.contains(" build ")).collect();
    let all = built.len();
    built.sort();
    built.dedup();
    assert_eq!((all, built.len()), (6, 6), "{record:#?}");
    // Go alone would look for `gcc`, which is not there.
    let compiler = format!("CC={}", machine.path("bin/cc").display());
    let with_c: Vec<_> = built.iter().filter(|line| line.ends_with(&compiler)).collect();
    assert!(with_c.len() == 1 && with_c[0].contains("wal-g"), "{record:#?}");
    let output = machine.run(&["tools", "--format", "json"]);
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let missing: Vec<&Value> = list.iter().filter(|one| one["state"] == "missing").collect();
    assert_eq!(missing.len(), 1, "only the third operator was not fetched: {missing:?}");
}

#[test]
fn what_the_machine_lacks_is_told_before_anything_is_built() {
    let machine = Machine::new();
    machine.has_wal_g();
    machine.program("node", "#!/bin/sh\necho v16.0.0\n");
    std::fs::remove_file(machine.path("bin/npm")).unwrap();
    let output = machine.run(&["tools", "fetch"]);
    ends(&output, 3, &["there is no `npm` on PATH", "too old for Azurite", "install Node.js 20"]);
    let built = machine.record().iter().filter(|line| line.contains(" build ")).count();
    assert_eq!(built, 0, "{:?}", machine.record());
}

#[test]
fn a_major_of_postgres_that_can_be_had_from_nowhere_is_refused_with_what_to_do() {
    let machine = Machine::new();
    let output = machine.run(&["tools", "fetch", "--postgres", "17,99"]);
    let words =
        ["there is no PostgreSQL 99", "no package source that this machine knows has it", "give the folder"];
    ends(&output, 3, &words);
    assert_eq!(machine.record().iter().filter(|line| line.contains(" build ")).count(), 0);
    let mut command = machine.command(&["doctor", "--format", "json"]);
    let output = command.env("CLONEDRILL_POSTGRES", "99").output().unwrap();
    let seen = checks(&output, "postgres");
    assert_eq!(seen[0]["state"], "bad", "{seen:?}");
    assert!(seen[0]["remedy"].as_str().unwrap().contains("CLONEDRILL_POSTGRES=/opt/postgresql-99/bin"));
}

#[test]
fn the_folder_of_the_cache_is_that_of_the_configuration() {
    let machine = Machine::bare();
    std::fs::write(machine.path("clonedrill.yaml"), "cache: kept\n").unwrap();
    let mut command = machine.command(&["tools", "cache"]);
    let output = command.env_remove("CLONEDRILL_CACHE").output().unwrap();
    assert!(said(&output).trim().ends_with("/kept"), "{}", said(&output));
}

#[test]
fn tools_says_who_gave_a_program() {
    let machine = Machine::new();
    let node = machine.program("another-node", "#!/bin/sh\necho v22.0.0\n");
    let mut command = machine.command(&["tools", "--format", "json"]);
    let output = command.env("CLONEDRILL_NODE", &node).output().unwrap();
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |program: &str| list.iter().find(|one| one["program"] == program).unwrap();
    assert_eq!(of("node")["from"], "CLONEDRILL_NODE");
    assert_eq!(of("node")["version"], "22.0.0");
    assert_eq!(of("patroni")["version"], "4.1.5");
}

#[test]
fn every_subcommand_has_help_with_examples_within_100_columns() {
    let machine = Machine::bare();
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["validate", "--help"],
        &["schema", "--help"],
        &["catalogue", "--help"],
        &["tools", "--help"],
        &["tools", "fetch", "--help"],
        &["tools", "cache", "--help"],
        &["images", "--help"],
        &["images", "build", "--help"],
        &["images", "list", "--help"],
        &["doctor", "--help"],
        &["up", "--help"],
        &["down", "--help"],
        &["bench", "--help"],
    ] {
        let output = machine.run(arguments);
        ends(&output, 0, &["Examples:"]);
        let said = said(&output);
        let wide: Vec<&str> = said.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{arguments:?}: {wide:#?}");
    }
    ends(&machine.run(&["tools", "--help"]), 0, &["CLONEDRILL_WAL_G", "CLONEDRILL_OPERATORS"]);
}

#[test]
fn the_catalogue_says_what_a_message_means_and_refuses_a_name_that_nobody_has() {
    let output = Machine::bare().run(&["catalogue", "no-global-storage-account"]);
    ends(&output, 0, &["no-global-storage-account (operator, error)", "do:"]);
    let all = Machine::bare().run(&["catalogue"]);
    assert!(all.stdout.len() > output.stdout.len(), "{}", said(&all));
    ends(&Machine::bare().run(&["catalogue", "no-such-message"]), 2, &["with `no-such-message` in its name"]);
}

#[test]
fn a_bench_of_no_rounds_is_refused() {
    let machine = Machine::bare();
    for what in ["drill", "environment"] {
        ends(&machine.run(&["bench", what, "--rounds", "0"]), 2, &["--rounds"]);
    }
}

#[test]
fn a_drill_whose_end_nobody_could_hear_of_is_not_begun() {
    let machine = Machine::bare();
    // Without a cluster: where it got as far as to look for one, it would say so.
    let named = "source: { namespace: prod, name: acid-orders }\ninto: { namespace: drills }\n";
    for (tell, words) in [
        ("{ webhook: { url_env: WEBHOOK_URL } }", ["WEBHOOK_URL, which is not set", "deaf.yaml:3:"]),
        (
            "{ metrics_file: nowhere/drill.prom }",
            ["failed to write the metrics: replace nowhere", "deaf.yaml:3:"],
        ),
        ("{ pushgateway: 'gateway:9091' }", ["failed to push the metrics", "deaf.yaml:3:"]),
        ("{ webhook: { url_env: HOME, template: '{' } }", ["the webhook's template", "deaf.yaml:3:"]),
    ] {
        std::fs::write(machine.path("deaf.yaml"), format!("{named}tell: {tell}\n")).unwrap();
        ends(&machine.run(&["drill", "deaf.yaml"]), 2, &words);
    }
    let source = ["drill", "--source", "prod/acid-orders", "--into", "drills"];
    let unheard = [&source[..], &["--metrics-file", "nowhere/drill.prom"]].concat();
    ends(
        &machine.run(&unheard),
        2,
        &["failed to write the metrics: replace nowhere/drill.prom", "was not begun"],
    );
    // What is validated elsewhere may not have what the drill will have, and `--print` tells nobody.
    let file = format!("{named}tell: {{ webhook: {{ url_env: WEBHOOK_URL }} }}\n");
    std::fs::write(machine.path("elsewhere.yaml"), file).unwrap();
    ends(&machine.run(&["validate", "elsewhere.yaml"]), 0, &[]);
    ends(&machine.run(&["drill", "elsewhere.yaml", "--print"]), 2, &["failed to find a cluster"]);
}

#[test]
fn a_reader_that_went_away_is_no_reason_to_fail() {
    let machine = Machine::bare();
    let mut child = machine
        .command(&["schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = wait("schema to end", GONE, || child.try_wait().unwrap().ok_or_else(String::new));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_interrupted_run_says_so_to_machines() {
    let machine = Machine::new();
    machine.has_wal_g();
    let file = machine.scenario("sound", "v1.15.1", "");
    let mut command = machine.command(&["run", &file, "--format", "json"]);
    command.env("HANGS", "1").stderr(Stdio::null());
    let mut run = Run::start(command, machine.path("output"));
    run.until_runs("sleep");
    signal(run.id(), Signal::SIGTERM);
    assert_eq!(run.end_within(END).code(), Some(130), "{}", run.said());
    assert!(run.said().contains("\"exit_code\": 130"), "{}", run.said());
}

#[test]
fn a_conformance_run_says_what_the_run_of_the_scenarios_says_and_ends_with_its_code() {
    let machine = Machine::new();
    machine.scenario("sound", "v1.15.1", "");
    let asked = ["conform", "--image", "mirror.example/spilo:4.0-p4", "group"];
    // No Docker answers: the run says so, and the record has it.
    machine
        .program("docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon at tcp://x' >&2; exit 1\n");
    machine.program("kind", "#!/bin/sh\necho kind v0.30.0 go1.25.3 linux/amd64\n");
    let output = machine.run(&[&asked[..], &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["image"], "mirror.example/spilo:4.0-p4");
    assert_eq!((&record["operator"], &record["exit_code"]), (&Value::from("v1.15.1"), &Value::from(3)));
    // A file that is at fault, and an operator that no scenario knows.
    machine.scenario("unsound", "v1.15.1", "abuot: twice\n");
    ends(&machine.run(&asked), 2, &["unsound.yaml"]);
    ends(
        &machine.run(&[&asked[..3], &["group/sound.yaml", "--operator", "v1.15.9"]].concat()),
        2,
        &["v1.15.9"],
    );
}

#[test]
fn images_are_not_made_without_a_docker_that_answers_and_nothing_is_fetched_for_them() {
    let machine = Machine::new();
    ends(
        &machine.run(&["images", "build"]),
        3,
        &["find the program docker on PATH", "apt-get install docker.io"],
    );
    machine
        .program("docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon at tcp://x' >&2; exit 1\n");
    ends(
        &machine.run(&["images", "build"]),
        3,
        &["failed to reach Docker's daemon: Cannot connect", "DOCKER_HOST"],
    );
    assert_eq!(machine.record(), [""; 0]);
}
