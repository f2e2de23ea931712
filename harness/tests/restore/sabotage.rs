//! Archives that were damaged, lost something, or hold another cluster's: each drill must say so by its cause.
//!
//! One source and one archive. Each drill reads a copy of it, below a prefix of its own, with one damage.

use clonedrill::poll::Limit;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::blobs::Do;
use crate::cluster::{SOURCE, Source, archiving, postgres_major};
use crate::command::{Ended, Running};
use crate::process::MIDDLE;
use crate::world::{ORDERS, World, one_in_each, until};

/// As many drills at once, each in a namespace of its own.
const NAMESPACES: [&str; 5] = ["one", "two", "three", "four", "five"];
/// A drill that waits for WAL-G's second try or for the archive, beside two others.
const LONG: Limit = Limit::seconds(400);
/// Made of the source, and archives into its source's place.
const CLONE: &str = "acid-clone";
/// It has nothing to do with the source.
const OTHER: &str = "acid-other";
const ROWS: &str = "INSERT INTO public.orders (total) SELECT n FROM generate_series(1, 20) n";

/// One drill, and what must come of it.
struct Case {
    name: &'static str,
    damage: Vec<Do>,
    /// Blobs that the copy has not, by a part of their names.
    without: Vec<String>,
    code: i32,
    says: Vec<String>,
}

impl Case {
    fn new(name: &'static str, damage: Vec<Do>, code: i32, says: &[&str]) -> Self {
        let says = says.iter().map(|text| (*text).to_owned()).collect();
        Case { name, damage, without: Vec::new(), code, says }
    }

    fn without(mut self, parts: &[&str]) -> Self {
        self.without = parts.iter().map(|part| (*part).to_owned()).collect();
        self
    }
}

/// The WAL files of an archive that is whole, in their order.
struct Wal(Vec<String>);

impl Wal {
    fn below(&self, copy: &str, index: usize) -> String {
        format!("{copy}/wal_005/{}", self.0[index])
    }
}

pub(crate) fn what_is_wrong_with_wal_is_named() {
    let world = World::sabotaged("wal");
    let source = world.source();
    world.create(ORDERS, &archiving(OTHER));
    let mut files = Vec::new();
    for _ in 0..5 {
        files.push(world.runtime.block_on(async {
            source.sql.batch_execute(ROWS).await.unwrap();
            source.archives().await
        }));
    }
    // Committed, and in no archive.
    world.runtime.block_on(async { source.sql.batch_execute(ROWS).await.unwrap() });
    world.runtime.block_on(world.has_backed_up(OTHER));
    world.are_as_they_should(before_a_failover(&Wal(files)));

    let first = world.fails_over(source);
    let later = world.runtime.block_on(async {
        // The new leader's own backup ends the file of WAL in which it began: that file has to be there to be copied.
        world.has_backed_up(SOURCE).await;
        first.sql.batch_execute(ROWS).await.unwrap();
        first.archives().await
    });
    assert!(later.starts_with("00000002"), "{later}");
    world.are_as_they_should(after_a_failover());

    world.has_a_clone_that_writes_into_its_place();
    let ended = world.drilled("shared", NAMESPACES[0], &json!({}));
    let said = ended.said();
    assert_eq!(ended.code, Some(1), "{said}");
    for text in ["another cluster's data", "a pod of orders/acid-clone", "prefix-shared-with-source"] {
        assert!(said.contains(text), "it does not say `{text}`: {said}");
    }
}

pub(crate) fn what_is_wrong_with_a_base_backup_is_named() {
    let world = World::sabotaged("backup");
    drop(world.source());
    let part = "part/basebackups_005/base_000000010000000000000002/tar_partitions/part_001";
    world.are_as_they_should(vec![
        Case::new(
            "part",
            vec![Do::Cut(part.to_owned())],
            1,
            &["backup-part-unreadable", "failed 2 times to unpack part_001"],
        ),
        Case::new("no-part", vec![], 1, &["backup-part-missing"]).without(&["part_001"]),
        Case::new("control", vec![], 1, &["backup-control-file-missing"]).without(&["pg_control.tar"]),
        Case::new("sentinel", vec![], 1, &["backup-sentinel-missing", "_backup_stop_sentinel.json"])
            .without(&["_backup_stop_sentinel.json"]),
        Case::new("own-wal", vec![], 1, &["its bootstrap failed 2 times", "backup-wal-missing"])
            .without(&["wal_005/000000010000000000000002"]),
    ]);
}

fn before_a_failover(wal: &Wal) -> Vec<Case> {
    let lost = "recovery ended at 0/";
    let put = |copy: &str, from: String| Do::Put { from, to: wal.below(copy, 3) };
    let could_not = |index: usize| format!("file {} could not be restored (", wal.0[index]);
    vec![
        Case::new(
            "gap",
            vec![Do::Delete(wal.below("gap", 2))],
            1,
            &[lost, &could_not(2), "it is missing in the archive), and 2 later files are there"],
        ),
        Case::new("whole", vec![], 0, &["passed", "the archive holds nothing later", "RPO at most"]),
        // Its timelines have the numbers of the source's.
        Case::new(
            "taken",
            vec![Do::Reword {
                below: "taken/".to_owned(),
                end: "metadata.json".to_owned(),
                from: format!("{SOURCE}-0"),
                to: "acid-clone-0".to_owned(),
            }],
            1,
            &["these are another cluster's data", "was taken by acid-clone-0"],
        ),
        Case::new(
            "flipped",
            vec![Do::Flip(wal.below("flipped", 2))],
            1,
            &[lost, &could_not(2), "WAL-G says: "],
        ),
        Case::new(
            "older",
            vec![put("older", wal.below("older", 1))],
            1,
            &[lost, &could_not(3), "unexpected pageaddr", "1 later file is there"],
        ),
        Case::new(
            "foreign",
            vec![put("foreign", format!("{OTHER}/{}/wal_005/0000", postgres_major()))],
            1,
            &[lost, &could_not(3), "WAL file is from different database system"],
        ),
    ]
}

fn after_a_failover() -> Vec<Case> {
    // The backup of the new timeline came later.
    let old_backup = "base_00000002";
    vec![
        Case::new("followed", vec![], 0, &["passed", "on timeline 1, then 2"]).without(&[old_backup]),
        Case::new(
            "no-history",
            vec![],
            1,
            &[
                "the source left timeline 1 at",
                "00000002.history could not be restored (it is missing in the archive)",
            ],
        )
        .without(&[old_backup, "00000002.history"]),
    ]
}

impl World {
    /// The operator waits so long for a clone that has gone, and other clusters wait with it.
    fn sabotaged(test: &str) -> Self {
        let world = World::up(test, &NAMESPACES);
        world.configure_operator(&json!({ "timeouts": { "pod_label_wait_timeout": "90s" } }));
        world
    }

    /// Copies are made first, so that all of them are of one archive.
    fn are_as_they_should(&self, cases: Vec<Case>) {
        let archive = format!("{SOURCE}/{}/", postgres_major());
        let todo: Vec<Do> = cases
            .iter()
            .flat_map(|case| {
                let copy = Do::Copy {
                    from: archive.clone(),
                    to: format!("{}/", case.name),
                    but: case.without.clone(),
                };
                [vec![copy], case.damage.clone()].concat()
            })
            .collect();
        self.at_the_storage(&todo);
        let found =
            one_in_each(&NAMESPACES, cases.iter(), |case, namespace| self.is_as_it_should(case, namespace));
        let wrong: Vec<String> = found.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }

    fn is_as_it_should(&self, case: &Case, namespace: &str) -> Option<String> {
        let prefix = format!("azure://backups/{}", case.name);
        let clone = json!({ "env": [{ "name": "CLONE_WALG_AZ_PREFIX", "value": prefix }] });
        let ended = self.drilled(case.name, namespace, &json!({ "clone": clone }));
        let said = ended.said();
        let lacks = case.says.iter().filter(|text| !said.contains(*text)).cloned().collect::<Vec<_>>();
        let is = ended.code == Some(case.code) && lacks.is_empty();
        (!is).then(|| format!("{}: {:?}, and it does not say {lacks:?}: {said}", case.name, ended.code))
    }

    pub(crate) fn drilled(&self, name: &str, namespace: &str, more: &Value) -> Ended {
        let mut file = json!({
            "name": name,
            "source": { "namespace": ORDERS, "name": SOURCE },
            "into": { "namespace": namespace },
            "limits": { "time": "6m" },
        });
        for (field, value) in more.as_object().unwrap() {
            file[field] = value.clone();
        }
        let path = self.file(&format!("{name}.yaml"), &file.to_string());
        let mut running: Running = self.start(&["drill", path.to_str().unwrap()]);
        running.end_within(LONG)
    }

    /// Its pod goes, and the next one leads on a new timeline.
    pub(crate) fn fails_over(&self, source: Source) -> Source {
        drop(source);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), ORDERS);
        let name = format!("{SOURCE}-0");
        self.runtime.block_on(async {
            let old = pods.get(&name).await.unwrap().uid();
            pods.delete(&name, &DeleteParams::default()).await.unwrap();
            let another = async || {
                let Some(pod) = pods.get_opt(&name).await? else { return Ok(Err("no pod".to_owned())) };
                let leads = pod.labels().get("spilo-role").is_some_and(|role| role != "replica");
                let ready = clonedrill::operator::is_ready(&pod);
                Ok(if pod.uid() != old && leads && ready {
                    Ok(())
                } else {
                    Err(format!("{:?}", pod.labels()))
                })
            };
            until("the source's next leader", MIDDLE, another).await;
            // Its role is told a moment before it takes writes, and until then not every database lets somebody in.
            let leader = self.open_database(&name, "postgres").await;
            let promoted = async || {
                let row = leader.sql.query_one("SELECT pg_is_in_recovery()", &[]).await.unwrap();
                Ok(if row.get(0) { Err("in recovery".to_owned()) } else { Ok(()) })
            };
            until("the source's next leader to take writes", MIDDLE, promoted).await;
            self.open(&name).await
        })
    }

    fn has_a_clone_that_writes_into_its_place(&self) {
        let place = format!("azure://backups/{SOURCE}/{}", postgres_major());
        let mut clone = archiving(CLONE);
        let env = clone["spec"]["env"].as_array_mut().unwrap();
        let reads: Vec<Value> = env
            .iter()
            .map(|variable| {
                let mut variable = variable.clone();
                variable["name"] = json!(format!("CLONE_{}", variable["name"].as_str().unwrap()));
                if variable["name"] == "CLONE_WALG_AZ_PREFIX" {
                    variable["value"] = json!(place);
                }
                variable
            })
            .collect();
        env.retain(|variable| variable["name"] != "WALG_AZ_PREFIX");
        env.push(json!({ "name": "WALG_AZ_PREFIX", "value": place }));
        env.push(json!({ "name": "CLONE_USE_WALG_RESTORE", "value": "true" }));
        env.extend(reads);
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        let uid = self.uid_of(SOURCE);
        clone["spec"]["clone"] = json!({ "cluster": SOURCE, "uid": uid, "timestamp": now });
        self.create(ORDERS, &clone);
        self.runtime.block_on(self.has_backed_up(CLONE));
    }
}
