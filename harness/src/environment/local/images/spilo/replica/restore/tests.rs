use super::super::tests::{NO_PAUSE, arguments, words};
use super::*;

const LIST: &str = "name modified wal_segment_backup_start
base_1 2026-01-01T00:00:00Z 000000010000000A000000FE
base_2 2026-01-02T00:00:00Z 000000010000000B00000001_00000028
base_0 2025-12-31T00:00:00Z 000000010000000000000001
";
const LEADER: &str = "--connstring=host=leader";
const NO_LEADER: &str = "--no_leader=1";

/// What is asked, and what each asking in turn gets; the last one again and again.
#[derive(Clone)]
struct World<'w> {
    list: &'w [&'w str],
    version: &'w [&'w str],
    wal: &'w [&'w str],
    fetch: &'w [i32],
}

/// A leader and a storage that answer at once.
const SOUND: World<'_> = World { list: &[LIST], version: &["150001"], wal: &["1048576"], fetch: &[0] };

/// The result, how often each thing was asked, and whether the data were fetched.
async fn restored(more: &[&str], world: World<'_>) -> (Result<(), String>, [usize; 4]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let datadir = format!("--datadir={}", data.display());
    let walg = [("USE_WALG_RESTORE", "true")].into_iter().collect();
    let restore = Restore::of(&arguments(&[&[datadir.as_str()], more].concat()), &walg).unwrap();
    let mut asked = [0; 4];
    let result = restore.run(NO_PAUSE, |command, _| {
        let words = words(&command);
        let mut next = |kind: usize, answers: &[&str]| {
            asked[kind] += 1;
            answers.get(asked[kind] - 1).or(answers.last()).unwrap().to_string()
        };
        if words.starts_with("psql") {
            assert!(words.starts_with("psql -d host=leader -tAc "), "{words}");
        }
        let text = match words.as_str() {
            "wal-g backup-list" => next(0, world.list),
            words if words.ends_with(VERSION) => next(1, world.version),
            words if words.ends_with(&wal_since("B/1000000")) => next(2, world.wal),
            words if words.ends_with(SIZE) => "104857600".to_owned(),
            _ => {
                assert_eq!(words, format!("wal-g backup-fetch {} LATEST", data.display()));
                assert!(!data.exists(), "the last attempt's half");
                fs::create_dir(&data).unwrap();
                asked[3] += 1;
                return Ok((*world.fetch.get(asked[3] - 1).or(world.fetch.last()).unwrap(), String::new()));
            }
        };
        Ok((if text == "down" { 2 } else { 0 }, text))
    });
    let result = result.await;
    if result.is_ok() {
        assert!(data.join("pg_wal").is_dir());
    }
    (result, asked)
}

fn refused(message: &str) -> Result<(), String> {
    Err(message.to_owned())
}

#[tokio::test]
async fn the_newest_backup_is_fetched_where_little_wal_came_since() {
    assert_eq!(restored(&[LEADER, NO_LEADER], SOUND).await, (Ok(()), [1, 1, 1, 1]));
}

#[tokio::test]
async fn a_storage_and_a_leader_that_do_not_answer_are_asked_again() {
    let late =
        World { list: &["", LIST], version: &["down", "down", "150001"], wal: &["", "1"], fetch: &[1, 1, 0] };
    assert_eq!(restored(&[LEADER], late).await, (Ok(()), [2, 3, 2, 3]));
    let never = World { list: &[""], ..SOUND };
    assert_eq!(restored(&[LEADER], never).await, (refused("Can not find any backups"), [3, 1, 0, 0]));
    let never = World { list: &["down"], ..SOUND };
    let once = restored(&[NO_LEADER, "--retries=0"], never).await;
    assert_eq!(once, (refused("Can not find any backups"), [1, 0, 0, 0]));
}

#[tokio::test]
async fn a_leader_that_is_out_of_reach_matters_only_where_one_is_needed() {
    let down = World { version: &["down"], ..SOUND };
    assert_eq!(restored(&[LEADER, NO_LEADER], down.clone()).await, (Ok(()), [1, 3, 0, 1]));
    assert_eq!(restored(&[LEADER], down.clone()).await, (refused("Failed to reach master"), [1, 3, 0, 0]));
    assert_eq!(restored(&[NO_LEADER], down).await, (Ok(()), [1, 0, 0, 1]));
    let mute = World { wal: &[""], ..SOUND };
    let message = "could not determine difference with the master location";
    assert_eq!(restored(&[LEADER, NO_LEADER], mute).await, (refused(message), [1, 1, 3, 0]));
}

#[tokio::test]
async fn much_wal_since_the_backup_speaks_for_the_leader() {
    let message = |what: &str| {
        refused(&format!("not restoring from backup because of amount of generated wals exceeds {what}"))
    };
    let much = World { wal: &["31457281"], ..SOUND };
    assert_eq!(restored(&[LEADER], much.clone()).await.0, message("30% of cluster_size"));
    let patient = [LEADER, "--threshold_backup_size_percentage=31"];
    assert_eq!(restored(&patient, much.clone()).await.0, Ok(()));
    let strict = [LEADER, "--threshold_megabytes=30"];
    assert_eq!(restored(&strict, much).await.0, message("30MB"));
}

#[tokio::test]
async fn a_fetch_that_never_succeeds_is_a_failure() {
    let broken = World { fetch: &[1], ..SOUND };
    assert_eq!(restored(&[LEADER], broken).await, (refused("wal-g backup-fetch failed"), [1, 1, 1, 3]));
}

#[test]
fn a_place_and_either_a_leader_or_leave_to_do_without_are_needed() {
    let understood = |words: &[&str]| Restore::of(&arguments(words), &Variables::default());
    assert!(understood(&["--datadir=/d"]).is_none());
    assert!(understood(&[LEADER]).is_none());
    assert_eq!(understood(&["--datadir=/d", LEADER]).unwrap().program, "wal-e");
    assert!(understood(&["--datadir=/d", "--connstring=", "--no-master=1"]).unwrap().without_leader);
}

#[test]
fn a_segment_begins_where_its_name_says() {
    assert_eq!(start_lsn("000000010000000A000000FE").as_deref(), Some("A/FE000000"));
    assert_eq!(start_lsn("0001"), None);
    assert_eq!(newest_segment(LIST).as_deref(), Some("000000010000000B00000001"));
}

#[test]
fn links_that_lead_nowhere_are_deleted_and_others_are_kept() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let tablespaces = folder.path().join("pg_tblspc");
    fs::create_dir(&tablespaces).unwrap();
    symlink("/nowhere/16384", tablespaces.join("16384")).unwrap();
    symlink(folder.path(), tablespaces.join("16385")).unwrap();
    remove_dead_links(folder.path()).unwrap();
    let left: Vec<_> = fs::read_dir(&tablespaces).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["16385"]);
}
