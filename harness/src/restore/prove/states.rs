//! Whether transactions whose rows are seen are also known to be committed (`pg_xact`): where their states were lost, every row of
//! theirs that nobody had looked at before is gone.

use super::inspected::{Inspected, Until};
use super::own::{ASK, MARGIN, Own};
use crate::observe::data::{Connect, DataError};
use crate::poll::done_within;

/// Transactions that have no state: fewer may end so with a crash. Four are a byte.
const NOTED: u64 = 4;
/// So many are told even where no row speaks against it.
const MANY: u64 = 128;
/// Transactions in one file: 2 bits each, 32 pages of 8 kB.
const IN_A_FILE: u64 = 32 * 8192 * 4;
const ALL: u64 = 1 << 32;

const RANGE: &str =
    "SELECT oldest_xid::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint % 4294967296
     FROM pg_control_checkpoint()";
/// Catalogs first: what they hold was looked at.
const TABLES: &str = "
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_am a ON a.oid = c.relam AND a.amname = 'heap'
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' ORDER BY c.oid >= 16384, c.relpages, c.oid";

/// Transactions from the first to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u64,
    end: u64,
}

/// Looks once for all `databases`.
///
/// # Errors
/// When the server does not answer, or ends a session.
pub(super) async fn states(
    connect: &Connect,
    databases: &[&str],
    until: Until,
    inspected: &mut Inspected,
) -> Result<(), DataError> {
    let Some(first) = databases.first() else { return Ok(()) };
    let own = Own::open(connect, first).await?;
    let runs = match done_within("the states of transactions", until.duration() + MARGIN, without_state(&own))
        .await
    {
        Ok(Ok(runs)) => runs,
        Ok(Err(missing)) => {
            inspected.damage.push(missing);
            return Ok(());
        }
        Err(error) => return inspected.error("the states of transactions".to_owned(), error),
    };
    if runs.is_empty() {
        return Ok(());
    }
    for database in databases {
        let own = Own::open(connect, database).await?;
        own.savepoint().await?;
        let what = format!("rows of transactions without a state in database {database}");
        match done_within(what.clone(), until.duration() + MARGIN, seen_of(&own, &runs, until)).await {
            Ok(Some(line)) => {
                inspected.damage.push(line);
                return Ok(());
            }
            Ok(None) => {}
            Err(error) => inspected.error(what, error)?,
        }
    }
    if let Some(Run { first, end }) = runs.iter().find(|run| run.end - run.first >= MANY) {
        inspected.gap(
            format!("the states of transactions {first} to {}", end - 1),
            "they are neither committed nor rolled back: so it is where one with as many savepoints was under way, or where \
             they were lost, and no row tells which",
        );
    }
    Ok(())
}

/// Or which file is missing.
async fn without_state(own: &Own) -> Result<Result<Vec<Run>, String>, DataError> {
    // What the server has in memory only.
    own.run("COMMIT; CHECKPOINT; BEGIN").await?;
    let rows = own.rows(RANGE).await?;
    let Some(row) = rows.first() else { return Ok(Ok(Vec::new())) };
    let (oldest, next): (i64, i64) = (own.value(row, 0)?, own.value(row, 1)?);
    let (oldest, next) = (oldest.unsigned_abs(), next.unsigned_abs());
    let next = if next < oldest { next + ALL } else { next };
    let mut runs: Vec<Run> = Vec::new();
    let mut at = oldest;
    while at < next {
        let file = at % ALL / IN_A_FILE;
        let name = format!("pg_xact/{file:04X}");
        let sql = format!("SELECT pg_read_binary_file('{name}', 0, {}, true)", IN_A_FILE / 4);
        let rows = own.rows(&sql).await?;
        let bytes: Option<&[u8]> =
            rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(|error| own.failed(error))?;
        let Some(bytes) = bytes else {
            return Ok(Err(format!("{name}, with the states of transactions from {at} on, is missing")));
        };
        let begin = at - at % IN_A_FILE;
        let end = next.min(begin + IN_A_FILE);
        runs_of(bytes, (begin, at, end), &mut runs);
        at = end;
    }
    runs.retain(|run| run.end - run.first >= NOTED);
    Ok(Ok(runs))
}

/// Runs without a state from `from` to before `end`, in a file whose first transaction is `begin`.
fn runs_of(bytes: &[u8], (begin, from, end): (u64, u64, u64), runs: &mut Vec<Run>) {
    for xid in from..end {
        let place = xid - begin;
        let byte = usize::try_from(place / 4).ok().and_then(|place| bytes.get(place)).copied();
        // A file may end before the page that the next transaction is written to.
        let Some(byte) = byte else { break };
        if byte >> (place % 4 * 2) & 3 != 0 {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == xid => run.end += 1,
            _ => runs.push(Run { first: xid, end: xid + 1 }),
        }
    }
}

/// A row that is seen although its transaction has no state, if there is one.
async fn seen_of(own: &Own, runs: &[Run], until: Until) -> Result<Option<String>, DataError> {
    let condition =
        runs.iter().map(|Run { first, end }| format!("x >= {} AND x < {}", first % ALL, end % ALL));
    let condition = condition.map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR ");
    for row in done_within("the tables of a database", ASK, own.rows(TABLES)).await? {
        let name: String = own.value(&row, 0)?;
        let Some(limit) = until.left() else { return Ok(None) };
        own.run(&format!("SET LOCAL statement_timeout = {limit}")).await?;
        let sql = format!(
            "SELECT count(*), min(x) FROM (SELECT xmin::text::bigint AS x FROM ONLY {name} OFFSET 0) rows WHERE {condition}"
        );
        let found = own.rows(&sql).await?;
        own.run("ROLLBACK TO SAVEPOINT one").await?;
        let Some(found) = found.first() else { continue };
        let number: i64 = own.value(found, 0)?;
        if number > 0 {
            let xid: Option<i64> = own.value(found, 1)?;
            return Ok(Some(format!(
                "{}: {name}: the state of transaction {} is lost (pg_xact), though a row of it is seen: rows of it that nobody had \
                 looked at are gone",
                own.database,
                xid.unwrap_or_default()
            )));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_without_a_state_are_found_in_one_piece() {
        // 8 to 11 are committed, all else has no state.
        let bytes = [0, 0, 0b0101_0101, 0, 0];
        let mut runs = Vec::new();
        runs_of(&bytes, (0, 6, 15), &mut runs);
        assert_eq!(runs, [Run { first: 6, end: 8 }, Run { first: 12, end: 15 }]);
        runs_of(&bytes, (0, 15, 900), &mut runs);
        assert_eq!(runs.last(), Some(&Run { first: 12, end: 20 }));
    }
}
