//! What an image is made of: its root file system, and how its containers are started.

use std::path::Path;

use sha2::Digest;

use super::closure::Closure;
use super::own_program::{OwnProgram, hex};
use super::tree::{ROOT, Tree};
use super::{ImagesError, LABEL, system};
use crate::environment::local::container::{FOLDERS, NSSWITCH, group, passwd};
use crate::environment::local::images::{Image, ImageContent, OWN_PROGRAM};

#[derive(Debug)]
pub(super) struct Recipe {
    pub tree: Tree,
    image: Image,
    labels: Vec<(&'static str, String)>,
}

impl Recipe {
    /// An image as the local environment has it, but with those programs of the host only that `fill` brings.
    pub(super) fn new(
        image: Image,
        own_program: Option<&OwnProgram>,
        fill: impl FnOnce(&mut Closure) -> Result<(), ImagesError>,
    ) -> Result<Recipe, ImagesError> {
        let mut closure = Closure::new(Tree::default());
        for (folder, mode) in FOLDERS {
            // What a container sees of the host may lie below its root's home, and its user is another one.
            let mode = if folder == "/root" { 0o755 } else { mode };
            closure.tree.folder(Path::new(folder), mode, ROOT);
        }
        closure.tree.link(Path::new("/var/run"), Path::new("/run"), ROOT);
        closure.tree.folder(Path::new("/etc/ssl/certs"), 0o755, ROOT);
        system::base(&mut closure)?;
        if let Some(own) = own_program {
            closure.bring(own.file(), Path::new(OWN_PROGRAM), own.digest.clone())?;
        }
        fill(&mut closure)?;
        for path in &image.visible {
            closure.take(path)?;
        }
        system::modules(&mut closure)?;
        let mut tree = closure.tree;
        tree.text(Path::new("/etc/passwd"), passwd(&image, image.uid, image.gid), 0o644, ROOT);
        tree.text(Path::new("/etc/group"), group(&image, image.gid), 0o644, ROOT);
        tree.text(Path::new("/etc/nsswitch.conf"), NSSWITCH, 0o644, ROOT);
        own_layer(&mut tree, &image);
        Ok(Recipe { tree, image, labels: Vec::new() })
    }

    /// Says something of itself to whoever uses it.
    pub(super) fn labelled(mut self, label: &'static str, value: String) -> Recipe {
        self.labels.push((label, value));
        self
    }

    /// What `docker import` is told beside the tree, as lines of a Dockerfile.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut changes = self.configuration();
        changes.push(format!("LABEL {LABEL}={}", self.content()));
        changes
    }

    fn configuration(&self) -> Vec<String> {
        let Image { entrypoint, cmd, env, working_dir, uid, gid, .. } = &self.image;
        let mut changes: Vec<String> =
            env.iter().map(|(name, value)| format!("ENV {name}={}", quoted(value))).collect();
        changes.push(format!("USER {uid}:{gid}"));
        changes.extend(self.labels.iter().map(|(label, value)| format!("LABEL {label}={}", quoted(value))));
        changes.push(format!("WORKDIR {}", working_dir.display()));
        for (instruction, words) in [("ENTRYPOINT", entrypoint), ("CMD", cmd)] {
            if !words.is_empty() {
                changes.push(format!("{instruction} {}", serde_json::json!(words)));
            }
        }
        changes
    }

    /// How containers are started, as an OCI configuration has it.
    pub(super) fn started(&self) -> serde_json::Value {
        let Image { entrypoint, cmd, env, working_dir, uid, gid, .. } = &self.image;
        let env: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let labels = self.labels.iter().map(|(label, value)| ((*label).to_owned(), value.as_str().into()));
        let mut labels: serde_json::Map<String, serde_json::Value> = labels.collect();
        labels.insert(LABEL.to_owned(), self.content().into());
        serde_json::json!({
            "User": format!("{uid}:{gid}"),
            "Env": env,
            "Entrypoint": entrypoint,
            "Cmd": cmd,
            "WorkingDir": working_dir,
            "Labels": labels,
        })
    }

    /// The same for images that are the same.
    pub(super) fn content(&self) -> String {
        let mut digest = self.tree.digest();
        digest.update(self.configuration().join("\n"));
        hex(&digest.finalize())
    }
}

/// The image's own files and folders, which are its user's.
fn own_layer(tree: &mut Tree, image: &Image) {
    let owner = (image.uid, image.gid);
    let homes = [&image.home, &image.working_dir].into_iter().filter(|path| path.parent().is_some());
    for folder in image.folders.iter().chain(homes) {
        tree.folder(folder, 0o755, owner);
    }
    for file in &image.files {
        match &file.content {
            ImageContent::Text { text, mode } => tree.text(&file.path, text, *mode, owner),
            // Where PostgreSQL lies among all programs of the host, only its own are brought.
            ImageContent::Symlink(leads_to) if is_left_out(tree, leads_to) => {}
            ImageContent::Symlink(leads_to) => tree.link(&file.path, leads_to, owner),
        }
    }
}

fn is_left_out(tree: &Tree, leads_to: &Path) -> bool {
    let of_all =
        leads_to.parent().is_some_and(|folder| system::BIN.iter().any(|bin| folder == Path::new(bin)));
    of_all && !tree.leads_somewhere(leads_to)
}

/// A value as a Dockerfile has it, where `$` stands for variables.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::super::tree::Content;
    use super::*;
    use crate::environment::local::images::ImageFile;

    fn image() -> Image {
        let text = ImageContent::Text { text: "{}".to_owned(), mode: 0o644 };
        Image {
            entrypoint: vec!["/launch.sh".to_owned()],
            env: vec![("PGHOME".to_owned(), "a $HOME \"b\"".to_owned())],
            working_dir: "/home/postgres".into(),
            uid: 101,
            gid: 103,
            user: "postgres".to_owned(),
            home: "/home/postgres".into(),
            folders: vec!["/run".into(), "/var/run/postgresql".into()],
            files: vec![ImageFile { path: "/etc/x.json".into(), content: text }],
            ..Image::default()
        }
    }

    #[test]
    fn what_is_the_images_own_belongs_to_its_user() {
        let recipe = Recipe::new(image(), None, |_| Ok(())).unwrap();
        let entry = |path: &str| recipe.tree.get(Path::new(path)).unwrap_or_else(|| panic!("no {path}"));
        for path in ["/home/postgres", "/run", "/run/postgresql", "/etc/x.json"] {
            assert_eq!(entry(path).owner, (101, 103), "{path}");
        }
        for (path, mode) in [("/tmp", 0o1777), ("/home", 0o755), ("/root", 0o755)] {
            assert_eq!((entry(path).mode, entry(path).owner), (mode, ROOT), "{path}");
        }
        assert_eq!(entry("/var/run").content, Content::Link("/run".into()));
        let Content::Text(passwd) = &entry("/etc/passwd").content else { panic!("no text") };
        assert!(passwd.contains("postgres:x:101:103::/home/postgres:/bin/sh\n"), "{passwd}");
        for path in ["/bin", "/lib64"].map(Path::new).into_iter().filter(|path| path.is_symlink()) {
            assert_eq!(recipe.tree.get(path).unwrap().content, Content::Link(path.read_link().unwrap()));
        }
    }

    #[test]
    fn how_it_is_started_is_part_of_what_it_is() {
        let recipe = Recipe::new(image(), None, |_| Ok(())).unwrap();
        let changes = recipe.changes();
        assert!(changes.contains(&r#"ENV PGHOME="a \$HOME \"b\"""#.to_owned()), "{changes:?}");
        assert!(changes.contains(&r#"ENTRYPOINT ["/launch.sh"]"#.to_owned()), "{changes:?}");
        assert!(changes.contains(&"USER 101:103".to_owned()), "{changes:?}");
        let same = Recipe::new(image(), None, |_| Ok(())).unwrap();
        assert_eq!(recipe.content(), same.content());
        let other = Image { cmd: vec!["init".to_owned()], ..image() };
        assert_ne!(recipe.content(), Recipe::new(other, None, |_| Ok(())).unwrap().content());
    }
}
