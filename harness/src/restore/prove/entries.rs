//! Every page of every index, and what it points to: an index that points to a row that is not there shows that the row was lost.
//!
//! An entry is removed before the place that it points to is free for others, so a place that an entry points to is always in use,
//! be the row dead or alive. What is seen here says nothing of whether a row lacks its entry: that `amcheck` and `walk` say.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::amcheck::LATE;
use super::inspected::{Inspected, Until};
use super::own::{ASK, MARGIN, Own};
use super::pages::{HEADER, Items, Method, Places, Tid, pointed_to};
use crate::observe::data::DataError;
use crate::poll::done_within;

/// Pages that are asked for at once: 2 MiB.
const BATCH: i64 = 256;
/// Entries of one index that are looked at once more.
const CANDIDATES: usize = 1000;

/// Of each table, and each of its indexes that is valid; none of the latter where it has none. What is unlogged is empty after a
/// recovery, whatever was known of it.
const RELATIONS: &str = "
SELECT t.oid, t.oid::regclass::text, pg_relation_size(t.oid) / current_setting('block_size')::int,
       t.relpages, CASE t.relpersistence WHEN 'u' THEN 0 ELSE t.reltuples END::float8, i.indexrelid, i.indexrelid::regclass::text, a.amname::text,
       pg_relation_size(i.indexrelid) / current_setting('block_size')::int
FROM pg_class t JOIN pg_am h ON h.oid = t.relam AND h.amname = 'heap'
LEFT JOIN (pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam)
       ON i.indrelid = t.oid AND i.indisvalid AND i.indisready AND i.indislive
WHERE t.relpersistence <> 't' AND t.relkind IN ('r', 'm', 't')
ORDER BY t.relpages, t.oid, i.indexrelid";

#[derive(Default)]
pub(super) struct Entries {
    pub inspected: Inspected,
    indexes: u64,
    entries: u64,
}

pub(super) const HELP: &str = "rows that an index knows are not in their table: pages of it were lost or replaced. Look for the same on the \
                    source; there a table has to come from an older backup";

struct Table {
    oid: u32,
    name: String,
    blocks: i64,
    /// As it was when it was last vacuumed or analysed.
    known: (i64, f64),
    indexes: Vec<Index>,
}

struct Index {
    oid: u32,
    name: String,
    method: String,
    blocks: i64,
}

impl Entries {
    /// # Errors
    /// When the server does not answer, or ends a session.
    pub(super) async fn database(&mut self, own: &Own, until: Until) -> Result<(), DataError> {
        let begin = Instant::now();
        let done = self.check(own, until).await;
        self.inspected.took(begin);
        done
    }

    async fn check(&mut self, own: &Own, until: Until) -> Result<(), DataError> {
        let database = own.database.as_str();
        let schema = match own.extension("pageinspect").await? {
            Ok(schema) => schema,
            Err(why) => {
                self.inspected.gap(format!("{database}: what indexes point to"), why);
                return Ok(());
            }
        };
        let tables = done_within(format!("the tables of database {database}"), ASK, tables(own)).await?;
        let looking = Looking::new(own, &schema).await?;
        own.savepoint().await?;
        for table in tables {
            let Some(limit) = until.left() else {
                self.inspected.gap(format!("{database}: {}", table.name), LATE);
                continue;
            };
            own.run(&format!("SET LOCAL statement_timeout = {limit}")).await?;
            let looked = looking.table(self, &table);
            let what = format!("the pages of {} in database {database}", table.name);
            if let Err(error) = done_within(what, until.duration() + MARGIN, looked).await {
                self.inspected.error(format!("{database}: {}", table.name), error)?;
            }
            own.run("ROLLBACK TO SAVEPOINT one").await?;
        }
        Ok(())
    }

    /// `327 indexes with 81402 entries held against their tables`
    pub(super) fn seen(&self) -> String {
        let entries = match self.entries {
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        };
        format!("{} with {entries} held against their tables", super::indexes_counted(self.indexes))
    }
}

async fn tables(own: &Own) -> Result<Vec<Table>, DataError> {
    let mut tables: Vec<Table> = Vec::new();
    for row in own.rows(RELATIONS).await? {
        let oid: u32 = own.value(&row, 0)?;
        if tables.last().is_none_or(|table| table.oid != oid) {
            let pages: i32 = own.value(&row, 3)?;
            tables.push(Table {
                oid,
                name: own.value(&row, 1)?,
                blocks: own.value::<Option<i64>>(&row, 2)?.unwrap_or_default(),
                known: (pages.into(), own.value(&row, 4)?),
                indexes: Vec::new(),
            });
        }
        if let (Some(table), Some(oid)) = (tables.last_mut(), own.value::<Option<u32>>(&row, 5)?) {
            table.indexes.push(Index {
                oid,
                name: own.value(&row, 6)?,
                method: own.value(&row, 7)?,
                blocks: own.value::<Option<i64>>(&row, 8)?.unwrap_or_default(),
            });
        }
    }
    Ok(tables)
}

struct Looking<'a> {
    own: &'a Own,
    of_items: Statement,
    of_pages: Statement,
}

/// What became of one index.
enum Seen {
    Pages { entries: u64, dangling: Dangling },
    Wrong { block: i64, why: String },
}

/// Entries that point to nothing.
#[derive(Default)]
struct Dangling {
    number: u64,
    /// The first of them, with the page of the index that each stands in.
    first: Vec<(i64, Tid)>,
}

impl<'a> Looking<'a> {
    async fn new(own: &'a Own, schema: &str) -> Result<Self, DataError> {
        // Those pages of them that there are.
        let page = format!(
            "SELECT b, {schema}.get_raw_page($1::oid::regclass::text, 'main', b) AS p FROM unnest($2::bigint[]) b \
             WHERE b < pg_relation_size($1::oid) / current_setting('block_size')::int OFFSET 0"
        );
        let items = format!(
            "SELECT b, substr(p, {HEADER} + 1, greatest(0, get_byte(p, 12) + 256 * get_byte(p, 13) - {HEADER})) \
             FROM ({page}) page ORDER BY b"
        );
        let prepared = async |sql: &str| own.client.prepare(sql).await.map_err(|error| own.failed(error));
        Ok(Looking { own, of_items: prepared(&items).await?, of_pages: prepared(&page).await? })
    }

    async fn table(&self, seen: &mut Entries, table: &Table) -> Result<(), DataError> {
        let what = format!("{}: {}", self.own.database, table.name);
        let method = |index: &Index| Method::of(&index.method);
        let points = table.indexes.iter().any(|index| method(index).is_some_and(Method::points));
        let is_shorter = table.blocks < table.known.0;
        let places = if points || is_shorter { self.places(table).await? } else { Places::default() };
        if is_shorter && let Some(lost) = lost(table.known, places.blocks().into(), places.rows) {
            seen.inspected.damage.push(format!("{what}: {lost}"));
        }
        for index in &table.indexes {
            let name = format!("{}: {}", self.own.database, index.name);
            let Some(method) = method(index) else {
                let why = format!("pages of the access method {} are not known", index.method);
                seen.inspected.gap(name, why);
                continue;
            };
            match self.index(index, method, &places).await {
                Ok(Seen::Pages { entries, dangling }) => {
                    seen.indexes += 1;
                    seen.entries += entries;
                    let dangling = self.still(table, index, method, dangling).await?;
                    seen.inspected.damage.extend(said(&what, &index.name, &dangling, places.blocks()));
                }
                Ok(Seen::Wrong { block, why }) => {
                    let line = format!("{name}: its page {block} is no page of such an index: {why}");
                    seen.inspected.damage.push(line);
                }
                // The table's next index is looked at all the same.
                Err(error) => {
                    seen.inspected.error(name, error)?;
                    self.own.run("ROLLBACK TO SAVEPOINT one").await?;
                }
            }
        }
        Ok(())
    }

    async fn index(&self, index: &Index, method: Method, places: &Places) -> Result<Seen, DataError> {
        let (mut entries, mut dangling, mut found) = (0, Dangling::default(), Vec::new());
        for blocks in batches(index.blocks) {
            for row in self.ask(&self.of_pages, index.oid, &blocks).await? {
                let block: i64 = self.own.value(&row, 0)?;
                let page: &[u8] = row.try_get(1).map_err(|error| self.own.failed(error))?;
                found.clear();
                if let Err(why) = pointed_to(method, page, &mut found) {
                    return Ok(Seen::Wrong { block, why });
                }
                entries += found.len() as u64;
                for tid in found.iter().filter(|tid| !places.has(**tid)) {
                    dangling.number += 1;
                    if dangling.first.len() < CANDIDATES {
                        dangling.first.push((block, *tid));
                    }
                }
            }
        }
        Ok(Seen::Pages { entries, dangling })
    }

    /// Those that point to nothing when all is looked at once more. What vacuum or a writer did meanwhile is told apart by the order: the
    /// place, the entry, the place again.
    async fn still(
        &self,
        table: &Table,
        index: &Index,
        method: Method,
        dangling: Dangling,
    ) -> Result<Dangling, DataError> {
        if dangling.first.is_empty() {
            return Ok(dangling);
        }
        let blocks_of = |first: &[(i64, Tid)]| -> Vec<i64> {
            first.iter().map(|(_, tid)| tid.block.into()).collect::<BTreeSet<i64>>().into_iter().collect()
        };
        let blocks = blocks_of(&dangling.first);
        let before = self.some(table.oid, &blocks).await?;
        let pages: BTreeSet<i64> = dangling.first.iter().map(|(block, _)| *block).collect();
        let pages: Vec<i64> = pages.into_iter().collect();
        let mut entries = Vec::new();
        for pages in pages.chunks(BATCH as usize) {
            for row in self.ask(&self.of_pages, index.oid, pages).await? {
                let page: &[u8] = row.try_get(1).map_err(|error| self.own.failed(error))?;
                // One that is wrong now was told before.
                let _ = pointed_to(method, page, &mut entries);
            }
        }
        let entries: HashSet<Tid> = entries.into_iter().collect();
        let after = self.some(table.oid, &blocks).await?;
        let is_there = |places: &BTreeMap<i64, Items>, tid: &Tid| {
            places.get(&tid.block.into()).is_some_and(|items| items.has(tid.item))
        };
        let is_whole = dangling.number == dangling.first.len() as u64;
        let first: Vec<_> = dangling
            .first
            .into_iter()
            .filter(|(_, tid)| !is_there(&before, tid) && entries.contains(tid) && !is_there(&after, tid))
            .collect();
        let number = if is_whole || first.is_empty() { first.len() as u64 } else { dangling.number };
        Ok(Dangling { number, first })
    }

    /// The line pointers of every page.
    async fn places(&self, table: &Table) -> Result<Places, DataError> {
        let mut places = Places::default();
        for blocks in batches(table.blocks) {
            for row in self.ask(&self.of_items, table.oid, &blocks).await? {
                places.push(self.items(&row)?);
            }
        }
        Ok(places)
    }

    async fn some(&self, table: u32, blocks: &[i64]) -> Result<BTreeMap<i64, Items>, DataError> {
        let mut some = BTreeMap::new();
        for blocks in blocks.chunks(BATCH as usize) {
            for row in self.ask(&self.of_items, table, blocks).await? {
                some.insert(self.own.value(&row, 0)?, self.items(&row)?);
            }
        }
        Ok(some)
    }

    fn items(&self, row: &Row) -> Result<Items, DataError> {
        row.try_get(1).map(Items::of).map_err(|error| self.own.failed(error))
    }

    async fn ask(&self, what: &Statement, relation: u32, blocks: &[i64]) -> Result<Vec<Row>, DataError> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&relation, &blocks];
        self.own.client.query(what, &parameters).await.map_err(|error| self.own.failed(error))
    }
}

fn batches(blocks: i64) -> impl Iterator<Item = Vec<i64>> {
    (0..blocks).step_by(BATCH as usize).map(move |first| (first..blocks.min(first + BATCH)).collect())
}

/// Rows that must have been lost with a table's end. A table is shorter than it was known to be where its last pages were never used
/// (they are not in the WAL), but then it has as many rows as before.
fn lost((pages, rows): (i64, f64), blocks: i64, here: u64) -> Option<String> {
    if rows <= 0.0 {
        return None;
    }
    let of_these = rows * (pages - blocks) as f64 / pages as f64;
    (here as f64 <= rows - of_these / 2.0).then(|| {
        format!(
            "it has {blocks} pages with {here} rows, and had {pages} with about {rows:.0} when it was last vacuumed or analysed: \
             its end was lost"
        )
    })
}

fn said(table: &str, index: &str, dangling: &Dangling, blocks: u32) -> Option<String> {
    let (_, Tid { block, item }) = dangling.first.first()?;
    let end =
        if *block < blocks { String::new() } else { format!(", and the table ends after {blocks} pages") };
    let entries = match dangling.number {
        1 => "1 entry".to_owned(),
        number => format!("{number} entries"),
    };
    Some(format!(
        "{table}: rows are gone: {entries} of its index {index} point to nothing, such as to block {block}, item {item}{end}"
    ))
}

#[cfg(test)]
mod tests {
    use super::lost;

    #[test]
    fn a_shorter_table_has_lost_rows_only_where_it_has_fewer() {
        assert!(lost((100, 8000.0), 80, 6400).is_some());
        // Pages that were never used, or a table that was filled anew from a dump with its statistics.
        assert_eq!(lost((100, 8000.0), 80, 8000), None);
        assert_eq!(lost((100, 8000.0), 99, 7999), None);
        assert_eq!(lost((100, -1.0), 80, 0), None);
    }
}
