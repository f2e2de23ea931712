//! What stands beside tables and indexes: visibility maps, init forks, the states of transactions.
//!
//! Free space maps are not looked at: they only say where there may be room, no row is lost with them, and vacuum makes them anew.

use std::time::Instant;

use super::amcheck::LATE;
use super::inspected::{Inspected, Until};
use super::own::{ASK, MARGIN, Own};
use crate::observe::data::DataError;
use crate::poll::done_within;

/// Rows that are named of one table.
const NAMED: usize = 3;

const MAPPED: &str = "
SELECT c.oid, c.oid::regclass::text, pg_relation_size(c.oid) / current_setting('block_size')::int,
       pg_relation_size(c.oid, 'vm') / current_setting('block_size')::int
FROM pg_class c JOIN pg_am a ON a.oid = c.relam AND a.amname = 'heap'
WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' AND pg_relation_size(c.oid, 'vm') > 0
ORDER BY c.relpages, c.oid";

/// A heap's init fork is empty, but there.
const INIT_FORKS: &str = "
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm', 'i', 't', 'S') AND pg_relation_filepath(c.oid) IS NOT NULL
  AND (pg_stat_file(pg_relation_filepath(c.oid) || '_init', true)).size IS NULL
ORDER BY 1";

/// Pages that a visibility map's page speaks of, with 8 kB pages: 4 in each byte after its header.
const SPOKEN_OF: i64 = (8192 - 24) * 4;

#[derive(Default)]
pub(super) struct Files {
    pub inspected: Inspected,
    maps: u64,
}

pub(super) const HELP: &str = "a visibility map is made anew by `VACUUM (DISABLE_PAGE_SKIPPING)` after pg_truncate_visibility_map; \
                    a state of transactions that was lost, and a file that is missing, have to come from an older backup";

impl Files {
    /// # Errors
    /// When the server does not answer, or ends a session.
    pub(super) async fn database(&mut self, own: &Own, until: Until) -> Result<(), DataError> {
        let begin = Instant::now();
        let done = self.check(own, until).await;
        self.inspected.took(begin);
        done
    }

    async fn check(&mut self, own: &Own, until: Until) -> Result<(), DataError> {
        let database = &own.database;
        let visibility = own.extension("pg_visibility").await?;
        let pages = own.extension("pageinspect").await?;
        own.savepoint().await?;
        let what = format!("the init forks of database {database}");
        for row in done_within(what, ASK, own.rows(INIT_FORKS)).await? {
            let name: String = own.value(&row, 0)?;
            self.inspected.damage.push(format!(
                "{database}: {name}: it is unlogged, and its init fork is missing: nothing says what it is after a crash"
            ));
        }
        let (visibility, pages) = match (visibility, pages) {
            (Ok(visibility), Ok(pages)) => (visibility, pages),
            (Err(why), _) | (_, Err(why)) => {
                self.inspected.gap(format!("{database}: visibility maps"), why);
                return Ok(());
            }
        };
        let what = format!("the visibility maps of database {database}");
        for row in done_within(what, ASK, own.rows(MAPPED)).await? {
            let (oid, name): (u32, String) = (own.value(&row, 0)?, own.value(&row, 1)?);
            let (blocks, mapped): (i64, i64) = (own.value(&row, 2)?, own.value(&row, 3)?);
            let what = format!("{database}: {name}");
            let Some(limit) = until.left() else {
                self.inspected.gap(what, LATE);
                continue;
            };
            own.run(&format!("SET LOCAL statement_timeout = {limit}")).await?;
            let map = async {
                let mut lines = wrongly_marked(own, &visibility, oid).await?;
                lines.extend(beyond(own, &pages, oid, (blocks, mapped)).await?);
                Ok::<_, DataError>(lines)
            };
            let waiting = format!("the visibility map of {name} in database {database}");
            match done_within(waiting, until.duration() + MARGIN, map).await {
                Ok(lines) => {
                    self.maps += 1;
                    self.inspected.damage.extend(lines.into_iter().map(|line| format!("{what}: {line}")));
                }
                Err(error) => self.inspected.error(what, error)?,
            }
            own.run("ROLLBACK TO SAVEPOINT one").await?;
        }
        Ok(())
    }

    /// `12 visibility maps, init forks and the states of transactions looked at`
    pub(super) fn seen(&self) -> String {
        format!(
            "{}, init forks and the states of transactions looked at",
            super::count(self.maps, "visibility map")
        )
    }
}

/// Rows on pages that the map says all see, and that not all see.
async fn wrongly_marked(own: &Own, schema: &str, oid: u32) -> Result<Vec<String>, DataError> {
    let mut lines = Vec::new();
    for (function, mark) in [("pg_check_visible", "all see"), ("pg_check_frozen", "are frozen")] {
        let sql = format!(
            "SELECT count(*), (array_agg(t_ctid::text))[1:{NAMED}] FROM {schema}.{function}({oid}::oid::regclass)"
        );
        for row in own.rows(&sql).await? {
            let number: i64 = own.value(&row, 0)?;
            if number > 0 {
                let first: Vec<String> = own.value(&row, 1)?;
                let rows = super::count(number.unsigned_abs(), "row");
                let first = first.join(", ");
                lines.push(format!(
                    "its visibility map says that {mark}, of {rows} that do not, such as {first}"
                ));
            }
        }
    }
    Ok(lines)
}

/// The map speaks of pages that the table does not have: it was longer. Vacuum cuts both.
async fn beyond(
    own: &Own,
    schema: &str,
    oid: u32,
    (blocks, mapped): (i64, i64),
) -> Result<Option<String>, DataError> {
    for page in blocks / SPOKEN_OF..mapped {
        let sql = format!("SELECT {schema}.get_raw_page({oid}::oid::regclass::text, 'vm', {page})");
        for row in own.rows(&sql).await? {
            let bytes: &[u8] = row.try_get(0).map_err(|error| own.failed(error))?;
            let map = bytes.get(24..).unwrap_or_default();
            let first = (blocks - page * SPOKEN_OF).max(0);
            let is_set = |block: &i64| {
                let byte = usize::try_from(block / 4).ok().and_then(|place| map.get(place));
                byte.is_some_and(|byte| byte >> (block % 4 * 2) & 3 != 0)
            };
            if let Some(block) = (first..SPOKEN_OF).rev().find(is_set) {
                let had = page * SPOKEN_OF + block + 1;
                let longer = format!(
                    "SELECT pg_relation_size({oid}::oid) / current_setting('block_size')::int >= {had}"
                );
                // Somebody may have written to it meanwhile.
                if own
                    .rows(&longer)
                    .await?
                    .first()
                    .is_some_and(|row| row.try_get(0).is_ok_and(|longer| longer))
                {
                    return Ok(None);
                }
                return Ok(Some(format!(
                    "it has {blocks} pages, and its visibility map knows of {had}: its end was lost"
                )));
            }
        }
    }
    Ok(None)
}
