//! Indexes that are no B-trees: each is walked by scans that must use it, which are held against what the table itself says.
//!
//! Every key that stands in the table is looked up by an operator that finds a value by itself, and must lead to every row that
//! has it. Where the method finds rows by `IS NOT NULL` too, it must find all of them. Of BRIN, each summary must span the rows
//! of its range.

use std::time::{Duration, Instant};

use tokio_postgres::Row;

use super::amcheck::{CANCELED, LATE};
use super::inspected::{Inspected, Until};
use super::own::{ASK, MARGIN, Own};
use crate::observe::data::{Connect, DataError};
use crate::poll::{Limit, Seen, done_within, poll};

/// A server that ended a session because it crashed is back after that.
const BACK: Duration = Duration::from_secs(60);
/// For a small index; a big one has more.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nobody else's.
const KEYS: &str = "clonedrill_keys";

const INDEXES: &str = "
SELECT i.indexrelid, i.indexrelid::regclass::text, quote_ident(x.relname), i.indrelid::regclass::text, a.amname::text,
       pg_get_expr(i.indpred, i.indrelid), i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, i.indnkeyatts) n),
       -- An operator that finds a value by itself: the most exact.
       ARRAY(SELECT coalesce((
                 SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
                 FROM pg_amop m JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace s ON s.oid = o.oprnamespace
                 WHERE m.amopfamily = c.opcfamily AND m.amoppurpose = 's' AND m.amoplefttype = c.opcintype
                   AND (m.amoprighttype = c.opcintype AND o.oprname IN ('=', '~=', '@>', '&&')
                        OR o.oprname = '@@' AND m.amoprighttype = 'tsquery'::regtype)
                 ORDER BY array_position(ARRAY['=', '~=', '@>', '@@', '&&'], o.oprname::text) LIMIT 1), '')
             FROM generate_series(0, i.indnkeyatts - 1) n JOIN pg_opclass c ON c.oid = i.indclass[n] ORDER BY n),
       ARRAY(SELECT coalesce((SELECT format_type(c.opcintype, NULL) FROM pg_type t
                              WHERE t.oid = c.opcintype AND t.typcategory IN ('N', 'D') AND c.opcname LIKE '%minmax_ops'), '')
             FROM generate_series(0, i.indnkeyatts - 1) n JOIN pg_opclass c ON c.oid = i.indclass[n] ORDER BY n),
       ARRAY(SELECT c.opcname::text FROM generate_series(0, i.indnkeyatts - 1) n
             JOIN pg_opclass c ON c.oid = i.indclass[n] ORDER BY n),
       (pg_relation_size(i.indexrelid) + pg_relation_size(i.indrelid)) / current_setting('block_size')::int
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam JOIN pg_class t ON t.oid = i.indrelid
WHERE x.relkind = 'i' AND a.amname <> 'btree' AND x.relpersistence <> 't'
  AND i.indisvalid AND i.indisready AND i.indislive
ORDER BY x.relpages, x.oid";

#[derive(Default)]
pub(super) struct Walked {
    pub inspected: Inspected,
    indexes: u64,
}

pub(super) const HELP: &str = "`REINDEX` mends an index: look for the same on the source";

struct Index {
    oid: u32,
    name: String,
    /// As plans name it.
    plain: String,
    table: String,
    method: String,
    predicate: Option<String>,
    evaluates: bool,
    /// Of it and of its table.
    pages: u64,
    columns: Vec<Column>,
}

struct Column {
    key: String,
    /// Empty where none is known.
    operator: String,
    /// Of a BRIN summary of the least and the greatest value that can be read; empty elsewhere.
    summed: String,
    /// The name of its operator class.
    class: String,
}

impl Column {
    /// A condition that all its rows meet, or as many as the table itself says, and for which all of the index is read; none where
    /// none is known.
    fn all(&self, method: &str) -> Option<String> {
        let key = &self.key;
        let meets = match (method, self.class.as_str()) {
            ("gist" | "spgist" | "brin", _) => return Some(String::new()),
            ("gin", "array_ops" | "jsonb_ops" | "jsonb_path_ops") => "OPERATOR(pg_catalog.@>) '{}'",
            ("gin", "tsvector_ops") => "OPERATOR(pg_catalog.@@) '!clonedrill'::pg_catalog.tsquery",
            ("gin", "gin_trgm_ops") => "OPERATOR(pg_catalog.~~) '%'",
            _ => return None,
        };
        Some(format!(" AND ({key}) {meets}"))
    }
}

impl Walked {
    /// An index that is `known` to be damaged is left alone.
    ///
    /// # Errors
    /// When the server does not answer. Where it ends the session twice as it walks the same index, that index is damaged.
    pub(super) async fn database(
        &mut self,
        connect: &Connect,
        database: &str,
        known: &[String],
        until: Until,
    ) -> Result<(), DataError> {
        let begin = Instant::now();
        let done = self.check(connect, database, known, until).await;
        self.inspected.took(begin);
        done
    }

    async fn check(
        &mut self,
        connect: &Connect,
        database: &str,
        known: &[String],
        until: Until,
    ) -> Result<(), DataError> {
        let mut own = ready(connect, database).await?;
        let listed =
            done_within(format!("the indexes of database {database}"), ASK, own.rows(INDEXES)).await?;
        for row in listed {
            let index = Index::of(&own, &row)?;
            // A server may never come to the end of a scan over garbage, and hears of nothing meanwhile.
            let spoilt = format!("{database}: {}: its page ", index.name);
            if known.iter().any(|line| line.starts_with(&spoilt)) {
                self.inspected.gap(format!("{database}: {}", index.name), "its pages are damaged");
                continue;
            }
            let mut again = true;
            loop {
                let Err(error) = self.index(&own, &index, until).await else { break };
                let what = format!("{database}: {}", index.name);
                if !error.is_unanswered() {
                    self.inspected.error(what, error)?;
                    own.run("ROLLBACK TO SAVEPOINT one").await?;
                    break;
                }
                // A server may crash of what it reads.
                own = back(connect, database, error).await?;
                if !again {
                    let why = "the server ends each session that walks it, as it does when it crashes";
                    self.inspected.damage.push(format!("{what}: {why}"));
                    break;
                }
                again = false;
            }
        }
        Ok(())
    }

    async fn index(&mut self, own: &Own, index: &Index, until: Until) -> Result<(), DataError> {
        let what = format!("{}: {}", own.database, index.name);
        let mut whole = true;
        for column in &index.columns {
            let walk = async {
                let Some(left) = until.left() else { return Ok(EntryState::Not(LATE.to_owned())) };
                let limit = left.min(i32::try_from(index.patience().as_millis()).unwrap_or(i32::MAX));
                let path = if index.evaluates { own.own_path.as_str() } else { "" };
                own.run(&format!("SET LOCAL statement_timeout = {limit}; {path}")).await?;
                column_of(own, index, column).await
            };
            let waiting = format!("the walk of {} in database {}", index.name, own.database);
            let found = match done_within(waiting, until.duration() + MARGIN, walk).await {
                Err(DataError::Query { source, .. })
                    if source.code().is_some_and(|code| code.code() == CANCELED) =>
                {
                    EntryState::Not(format!("one scan of it took longer than {:.0?}", index.patience()))
                }
                found => found?,
            };
            own.run("ROLLBACK TO SAVEPOINT one").await?;
            match found {
                EntryState::Sound => {}
                EntryState::Not(why) => {
                    whole = false;
                    self.inspected.gap(&what, why);
                }
                EntryState::Damaged(why) => {
                    whole = false;
                    self.inspected.damage.push(format!("{what}: {why}"));
                }
            }
        }
        self.indexes += u64::from(whole);
        Ok(())
    }

    /// `5 other indexes walked`
    pub(super) fn seen(&self) -> String {
        format!("{} that are no B-trees walked", super::indexes_counted(self.indexes))
    }
}

enum EntryState {
    Sound,
    Damaged(String),
    Not(String),
}

impl Index {
    fn of(own: &Own, row: &Row) -> Result<Self, DataError> {
        let keys: Vec<String> = own.value(row, 7)?;
        let operators: Vec<String> = own.value(row, 8)?;
        let summed: Vec<String> = own.value(row, 9)?;
        let classes: Vec<String> = own.value(row, 10)?;
        let columns = keys.into_iter().zip(operators).zip(summed).zip(classes);
        Ok(Index {
            oid: own.value(row, 0)?,
            name: own.value(row, 1)?,
            plain: own.value(row, 2)?,
            table: own.value(row, 3)?,
            method: own.value(row, 4)?,
            predicate: own.value(row, 5)?,
            evaluates: own.value(row, 6)?,
            pages: own.value::<Option<i64>>(row, 11)?.unwrap_or_default().unsigned_abs(),
            columns: columns
                .map(|(((key, operator), summed), class)| Column { key, operator, summed, class })
                .collect(),
        })
    }

    /// How long a look at it may take: some indexes are slow to look a whole value up.
    fn patience(&self) -> Duration {
        PATIENCE + Duration::from_millis(self.pages)
    }

    /// Its rows with a value in `key`.
    fn rows(&self, key: &str) -> String {
        let predicate =
            self.predicate.as_ref().map(|predicate| format!(" AND ({predicate})")).unwrap_or_default();
        format!("FROM ONLY {} WHERE ({key}) IS NOT NULL{predicate}", self.table)
    }
}

async fn column_of(own: &Own, index: &Index, column: &Column) -> Result<EntryState, DataError> {
    let Column { key, operator, summed, .. } = column;
    let rows = index.rows(key);
    // No other index may serve.
    let alone = format!(
        "UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid <> {oid} \
         AND indrelid = (SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = {oid})",
        oid = index.oid
    );
    own.run(&alone).await?;
    let mut found_all = false;
    if let Some(meets) = column.all(&index.method) {
        let all = format!("SELECT count(*) {rows}{meets}");
        let wanted = counted(own, "on", &all).await?;
        // Where a column is NOT NULL, newer versions see nothing in it to look up.
        if let Some(seen) = by_index(own, index, &all).await? {
            if seen != wanted {
                return Ok(EntryState::Damaged(format!(
                    "it leads to {seen} rows, and the table has {wanted}"
                )));
            }
            found_all = true;
        }
    }
    if index.method == "brin" {
        return summaries(own, index, key, summed).await;
    }
    if operator.is_empty() {
        return Ok(match found_all {
            true => EntryState::Sound,
            false => EntryState::Not(format!("no operator of its class finds ({key}) by itself")),
        });
    }
    looked_up(own, index, (key, operator)).await
}

/// The lexemes of a text as a query that finds it.
const LEXEMES: &str = r"(SELECT string_agg('''' || replace(replace(l, '\', '\\'), '''', '''''') || '''', ' & ')
     FROM unnest(tsvector_to_array(:key)) l)::tsquery";

/// Every value by itself.
async fn looked_up(own: &Own, index: &Index, (key, operator): (&str, &str)) -> Result<EntryState, DataError> {
    let rows = index.rows(key);
    let is = |name: &str| operator.ends_with(&format!(".{name})"));
    // Where the operator finds others too, only those that equal the value count.
    let equals = match is("=") || is("~=") {
        true => String::new(),
        false => {
            let schema = operator.rsplit_once('.').map_or("OPERATOR(pg_catalog", |(schema, _)| schema);
            format!(" AND ({key}) {schema}.=) {KEYS}.v")
        }
    };
    let sought = if is("@@") { LEXEMES.replace(":key", &format!("({key})")) } else { format!("({key})") };
    let distinct = if is("~=") { format!("DISTINCT ON (({key})::text)") } else { "DISTINCT".to_owned() };
    let itself = format!("({key}) {operator} {sought}");
    own.run("SET LOCAL enable_seqscan = on").await?;
    own.run(&format!(
        "CREATE TEMP TABLE {KEYS} AS SELECT {distinct} ({key}) AS v, {sought} AS sought {rows} AND {itself}"
    ))
    .await?;
    let wanted = counted(own, "on", &format!("SELECT count(*) {rows} AND {itself}")).await?;
    let probes = format!(
        "SELECT coalesce(sum(found), 0)::bigint FROM pg_temp.{KEYS}, \
         LATERAL (SELECT count(*) AS found {rows} AND ({key}) {operator} {KEYS}.sought{equals} OFFSET 0) each"
    );
    Ok(match by_index(own, index, &probes).await? {
        None => EntryState::Not(format!("PostgreSQL does not use it to look up ({key})")),
        // Values that count as the same are found by each other.
        Some(seen) if seen < wanted => EntryState::Damaged(format!(
            "it leads to {seen} rows when each value of ({key}) is looked up, and the table has {wanted}"
        )),
        Some(_) => EntryState::Sound,
    })
}

/// None where the plan does without the index.
async fn by_index(own: &Own, index: &Index, sql: &str) -> Result<Option<i64>, DataError> {
    own.run("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexonlyscan = on; SET LOCAL enable_bitmapscan = on").await?;
    let mut uses = false;
    for row in own.rows(&format!("EXPLAIN (COSTS OFF) {sql}")).await? {
        let line: String = own.value(&row, 0)?;
        uses = uses
            || line.contains(&format!(" using {} on ", index.plain))
            || line.ends_with(&format!("Bitmap Index Scan on {}", index.plain));
    }
    if uses { counted(own, "off", sql).await.map(Some) } else { Ok(None) }
}

async fn counted(own: &Own, sequentially: &str, sql: &str) -> Result<i64, DataError> {
    own.run(&format!("SET LOCAL enable_seqscan = {sequentially}")).await?;
    if sequentially == "on" {
        own.run("SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off")
            .await?;
    }
    let rows = own.rows(sql).await?;
    own.run("SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on; SET LOCAL enable_bitmapscan = on").await?;
    rows.first().map_or(Ok(0), |row| own.value(row, 0))
}

/// The least and greatest value of each range of pages lie within what its summary says.
async fn summaries(own: &Own, index: &Index, key: &str, summed: &str) -> Result<EntryState, DataError> {
    let not =
        |why: &str| Ok(EntryState::Not(format!("its summaries of ({key}) are not held against rows: {why}")));
    if summed.is_empty() {
        return not("they are of a kind that cannot be read");
    }
    let schema = match own.extension("pageinspect").await? {
        Ok(schema) => schema,
        Err(why) => return not(&why),
    };
    let (name, rows) = (&index.name, index.rows(key));
    let place = index.columns.iter().position(|column| column.key == key).unwrap_or_default() + 1;
    let sql = format!(
        "WITH page AS MATERIALIZED (
             SELECT {schema}.get_raw_page('{literal}', 'main', b) AS p
             FROM generate_series(0, pg_relation_size({oid}::oid::regclass) / current_setting('block_size')::int - 1) b),
         size AS (SELECT pagesperrange::bigint AS n FROM {schema}.brin_metapage_info({schema}.get_raw_page('{literal}', 'main', 0))),
         summary AS (
             SELECT blknum::bigint AS first, allnulls,
                    split_part(trim(both '{{}}' FROM value), ' .. ', 1)::{summed} AS least,
                    split_part(trim(both '{{}}' FROM value), ' .. ', 2)::{summed} AS greatest
             FROM page, LATERAL {schema}.brin_page_items(p, {oid}::oid::regclass) WHERE attnum = {place} AND NOT placeholder
               AND {schema}.brin_page_type(p) = 'regular'),
         range AS (
             SELECT (ctid::text::point)[0]::bigint / (SELECT n FROM size) * (SELECT n FROM size) AS first,
                    min({key}) AS least, max({key}) AS greatest {rows} GROUP BY 1)
         SELECT count(*), min(first) FROM range JOIN summary s USING (first)
         WHERE s.allnulls OR range.least < s.least OR range.greatest > s.greatest",
        literal = name.replace('\'', "''"),
        oid = index.oid
    );
    own.run("SET LOCAL enable_seqscan = on").await?;
    let found = own.rows(&sql).await?;
    let wrong: i64 = found.first().map_or(Ok(0), |row| own.value(row, 0))?;
    let first: Option<i64> = found.first().map_or(Ok(None), |row| own.value(row, 1))?;
    Ok(match wrong {
        0 => EntryState::Sound,
        _ => EntryState::Damaged(format!(
            "{} of ({key}) leave out rows of their own pages, such as that of page {} on",
            super::count(wrong.unsigned_abs(), "summary").replace("summarys", "summaries"),
            first.unwrap_or_default()
        )),
    })
}

async fn ready(connect: &Connect, database: &str) -> Result<Own, DataError> {
    let own = Own::open(connect, database).await?;
    own.savepoint().await?;
    Ok(own)
}

/// Another session, after one that was lost.
async fn back(connect: &Connect, database: &str, lost: DataError) -> Result<Own, DataError> {
    let limit = Limit { total: BACK, ..Limit::seconds(60) };
    let opened =
        poll("the server to let us in again", limit, async || match ready(connect, database).await {
            Ok(own) => Ok::<_, DataError>(Seen::Done(own)),
            Err(error) => Ok(Seen::NotYet(error.to_string())),
        });
    // What was lost says more than that there was no other.
    opened.await.map_err(|_| lost)
}
