//! Reading rows: several connections, one snapshot, ranges of blocks.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt as _;
use tokio_postgres::Client;

use super::DataError;
use super::digest::{MultisetDigest, hash_row};
use super::observation::TableRows;
use super::spool::TableSpool;

/// Blocks that one COPY reads: 16 MiB, so that readers end at about the same time.
const RANGE: u64 = 2048;

/// Rows to read, and what was found so far.
pub(super) struct Source {
    /// As a person knows it, for messages.
    pub name: String,
    /// A query, to which a condition on `ctid` may be added where `blocks` is given.
    pub select: String,
    /// Its size; none where it cannot be read in ranges.
    pub blocks: Option<u64>,
    pub spool: Option<TableSpool>,
    found: Mutex<(u64, MultisetDigest)>,
}

impl Source {
    pub fn new(name: String, select: String, blocks: Option<u64>, spool: Option<TableSpool>) -> Self {
        Source { name, select, blocks, spool, found: Mutex::default() }
    }

    /// What was found, after [`read_all`].
    pub fn finish(&self) -> Result<TableRows, DataError> {
        let (count, digest) = *self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.spool.as_ref().map(TableSpool::finish).transpose()?.unwrap_or_default();
        Ok(TableRows { count, digest, kept })
    }

    /// One query for each range. The last is open, should the table be longer than it was when it was measured.
    fn queries(&self) -> Vec<String> {
        let ranges = match self.blocks {
            Some(blocks) if blocks > RANGE => blocks.div_ceil(RANGE),
            _ => return vec![self.select.clone()],
        };
        (0..ranges)
            .map(|range| {
                let from = format!("{} WHERE ctid >= '({},0)'", self.select, range * RANGE);
                if range + 1 == ranges {
                    from
                } else {
                    format!("{from} AND ctid < '({},0)'", (range + 1) * RANGE)
                }
            })
            .collect()
    }
}

/// Reads all sources over all of these connections, which are in transactions of one snapshot.
///
/// # Errors
/// The first that any reader met; the others are stopped then.
pub(super) async fn read_all(
    clients: Vec<Client>,
    database: &str,
    sources: Arc<Vec<Source>>,
) -> Result<(), DataError> {
    let queue = sources
        .iter()
        .enumerate()
        .flat_map(|(index, source)| source.queries().into_iter().map(move |query| (index, query)));
    let queue = Arc::new(Mutex::new(queue.collect::<VecDeque<_>>()));
    let mut readers: tokio::task::JoinSet<Result<(), DataError>> = tokio::task::JoinSet::new();
    for client in clients {
        let (queue, sources, database) = (queue.clone(), sources.clone(), database.to_owned());
        readers.spawn(async move {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((index, query)) = next else { return Ok(()) };
                read(&client, &database, &sources[index], &query).await?;
            }
        });
    }
    while let Some(ended) = readers.join_next().await {
        ended.map_err(|error| DataError::Reader {
            database: database.to_owned(),
            detail: error.to_string(),
        })??;
    }
    Ok(())
}

async fn read(client: &Client, database: &str, source: &Source, query: &str) -> Result<(), DataError> {
    let failed = |error| DataError::Query {
        what: format!("read {}", source.name),
        database: database.to_owned(),
        source: error,
    };
    let mut piece = source.spool.as_ref().map(TableSpool::piece);
    let mut count = 0;
    let mut digest = MultisetDigest::default();
    let mut rows = pin!(client.copy_out(&format!("COPY ({query}) TO STDOUT")).await.map_err(failed)?);
    // The protocol has one row in each message.
    while let Some(message) = rows.try_next().await.map_err(failed)? {
        let text = message.strip_suffix(b"\n").unwrap_or(&message);
        let hash = hash_row(text);
        digest.add(&hash);
        count += 1;
        if let (Some(spool), Some(piece)) = (&source.spool, &mut piece) {
            spool.keep(piece, text, &hash)?;
        }
    }
    if let (Some(spool), Some(piece)) = (&source.spool, piece) {
        spool.hand_over(piece)?;
    }
    let mut found = source.found.lock().unwrap_or_else(PoisonError::into_inner);
    found.0 += count;
    found.1.merge(&digest);
    Ok(())
}
