//! One database, all of it as it was at one moment.

use std::sync::Arc;

use tokio_postgres::{Client, Row};

use super::observation::{Database, LargeObjects, Table, TableKind};
use super::read::{Reading, Source, go_back, read_all};
use super::roles::Listed;
use super::snapshot::HeldSnapshot;
use super::spool::{Spool, TableSpool};
use super::{CATALOG, Connect, DataError, Options, excluded, schema};
use crate::poll::done_within;

const LARGE_OBJECTS: &str = "SELECT l.oid, lomowner::regrole,
     (SELECT array_agg(a::text ORDER BY a::text COLLATE \"C\") FROM unnest(coalesce(lomacl, acldefault('L', lomowner))) a)
     FROM pg_largeobject_metadata l";

const LARGE_OBJECT_PAGES: &str = "SELECT loid, pageno, data FROM pg_largeobject";

/// Bytes of a value, as stored, from which on its digest stands for it where a row is too long.
const LONG: u32 = 1 << 20;

/// Names of the columns of [`LARGE_OBJECT_PAGES`]; the first two are its key.
pub(super) const LARGE_OBJECT_COLUMNS: [&str; 3] = ["loid", "pageno", "data"];

/// TID range scans came with PostgreSQL 14; before, a range would read the whole table each time.
const TID_RANGE_SCANS: i32 = 140_000;

const SERVER: &str = "SELECT current_setting('server_version_num')::int, getdatabaseencoding()::text,
     pg_relation_size('pg_largeobject') / current_setting('block_size')::int";

const CHANGED_FILES: &str = "SELECT string_agg(DISTINCT CASE WHEN c.oid IS NULL THEN 'one that is gone' ELSE format('%I.%I', n.nspname, c.relname) END, ', ')
     FROM unnest($1::oid[], $2::oid[], $3::text[]) AS was (oid, file, name) LEFT JOIN pg_class c ON c.oid = was.oid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relfilenode IS DISTINCT FROM was.file OR format('%I.%I', n.nspname, c.relname) <> was.name";

/// With `held` it is seen as of the moment of that snapshot, although clients go on writing; without it, as of now.
pub(super) async fn database(
    connect: &Connect,
    options: &Options,
    listed: Listed,
    held: Option<HeldSnapshot>,
    (spool, except): (Option<&Arc<Spool>>, &[String]),
) -> Result<Database, DataError> {
    let Listed { name, connectable, definition } = listed;
    let mut seen = Database {
        name: name.clone(),
        definition,
        connectable,
        opened: false,
        extensions: Vec::new(),
        schema: Vec::new(),
        schema_digest: Default::default(),
        sequences: Vec::new(),
        large_objects: LargeObjects::default(),
        tables: Vec::new(),
        damage: Vec::new(),
    };
    if !connectable {
        return Ok(seen);
    }
    let in_use = held.is_some();
    let opened = async {
        let snapshot = match held {
            Some(snapshot) => snapshot,
            None => HeldSnapshot::take(connect, &options.session, &name).await?,
        };
        snapshot.readers(connect, &options.session, options.connections.max(1)).await
    };
    let clients = match done_within(format!("a snapshot of database {name}"), CATALOG, opened).await {
        Ok(clients) => clients,
        Err(error) => {
            seen.damage.push(format!("cannot be opened: {}", error.damage().ok_or(error)?));
            return Ok(seen);
        }
    };
    let first = &clients[0];
    let catalog = |what: &str| format!("the {what} of database {name}");
    let extensions = done_within(catalog("extensions"), CATALOG, schema::extensions(first, &name)).await;
    seen.extensions = or_damage(first, &mut seen, extensions).await?;
    let definitions = done_within(catalog("definitions"), CATALOG, schema::schema(first, &name)).await;
    (seen.schema, seen.schema_digest) = or_damage(first, &mut seen, definitions).await?;
    let sequences = done_within(catalog("sequences"), CATALOG, schema::sequences(first, &name)).await;
    let (sequences, damage) = or_damage(first, &mut seen, sequences).await?;
    seen.sequences = sequences;
    seen.damage.extend(damage);
    // Gives back what was locked, so that nobody who changes a definition waits for all that is read from now on.
    go_back(first, &name).await?;
    let listing = done_within(catalog("tables"), CATALOG, list(first, &name, spool, except)).await.map(Some);
    let Some(listing) = or_damage(first, &mut seen, listing).await? else { return Ok(seen) };

    let Listing { tables, pages, owners, rows, encoding, files } = listing;
    let sources: Vec<Source> = [pages, owners].into_iter().chain(rows).collect();
    let reading = Reading { database: name.clone(), encoding, idle: options.idle, in_use };
    let read = read(clients, &reading, sources).await;
    // Of a table that is gone the server says only that there is none.
    if in_use && !read.as_ref().is_err_and(DataError::is_unanswered) {
        still_the_files(connect, options, &name, &files).await?;
    }
    let sources = read?;
    match sources[0].finish() {
        Ok(pages) => seen.large_objects.data = pages,
        Err(why) => seen.damage.push(format!("large objects cannot be read: {why}")),
    }
    match sources[1].finish() {
        Ok(found) => (seen.large_objects.count, seen.large_objects.owners) = (found.count, found.digest),
        Err(why) => seen.damage.push(format!("large objects cannot be listed: {why}")),
    }
    seen.tables = tables;
    let mut found = sources[2..].iter().peekable();
    for table in &mut seen.tables {
        match found.next_if(|source| source.name == table.name).map(Source::finish) {
            Some(Ok(rows)) => table.rows = Some(rows),
            Some(Err(why)) => table.damage = Some(why),
            None => {}
        }
    }
    Ok(seen)
}

/// All of them, and once more by parts what has rows that are too long.
async fn read(
    clients: Vec<Client>,
    reading: &Reading,
    sources: Vec<Source>,
) -> Result<Vec<Source>, DataError> {
    let sources = Arc::new(sources);
    let clients = read_all(clients, reading, sources.clone()).await?;
    let ended = |sources: Arc<Vec<Source>>| {
        Arc::try_unwrap(sources).map_err(|_| DataError::Reader {
            database: reading.database.clone(),
            detail: "another still reads".to_owned(),
        })
    };
    let mut sources = ended(sources)?;
    let places: Vec<usize> = (0..sources.len()).rev().filter(|place| sources[*place].is_too_long()).collect();
    let long = places.iter().map(|place| sources.remove(*place).by_parts()).collect();
    let long = Arc::new(long);
    read_all(clients, reading, Arc::clone(&long)).await?;
    // From the first place on: each finds its own again.
    for (place, source) in places.into_iter().zip(ended(long)?).rev() {
        sources.insert(place, source);
    }
    Ok(sources)
}

/// What was read, or nothing and a note of why the server could not read it.
async fn or_damage<T: Default>(
    client: &Client,
    seen: &mut Database,
    read: Result<T, DataError>,
) -> Result<T, DataError> {
    let error = match read {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    // What the error failed to do stands in its text, and what is not seen is not known.
    let (why, text) = (error.damage(), error.to_string());
    why.ok_or(error)?;
    seen.damage.push(format!("cannot be read: {text}"));
    go_back(client, &seen.name).await?;
    Ok(T::default())
}

/// What has rows in a database, and how to read them.
struct Listing {
    tables: Vec<Table>,
    /// Of large objects.
    pages: Source,
    owners: Source,
    /// In the order of `tables`, but for those without rows of their own.
    rows: Vec<Source>,
    encoding: String,
    /// The object number, the file number and the name of everything with rows.
    files: Vec<(u32, u32, String)>,
}

async fn list(
    client: &Client,
    database: &str,
    spool: Option<&Arc<Spool>>,
    except: &[String],
) -> Result<Listing, DataError> {
    let failed =
        |source| DataError::Query { what: "list tables".to_owned(), database: database.to_owned(), source };
    let server = client.query_one(SERVER, &[]).await.map_err(failed)?;
    let in_ranges = server.try_get::<_, i32>(0).map_err(failed)? >= TID_RANGE_SCANS;
    let encoding = server.try_get(1).map_err(failed)?;
    let kept = |key: Vec<usize>, blocks: u64| Some(TableSpool::new(spool?.clone(), key, blocks));

    let blocks = server.try_get::<_, i64>(2).map_err(failed)?.cast_unsigned();
    let pages = Source::new(
        "pages of large objects".to_owned(),
        LARGE_OBJECT_PAGES.to_owned(),
        in_ranges.then_some(blocks),
        kept(vec![0, 1], blocks),
    );
    let owners = Source::new("owners of large objects".to_owned(), LARGE_OBJECTS.to_owned(), None, None);

    let sql = include_str!("tables.sql").replace(":observed", excluded::SCHEMA_IS_OBSERVED);
    let (mut tables, mut rows, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for row in client.query(&sql, &[]).await.map_err(failed)? {
        let mut table = table(&row, database)?;
        table.left_out = except.contains(&format!("{database}.{}", table.name));
        if row.try_get("has_rows").map_err(failed)? && !table.left_out {
            let columns: Vec<_> = table.columns.iter().map(|column| quoted(column)).collect();
            let select = format!("SELECT {} FROM ONLY {}", columns.join(", "), table.name);
            let blocks = row.try_get::<_, Option<i64>>("blocks").map_err(failed)?.unwrap_or_default();
            let blocks = blocks.cast_unsigned();
            let is_heap: bool = row.try_get("is_heap").map_err(failed)?;
            let place = |name| table.columns.iter().position(|column| column == name);
            let spool = kept(table.key.iter().filter_map(place).collect(), blocks);
            let blocks = (in_ranges && is_heap).then_some(blocks);
            let (oid, file) = (row.try_get("oid").map_err(failed)?, row.try_get("file").map_err(failed)?);
            files.push((oid, file, table.name.clone()));
            let sent: Vec<String> = row.try_get("sent").map_err(failed)?;
            let columns = columns.iter().zip(sent).map(|(column, send)| in_parts(column, &send));
            let by_parts =
                format!("SELECT {} FROM ONLY {}", columns.collect::<Vec<_>>().join(", "), table.name);
            let source = Source::new(table.name.clone(), select, blocks, spool);
            rows.push(source.or_by_parts(by_parts));
        }
        tables.push(table);
    }
    Ok(Listing { tables, pages, owners, rows, encoding, files })
}

/// A table that was rewritten or truncated is empty for whoever looks at it as of before; behind a name may be another one.
async fn still_the_files(
    connect: &Connect,
    options: &Options,
    database: &str,
    files: &[(u32, u32, String)],
) -> Result<(), DataError> {
    let what = format!("the tables of database {database} after they were read");
    let changed: Option<String> = done_within(what, CATALOG, async {
        let failed = |source| DataError::Query {
            what: "look at tables again".to_owned(),
            database: database.to_owned(),
            source,
        };
        let client = connect.open_as(database, &options.session).await?;
        let (oids, numbers): (Vec<u32>, Vec<u32>) = files.iter().map(|(oid, file, _)| (*oid, *file)).unzip();
        let names: Vec<&str> = files.iter().map(|(_, _, name)| name.as_str()).collect();
        let row = client.query_one(CHANGED_FILES, &[&oids, &numbers, &names]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    })
    .await?;
    match changed {
        Some(tables) => Err(DataError::Rewritten { database: database.to_owned(), tables }),
        None => Ok(()),
    }
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
        damage: None,
        left_out: false,
    })
}

/// A value, or its digest where it is long as it is stored: PostgreSQL cannot put together a text of a gigabyte.
fn in_parts(column: &str, send: &str) -> String {
    if send == "-" {
        return format!("{column}::text");
    }
    format!(
        "CASE WHEN pg_column_size({column}) > {LONG} THEN encode(sha256({send}({column})), 'hex') ELSE {column}::text END"
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
