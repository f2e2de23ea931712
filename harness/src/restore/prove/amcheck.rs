//! `amcheck`: the structure of the clone's tables and indexes, beyond what can be read.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::{EVIDENCE_LINES, Hide, count, first_lines, one_line, proof};
use crate::observe::data::{Connect, DataError, DataObservation, detail, is_unanswered};
use crate::poll::done_within;
use crate::report::Proof;

/// For a query that only looks into catalogs.
const ASK: Duration = Duration::from_secs(60);
/// How long the server may be silent beyond a statement's own limit.
const MARGIN: Duration = Duration::from_secs(30);
/// SQLSTATE of a statement that took too long.
const CANCELED: &str = "57014";

const AVAILABLE: &str = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'amcheck'),
     EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')";
/// Never committed: the transaction ends with the session, and the schema with it.
const MAKE: &str =
    "CREATE SCHEMA clonedrill_amcheck; CREATE EXTENSION amcheck WITH SCHEMA clonedrill_amcheck";
const FUNCTIONS: &str = "SELECT quote_ident(nspname),
     EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND proname = 'verify_heapam'),
     EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND proname = 'bt_index_check' AND pronargs >= 2)
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'amcheck'";
/// System catalogs too: what they say decides where rows are. Small relations first, so that little is left when time runs out.
const RELATIONS: &str = "
SELECT c.oid, c.oid::regclass::text, c.relkind = 'i' AS is_index
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam
WHERE c.relpersistence <> 't'
  AND (c.relkind IN ('r', 'm', 't') AND a.amname = 'heap'
       OR c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready AND i.indislive)
ORDER BY c.relpages, c.oid";

/// Checks that are sent ahead of their answers.
const AHEAD: usize = 8;

/// What was seen of all databases.
#[derive(Default)]
struct Checked {
    tables: u64,
    indexes: u64,
    /// For lack of time.
    left: u64,
    damage: Vec<String>,
    /// What was not checked and why.
    not: Vec<String>,
}

/// On a clone, after its data were observed: every B-tree index is held against its table, and every table with its TOAST is
/// looked through, of every database that `clone` has and that has the extension. The extension is made in a transaction that is
/// rolled back, so nothing of it stays. It holds where no damage was found in what was checked within `limit`; what was not checked, and why, is said.
///
/// # Errors
/// When the server does not answer, or ends a session, with the name of the relation that was being checked.
pub async fn amcheck(
    connect: &Connect,
    clone: &DataObservation,
    limit: Duration,
    hide: Hide<'_>,
) -> Result<Proof, DataError> {
    let deadline = Instant::now() + limit;
    let mut checked = Checked::default();
    let open = clone.databases.iter().filter(|database| database.connectable);
    for name in open.map(|database| database.name.as_str()) {
        if let Err(error) = check(connect, name, deadline, &mut checked).await {
            if error.is_unanswered() {
                return Err(error);
            }
            match error.damage() {
                Some(why) => checked.damage.push(format!("{name}: {why}")),
                None => checked.not.push(format!("{name}: failed to {error}")),
            }
        }
    }
    let Checked { tables, indexes, left, damage, mut not } = checked;
    if left > 0 {
        not.push(format!("{} not within {limit:.0?}", count(left, "relation")));
    }
    let mut seen = format!("{} and {} checked", count(tables, "table"), indexes_counted(indexes));
    if let Some(first) = not.first() {
        let more = if not.len() > 1 { format!(" and {} more", not.len() - 1) } else { String::new() };
        seen.push_str(&format!("; not checked: {first}{more}"));
    }
    let holds = damage.is_empty();
    if !holds {
        seen = format!("{} wrong; {seen}", count(damage.len() as u64, "thing"));
    }
    let lines = damage.into_iter().chain(not.into_iter().map(|why| format!("not checked: {why}")));
    let help = match holds {
        true => "",
        false => {
            "run pg_amcheck on the source: where it finds the same, `REINDEX` mends an index; a table has to come from \
             an older backup"
        }
    };
    Ok(Proof {
        evidence: first_lines(lines.map(|line| one_line(&line, hide)).collect(), EVIDENCE_LINES),
        help: help.to_owned(),
        ..proof("amcheck", holds, one_line(&seen, hide))
    })
}

fn indexes_counted(indexes: u64) -> String {
    if indexes == 1 { "1 index".to_owned() } else { format!("{indexes} indexes") }
}

async fn check(
    connect: &Connect,
    name: &str,
    deadline: Instant,
    checked: &mut Checked,
) -> Result<(), DataError> {
    let failed = |source| DataError::Query { what: "check".to_owned(), database: name.to_owned(), source };
    let client = connect.open(name).await?;
    let found = done_within(format!("amcheck in database {name}"), ASK, async {
        let row = client.query_one(AVAILABLE, &[]).await.map_err(failed)?;
        let (there, available): (bool, bool) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        if !there && !available {
            return Ok(None);
        }
        client.batch_execute("BEGIN").await.map_err(failed)?;
        if !there {
            client.batch_execute(MAKE).await.map_err(failed)?;
        }
        let row = client.query_one(FUNCTIONS, &[]).await.map_err(failed)?;
        let functions = Functions {
            schema: row.try_get(0).map_err(failed)?,
            of_tables: row.try_get(1).map_err(failed)?,
            of_indexes: row.try_get(2).map_err(failed)?,
        };
        let relations = client.query(RELATIONS, &[]).await.map_err(failed)?;
        client.batch_execute("SAVEPOINT one").await.map_err(failed)?;
        Ok::<_, DataError>(Some((functions, relations)))
    })
    .await?;
    let Some((functions, relations)) = found else {
        checked.not.push(format!("{name}: the extension amcheck is not available"));
        return Ok(());
    };
    if !functions.of_tables {
        checked.not.push(format!("{name}: tables, since its amcheck is older than 1.3"));
    }
    if !functions.of_indexes {
        checked.not.push(format!("{name}: indexes, since its amcheck is older than 1.1"));
    }
    let statements = Statements {
        of_index: match functions.of_indexes {
            true => Some(client.prepare(&functions.index_check()).await.map_err(failed)?),
            false => None,
        },
        of_table: match functions.of_tables {
            true => Some(client.prepare(&functions.table_check()).await.map_err(failed)?),
            false => None,
        },
    };
    let mut wanted = Vec::new();
    for row in relations {
        let relation = Relation {
            oid: row.try_get(0).map_err(failed)?,
            name: row.try_get(1).map_err(failed)?,
            is_index: row.try_get(2).map_err(failed)?,
        };
        let statement = if relation.is_index { &statements.of_index } else { &statements.of_table };
        wanted.extend(statement.as_ref().map(|statement| (relation, statement)));
    }
    // The server does one after the other; what is sent ahead spares the way there and back for each.
    let (client, wanted) = (&client, &wanted);
    let mut outcomes = futures::stream::iter(wanted)
        .map(|(relation, statement)| async move {
            Ok::<_, DataError>((relation, one(client, name, statement, relation, deadline).await?))
        })
        .buffered(AHEAD);
    while let Some((relation, outcome)) = outcomes.try_next().await? {
        match outcome {
            Outcome::Sound if relation.is_index => checked.indexes += 1,
            Outcome::Sound => checked.tables += 1,
            Outcome::Late => checked.left += 1,
            Outcome::Damaged(lines) => {
                checked
                    .damage
                    .extend(lines.into_iter().map(|line| format!("{name}: {}: {line}", relation.name)));
            }
            Outcome::Not(why) => checked.not.push(format!("{name}: {}: {why}", relation.name)),
        }
    }
    Ok(())
}

/// Prepared once; none where the functions are too old.
struct Statements {
    of_index: Option<Statement>,
    of_table: Option<Statement>,
}

struct Functions {
    schema: String,
    of_tables: bool,
    of_indexes: bool,
}

impl Functions {
    fn index_check(&self) -> String {
        format!("SELECT {}.bt_index_check($1::oid::regclass, true)::text", self.schema)
    }

    fn table_check(&self) -> String {
        format!(
            "SELECT format('block %s, item %s, column %s: %s', blkno, offnum, attnum, msg) \
             FROM {}.verify_heapam($1::oid::regclass) LIMIT {EVIDENCE_LINES}",
            self.schema
        )
    }
}

struct Relation {
    oid: u32,
    name: String,
    is_index: bool,
}

enum Outcome {
    Sound,
    Damaged(Vec<String>),
    Late,
    Not(String),
}

async fn one(
    client: &Client,
    database: &str,
    statement: &Statement,
    relation: &Relation,
    deadline: Instant,
) -> Result<Outcome, DataError> {
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(milliseconds @ 1..) = i32::try_from(left.as_millis()) else { return Ok(Outcome::Late) };
    let failed = |source| DataError::Query {
        what: format!("check {}", relation.name),
        database: database.to_owned(),
        source,
    };
    done_within(format!("the check of {}", relation.name), left + MARGIN, async {
        let limit = format!("SET LOCAL statement_timeout = {milliseconds}");
        let parameters: [&(dyn ToSql + Sync); 1] = [&relation.oid];
        // All three are sent before the first answer comes.
        let (limited, found, back) = tokio::join!(
            client.batch_execute(&limit),
            client.query(statement, &parameters),
            client.batch_execute("ROLLBACK TO SAVEPOINT one")
        );
        limited.map_err(failed)?;
        let outcome = match found {
            Ok(_) if relation.is_index => Outcome::Sound,
            Ok(rows) if rows.is_empty() => Outcome::Sound,
            Ok(rows) => {
                let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
                Outcome::Damaged(lines.map_err(failed)?)
            }
            Err(error) if error.code().is_some_and(|code| code.code() == CANCELED) => Outcome::Late,
            Err(error) if is_unanswered(&error) => return Err(failed(error)),
            Err(error) => {
                let text = detail(&error);
                if failed(error).damage().is_some() {
                    Outcome::Damaged(vec![text])
                } else {
                    Outcome::Not(text)
                }
            }
        };
        back.map_err(failed)?;
        Ok(outcome)
    })
    .await
}
