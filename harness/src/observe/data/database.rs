//! One database, all of it as it was at one moment.

use std::path::Path;
use std::sync::Arc;

use tokio_postgres::{Client, Row};

use super::observation::{Database, LargeObjects, Table, TableKind};
use super::read::{Source, read_all};
use super::roles::Listed;
use super::spool::TableSpool;
use super::{Connect, DataError, Options, excluded, schema};

const LARGE_OBJECTS: &str = "SELECT l.oid, lomowner::regrole,
     (SELECT array_agg(a::text ORDER BY a::text COLLATE \"C\") FROM unnest(coalesce(lomacl, acldefault('L', lomowner))) a)
     FROM pg_largeobject_metadata l";

const LARGE_OBJECT_PAGES: &str = "SELECT loid, pageno, data FROM pg_largeobject";

/// Names of the columns of [`LARGE_OBJECT_PAGES`]; the first two are its key.
pub(super) const LARGE_OBJECT_COLUMNS: [&str; 3] = ["loid", "pageno", "data"];

/// TID range scans came with PostgreSQL 14; before, a range would read the whole table each time.
const TID_RANGE_SCANS: i32 = 140_000;

/// Where the rows of the database go, and under which beginning of their files' names.
pub(super) struct Spool<'a> {
    pub folder: &'a Path,
    pub prefix: String,
}

pub(super) async fn database(
    connect: &Connect,
    options: &Options,
    listed: Listed,
    spool: Option<Spool<'_>>,
) -> Result<Database, DataError> {
    let Listed { name, connectable, definition } = listed;
    let mut seen = Database {
        name,
        definition,
        connectable,
        extensions: Vec::new(),
        schema: Vec::new(),
        schema_digest: Default::default(),
        sequences: Vec::new(),
        large_objects: LargeObjects::default(),
        tables: Vec::new(),
    };
    if !connectable {
        return Ok(seen);
    }
    let clients = one_snapshot(connect, &seen.name, options.connections.max(1)).await?;
    let first = &clients[0];
    seen.extensions = schema::extensions(first, &seen.name).await?;
    (seen.schema, seen.schema_digest) = schema::schema(first, &seen.name).await?;
    seen.sequences = schema::sequences(first, &seen.name).await?;

    let failed =
        |source| DataError::Query { what: "list tables".to_owned(), database: seen.name.clone(), source };
    let version = first.query_one("SELECT current_setting('server_version_num')::int", &[]).await;
    let in_ranges = version.and_then(|row| row.try_get::<_, i32>(0)).map_err(failed)? >= TID_RANGE_SCANS;
    let sql = include_str!("tables.sql").replace(":observed", excluded::SCHEMA_IS_OBSERVED);
    let mut sources = large_object_sources(first, options, spool.as_ref()).await.map_err(failed)?;
    let owners = sources.len() - 1;
    for (index, row) in first.query(&sql, &[]).await.map_err(failed)?.iter().enumerate() {
        let table = table(row, &seen.name)?;
        if row.try_get("has_rows").map_err(failed)? {
            let columns: Vec<_> = table.columns.iter().map(|column| quoted(column)).collect();
            let select = format!("SELECT {} FROM ONLY {}", columns.join(", "), table.name);
            let blocks: i64 = row.try_get("blocks").map_err(failed)?;
            let kept = spool.as_ref().map(|spool| {
                let key = |name| table.columns.iter().position(|column| column == name);
                let key = table.key.iter().filter_map(key).collect();
                TableSpool::new(spool.folder, format!("{}-{index}", spool.prefix), key, options.keep_at_most)
            });
            let blocks = in_ranges.then_some(blocks.cast_unsigned());
            sources.push(Source::new(table.name.clone(), select, blocks, kept));
        }
        seen.tables.push(table);
    }

    let sources = Arc::new(sources);
    read_all(clients, &seen.name, sources.clone()).await?;
    seen.large_objects.data = sources[0].finish()?;
    let found = sources[owners].finish()?;
    (seen.large_objects.count, seen.large_objects.owners) = (found.count, found.digest);
    let mut found = sources[owners + 1..].iter().peekable();
    for table in &mut seen.tables {
        if let Some(source) = found.next_if(|source| source.name == table.name) {
            table.rows = Some(source.finish()?);
        }
    }
    Ok(seen)
}

/// Pages first, owners last.
async fn large_object_sources(
    client: &Client,
    options: &Options,
    spool: Option<&Spool<'_>>,
) -> Result<Vec<Source>, tokio_postgres::Error> {
    let size = "SELECT pg_relation_size('pg_largeobject') / current_setting('block_size')::int";
    let blocks: i64 = client.query_one(size, &[]).await?.try_get(0)?;
    let kept = spool.map(|spool| {
        let name = format!("{}-large-objects", spool.prefix);
        TableSpool::new(spool.folder, name, vec![0, 1], options.keep_at_most)
    });
    let pages = ("pages of large objects".to_owned(), LARGE_OBJECT_PAGES.to_owned());
    let owners = ("owners of large objects".to_owned(), LARGE_OBJECTS.to_owned());
    Ok(vec![
        Source::new(pages.0, pages.1, Some(blocks.cast_unsigned()), kept),
        Source::new(owners.0, owners.1, None, None),
    ])
}

/// Connections in transactions that all see the moment of the first.
async fn one_snapshot(
    connect: &Connect,
    database: &str,
    connections: usize,
) -> Result<Vec<Client>, DataError> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let failed = |source| DataError::Query {
        what: "share a snapshot".to_owned(),
        database: database.to_owned(),
        source,
    };
    let first = connect.open(database).await?;
    first.batch_execute(BEGIN).await.map_err(failed)?;
    let row = first.query_one("SELECT pg_export_snapshot()", &[]).await.map_err(failed)?;
    let snapshot: String = row.try_get(0).map_err(failed)?;
    let mut clients = vec![first];
    for _ in 1..connections {
        let client = connect.open(database).await?;
        let join = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'");
        client.batch_execute(&join).await.map_err(failed)?;
        clients.push(client);
    }
    Ok(clients)
}

fn table(row: &Row, database: &str) -> Result<Table, DataError> {
    let failed =
        |source| DataError::Query { what: "list tables".to_owned(), database: database.to_owned(), source };
    let kind: String = row.try_get("kind").map_err(failed)?;
    Ok(Table {
        name: row.try_get("name").map_err(failed)?,
        kind: match kind.as_str() {
            "table" => TableKind::Table,
            "unlogged" => TableKind::Unlogged,
            "materialised-view" => TableKind::MaterialisedView,
            "foreign" => TableKind::Foreign,
            _ => {
                let (what, database) = ("list tables".to_owned(), database.to_owned());
                return Err(DataError::Answer { what, database, value: kind });
            }
        },
        columns: row.try_get("columns").map_err(failed)?,
        key: row.try_get("key").map_err(failed)?,
        rows: None,
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
