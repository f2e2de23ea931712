//! From what was found and unpacked to what the local environment is told of an image.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::super::tools::UnpackedImage;
use super::config::{Config, Run, ids, user};
use super::error::ImagesError;
use super::image::Found;

/// The label of an image with PostgreSQL: its majors, with commas between them.
const MAJORS: &str = "clonedrill.postgres-majors";
/// Where Debian's packages, and so Spilo's image, have a folder for each major.
const POSTGRESQLS: &str = "usr/lib/postgresql";
/// More accounts than any image has.
const SMALL: u64 = 1 << 20;

/// An image whose layers are in these folders, the lowest first.
pub(super) fn of(
    given: &str,
    found: &Found,
    folders: Vec<PathBuf>,
    others_own: bool,
) -> Result<UnpackedImage, ImagesError> {
    image(given, &found.digest, &found.config, folders, others_own)
}

/// A root file system in a folder, which is used as it is: its configuration may stand beside it, in `<folder>.json`.
pub(super) fn of_folder(folder: &Path) -> Result<UnpackedImage, ImagesError> {
    let given = folder.display().to_string();
    let beside = PathBuf::from(format!("{}.json", given.trim_end_matches('/')));
    let config = match std::fs::read(&beside) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| ImagesError::Config { image: given.clone(), why: error.to_string() })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Config::default(),
        Err(error) => return Err(ImagesError::file("read", beside)(error)),
    };
    let folder = folder.canonicalize().map_err(ImagesError::file("find", folder))?;
    image(&given, "", &config, vec![folder], false)
}

fn image(
    given: &str,
    digest: &str,
    config: &Config,
    folders: Vec<PathBuf>,
    others_own: bool,
) -> Result<UnpackedImage, ImagesError> {
    let nothing = Run::default();
    let run = config.config.as_ref().unwrap_or(&nothing);
    let passwd = text(&folders, "etc/passwd").unwrap_or_default();
    let group = text(&folders, "etc/group").unwrap_or_default();
    let (uid, gid) = ids(run.user.as_deref().unwrap_or_default(), &passwd, &group)
        .map_err(|why| ImagesError::Config { image: given.to_owned(), why })?;
    let named = user(&passwd, uid);
    let variables = run.env.iter().flatten();
    let label = run.labels.as_ref().and_then(|labels| labels.get(MAJORS));
    Ok(UnpackedImage {
        digest: digest.to_owned(),
        entrypoint: run.entrypoint.clone().unwrap_or_default(),
        cmd: run.cmd.clone().unwrap_or_default(),
        env: variables
            .filter_map(|one| one.split_once('='))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        working_dir: run.working_dir.clone().unwrap_or_default().into(),
        uid,
        gid,
        user: named.as_ref().map(|user| user.name.to_owned()).unwrap_or_default(),
        home: named.map(|user| user.home.into()).unwrap_or_default(),
        postgres_majors: match label {
            Some(label) => numbers(label.split(',')),
            None => majors(&folders),
        },
        passwd,
        group,
        others_own,
        folders,
    })
}

fn majors(folders: &[PathBuf]) -> Vec<u16> {
    let names = folders.iter().flat_map(|folder| folder.join(POSTGRESQLS).read_dir().into_iter().flatten());
    let names: Vec<String> =
        names.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    numbers(names.iter().map(String::as_str))
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u16> {
    let mut numbers: Vec<u16> = words.filter_map(|word| word.trim().parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A small file as a container would see it: of the highest layer that says anything of it. No link leads out of a layer.
fn text(folders: &[PathBuf], path: &str) -> Option<String> {
    for folder in folders.iter().rev() {
        let at = folder.join(path);
        if at.symlink_metadata().is_ok_and(|meta| meta.file_type().is_char_device()) {
            return None;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(folder, flags, Mode::empty()).ok()?;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let Ok(file) = openat2(root, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), how) else {
            continue;
        };
        let mut text = String::new();
        File::from(file).take(SMALL).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    None
}
