//! Images in an archive of an OCI layout (image-spec, `image-layout.md`), for whoever has no Docker.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::NamedTempFile;

use super::ImagesError;
use super::archive::{self, Broken};
use super::own_program::hex;
use super::recipe::Recipe;
use crate::toolchain::PartProgress;

const BUFFER: usize = 1 << 20;
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Where an index has an image's name: containerd and Docker look for the first, others for the second.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// An archive that is being written; it gets its name when it is whole.
pub(super) struct OciArchive {
    path: PathBuf,
    builder: Builder<BufWriter<NamedTempFile>>,
    manifests: Vec<Value>,
    blobs: BTreeSet<String>,
}

impl OciArchive {
    /// # Errors
    /// When there is no writing beside the path.
    pub(super) fn create(path: &Path) -> Result<Self, ImagesError> {
        let file = temporary(path)?;
        let mut builder = Builder::new(BufWriter::with_capacity(BUFFER, file));
        let layout = json!({ "imageLayoutVersion": "1.0.0" }).to_string();
        append(&mut builder, "oci-layout", layout.len() as u64, layout.as_bytes()).map_err(written(path))?;
        Ok(OciArchive { path: path.to_owned(), builder, manifests: Vec::new(), blobs: BTreeSet::new() })
    }

    /// Adds an image under all these names. Its one layer is not packed: it is written and read once or twice, on one machine.
    ///
    /// # Errors
    /// What could not be read or written.
    pub(super) fn add<'n>(
        &mut self,
        recipe: &Recipe,
        names: impl Iterator<Item = &'n str>,
        progress: &dyn PartProgress,
    ) -> Result<(), ImagesError> {
        let mut layer = Hashed { file: temporary(&self.path)?, digest: Sha256::new(), length: 0 };
        let buffered = BufWriter::with_capacity(BUFFER, &mut layer);
        archive::write(&recipe.tree, buffered, progress).map_err(|broken| match broken {
            Broken::Reader(source) => ImagesError::Write { path: self.path.clone(), source },
            Broken::Other(error) => error,
        })?;
        let Hashed { mut file, digest, length } = layer;
        let digest = hex(&digest.finalize());
        file.seek(SeekFrom::Start(0)).map_err(written(&self.path))?;
        self.blob(&digest, length, file.as_file_mut())?;
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": recipe.started(),
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
        });
        let config = self.document(CONFIG, &config)?;
        let layer = json!({ "mediaType": LAYER, "digest": format!("sha256:{digest}"), "size": length });
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let manifest = self.document(MANIFEST, &manifest)?;
        for name in names {
            let mut named = manifest.clone();
            for key in NAMES {
                named["annotations"][key] = name.into();
            }
            self.manifests.push(named);
        }
        Ok(())
    }

    /// Writes the index, and gives the archive its name.
    ///
    /// # Errors
    /// When that cannot be.
    pub(super) fn finish(mut self) -> Result<(), ImagesError> {
        let index =
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests }).to_string();
        let path = self.path.clone();
        append(&mut self.builder, "index.json", index.len() as u64, index.as_bytes())
            .map_err(written(&path))?;
        let buffered = self.builder.into_inner().map_err(written(&path))?;
        let file = buffered.into_inner().map_err(|error| written(&path)(error.into_error()))?;
        // Temporary files are for their owner alone.
        let readable = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(written(&path))?;
        file.persist(&path).map_err(|error| written(&path)(error.error))?;
        Ok(())
    }

    /// A document as a blob, and its descriptor.
    fn document(&mut self, kind: &str, document: &Value) -> Result<Value, ImagesError> {
        let text = document.to_string();
        let digest = hex(&Sha256::digest(&text));
        self.blob(&digest, text.len() as u64, text.as_bytes())?;
        Ok(json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": text.len() }))
    }

    fn blob(&mut self, digest: &str, length: u64, content: impl Read) -> Result<(), ImagesError> {
        if self.blobs.insert(digest.to_owned()) {
            append(&mut self.builder, &format!("blobs/sha256/{digest}"), length, content)
                .map_err(written(&self.path))?;
        }
        Ok(())
    }
}

fn append(builder: &mut Builder<impl Write>, name: &str, length: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    builder.append_data(&mut header, name, content)
}

/// Beside the archive, so that it can get the archive's name.
fn temporary(path: &Path) -> Result<NamedTempFile, ImagesError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder).map_err(written(path))
}

fn written(path: &Path) -> impl FnOnce(io::Error) -> ImagesError {
    let path = path.to_owned();
    move |source| ImagesError::Write { path, source }
}

/// As images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

struct Hashed {
    file: NamedTempFile,
    digest: Sha256,
    length: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
