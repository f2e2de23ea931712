//! Rows kept on disk at a mark, so that a later difference can be shown although the source has moved on.
//!
//! Bounded for each table: all of its rows, or, beyond the bound, a digest for each of [`BUCKETS`] parts.

use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::DataError;
use super::digest::{MultisetDigest, RowHash};
use super::observation::Kept;

/// Parts of a table that is too big to keep; a row belongs to one by its hash.
pub const BUCKETS: usize = 1024;

/// Bytes of a row's text that are kept: enough to show what differs.
pub const ROW_TEXT: usize = 4096;

/// Kept rows are written in pieces of about this many bytes.
const PIECE: usize = 256 * 1024;

/// How much of a table may be kept.
#[derive(Debug, Clone, Copy)]
pub struct KeepAtMost {
    pub rows: u64,
    pub bytes: u64,
}

impl Default for KeepAtMost {
    fn default() -> Self {
        KeepAtMost { rows: 200_000, bytes: 64 * 1024 * 1024 }
    }
}

/// The part of a table that a row with this hash belongs to.
pub(super) fn bucket(hash: &RowHash) -> usize {
    usize::from(u16::from_le_bytes([hash[0], hash[1]])) % BUCKETS
}

/// What is kept of one table while several readers fill it.
pub(super) struct TableSpool {
    folder: PathBuf,
    name: String,
    /// Places of the key's columns in a row.
    key: Vec<usize>,
    at_most: KeepAtMost,
    file: Mutex<Rows>,
    buckets: Mutex<Vec<MultisetDigest>>,
    /// Set once the bound is passed; readers then keep no more rows.
    full: AtomicBool,
}

#[derive(Default)]
struct Rows {
    file: Option<File>,
    rows: u64,
    bytes: u64,
}

/// What one reader has of a table and has not handed over yet.
pub(super) struct Piece {
    records: Vec<u8>,
    rows: u64,
    buckets: Vec<MultisetDigest>,
}

impl TableSpool {
    pub fn new(folder: &Path, name: String, key: Vec<usize>, at_most: KeepAtMost) -> Self {
        TableSpool {
            folder: folder.to_owned(),
            name,
            key,
            at_most,
            file: Mutex::default(),
            buckets: Mutex::new(vec![MultisetDigest::default(); BUCKETS]),
            full: AtomicBool::new(false),
        }
    }

    pub fn piece(&self) -> Piece {
        Piece { records: Vec::new(), rows: 0, buckets: vec![MultisetDigest::default(); BUCKETS] }
    }

    /// Keeps one row in the reader's own piece, which goes to disk when it is big enough.
    pub fn keep(&self, piece: &mut Piece, text: &[u8], hash: &RowHash) -> Result<(), DataError> {
        piece.buckets[bucket(hash)].add(hash);
        if self.full.load(Ordering::Relaxed) {
            return Ok(());
        }
        let shown = &text[..text.len().min(ROW_TEXT)];
        let start = piece.records.len();
        piece.records.extend_from_slice(&[0; 4]);
        piece.records.extend_from_slice(&length(shown.len()));
        piece.records.extend_from_slice(hash);
        let key_start = piece.records.len();
        for (index, &column) in self.key.iter().enumerate() {
            if index > 0 {
                piece.records.push(b'\t');
            }
            // COPY writes a tab inside a value as `\t`, so a tab byte always ends a value.
            let value = text.split(|&byte| byte == b'\t').nth(column).unwrap_or_default();
            piece.records.extend_from_slice(value);
        }
        let key = length(piece.records.len() - key_start);
        piece.records[start..start + 4].copy_from_slice(&key);
        piece.records.extend_from_slice(shown);
        piece.rows += 1;
        if piece.records.len() >= PIECE { self.write(piece) } else { Ok(()) }
    }

    /// Hands over what is left in a reader's piece.
    pub fn hand_over(&self, mut piece: Piece) -> Result<(), DataError> {
        self.write(&mut piece)?;
        for (sum, more) in locked(&self.buckets).iter_mut().zip(&piece.buckets) {
            sum.merge(more);
        }
        Ok(())
    }

    fn write(&self, piece: &mut Piece) -> Result<(), DataError> {
        let path = self.folder.join(format!("{}.rows", self.name));
        let failed = |source| DataError::Spool { path: path.clone(), source };
        let mut rows = locked(&self.file);
        rows.rows += piece.rows;
        rows.bytes += piece.records.len() as u64;
        if rows.rows > self.at_most.rows || rows.bytes > self.at_most.bytes {
            self.full.store(true, Ordering::Relaxed);
            if rows.file.take().is_some() {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        } else {
            let file = match &mut rows.file {
                Some(file) => file,
                none => none.insert(File::create(&path).map_err(failed)?),
            };
            file.write_all(&piece.records).map_err(failed)?;
        }
        piece.records.clear();
        piece.rows = 0;
        Ok(())
    }

    /// Closes the table's file, once all readers have handed over.
    pub fn finish(&self) -> Result<Kept, DataError> {
        if !self.full.load(Ordering::Relaxed) {
            locked(&self.file).file = None;
            return Ok(Kept::Rows(format!("{}.rows", self.name).into()));
        }
        let name = PathBuf::from(format!("{}.buckets", self.name));
        let path = self.folder.join(&name);
        let bytes: Vec<u8> = locked(&self.buckets).iter().flat_map(|digest| digest.to_bytes()).collect();
        std::fs::write(&path, bytes).map_err(|source| DataError::Spool { path, source })?;
        Ok(Kept::Buckets(name))
    }
}

/// Readers never panic while they hold a lock; the value is whole even if one did.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys and texts come from one COPY message, which has less than 2^31 bytes.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

/// One kept row.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub hash: RowHash,
    /// The key's values as COPY writes them; empty where the table has no key.
    pub key: Vec<u8>,
    /// The first [`ROW_TEXT`] bytes of the row as COPY writes it.
    pub text: Vec<u8>,
}

/// Reads the rows of one table back, in no particular order, one at a time.
///
/// # Errors
/// When the file cannot be read or ends within a row.
pub(super) fn read_rows(path: &Path, mut each: impl FnMut(&Record)) -> Result<(), DataError> {
    let failed = |source| DataError::Spool { path: path.to_owned(), source };
    let file = match File::open(path) {
        // A table without rows has no file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(failed)?,
    };
    let size = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::with_capacity(PIECE, file);
    let mut record = Record::default();
    let mut at = 0;
    while at < size {
        let mut lengths = [0; 8];
        file.read_exact(&mut lengths).map_err(failed)?;
        let (lengths, _) = lengths.as_chunks::<4>();
        file.read_exact(&mut record.hash).map_err(failed)?;
        for (field, length) in [&mut record.key, &mut record.text].into_iter().zip(lengths) {
            field.clear();
            let length = u64::from(u32::from_le_bytes(*length));
            let read = file.by_ref().take(length).read_to_end(field).map_err(failed)?;
            if read as u64 != length {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
        at += 40 + (record.key.len() + record.text.len()) as u64;
        each(&record);
    }
    Ok(())
}

/// The digests of a table's parts, whichever way it was kept; none where nothing was.
pub(super) fn read_buckets(folder: &Path, kept: &Kept) -> Result<Option<Vec<MultisetDigest>>, DataError> {
    match kept {
        Kept::Nothing => Ok(None),
        Kept::Rows(name) => {
            let mut buckets = vec![MultisetDigest::default(); BUCKETS];
            read_rows(&folder.join(name), |record| buckets[bucket(&record.hash)].add(&record.hash))?;
            Ok(Some(buckets))
        }
        Kept::Buckets(name) => {
            let path = folder.join(name);
            let bytes = std::fs::read(&path).map_err(|source| DataError::Spool { path, source })?;
            Ok(Some(bytes.as_chunks::<32>().0.iter().map(MultisetDigest::from_bytes).collect()))
        }
    }
}
