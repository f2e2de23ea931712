//! The container process, run as the node runs it, in a sandbox of an ordinary user.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::{GONE, Process, descendants, signal, wait};
use clonedrill::environment::local::container::{
    Capabilities, ContainerSpec, Identity, Many, Mount, Report, Request,
};
use clonedrill::environment::local::images::{Image, ImageContent, ImageFile, Layers, OWN_PROGRAM, Root};
use nix::sys::signal::Signal;

struct Container {
    folder: tempfile::TempDir,
    spec: ContainerSpec,
}

/// What became of a container: its reports, its output, and its exit code.
struct End {
    reports: Vec<Report>,
    log: String,
    code: i32,
}

impl End {
    /// Two processes report, in any order.
    fn failure(&self) -> Option<&str> {
        self.reports.iter().find_map(|report| match report {
            Report::Failed(reason) => Some(reason.as_str()),
            Report::Init(_) => None,
        })
    }
}

impl Container {
    fn that_runs(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "certificates", "volume"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("volume/file"), "in the volume").unwrap();
        let spec = ContainerSpec {
            hostname: "db-0".to_owned(),
            network: PathBuf::from("/proc/self/ns/net"),
            root: folder.path().join("root"),
            own_program: PathBuf::from(env!("CARGO_BIN_EXE_clonedrill")),
            certificates: folder.path().join("certificates"),
            hosts: "127.0.0.1 localhost\n".to_owned(),
            resolv_conf: "nameserver 10.244.0.1\n".to_owned(),
            image: Image {
                uid: 101,
                gid: 103,
                user: "postgres".to_owned(),
                home: PathBuf::from("/home/postgres"),
                files: vec![ImageFile {
                    path: PathBuf::from("/scripts/of/the-image"),
                    content: ImageContent::Text { text: "text of the image".to_owned(), mode: 0o640 },
                }],
                ..Image::default()
            },
            identity: Identity::alone(101, 103),
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec![("ONLY".to_owned(), "this".to_owned())],
            working_dir: PathBuf::from("/home/postgres"),
            mounts: Vec::new(),
            read_only_root: false,
        };
        Container { folder, spec }
    }

    /// Sees the volume under `target`.
    fn mounting(mut self, target: &str, read_only: bool) -> Self {
        let source = self.folder.path().join("volume");
        self.spec.mounts.push(Mount { source, target: PathBuf::from(target), read_only });
        self
    }

    fn start(&self) -> Child {
        self.start_in(&[])
    }

    /// As a child of `around`, if there is any, which gets the program as its last argument.
    fn start_in(&self, around: &[&str]) -> Child {
        let container: &[&str] = if around.is_empty() { &["container"] } else { &[] };
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(around)
            .arg(env!("CARGO_BIN_EXE_clonedrill"))
            .args(container)
            .env("LEAKS", "from the harness")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = Request::Start(Box::new(
            serde_json::from_value(serde_json::to_value(&self.spec).unwrap()).unwrap(),
        ));
        child.stdin.take().unwrap().write_all(&serde_json::to_vec(&request).unwrap()).unwrap();
        child
    }

    fn run(&self) -> End {
        let output = self.start().wait_with_output().unwrap();
        let reports = String::from_utf8(output.stdout).unwrap();
        End {
            reports: reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            log: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }
}

#[test]
fn the_program_is_the_images_user_in_an_environment_of_its_own() {
    let end = Container::that_runs(
        "id -u; id -g; id -un; hostname; pwd; env | sort | grep -v -e ^PWD -e ^_ -e ^SHLVL",
    )
    .run();
    assert_eq!(end.log, "101\n103\npostgres\ndb-0\n/home/postgres\nONLY=this\n", "{:?}", end.reports);
    assert!(matches!(end.reports[..], [Report::Init(_)]), "{:?}", end.reports);
    assert_eq!(end.code, 0);
}

#[test]
fn nothing_of_the_host_is_seen_but_its_programs() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let here = env!("CARGO_MANIFEST_DIR");
    let script = format!(
        "for it in {} {here} /.host /etc/shadow; do test -e $it && echo sees $it; done; ls /root /tmp; \
         touch /usr/x 2>/dev/null && echo writes; cat /scripts/of/the-image; test -x {OWN_PROGRAM} && echo own",
        secret.path().display()
    );
    let end = Container::that_runs(&script).run();
    assert_eq!(end.log, "/root:\n\n/tmp:\ntext of the imageown\n");
}

#[test]
fn volumes_are_where_the_containers_own_links_lead() {
    let script =
        "cat /run/data/file; echo; echo new > /var/run/data/file && echo written; cat /run/data/file";
    let end = Container::that_runs(script).mounting("/var/run/data", false).run();
    assert_eq!(end.log, "in the volume\nwritten\nnew\n");
    assert!(!Path::new("/run/data").exists());
    let end =
        Container::that_runs("(echo new > /d/file) 2>/dev/null || echo refused").mounting("/d", true).run();
    assert_eq!(end.log, "refused\n");
}

#[test]
fn a_read_only_root_leaves_volumes_writable() {
    let mut container =
        Container::that_runs("touch /tmp/x 2>/dev/null || echo refused; touch /d/x && echo written");
    container = container.mounting("/d", false);
    container.spec.read_only_root = true;
    assert_eq!(container.run().log, "refused\nwritten\n");
}

#[test]
fn the_exit_code_is_the_programs_or_tells_its_signal() {
    assert_eq!(Container::that_runs("exit 7").run().code, 7);
    assert_eq!(Container::that_runs("kill -KILL $$").run().code, 137);
    // An orphan is reaped and does not hold the container.
    assert_eq!(Container::that_runs("(sleep 0.1 &) ; exit 3").run().code, 3);
}

#[test]
fn what_cannot_be_set_up_is_reported_with_its_step() {
    let mut container = Container::that_runs("");
    container.spec.argv = vec!["no-such-program".to_owned()];
    let end = container.run();
    let reason = "exec \"no-such-program\": No such file or directory (os error 2)";
    assert_eq!(end.failure(), Some(reason), "{:?}", end.reports);
    assert_eq!(end.code, 128);

    let container = Container::that_runs("").mounting("/usr/not/there", false);
    let end = container.run();
    let of_mount = |reason: &str| reason.starts_with("make /usr/not/there: ");
    assert!(end.failure().is_some_and(of_mount), "{:?}", end.reports);
}

/// Its supervisor is killed; the namespaces around both go on, so that it is not they that end it.
#[test]
fn a_container_dies_with_its_supervisor() {
    let marked = format!("{}", 7_000_000 + std::process::id());
    let container = Container::that_runs(&format!("exec sleep {marked}"));
    let mut around = container.start_in(&["sh", "-c", "\"$0\" container; exec sleep 1000"]);
    let marked = format!("sleep\0{marked}\0");
    let found = || {
        let mut below = descendants(&[i32::try_from(around.id()).unwrap()]).into_iter();
        below.find(|one| {
            fs::read_to_string(format!("/proc/{}/cmdline", one.id)).is_ok_and(|line| line == marked)
        })
    };
    let program = wait("the program to run", GONE, || found().ok_or_else(|| "it does not".to_owned()));
    let init = program.parent;
    let supervisor = Process::read(init).unwrap().parent;
    signal(supervisor, Signal::SIGKILL);
    wait(
        "the program to be gone",
        GONE,
        || if program.lives() { Err(format!("{program:?}")) } else { Ok(()) },
    );
    assert!(around.try_wait().unwrap().is_none(), "what is around it has ended too");
    around.kill().unwrap();
    around.wait().unwrap();
}

/// As process 1 of a container of another node.
#[test]
fn an_init_reaps_passes_signals_on_and_ends_as_its_program() {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.arg(env!("CARGO_BIN_EXE_clonedrill")).args(["init", "sh", "-c", script]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    assert_eq!(unshare("exit 7").wait().unwrap().code(), Some(7));
    // An orphan that has ended is no zombie; the program's own child is not the init's.
    let script = "(sleep 0.1 & echo $! > /dev/fd/1); sleep 1; cat /proc/*/stat | grep -c ' Z ' || true";
    let output = unshare(script).wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().last(), Some("0"), "{said}");

    let child = unshare("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    let id = i32::try_from(child.id()).unwrap();
    let found = || {
        let mut below = descendants(&[id]).into_iter();
        below.find(|one| one.name == "clonedrill").ok_or_else(|| "no init yet".to_owned())
    };
    let init = wait("the init to run", GONE, found);
    wait("its program to be ready", GONE, || {
        let mut below = descendants(&[id]).into_iter();
        if below.any(|one| one.name == "sleep") { Ok(()) } else { Err("it is not".to_owned()) }
    });
    signal(init.id, Signal::SIGTERM);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(5));
}

/// A root file system with these programs of the machine, and nothing else of it.
fn root_with(programs: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let take = |path: &str| {
        let place = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, place).unwrap();
    };
    for program in programs {
        let folders = ["/bin", "/usr/sbin"].into_iter().map(|folder| format!("{folder}/{program}"));
        let program = folders.into_iter().find(|path| Path::new(path).exists()).unwrap();
        take(&program);
        let said = Command::new("ldd").arg(&program).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        said.split_whitespace().filter(|word| word.starts_with('/')).for_each(take);
    }
    fs::create_dir_all(root.path().join("etc")).unwrap();
    let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:103::/home/postgres:/bin/sh\n";
    fs::write(root.path().join("etc/passwd"), passwd).unwrap();
    // Where a stranger's links lead, nothing of ours is written or mounted.
    std::os::unix::fs::symlink("/../../../.host/tmp", root.path().join("tmp")).unwrap();
    root
}

impl Container {
    fn of(root: &Path, script: &str) -> Self {
        let mut container = Container::that_runs(script);
        let layers = Layers { folders: vec![root.to_owned()], ..Layers::default() };
        container.spec.image = Image { root: Root::Layers(layers), ..Image::default() };
        container.spec.identity = Identity::alone(0, 0);
        container.spec.working_dir = PathBuf::from("/");
        container
    }

    /// In a sandbox with many users, which only root and those of `/etc/subuid` have.
    fn among_many(mut self, uid: u32, gid: u32, groups: &[u32]) -> Self {
        let many = Many { groups: groups.to_vec(), capabilities: Capabilities::of(&[], &[]), may_gain: true };
        self.spec.identity = Identity { uid, gid, among_many: Some(many) };
        self
    }

    fn run_among_many(&self) -> Option<End> {
        let map = if nix::unistd::geteuid().is_root() { "--map-users=0,0,65536" } else { "--map-auto" };
        let groups = map.replace("users", "groups");
        let mut sandbox = vec!["--user", "--setgroups", "allow", map];
        if groups != map {
            sandbox.push(&groups);
        }
        let tried = Command::new("unshare").args(&sandbox).arg("true").output().unwrap();
        if !tried.status.success() {
            eprintln!("not tested: this machine gives a sandbox one user only");
            return None;
        }
        let mut child = Command::new("unshare")
            .args(&sandbox)
            .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args([env!("CARGO_BIN_EXE_clonedrill"), "container"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let spec = serde_json::from_value(serde_json::to_value(&self.spec).unwrap()).unwrap();
        let request = Request::Start(Box::new(spec));
        child.stdin.take().unwrap().write_all(&serde_json::to_vec(&request).unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        let reports = String::from_utf8(output.stdout).unwrap();
        Some(End {
            reports: reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            log: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        })
    }
}

#[test]
fn a_foreign_image_sees_neither_the_hosts_files_nor_its_network() {
    let root = root_with(&["sh", "ls", "cat", "ln", "mkdir", "chroot", "mount"]);
    let secret = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listening.local_addr().unwrap().port();
    let script = format!(
        "for it in {secret} {here} /.host /usr/bin/env /../..{secret} /proc/1/root{secret} /proc/self/cwd/../..{secret}; do \
           cat $it >/dev/null 2>&1 && echo sees $it; test -e $it && echo has $it; done; \
         mkdir -p /way && mount -t proc proc /way 2>/dev/null && echo mounts; \
         chroot /proc/1/root cat {secret} 2>/dev/null && echo leaves; \
         cat /proc/net/tcp | while read a b c; do case $b in *:{port:04X}) echo sees the port;; esac; done; \
         ls /; ls /sys /proc/1/fd >/dev/null; cat /etc/hosts",
        secret = secret.path().display(),
        here = env!("CARGO_MANIFEST_DIR"),
    );
    let end = Container::of(root.path(), &script).run();
    let seen: Vec<&str> = end.log.lines().collect();
    assert_eq!(seen.last(), Some(&"127.0.0.1 localhost"), "{} {:?}", end.log, end.reports);
    for word in ["sees", "has ", "mounts", "leaves"] {
        assert!(!end.log.contains(word), "{}", end.log);
    }
    // What is there is the image's, and the folders that every container has; nothing was written into the image.
    let expected = ["bin", "dev", "etc", "lib", "lib64", "proc", "sys", "tmp", "way"];
    let listed: Vec<&str> = seen[..seen.len() - 1].to_vec();
    assert!(listed.iter().all(|name| expected.contains(name) || *name == "usr"), "{listed:?}");
    assert!(!root.path().join("etc/hosts").exists() && !root.path().join("dev").exists());
}

#[test]
fn links_of_an_image_lead_no_mount_out_of_it() {
    let root = root_with(&["sh", "cat"]);
    std::os::unix::fs::symlink("/proc/self/root/../../../mounted", root.path().join("data")).unwrap();
    let end =
        Container::of(root.path(), "cat /data/file; echo; cat /mounted/file").mounting("/data", false).run();
    assert_eq!(end.log, "in the volume\nin the volume", "{:?}", end.reports);
}

#[test]
fn what_a_container_writes_stays_out_of_the_image_and_its_marks_are_kept_to() {
    let root = root_with(&["sh", "cat"]);
    let upper = tempfile::tempdir().unwrap();
    fs::create_dir(upper.path().join("etc")).unwrap();
    fs::write(upper.path().join("etc/passwd"), "changed").unwrap();
    let mut container = Container::of(root.path(), "cat /etc/passwd; echo x > /etc/new; cat /etc/new");
    let folders = vec![root.path().to_owned(), upper.path().to_owned()];
    container.spec.image.root = Root::Layers(Layers { folders, ..Layers::default() });
    assert_eq!(container.run().log, "changedx\n");
    assert!(!root.path().join("etc/new").exists() && !upper.path().join("etc/new").exists());
}

#[test]
fn a_container_among_many_users_changes_users_and_has_its_groups_and_no_more_rights() {
    let root = root_with(&["sh", "cat", "id", "chown", "ls", "mount", "setpriv"]);
    let script = "id -u; id -G; touch() { : > \"$1\"; }; touch /f; chown 101:103 /f && ls -n /f | cat; \
                  setpriv --reuid 101 --regid 103 --clear-groups id; mount -t tmpfs x /etc 2>/dev/null && echo mounts; \
                  cat /proc/self/uid_map";
    let Some(end) = Container::of(root.path(), script).among_many(0, 0, &[7]).run_among_many() else {
        return;
    };
    let said = &end.log;
    assert!(said.starts_with("0\n0 7\n"), "{said} {:?}", end.reports);
    assert!(said.contains(" 101 103 ") && said.contains("uid=101(postgres) gid=103"), "{said}");
    assert!(!said.contains("mounts"), "{said}");

    let script = "id -u; id -g; id -G; cat /proc/self/status";
    let container = Container::of(root.path(), script).among_many(101, 103, &[7]);
    let said = container.run_among_many().unwrap().log;
    assert!(said.starts_with("101\n103\n103 7\n"), "{said}");
    assert!(said.contains("CapEff:\t0000000000000000"), "{said}");
}
