//! Definitions, extensions and sequences of one database.

use tokio_postgres::Client;

use super::bytes::Text;
use super::digest::{MultisetDigest, hash_row};
use super::observation::{Extension, SchemaObject, Sequence};
use super::read::go_back;
use super::{DataError, excluded, options};

const EXTENSIONS: &str =
    "SELECT extname::text, extnamespace::regnamespace::text, extversion, extowner::regrole::text
     FROM pg_extension ORDER BY extname COLLATE \"C\"";

const SEQUENCES: &str = "SELECT format('%I.%I', n.nspname, c.relname) AS name, s.seqincrement, s.seqstart,
            c.relpersistence = 'u'
     FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relpersistence <> 't' AND :observed ORDER BY format('%I.%I', n.nspname, c.relname) COLLATE \"C\"";

pub(super) async fn schema(
    client: &Client,
    database: &str,
) -> Result<(Vec<SchemaObject>, MultisetDigest), DataError> {
    let failed = |source| DataError::Query {
        what: "list definitions".to_owned(),
        database: database.to_owned(),
        source,
    };
    let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await;
    let version: i32 = version.and_then(|row| row.try_get(0)).map_err(failed)?;
    let more = if version >= 150_000 { include_str!("schema_15.sql") } else { "" };
    let sql = include_str!("schema.sql").replace(":observed", excluded::SCHEMA_IS_OBSERVED);
    let sql = options::fill_in(&format!("{sql}\n{more}"));
    let mut objects = Vec::new();
    for row in client.query(&sql, &[]).await.map_err(failed)? {
        objects.push(SchemaObject {
            kind: row.try_get(0).map_err(failed)?,
            name: row.try_get::<_, Text>(1).map_err(failed)?.0,
            definition: row.try_get::<_, Option<Text>>(2).map_err(failed)?.unwrap_or_default().0,
        });
    }
    objects.sort();
    let mut digest = MultisetDigest::default();
    for object in &objects {
        let text = format!("{}\0{}\0{}", object.kind, object.name, object.definition);
        digest.add(&hash_row(text.as_bytes()));
    }
    Ok((objects, digest))
}

pub(super) async fn extensions(client: &Client, database: &str) -> Result<Vec<Extension>, DataError> {
    let failed = |source| DataError::Query {
        what: "list extensions".to_owned(),
        database: database.to_owned(),
        source,
    };
    let rows = client.query(EXTENSIONS, &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(Extension {
                name: row.try_get::<_, Text>(0).map_err(failed)?.0,
                schema: row.try_get::<_, Text>(1).map_err(failed)?.0,
                version: row.try_get::<_, Text>(2).map_err(failed)?.0,
                owner: row.try_get::<_, Text>(3).map_err(failed)?.0,
            })
        })
        .collect()
}

/// Where the sequences stand, and which cannot be read and why.
pub(super) async fn sequences(
    client: &Client,
    database: &str,
) -> Result<(Vec<Sequence>, Vec<String>), DataError> {
    let failed = |source| DataError::Query {
        what: "read sequences".to_owned(),
        database: database.to_owned(),
        source,
    };
    let sql = SEQUENCES.replace(":observed", excluded::SCHEMA_IS_OBSERVED);
    let (mut sequences, mut damage) = (Vec::new(), Vec::new());
    for listed in client.query(&sql, &[]).await.map_err(failed)? {
        let name: String = listed.try_get(0).map_err(failed)?;
        let sql = format!("SELECT last_value, is_called, log_cnt FROM {name}");
        let row = match client.query_opt(&sql, &[]).await.map_err(failed) {
            Ok(Some(row)) => row,
            // So it is where its file is empty.
            Ok(None) => {
                damage.push(format!("sequence {name} cannot be read: it has no row"));
                continue;
            }
            Err(error) => {
                damage.push(format!("sequence {name} cannot be read: {}", error.damage().ok_or(error)?));
                go_back(client, database).await?;
                continue;
            }
        };
        sequences.push(Sequence {
            name,
            last_value: row.try_get(0).map_err(failed)?,
            is_called: row.try_get(1).map_err(failed)?,
            log_count: row.try_get(2).map_err(failed)?,
            increment: listed.try_get(1).map_err(failed)?,
            start: listed.try_get(2).map_err(failed)?,
            unlogged: listed.try_get(3).map_err(failed)?,
        });
    }
    Ok((sequences, damage))
}
