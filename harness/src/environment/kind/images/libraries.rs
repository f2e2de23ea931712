//! The shared libraries that a program of this machine is loaded with, as its loader finds them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ImagesError;

const MAGIC: &[u8] = b"\x7fELF\x02";
/// Of the headers that tell how a program is loaded.
const DYNAMIC: u64 = 2;
const INTERPRETER: u64 = 3;

/// What is to know of a file that is loaded with others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dynamic {
    /// The loader that the kernel starts for it; a library has none.
    pub loader: Option<PathBuf>,
}

/// Asks loaders.
#[derive(Debug)]
pub(super) struct Libraries {
    /// For files that name none: that of this very program, or of the shell.
    loader: Option<PathBuf>,
}

impl Libraries {
    pub(super) fn new() -> Self {
        let known = ["/proc/self/exe", "/bin/sh"].map(Path::new);
        Libraries { loader: known.into_iter().find_map(|path| dynamic(path).ok()??.loader) }
    }

    /// The loader and the libraries of a file; nothing where it is no program, or one that needs none. A library that the
    /// machine does not have is left out: the machine does without it, too.
    pub(super) fn of(&self, file: &Path) -> Result<Vec<PathBuf>, ImagesError> {
        let Some(found) = dynamic(file).map_err(ImagesError::read(file))? else { return Ok(Vec::new()) };
        let Some(loader) = found.loader.as_ref().or(self.loader.as_ref()) else { return Ok(Vec::new()) };
        let mut ask = Command::new(loader);
        ask.arg(file).env_clear().env("LD_TRACE_LOADED_OBJECTS", "1").stdin(Stdio::null());
        let said = ask.output().map_err(ImagesError::read(loader))?;
        let mut libraries: Vec<PathBuf> =
            String::from_utf8_lossy(&said.stdout).lines().filter_map(library).collect();
        libraries.extend(found.loader);
        Ok(libraries)
    }
}

/// `libc.so.6 => /lib/libc.so.6 (0x7f…)`, or `/lib64/ld-linux-x86-64.so.2 (0x7f…)`.
fn library(line: &str) -> Option<PathBuf> {
    let path = line.rsplit("=>").next()?.split(" (0x").next()?.trim();
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// How a file of this machine's kind is loaded; `None` where it is none, or stands alone.
pub(super) fn dynamic(path: &Path) -> io::Result<Option<Dynamic>> {
    let mut file = File::open(path)?;
    let mut header = Vec::with_capacity(64);
    (&mut file).take(64).read_to_end(&mut header)?;
    // Another machine's programs come with packages that have them for all.
    if header.len() < 64 || !header.starts_with(MAGIC) || header[5] != 1 || number(&header, 18, 2) != MACHINE
    {
        return Ok(None);
    }
    let (offset, size, count) = (number(&header, 32, 8), number(&header, 54, 2), number(&header, 56, 2));
    file.seek(SeekFrom::Start(offset))?;
    let mut table = Vec::new();
    (&mut file).take(size * count).read_to_end(&mut table)?;
    let parts: Vec<&[u8]> = table.chunks_exact(usize::try_from(size.max(56)).unwrap_or(56)).collect();
    if !parts.iter().any(|part| number(part, 0, 4) == DYNAMIC) {
        return Ok(None);
    }
    let Some(part) = parts.iter().find(|part| number(part, 0, 4) == INTERPRETER) else {
        return Ok(Some(Dynamic { loader: None }));
    };
    file.seek(SeekFrom::Start(number(part, 8, 8)))?;
    let mut name = Vec::new();
    (&mut file).take(number(part, 32, 8)).read_to_end(&mut name)?;
    let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
    Ok(Some(Dynamic { loader: Some(name.into()) }))
}

const MACHINE: u64 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// A number as such files have it: its last digit first.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let digits = bytes.iter().skip(at).take(length).rev();
    digits.fold(0, |number, digit| number << 8 | u64::from(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_needs_its_loader_and_the_c_library() {
        let found = Libraries::new().of(&std::env::current_exe().unwrap()).unwrap();
        let names: Vec<&str> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert!(names.contains(&"libc.so.6"), "{found:?}");
        assert!(names.iter().any(|name| name.starts_with("ld-linux")), "{found:?}");
        assert!(found.iter().all(|path| path.exists()), "{found:?}");
    }

    #[test]
    fn a_text_needs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("script", "#!/bin/sh\n"), ("empty", ""), ("short", "\x7fELF\x02\x01")] {
            std::fs::write(folder.path().join(name), text).unwrap();
            assert_eq!(Libraries::new().of(&folder.path().join(name)).unwrap(), [""; 0].map(PathBuf::from));
        }
    }

    #[test]
    fn a_line_of_the_loader_names_a_path_or_nothing() {
        assert_eq!(library("\tlibc.so.6 => /lib/libc.so.6 (0x00007f)"), Some("/lib/libc.so.6".into()));
        assert_eq!(library("\t/lib64/ld-linux.so.2 (0x00007f)"), Some("/lib64/ld-linux.so.2".into()));
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007f)"), None);
        assert_eq!(library("\tlibx.so => not found"), None);
    }
}
