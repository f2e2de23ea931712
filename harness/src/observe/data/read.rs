//! Reading rows: several connections, one snapshot, ranges of blocks.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt as _, TryStreamExt as _};
use tokio_postgres::Client;

use super::DataError;
use super::digest::{MultisetDigest, hash_row};
use super::observation::TableRows;
use super::spool::{Piece, TableSpool};
use crate::poll::TimedOut;

/// Blocks that one COPY reads: 16 MiB, so that readers end at about the same time.
const RANGE: u64 = 2048;

/// Rows to read, and what was found so far.
pub(super) struct Source {
    /// As a person knows it, for messages.
    pub name: String,
    /// A query, to which a condition on `ctid` may be added where `blocks` is given.
    pub select: String,
    /// The same with a digest in place of each long value: for rows whose text the server cannot put together, since it would
    /// have a gigabyte or more.
    pub by_parts: Option<String>,
    /// Its size; none where it cannot be read in ranges.
    pub blocks: Option<u64>,
    pub spool: Option<TableSpool>,
    found: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    count: u64,
    digest: MultisetDigest,
    /// Why the server could not read it; what was found before says nothing then.
    damage: Option<String>,
    /// Of a row that is too long, and then too.
    too_long: bool,
}

/// How rows are read.
#[derive(Clone)]
pub(super) struct Reading {
    pub database: String,
    /// The database's own encoding, in which rows are sent: not every text has its like in another one.
    pub encoding: String,
    /// How long the next row may take.
    pub idle: Duration,
    /// Others use the database: whoever waits for a table's lock, and all who wait behind, wait for one range at most.
    pub in_use: bool,
}

impl Source {
    pub(super) fn new(name: String, select: String, blocks: Option<u64>, spool: Option<TableSpool>) -> Self {
        Source { name, select, by_parts: None, blocks, spool, found: Mutex::default() }
    }

    /// With the query that reads it by parts.
    pub(super) fn or_by_parts(self, by_parts: String) -> Source {
        Source { by_parts: Some(by_parts), ..self }
    }

    /// Whether it has to be read once more, by parts.
    pub(super) fn is_too_long(&self) -> bool {
        self.by_parts.is_some() && self.found().too_long
    }

    /// The same, to be read by parts.
    pub(super) fn by_parts(self) -> Source {
        let spool = self.spool.map(|spool| spool.anew());
        Source {
            select: self.by_parts.unwrap_or(self.select),
            by_parts: None,
            spool,
            found: Mutex::default(),
            ..self
        }
    }

    /// What was found after [`read_all`], or why it could not be read.
    pub(super) fn finish(&self) -> Result<TableRows, String> {
        let found = self.found();
        match &found.damage {
            Some(why) => Err(why.clone()),
            None => Ok(TableRows {
                count: found.count,
                digest: found.digest,
                kept: self.spool.as_ref().map(|spool| Arc::new(spool.finish())),
            }),
        }
    }

    /// Readers never panic while they hold it; the value is whole even if one did.
    fn found(&self) -> MutexGuard<'_, Tally> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
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

type Queue = Arc<Mutex<VecDeque<(usize, String)>>>;

/// Reads all sources over all of these connections, which are in transactions of one snapshot with a savepoint. A source that the
/// server cannot read is noted as that, and the others are read. Gives the connections back.
///
/// # Errors
/// The first that any reader met; the others are stopped then.
pub(super) async fn read_all(
    clients: Vec<Client>,
    reading: &Reading,
    sources: Arc<Vec<Source>>,
) -> Result<Vec<Client>, DataError> {
    let queue = sources
        .iter()
        .enumerate()
        .flat_map(|(index, source)| source.queries().into_iter().map(move |query| (index, query)));
    let queue: Queue = Arc::new(Mutex::new(queue.collect()));
    let mut readers: tokio::task::JoinSet<Result<Client, DataError>> = tokio::task::JoinSet::new();
    for client in clients {
        let reader = Reader { client, reading: reading.clone(), sources: sources.clone() };
        readers.spawn(reader.read_queue(queue.clone()));
    }
    let mut clients = Vec::new();
    while let Some(ended) = readers.join_next().await {
        let client = ended.map_err(|error| DataError::Reader {
            database: reading.database.clone(),
            detail: error.to_string(),
        })??;
        clients.push(client);
    }
    Ok(clients)
}

struct Reader {
    client: Client,
    reading: Reading,
    sources: Arc<Vec<Source>>,
}

impl Reader {
    async fn read_queue(self, queue: Queue) -> Result<Client, DataError> {
        // Ranges of one table follow each other: what is kept of them is handed over once.
        let mut open: Option<(usize, Piece)> = None;
        let mut before = None;
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if open.as_ref().map(|(index, _)| *index) != next.as_ref().map(|(index, _)| *index)
                && let Some((index, piece)) = open.take()
                && let Some(spool) = &self.sources[index].spool
            {
                spool.hand_over(piece)?;
            }
            let Some((index, query)) = next else { return Ok(self.client) };
            let source = &self.sources[index];
            if source.found().damage.is_some() || source.is_too_long() {
                continue;
            }
            if open.is_none() {
                open = source.spool.as_ref().map(|spool| (index, spool.piece()));
            }
            // Gives back the lock on what was read before, on which somebody may wait.
            let give_back =
                before.replace(index).is_some_and(|before| before != index || self.reading.in_use);
            match self.read(source, &query, give_back, open.as_mut().map(|(_, piece)| piece)).await {
                Ok(()) => {}
                Err(error) => {
                    if error.is_too_long() {
                        source.found().too_long = true;
                    }
                    // Once it was read by parts too, there is no other way.
                    match error.damage().or_else(|| error.is_too_long().then(|| error.to_string())) {
                        _ if source.is_too_long() => {}
                        Some(why) => source.found().damage = Some(why),
                        None => return Err(error),
                    }
                    go_back(&self.client, &self.reading.database).await?;
                }
            }
        }
    }

    async fn read(
        &self,
        source: &Source,
        query: &str,
        give_back: bool,
        mut piece: Option<&mut Piece>,
    ) -> Result<(), DataError> {
        let Reading { database, encoding, idle, .. } = &self.reading;
        let failed = |error| DataError::Query {
            what: format!("read {}", source.name),
            database: database.clone(),
            source: error,
        };
        let mut count = 0;
        let mut digest = MultisetDigest::default();
        let silent = |count: u64| TimedOut {
            what: format!("the next row of {} in database {database}", source.name),
            after: *idle,
            last: format!("{count} rows of this part of it"),
        };
        let copy = format!("COPY ({query}) TO STDOUT (ENCODING '{encoding}')");
        let given_back = async { if give_back { go_back(&self.client, database).await } else { Ok(()) } };
        // Both are sent before the first answer comes.
        let begun = async { tokio::join!(given_back, self.client.copy_out(&copy)) };
        let (given_back, copied) = tokio::time::timeout(*idle, begun).await.map_err(|_| silent(0))?;
        given_back?;
        let mut rows = pin!(copied.map_err(failed)?);
        // The protocol has one row in each message.
        loop {
            let next = match rows.try_next().now_or_never() {
                Some(next) => next,
                // Only where there is something to wait for is it worth a timer.
                None => tokio::time::timeout(*idle, rows.try_next()).await.map_err(|_| silent(count))?,
            };
            let Some(message) = next.map_err(failed)? else { break };
            let text = message.strip_suffix(b"\n").unwrap_or(&message);
            let hash = hash_row(text);
            digest.add(&hash);
            count += 1;
            if let (Some(spool), Some(piece)) = (&source.spool, piece.as_deref_mut()) {
                spool.keep(piece, text, &hash)?;
            }
        }
        let mut found = source.found();
        found.count += count;
        found.digest.merge(&digest);
        Ok(())
    }
}

/// The name of the savepoint in every transaction.
pub(crate) const SAVEPOINT: &str = "SAVEPOINT reading";

/// After an error: the transaction and its snapshot go on.
pub(super) async fn go_back(client: &Client, database: &str) -> Result<(), DataError> {
    client.batch_execute("ROLLBACK TO SAVEPOINT reading").await.map_err(|source| DataError::Query {
        what: "go on after an error".to_owned(),
        database: database.to_owned(),
        source,
    })
}
