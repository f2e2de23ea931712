//! Images for the local environment: had from everywhere, held against their digests, unpacked whole or not at all.

mod made;
mod registry;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use made::{Image, Layer, digest, gzip, zstandard};
use registry::Registry;
use serde_json::json;

/// A folder of a test's own, with a cache in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clonedrill"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("CLONEDRILL_CACHE", self.path("cache"))
            .env("DOCKER_CONFIG", self.path("docker"))
            .stdin(Stdio::null());
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command
    }

    fn fetch(&self, image: &str) -> Output {
        self.command(&["images", "fetch", "--image", &format!("x/made:1={image}")]).output().unwrap()
    }

    /// All layers that there are, each a folder.
    fn layers(&self) -> Vec<PathBuf> {
        self.below("layers").into_iter().map(|layer| layer.join("root")).collect()
    }

    fn half_made(&self) -> Vec<PathBuf> {
        self.below("making")
    }

    fn below(&self, name: &str) -> Vec<PathBuf> {
        let users = entries(&self.path("cache/images")).into_iter().filter(|path| path.is_dir());
        users.flat_map(|users| entries(&users.join(name))).collect()
    }

    fn layer(&self) -> PathBuf {
        let mut layers = self.layers();
        assert_eq!(layers.len(), 1, "{layers:?}");
        layers.remove(0)
    }

    /// Ends with code 3 and these words, and nothing is kept.
    fn refuses(&self, image: &str, words: &[&str]) {
        let output = self.fetch(image);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        for word in words {
            assert!(flat(&said).contains(word), "it does not say {word:?}:\n{said}");
        }
        assert_eq!(self.layers(), [""; 0].map(PathBuf::from), "{said}");
        assert_eq!(self.half_made(), [""; 0].map(PathBuf::from), "{said}");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Lines are broken at 80 columns, also inside of long words.
fn flat(said: &str) -> String {
    said.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_there(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
}

/// How an image is written to a path.
type Form = fn(&Image, &Path);

/// A layer with one of each kind.
fn layer() -> Vec<u8> {
    Layer::default()
        .folder("bin", 0o755)
        .file("bin/entry", 0o4755, (0, 0), "program")
        .link("bin/same", "bin/entry")
        .folder("closed", 0o500)
        .file("closed/inside", 0o640, (101, 103), "of somebody")
        .symlink("bin/anywhere", "/etc/passwd")
        .attribute("user.note", "kept")
        .file("noted", 0o644, (0, 0), "x")
        .done()
}

fn plain() -> Image {
    Image::of(&[(layer(), layer())])
}

#[test]
fn an_image_is_had_from_files_of_every_form_and_packed_in_every_way() {
    let image = Image::of(&[(layer(), gzip(&layer()))]);
    let forms: [(&str, Form); 3] = [
        ("layout", Image::write_layout),
        ("archive.tar", Image::write_archive),
        ("docker.tar", Image::write_docker_archive),
    ];
    for (name, write) in forms {
        let place = Place::new();
        write(&image, &place.path(name));
        is_there(&place.fetch(&format!("./{name}")));
        let root = place.layer();
        assert_eq!(std::fs::read_to_string(root.join("bin/entry")).unwrap(), "program", "{name}");
    }
    for stored in [layer(), gzip(&layer()), zstandard(&layer())] {
        let place = Place::new();
        Image::of(&[(layer(), stored)]).write_archive(&place.path("a.tar"));
        is_there(&place.fetch("./a.tar"));
        place.layer();
    }
}

#[test]
fn a_layer_is_unpacked_with_modes_links_times_and_attributes() {
    let place = Place::new();
    plain().write_layout(&place.path("layout"));
    is_there(&place.fetch("./layout"));
    let root = place.layer();
    let entry = root.join("bin/entry").metadata().unwrap();
    assert_eq!((entry.permissions().mode() & 0o7777, entry.mtime()), (0o4755, 1_700_000_000));
    assert_eq!(entry.ino(), root.join("bin/same").metadata().unwrap().ino());
    assert_eq!(root.join("closed").metadata().unwrap().permissions().mode() & 0o777, 0o500);
    assert_eq!(std::fs::read_link(root.join("bin/anywhere")).unwrap(), Path::new("/etc/passwd"));
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(root.join("noted"), "user.note", &mut value).unwrap();
    assert_eq!(&value[..length], b"kept");
    // Where there are many users, each has what is his.
    if nix::unistd::geteuid().is_root() {
        let inside = root.join("closed/inside").metadata().unwrap();
        assert_eq!((inside.uid(), inside.gid()), (101, 103));
    }
}

#[test]
fn what_a_layer_takes_away_stands_as_overlayfs_has_it() {
    let lower = Layer::default().folder("etc", 0o755).file("etc/old", 0o644, (0, 0), "old").done();
    let upper = Layer::default()
        .folder("etc", 0o755)
        .file("etc/.wh.old", 0o644, (0, 0), "")
        .folder("var", 0o755)
        .file("var/.wh..wh..opq", 0o644, (0, 0), "")
        .file("var/.wh..wh.plnk", 0o644, (0, 0), "")
        .done();
    let place = Place::new();
    Image::of(&[(lower.clone(), lower), (upper.clone(), upper)]).write_archive(&place.path("a.tar"));
    is_there(&place.fetch("./a.tar"));
    let marked = place.layers().into_iter().find(|root| root.join("var").exists()).unwrap();
    let away = marked.join("etc/old").symlink_metadata().unwrap();
    assert!(away.file_type().is_char_device() && away.rdev() == 0);
    let mut value = [0; 4];
    assert_eq!(rustix::fs::getxattr(marked.join("var"), "user.overlay.opaque", &mut value), Ok(1));
    assert_eq!(entries(&marked.join("var")), [""; 0].map(PathBuf::from));
}

#[test]
fn nothing_is_written_outside_of_the_root_whatever_an_archive_says() {
    let place = Place::new();
    let outside = place.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    let through = Layer::default()
        .folder(target.trim_start_matches('/'), 0o755)
        .symlink("way", target)
        .file("way/written", 0o644, (0, 0), "x")
        .symlink("up", "../../../../../../../../..")
        .file("up/tmp/clonedrill-written", 0o644, (0, 0), "x")
        .attribute("user.overlay.redirect", "/elsewhere")
        .file("marked", 0o644, (0, 0), "x")
        .done();
    Image::of(&[(through.clone(), through)]).write_archive(&place.path("a.tar"));
    is_there(&place.fetch("./a.tar"));
    assert_eq!(entries(&outside), [""; 0].map(PathBuf::from));
    assert!(!Path::new("/tmp/clonedrill-written").exists());
    let root = place.layer();
    assert!(root.join("tmp/clonedrill-written").exists());
    assert!(root.join(target.trim_start_matches('/')).join("written").exists());
    // What would tell overlayfs to look elsewhere is the archive's to say least of all.
    let mut value = [0; 64];
    assert!(rustix::fs::getxattr(root.join("marked"), "user.overlay.redirect", &mut value).is_err());
}

#[test]
fn what_only_an_attack_has_is_refused_by_name() {
    let bad = |layer: Layer, word: &str| {
        let place = Place::new();
        let layer = layer.done();
        Image::of(&[(layer.clone(), layer)]).write_archive(&place.path("a.tar"));
        place.refuses("./a.tar", &["unpack the layer", word]);
    };
    let ids = (0, 0);
    bad(Layer::default().file("/etc/passwd", 0o644, ids, "x"), "is an absolute path");
    bad(Layer::default().file("a/../../b", 0o644, ids, "x"), "leads upwards");
    bad(Layer::default().folder("../up", 0o755), "leads upwards");
    bad(Layer::default().file("a", 0o644, ids, "x").link("b", "../../etc/shadow"), "leads upwards");
    bad(Layer::default().file("a/.wh...", 0o644, ids, ""), "leads upwards");
    bad(Layer::default().device("dev/null"), "is a device node");
    bad(Layer::default().file("a", 0o644, (70_000, 0), "x"), "belongs to user 70000");
}

#[test]
fn a_registry_serves_by_tag_by_digest_and_through_a_mirror() {
    let registry = Registry::start();
    let image = Image::of(&[(layer(), gzip(&layer()))]);
    image.put_into_registry(&registry, "some/image", "1");
    let (host, digest) = (&registry.host, image.digest());
    for reference in [format!("{host}/some/image:1"), format!("{host}/some/image@{digest}")] {
        let place = Place::new();
        let output = place.fetch(&reference);
        is_there(&output);
        assert!(said(&output).contains(&digest), "{}", said(&output));
        place.layer();
    }
    let place = Place::new();
    let mirrors = format!("images: {{ mirrors: {{ registry.example: \"{host}/some\" }} }}\n");
    std::fs::write(place.path("clonedrill.yaml"), mirrors).unwrap();
    is_there(&place.fetch("registry.example/image:1"));
    place.layer();
}

#[test]
fn a_layer_is_fetched_once_and_a_digest_that_is_there_asks_nobody() {
    let registry = Registry::start();
    let image = plain();
    image.put_into_registry(&registry, "some/image", "1");
    let place = Place::new();
    is_there(&place.fetch(&format!("{}/some/image:1", registry.host)));
    is_there(&place.fetch(&format!("{}/some/image:1", registry.host)));
    let layer = digest(&image.layers[0]);
    assert_eq!(registry.asked(&layer), 1);
    let pinned = format!("{}/some/image@{}", registry.host, image.digest());
    is_there(&place.fetch(&pinned));
    let asked = registry.asked("/v2/");
    is_there(&place.fetch(&pinned));
    assert_eq!(registry.asked("/v2/"), asked);
}

#[test]
fn a_login_is_taken_from_dockers_configuration_and_a_refused_one_is_named() {
    let registry = Registry::start();
    plain().put_into_registry(&registry, "some/image", "1");
    registry.wants("me:secret-word");
    let place = Place::new();
    let reference = format!("{}/some/image:1", registry.host);
    place.refuses(&reference, &["log in to", "wants a login, and there is none"]);
    let keep = |login: &str| {
        use base64::Engine;
        let encoded = base64::engine::general_purpose::STANDARD.encode(login);
        std::fs::create_dir_all(place.path("docker")).unwrap();
        let config = json!({ "auths": { &registry.host: { "auth": encoded } } });
        std::fs::write(place.path("docker/config.json"), config.to_string()).unwrap();
    };
    keep("me:wrong-word");
    place.refuses(&reference, &["log in to", "refuses the login that there is"]);
    assert!(!said(&place.fetch(&reference)).contains("wrong-word"));
    keep("me:secret-word");
    let output = place.command(&["images", "fetch", "--image", &format!("x={reference}")]);
    let output = { output }.env("CLONEDRILL_LOG", "debug").output().unwrap();
    is_there(&output);
    assert!(!said(&output).contains("secret-word"));
}

#[test]
fn what_a_registry_does_wrong_is_named_and_nothing_is_kept() {
    let stored = gzip(&layer());
    let image = Image::of(&[(layer(), stored.clone())]);
    let started = || {
        let registry = Registry::start();
        image.put_into_registry(&registry, "some/image", "1");
        let reference = format!("{}/some/image:1", registry.host);
        (registry, reference)
    };
    let blob = digest(&stored);

    let (registry, reference) = started();
    let other = gzip(&Layer::default().file("other", 0o644, (0, 0), "x").done());
    let padded = [other, vec![0; stored.len()]].concat();
    registry.blob("some/image", &blob, &padded);
    Place::new().refuses(&reference, &["the layer sha256:", "has another digest"]);

    let (registry, reference) = started();
    registry.blob("some/image", &blob, &stored[..stored.len() - 20]);
    Place::new().refuses(&reference, &["is truncated"]);

    let (registry, reference) = started();
    registry.forget(&format!("blobs/{blob}"));
    Place::new().refuses(&reference, &["the layer sha256:", "is missing"]);

    let (registry, reference) = started();
    registry.blob("some/image", &digest(&image.config), b"{}");
    Place::new().refuses(&reference, &["the configuration sha256:", "has another digest"]);

    let (registry, _) = started();
    Place::new().refuses(&format!("{}/some/image:2", registry.host), &["get the manifest"]);

    let (registry, _) = started();
    registry.manifest("some/image", &image.digest(), made::MANIFEST, b"{ }");
    Place::new().refuses(&format!("{}/some/image@{}", registry.host, image.digest()), &["another digest"]);

    let other = Image::with(&[(layer(), stored)], &json!({}), "s390x");
    let registry = Registry::start();
    other.put_into_registry(&registry, "some/image", "1");

    Place::new().refuses(&format!("{}/some/image:1", registry.host), &["s390x", "and this machine is linux"]);
}

#[test]
fn a_layer_that_is_not_what_the_configuration_names_is_refused() {
    let other = Layer::default().file("other", 0o644, (0, 0), "x").done();
    let place = Place::new();
    Image::of(&[(layer(), other)]).write_archive(&place.path("a.tar"));
    place.refuses("./a.tar", &["what is packed in the layer", "has another digest"]);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_kept() {
    let place = Place::new();
    let large = Layer::default().file("large", 0o644, (0, 0), &"x".repeat(3 << 20)).done();
    Image::of(&[(large.clone(), large)]).write_archive(&place.path("a.tar"));
    let script = format!(
        "mkdir -p cache && mount -t tmpfs -o size=1m tmpfs cache && {{ {} images fetch --image x=./a.tar; echo code $?; \
         find cache -name root; find cache -path '*making/*'; echo found; }}",
        env!("CARGO_BIN_EXE_clonedrill")
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(place.folder.path())
        .env("CLONEDRILL_CACHE", place.path("cache"))
        .output()
        .unwrap();
    let said = said(&output);
    assert!(said.contains("code 3\nfound") && flat(&said).contains("the disk is full"), "{said}");
}

#[test]
fn one_that_is_killed_leaves_whole_layers_only() {
    let place = Place::new();
    // Many small files take the longest.
    let mut many = Layer::default();
    for number in 0..4000 {
        many = many.file(&format!("folder-{}/file-{number}", number % 40), 0o644, (0, 0), "some text");
    }
    let (first, second) = (layer(), many.done());
    Image::of(&[(first.clone(), first), (second.clone(), second)]).write_archive(&place.path("a.tar"));
    for milliseconds in [5, 20, 40, 60, 80, 100, 150] {
        let mut fetch = place.command(&["images", "fetch", "--image", "x=./a.tar"]);
        let mut fetch = fetch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        fetch.kill().unwrap();
        fetch.wait().unwrap();
        for layer in place.layers() {
            let whole = layer.join("bin/entry").exists() || entries(&layer).len() == 40;
            assert!(whole && layer.with_file_name("layer.json").exists(), "{}", layer.display());
        }
    }
    is_there(&place.fetch("./a.tar"));
    assert_eq!((place.layers().len(), place.half_made().len()), (2, 0));
}

#[test]
fn pruning_keeps_what_the_configuration_names() {
    let place = Place::new();
    plain().write_archive(&place.path("kept.tar"));
    let other = Layer::default().file("other", 0o644, (0, 0), "x").done();
    Image::of(&[(other.clone(), other)]).write_archive(&place.path("other.tar"));
    std::fs::write(place.path("clonedrill.yaml"), "images: { others: { \"x:1\": ./kept.tar } }\n").unwrap();
    is_there(&place.fetch("./other.tar"));
    assert_eq!(place.layers().len(), 2);
    is_there(&place.command(&["images", "prune"]).output().unwrap());
    assert!(place.layer().join("bin/entry").exists());
    is_there(&place.command(&["images", "prune", "--all"]).output().unwrap());
    assert_eq!(place.layers(), [""; 0].map(PathBuf::from));
}

#[test]
fn an_archive_of_several_wants_to_be_told_which() {
    let place = Place::new();
    plain().write_layout(&place.path("layout"));
    let index = std::fs::read_to_string(place.path("layout/index.json")).unwrap();
    let mut index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let mut second = index["manifests"][0].clone();
    second["annotations"]["org.opencontainers.image.ref.name"] = "y/other:2".into();
    index["manifests"].as_array_mut().unwrap().push(second);
    std::fs::write(place.path("layout/index.json"), index.to_string()).unwrap();
    let output = place.fetch("./layout");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(flat(&said(&output)).contains("it has x/made:1, y/other:2"), "{}", said(&output));
    is_there(&place.fetch("./layout#y/other:2"));
}

#[test]
fn what_is_no_image_is_told() {
    let place = Place::new();
    std::fs::write(place.path("a.tar"), "no archive").unwrap();
    place.refuses("./a.tar", &["read the image", "it is no archive"]);
    place.refuses("./nowhere", &["read the image"]);
    let output = place.command(&["images", "fetch", "--image", "spilo"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
