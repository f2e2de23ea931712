//! A layer as it comes: a part of a file, packed or not, held against the digests that name it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::unpack::{Found, UnpackError, unpack};

/// What is read at once, and how much of it may wait to be written.
const CHUNK: usize = 1 << 18;
const WAITING: usize = 16;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A part of a file: a blob of an archive, or a whole one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    pub file: PathBuf,
    pub offset: u64,
    pub length: u64,
}

/// A layer to unpack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layer {
    pub at: Slice,
    /// Of the blob as it lies there, `sha256:…`, and its size, where a manifest says so.
    pub blob: Option<(String, u64)>,
    /// Of what is packed in it; it names the layer in the cache.
    pub content: String,
}

/// Why a layer is not what its image says.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayerError {
    #[error("read {0:?}: {1}")]
    Read(PathBuf, io::Error),
    #[error("the layer {digest} is truncated: {has} bytes of {wants} are there")]
    Truncated { digest: String, has: u64, wants: u64 },
    #[error("the layer {wanted} has another digest: {found}")]
    Digest { wanted: String, found: String },
    #[error("what is packed in the layer {wanted} has another digest: {found}")]
    Content { wanted: String, found: String },
    #[error("unpack the layer {digest}: {source}")]
    Unpack { digest: String, source: UnpackError },
}

/// What was read of a blob.
struct ReadBlob {
    blob: String,
    length: u64,
    content: String,
}

/// Unpacks a layer into an empty folder, and holds it against its digests. `told` hears how many bytes were read.
///
/// # Errors
/// [`LayerError`]: what the archive's own fault is, only where it is the archive that was named.
pub(super) fn unpack_layer(
    layer: &Layer,
    root: &Path,
    many: bool,
    told: impl Fn(u64) + Send,
) -> Result<Found, LayerError> {
    let unread = |error| LayerError::Read(layer.at.file.clone(), error);
    let mut file = File::open(&layer.at.file).map_err(unread)?;
    file.seek(SeekFrom::Start(layer.at.offset)).map_err(unread)?;
    let blob = file.take(layer.at.length);
    let (sender, receiver) = sync_channel(WAITING);
    let (read, unpacked) = std::thread::scope(|scope| {
        let reading = scope.spawn(move || read(blob, &sender, told));
        let mut chunks = Chunks { receiver, chunk: Vec::new(), at: 0 };
        let unpacked = unpack(&mut chunks, root, many);
        // An archive may end before its file does, and a bad one is read to its end all the same: is it the one that was named?
        while chunks.receiver.recv().is_ok() {}
        (reading.join(), unpacked)
    });
    let read = match read {
        Ok(read) => read.map_err(unread)?,
        Err(panicked) => std::panic::resume_unwind(panicked),
    };
    if let Some((digest, wants)) = &layer.blob {
        if read.length < *wants {
            return Err(LayerError::Truncated { digest: digest.clone(), has: read.length, wants: *wants });
        }
        if read.blob != *digest {
            return Err(LayerError::Digest { wanted: digest.clone(), found: read.blob });
        }
    }
    let digest = || layer.blob.as_ref().map_or(&layer.content, |(digest, _)| digest).clone();
    let found = unpacked.map_err(|source| LayerError::Unpack { digest: digest(), source })?;
    match read.content == layer.content {
        true => Ok(found),
        false => Err(LayerError::Content { wanted: layer.content.clone(), found: read.content }),
    }
}

/// Reads the blob to its end, whatever is wrong with what is packed in it.
fn read(blob: Take<File>, to: &SyncSender<io::Result<Vec<u8>>>, told: impl Fn(u64)) -> io::Result<ReadBlob> {
    let mut blob =
        BufReader::with_capacity(CHUNK, Counted { inner: blob, digest: Sha256::new(), length: 0, told });
    let start = io::BufRead::fill_buf(&mut blob)?;
    let content = if start.starts_with(&GZIP) {
        Some(unpacked(&mut flate2::bufread::MultiGzDecoder::new(&mut blob), to))
    } else if start.starts_with(&ZSTD) {
        match zstd::stream::read::Decoder::with_buffer(&mut blob) {
            Ok(mut decoder) => Some(unpacked(&mut decoder, to)),
            Err(error) => {
                let _ = to.send(Err(error));
                Some(Vec::new())
            }
        }
    } else {
        plain(&mut blob, to)?;
        None
    };
    io::copy(&mut blob, &mut io::sink())?;
    let counted = blob.into_inner();
    let digest = named(&counted.digest.finalize());
    let content = content.map_or_else(|| digest.clone(), |content| named(&content));
    Ok(ReadBlob { blob: digest, length: counted.length, content })
}

/// The digest of what comes out. A blob that cannot be unpacked is told to whoever unpacks it.
fn unpacked(from: &mut impl Read, to: &SyncSender<io::Result<Vec<u8>>>) -> Vec<u8> {
    let mut digest = Sha256::new();
    loop {
        match chunk(from) {
            Ok(chunk) if chunk.is_empty() => break,
            Ok(chunk) => {
                digest.update(&chunk);
                // Nobody unpacks any more; the digest is wanted still.
                let _ = to.send(Ok(chunk));
            }
            Err(error) => {
                let _ = to.send(Err(error));
                break;
            }
        }
    }
    digest.finalize().to_vec()
}

fn plain(from: &mut impl Read, to: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        match chunk(from)? {
            chunk if chunk.is_empty() => return Ok(()),
            chunk => drop(to.send(Ok(chunk))),
        }
    }
}

fn chunk(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK);
    from.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

/// What the other thread has read.
struct Chunks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            match self.receiver.recv() {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

struct Counted<F> {
    inner: Take<File>,
    digest: Sha256,
    length: u64,
    told: F,
}

impl<F: Fn(u64)> Read for Counted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        self.length += count as u64;
        (self.told)(self.length);
        Ok(count)
    }
}

/// As manifests have it.
pub(super) fn named(digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The digest of what is in memory.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

/// Whether a text is a digest that can be checked here, and so may be part of a path.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}
