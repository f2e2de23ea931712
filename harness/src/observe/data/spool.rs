//! Rows kept on disk, so that a later difference can be shown although the source has moved on.
//!
//! All rows of an observation go into one file that has no name: it takes disk and no memory, and is gone with the
//! last process that has it open, however that ends. The rows of a table are divided into parts by their key, so
//! that two tables are compared part by part, in the memory of one.

use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::DataError;
use super::digest::{MultisetDigest, RowHash};

/// The most parts that a table is divided into. The number is a power of two, so that more can be taken as fewer.
const PARTS: u64 = 512;
/// Blocks of a table to one of its parts: half a mebibyte.
const PART_BLOCKS: u64 = 64;
/// Bytes of a row's text that are kept: enough to show what differs.
pub(super) const ROW_TEXT: usize = 4096;
/// A reader hands over the rows of one part in pieces of about this many bytes.
const CHUNK: usize = 32 * 1024;
/// The length of a text that was not kept.
const NO_TEXT: u32 = u32::MAX;

/// How much of the disk one observation may take.
#[derive(Debug, Clone, Copy)]
pub struct KeepAtMost {
    /// Beyond it only a digest is kept for each part of a table.
    pub bytes: u64,
    /// Beyond it rows are kept without their texts: they can be named, and what differs in them can not be shown. To write all
    /// texts of a big table would take longer than to read it.
    pub with_texts: u64,
}

impl Default for KeepAtMost {
    fn default() -> Self {
        KeepAtMost { bytes: 4 << 30, with_texts: 256 << 20 }
    }
}

/// The file of one observation.
pub(super) struct Spool {
    file: File,
    /// Where it lies, for messages: it has no name.
    folder: PathBuf,
    at_most: KeepAtMost,
    used: AtomicU64,
}

/// A piece of the file with rows of one part.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    at: u64,
    length: usize,
}

impl Spool {
    /// Never takes more than a quarter of what is free where `folder` lies: others need room there too.
    ///
    /// # Errors
    /// When no file can be made there.
    pub(super) fn in_folder(folder: &Path, at_most: KeepAtMost) -> Result<Arc<Self>, DataError> {
        let failed = |source| DataError::Spool { folder: folder.to_owned(), source };
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        let system = nix::sys::statvfs::fstatvfs(&file).map_err(|error| failed(error.into()))?;
        let free = system.blocks_available().saturating_mul(system.fragment_size());
        let at_most = KeepAtMost { bytes: at_most.bytes.min(free / 4), ..at_most };
        let folder = folder.to_owned();
        Ok(Arc::new(Spool { file, folder, at_most, used: AtomicU64::new(0) }))
    }

    fn keeps_texts(&self) -> bool {
        self.used.load(Ordering::Relaxed) < self.at_most.with_texts
    }

    /// None where there is no room any more.
    fn append(&self, bytes: &[u8]) -> Result<Option<Chunk>, DataError> {
        let length = bytes.len() as u64;
        let at = self.used.fetch_add(length, Ordering::Relaxed);
        if at + length > self.at_most.bytes {
            return Ok(None);
        }
        self.file.write_all_at(bytes, at).map_err(|source| self.failed(source))?;
        Ok(Some(Chunk { at, length: bytes.len() }))
    }

    fn failed(&self, source: std::io::Error) -> DataError {
        DataError::Spool { folder: self.folder.clone(), source }
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spool({} bytes in {})", self.used.load(Ordering::Relaxed), self.folder.display())
    }
}

/// What is kept of one table while several readers fill it.
pub(super) struct TableSpool {
    spool: Arc<Spool>,
    /// Places of the key's columns in a row.
    key: Vec<usize>,
    parts: usize,
    kept: Mutex<Vec<Part>>,
    /// Set once there is no room any more; readers then keep no more rows.
    full: AtomicBool,
}

#[derive(Debug, Clone, Default)]
struct Part {
    digest: MultisetDigest,
    chunks: Vec<Chunk>,
}

/// What one reader has of a table and has not handed over yet.
pub(super) struct Piece {
    parts: Vec<(MultisetDigest, Vec<u8>)>,
}

impl TableSpool {
    /// For a table of about so many blocks.
    pub(super) fn new(spool: Arc<Spool>, key: Vec<usize>, blocks: u64) -> Self {
        let parts = (blocks / PART_BLOCKS).next_power_of_two().clamp(1, PARTS);
        // At most PARTS, which fits.
        let parts = usize::try_from(parts).unwrap_or(1);
        TableSpool {
            spool,
            key,
            parts,
            kept: Mutex::new(vec![Part::default(); parts]),
            full: AtomicBool::new(false),
        }
    }

    /// The same with nothing kept yet.
    pub(super) fn anew(self) -> Self {
        let kept = Mutex::new(vec![Part::default(); self.parts]);
        TableSpool { kept, full: AtomicBool::new(false), ..self }
    }

    pub(super) fn piece(&self) -> Piece {
        Piece { parts: vec![Default::default(); self.parts] }
    }

    /// Keeps one row in the reader's own piece, which goes to disk some rows at a time.
    pub(super) fn keep(&self, piece: &mut Piece, text: &[u8], hash: &RowHash) -> Result<(), DataError> {
        // COPY writes a tab inside a value as `\t`, so a tab byte always ends a value.
        let value = |column: usize| text.split(|&byte| byte == b'\t').nth(column).unwrap_or_default();
        // Rows of one key must come into one part, whatever else stands in them.
        let number = match self.key.as_slice() {
            [] => u64::from_le_bytes(hash.as_chunks::<8>().0[0]),
            key => {
                let mut hasher = DefaultHasher::new();
                key.iter().for_each(|&column| {
                    hasher.write(value(column));
                    hasher.write_u8(b'\t');
                });
                hasher.finish()
            }
        };
        let index = (number % self.parts as u64) as usize;
        let (digest, records) = &mut piece.parts[index];
        digest.add(hash);
        if self.full.load(Ordering::Relaxed) {
            return Ok(());
        }
        let shown = self.spool.keeps_texts().then(|| &text[..text.len().min(ROW_TEXT)]);
        let start = records.len();
        records.extend_from_slice(&[0; 4]);
        records.extend_from_slice(&shown.map_or(NO_TEXT, length).to_le_bytes());
        records.extend_from_slice(hash);
        let key_start = records.len();
        for (place, &column) in self.key.iter().enumerate() {
            if place > 0 {
                records.push(b'\t');
            }
            records.extend_from_slice(value(column));
        }
        let key = length(&records[key_start..]);
        records[start..start + 4].copy_from_slice(&key.to_le_bytes());
        records.extend_from_slice(shown.unwrap_or_default());
        if records.len() >= CHUNK { self.write(index, records) } else { Ok(()) }
    }

    /// Hands over what is left in a reader's piece.
    pub(super) fn hand_over(&self, mut piece: Piece) -> Result<(), DataError> {
        for (index, (digest, records)) in piece.parts.iter_mut().enumerate() {
            locked(&self.kept)[index].digest.merge(digest);
            if !records.is_empty() {
                self.write(index, records)?;
            }
        }
        Ok(())
    }

    fn write(&self, index: usize, records: &mut Vec<u8>) -> Result<(), DataError> {
        match self.spool.append(records)? {
            Some(chunk) => locked(&self.kept)[index].chunks.push(chunk),
            None => self.full.store(true, Ordering::Relaxed),
        }
        records.clear();
        Ok(())
    }

    /// Once all readers have handed over.
    pub(super) fn finish(&self) -> KeptRows {
        let parts = std::mem::take(&mut *locked(&self.kept));
        KeptRows { spool: self.spool.clone(), parts, complete: !self.full.load(Ordering::Relaxed) }
    }
}

/// Readers never panic while they hold a lock; the value is whole even if one did.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys and texts come from one COPY message, which has less than 2^31 bytes.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The rows of one table, as they were kept.
#[derive(Debug)]
pub struct KeptRows {
    spool: Arc<Spool>,
    parts: Vec<Part>,
    /// False where there was no room for all rows: then only the digests of the parts are known.
    complete: bool,
}

/// One kept row.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub hash: RowHash,
    /// The key's values as COPY writes them; empty where the table has no key.
    pub key: Vec<u8>,
    /// The first [`ROW_TEXT`] bytes of the row as COPY writes it, where there was room for them.
    pub text: Option<Vec<u8>>,
}

impl KeptRows {
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// What stands in part `part` of `of`, which is a power of two and no more than there are.
    fn part(&self, part: usize, of: usize) -> impl Iterator<Item = &Part> {
        self.parts.iter().skip(part).step_by(of)
    }

    pub(super) fn digest(&self, part: usize, of: usize) -> MultisetDigest {
        let mut sum = MultisetDigest::default();
        self.part(part, of).for_each(|part| sum.merge(&part.digest));
        sum
    }

    /// Reads the rows of one part back, in no particular order, one at a time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(
        &self,
        part: usize,
        of: usize,
        mut each: impl FnMut(&Record),
    ) -> Result<(), DataError> {
        let mut bytes = Vec::new();
        let mut record = Record::default();
        for chunk in self.part(part, of).flat_map(|part| &part.chunks) {
            bytes.resize(chunk.length, 0);
            self.spool
                .file
                .read_exact_at(&mut bytes, chunk.at)
                .map_err(|source| self.spool.failed(source))?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                rest = next(rest, &mut record)
                    .ok_or_else(|| self.spool.failed(std::io::ErrorKind::UnexpectedEof.into()))?;
                each(&record);
            }
        }
        Ok(())
    }
}

/// Takes the first record off; none where it is cut short.
fn next<'b>(bytes: &'b [u8], record: &mut Record) -> Option<&'b [u8]> {
    let (lengths, rest) = bytes.split_at_checked(8)?;
    let mut lengths = lengths.as_chunks::<4>().0.iter().map(|length| u32::from_le_bytes(*length));
    let (key, text) = (lengths.next()?, lengths.next()?);
    let (hash, rest) = rest.split_at_checked(record.hash.len())?;
    record.hash.copy_from_slice(hash);
    let (key, rest) = rest.split_at_checked(key as usize)?;
    record.key.clear();
    record.key.extend_from_slice(key);
    if text == NO_TEXT {
        record.text = None;
        return Some(rest);
    }
    let (text, rest) = rest.split_at_checked(text as usize)?;
    let kept = record.text.get_or_insert_default();
    kept.clear();
    kept.extend_from_slice(text);
    Some(rest)
}
