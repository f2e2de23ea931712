//! `amcheck`: the structure of the clone's tables and indexes, beyond what can be read.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::EVIDENCE_LINES;
use super::inspected::{Inspected, Until};
use super::own::{ASK, MARGIN, Own};
use crate::observe::data::{DataError, detail, is_unanswered};
use crate::poll::done_within;
use crate::restore::Proofs;

/// SQLSTATE of a statement that took too long.
pub(super) const CANCELED: &str = "57014";
/// Classes of SQLSTATE with which amcheck says that something is damaged, and a server that a file is. An error of another class comes
/// from an expression of the index.
const DAMAGE: [&str; 2] = ["58", "XX"];

const FUNCTIONS: &str = "SELECT
     EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND proname = 'verify_heapam'),
     EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND proname = 'bt_index_check' AND pronargs >= 2),
     EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND proname = 'gin_index_check')
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'amcheck'";
/// System catalogs too: what they say decides where rows are. Small relations first, so that little is left when time runs out.
const RELATIONS: &str = "
SELECT c.oid, c.oid::regclass::text, c.relkind = 'i' AS is_index, a.amname = 'gin',
       i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam
WHERE c.relpersistence <> 't'
  AND (c.relkind IN ('r', 'm', 't') AND a.amname = 'heap'
       OR c.relkind = 'i' AND a.amname IN ('btree', 'gin') AND i.indisvalid AND i.indisready AND i.indislive)
ORDER BY c.relpages, c.oid";

/// Checks that are sent ahead of their answers.
const AHEAD: usize = 8;

/// What was seen of all databases.
#[derive(Default)]
pub(super) struct Amcheck {
    pub inspected: Inspected,
    pub tables: u64,
    pub indexes: u64,
}

pub(super) const HELP: &str = "run pg_amcheck on the source: where it finds the same, `REINDEX` mends an index; a table has to come from an older \
                    backup. An index on a function that is called IMMUTABLE and is not looks damaged to everybody whose settings are others";

impl Amcheck {
    /// Every B-tree index is held against its table, and every table is looked through, with its TOAST where `proofs` are full.
    ///
    /// # Errors
    /// When the server does not answer, or ends a session, with the name of the relation that was being checked.
    pub(super) async fn database(
        &mut self,
        own: &Own,
        proofs: Proofs,
        until: Until,
    ) -> Result<(), DataError> {
        let begin = Instant::now();
        let done = self.check(own, proofs, until).await;
        self.inspected.took(begin);
        done
    }

    async fn check(&mut self, own: &Own, proofs: Proofs, until: Until) -> Result<(), DataError> {
        let Own { client, database: name, .. } = own;
        let failed = |error| own.failed(error);
        let schema = match own.extension("amcheck").await? {
            Ok(schema) => schema,
            Err(why) => {
                self.inspected.gap(format!("{name}: tables and indexes"), why);
                return Ok(());
            }
        };
        let (functions, relations) = done_within(format!("amcheck in database {name}"), ASK, async {
            let functions = client.query_one(FUNCTIONS, &[]).await.map_err(failed)?;
            let relations = own.rows(RELATIONS).await?;
            own.savepoint().await?;
            Ok::<_, DataError>((functions, relations))
        })
        .await?;
        let (of_tables, of_indexes, of_gin): (bool, bool, bool) =
            (own.value(&functions, 0)?, own.value(&functions, 1)?, own.value(&functions, 2)?);
        if !of_tables {
            self.inspected.gap(format!("{name}: tables"), "its amcheck is older than 1.3");
        }
        if !of_indexes {
            self.inspected.gap(format!("{name}: indexes"), "its amcheck is older than 1.1");
        }
        let full = proofs == Proofs::Full;
        let prepared = async |there: bool, sql: String| match there {
            true => client.prepare(&sql).await.map(Some).map_err(failed),
            false => Ok(None),
        };
        let index = format!(
            "SELECT {schema}.bt_index_check($1::pg_catalog.oid::pg_catalog.regclass, {full})::pg_catalog.text"
        );
        let gin = format!(
            "SELECT {schema}.gin_index_check($1::pg_catalog.oid::pg_catalog.regclass)::pg_catalog.text"
        );
        let table = format!(
            "SELECT format('block %s, item %s, column %s: %s', blkno, offnum, attnum, msg) \
             FROM {schema}.verify_heapam($1::oid::regclass, check_toast => {full}) LIMIT {EVIDENCE_LINES}"
        );
        let statements = Statements {
            of_index: prepared(of_indexes, index).await?,
            of_gin: prepared(of_gin, gin).await?,
            of_table: prepared(of_tables, table).await?,
        };
        let mut wanted = Vec::new();
        for row in &relations {
            let relation = Relation {
                oid: own.value(row, 0)?,
                name: own.value(row, 1)?,
                is_index: own.value(row, 2)?,
                evaluates: own.value::<Option<bool>>(row, 4)?.unwrap_or_default(),
            };
            let is_gin: bool = own.value(row, 3)?;
            let statement = match (relation.is_index, is_gin) {
                (true, true) => &statements.of_gin,
                (true, false) => &statements.of_index,
                (false, _) => &statements.of_table,
            };
            wanted.extend(statement.as_ref().map(|statement| (relation, statement)));
        }
        // The server does one after the other; what is sent ahead spares the way there and back for each.
        let mut outcomes = futures::stream::iter(&wanted)
            .map(|(relation, statement)| async move {
                Ok::<_, DataError>((relation, one(own, statement, relation, until).await?))
            })
            .buffered(AHEAD);
        while let Some((relation, outcome)) = outcomes.try_next().await? {
            let what = format!("{name}: {}", relation.name);
            match outcome {
                Outcome::Sound if relation.is_index => self.indexes += 1,
                Outcome::Sound => self.tables += 1,
                Outcome::Late => self.inspected.gap(what, LATE),
                Outcome::Damaged(lines) => {
                    self.inspected.damage.extend(lines.into_iter().map(|line| format!("{what}: {line}")));
                }
                Outcome::Not(why) => self.inspected.gap(what, why),
            }
        }
        Ok(())
    }

    /// `219 tables and 327 indexes checked`
    pub(super) fn seen(&self) -> String {
        let tables = super::count(self.tables, "table");
        format!("{tables} and {} checked", super::indexes_counted(self.indexes))
    }
}

pub(super) const LATE: &str = "there was no time left";

/// Prepared once; none where the functions are too old.
struct Statements {
    of_index: Option<Statement>,
    of_gin: Option<Statement>,
    of_table: Option<Statement>,
}

struct Relation {
    oid: u32,
    name: String,
    is_index: bool,
    /// Its check calls functions of the database.
    evaluates: bool,
}

enum Outcome {
    Sound,
    Damaged(Vec<String>),
    Late,
    Not(String),
}

async fn one(
    own: &Own,
    statement: &Statement,
    relation: &Relation,
    until: Until,
) -> Result<Outcome, DataError> {
    let Some(milliseconds) = until.left() else { return Ok(Outcome::Late) };
    let client = &own.client;
    let failed = |source| DataError::Query {
        what: format!("check {}", relation.name),
        database: own.database.clone(),
        source,
    };
    done_within(format!("the check of {}", relation.name), until.duration() + MARGIN, async {
        let path = if relation.evaluates { own.own_path.as_str() } else { "" };
        let limit = format!("SET LOCAL statement_timeout = {milliseconds}; {path}");
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
                let code = error.code().map_or("", |code| code.code());
                let damaged = match relation.evaluates {
                    true => DAMAGE.iter().any(|class| code.starts_with(class)),
                    false => DAMAGE.iter().chain(&["22"]).any(|class| code.starts_with(class)),
                };
                match damaged {
                    true => Outcome::Damaged(vec![detail(&error)]),
                    false => Outcome::Not(format!("it was refused: {}", detail(&error))),
                }
            }
        };
        back.map_err(failed)?;
        Ok(outcome)
    })
    .await
}
