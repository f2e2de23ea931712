//! Drills that are killed or interrupted, each at another moment and in a namespace of its own.

use std::net::TcpListener;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::cluster::{PREFIX, SOURCE, plain};
use crate::command::{DRILL, Running};
use crate::process::wait;
use crate::world::{ORDERS, SOON, World, until};

const NAMESPACES: [&str; 6] = ["created", "starting", "verified", "removed", "interrupted", "turns"];

pub(crate) fn a_drill_that_is_killed_is_cleaned_by_the_next() {
    let world = World::up("killed", &NAMESPACES);
    drop(world.source());
    std::thread::scope(|scope| {
        scope.spawn(|| world.killed("created", |world, _| world.until_there_is_a_clone("created")));
        scope.spawn(|| world.killed("starting", |world, _| world.until_there_is_a_pod("starting")));
        scope.spawn(|| world.killed("removed", |_, drill| drill.until_says("verify the clone")));
        scope.spawn(|| world.killed_and_done_again("verified"));
        scope.spawn(|| world.interrupted("interrupted"));
        scope.spawn(|| world.take_turns("turns"));
    });
    let blobs = world.blobs();
    assert!(blobs.iter().all(|blob| blob.starts_with(PREFIX)), "{blobs:?}");
}

impl World {
    fn begin(&self, into: &str) -> Running {
        self.start(&["drill", "--source", &format!("{ORDERS}/{SOURCE}"), "--into", into])
    }

    /// Killed at a moment; `clean` removes what it left, and once more finds nothing.
    fn killed(&self, namespace: &str, moment: impl Fn(&World, &mut Running)) {
        let before = self.objects(namespace);
        let mut drill = self.begin(namespace);
        moment(self, &mut drill);
        drill.signal(Signal::SIGKILL);
        assert_eq!(drill.end().code, None);
        assert_ne!(self.objects(namespace), before, "in {namespace} it was killed when nothing was there");
        let cleaned = self.run(&["clean", "-n", namespace]);
        assert_eq!(cleaned.code, Some(0), "{cleaned:?}");
        assert!(cleaned.stdout.contains(&format!("removed {SOURCE}-drill-")), "{cleaned:?}");
        self.is_again(namespace, &before);
        let again = self.run(&["clean", "-n", namespace]);
        assert!(again.stdout.contains(&format!("nothing was left in {namespace}")), "{again:?}");
    }

    /// The next drill removes it as well, and is itself none the worse.
    fn killed_and_done_again(&self, namespace: &str) {
        let before = self.objects(namespace);
        let mut drill = self.begin(namespace);
        drill.until_says("clone from the backup");
        drill.signal(Signal::SIGKILL);
        assert_eq!(drill.end().code, None);
        let source = format!("{ORDERS}/{SOURCE}");
        // It passes, and nobody can be told: that must not look like success to anybody.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nobody = format!("http://127.0.0.1:{port}");
        let unheard = ["--pushgateway", &nobody, "--format", "json"];
        let arguments = [&["drill", "--source", source.as_str(), "--into", namespace][..], &unheard].concat();
        let next = self.start(&arguments).end();
        let said: Value = serde_json::from_str(&next.stdout).unwrap();
        assert_eq!(
            (next.code, &said["exit_code"], &said["verdict"]),
            (Some(3), &json!(3), &json!("broken")),
            "{next:?}"
        );
        let drill = &said["drills"][0];
        let findings = drill["findings"].as_array().unwrap();
        assert!(findings.len() == 1 && findings[0]["subject"] == "tell", "{findings:#?}");
        let proofs = drill["restore"]["proofs"].as_array().unwrap();
        assert!(!proofs.is_empty() && proofs.iter().all(|proof| proof["holds"] == true), "{proofs:#?}");
        assert!(next.stderr.contains("removed what an earlier drill left"), "{next:?}");
        self.is_again(namespace, &before);
    }

    /// Three at once: one is killed when it has its turn, and the others wait for theirs. One that is told to stop while it waits
    /// leaves nothing of its own.
    fn take_turns(&self, namespace: &str) {
        let before = self.objects(namespace);
        let mut first = self.begin(namespace);
        self.until_there_is_a_clone(namespace);
        let mut others = [self.begin(namespace), self.begin(namespace)];
        for other in &mut others {
            other.until_says("another drill of the same source goes on: a drill of orders/acid-orders on ");
        }
        first.signal(Signal::SIGKILL);
        assert_eq!(first.end().code, None);
        // What the first left is removed by whoever is next; the last still waits then.
        let removed = "removed what an earlier drill left";
        let next = wait("one of them to have its turn", DRILL, || {
            others.iter().position(|other| other.has_said(removed)).ok_or_else(|| "neither has it".to_owned())
        });
        let [one, other] = &mut others;
        let (next, last) = if next == 0 { (one, other) } else { (other, one) };
        last.signal(Signal::SIGINT);
        assert_eq!(last.end().code, Some(130));
        let ended = next.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let end = "passed  acid-orders, restore of orders/acid-orders";
        assert!(ended.stderr.contains(end) && ended.stderr.trim_end().ends_with("report.html"), "{ended:?}");
        self.is_again(namespace, &before);
    }

    /// Ctrl-C ends it, after it has removed everything.
    fn interrupted(&self, namespace: &str) {
        let before = self.objects(namespace);
        let mut drill = self.begin(namespace);
        self.until_there_is_a_pod(namespace);
        drill.signal(Signal::SIGINT);
        let ended = drill.end();
        assert_eq!(ended.code, Some(130), "{ended:?}");
        self.is_again(namespace, &before);
    }

    fn until_there_is_a_clone(&self, namespace: &str) {
        let object: DynamicObject = serde_json::from_value(plain(SOURCE)).unwrap();
        let clones = self.of_kind(namespace, &object);
        let there = async || {
            let listed = clones.list(&ListParams::default()).await?;
            Ok(if listed.items.is_empty() { Err("there is none".to_owned()) } else { Ok(()) })
        };
        self.runtime.block_on(until("the clone to be made", SOON, there));
    }

    fn until_there_is_a_pod(&self, namespace: &str) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let there = async || {
            let listed = pods.list(&ListParams::default()).await?;
            Ok(if listed.items.is_empty() { Err("there is none".to_owned()) } else { Ok(()) })
        };
        self.runtime.block_on(until("the clone's pod to be made", SOON, there));
    }
}
