//! A session in a database of the clone that may do there what it likes: all of it is rolled back.

use std::time::Duration;

use tokio_postgres::{Client, Row};

use crate::observe::data::{Connect, DataError, detail};
use crate::poll::done_within;

/// For a query that only looks into catalogs.
pub(super) const ASK: Duration = Duration::from_secs(60);
/// How long the server may be silent beyond a statement's own limit.
pub(super) const MARGIN: Duration = Duration::from_secs(30);

/// Those that are `ENABLE ALWAYS` fire in every session; no event trigger sees that another is switched off.
const EVENT_TRIGGERS: &str =
    "SELECT format('ALTER EVENT TRIGGER %I DISABLE', evtname) FROM pg_event_trigger WHERE evtenabled <> 'D'";
/// What is made here goes with the transaction.
const SCHEMA: &str = "clonedrill_checks";
const EXTENSION: &str = "SELECT quote_ident(n.nspname), e.extversion = a.default_version
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace LEFT JOIN pg_available_extensions a ON a.name = e.extname
     WHERE e.extname = $1";
const AVAILABLE: &str = "SELECT FROM pg_available_extensions WHERE name = $1";
/// As the clients of the database have it.
const SEARCH_PATH: &str = "SELECT quote_literal(coalesce(
         (SELECT substr(c, length('search_path=') + 1) FROM pg_db_role_setting, unnest(setconfig) c
          WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND c LIKE 'search\\_path=%'),
         (SELECT reset_val FROM pg_settings WHERE name = 'search_path')))";

pub(super) struct Own {
    pub client: Client,
    pub database: String,
    /// Makes the search path that of the database's clients until the savepoint is gone back to.
    pub own_path: String,
}

/// Where an extension's functions are, or why there are none.
pub(super) type Extension = Result<String, String>;

impl Own {
    /// # Errors
    /// When the database cannot be opened, or does not let a superuser change anything.
    pub(super) async fn open(connect: &Connect, database: &str) -> Result<Self, DataError> {
        let client = connect.open_own(database).await?;
        let mut own = Own { client, database: database.to_owned(), own_path: String::new() };
        done_within(format!("a session of one's own in database {database}"), ASK, own.prepare()).await?;
        Ok(own)
    }

    async fn prepare(&mut self) -> Result<(), DataError> {
        self.run("BEGIN").await?;
        for row in self.rows(EVENT_TRIGGERS).await? {
            let disable: String = self.value(&row, 0)?;
            self.run(&disable).await?;
        }
        self.run(&format!("CREATE SCHEMA {SCHEMA}")).await?;
        let path = self.rows(SEARCH_PATH).await?;
        let path: String = path.first().map_or(Ok("''".to_owned()), |row| self.value(row, 0))?;
        self.own_path = format!("SELECT pg_catalog.set_config('search_path', {path}, true)");
        Ok(())
    }

    /// An extension that is there is brought up to date, one that is not is made.
    pub(super) async fn extension(&self, name: &str) -> Result<Extension, DataError> {
        done_within(format!("the extension {name} in database {}", self.database), ASK, async {
            let found =
                self.client.query_opt(EXTENSION, &[&name]).await.map_err(|error| self.failed(error))?;
            let (schema, make) = match found {
                Some(row) => {
                    let schema: String = self.value(&row, 0)?;
                    match self.value::<Option<bool>>(&row, 1)? {
                        Some(false) => (schema, format!("ALTER EXTENSION {name} UPDATE")),
                        _ => return Ok(Ok(schema)),
                    }
                }
                None => {
                    let available = self.client.query_opt(AVAILABLE, &[&name]).await;
                    if available.map_err(|error| self.failed(error))?.is_none() {
                        return Ok(Err(format!("the extension {name} is not available")));
                    }
                    (SCHEMA.to_owned(), format!("CREATE EXTENSION {name} WITH SCHEMA {SCHEMA}"))
                }
            };
            self.run("SAVEPOINT extension").await?;
            match self.client.batch_execute(&make).await {
                Ok(()) => self.run("RELEASE SAVEPOINT extension").await?,
                Err(error) if error.as_db_error().is_none() => return Err(self.failed(error)),
                Err(error) => {
                    self.run("ROLLBACK TO SAVEPOINT extension").await?;
                    // An older one may do.
                    if make.starts_with("CREATE") {
                        let why = detail(&error);
                        return Ok(Err(format!("the extension {name} cannot be made: {why}")));
                    }
                }
            }
            Ok(Ok(schema))
        })
        .await
    }

    /// Marks where each check goes back to.
    pub(super) async fn savepoint(&self) -> Result<(), DataError> {
        self.run("SAVEPOINT one").await
    }

    pub(super) async fn run(&self, sql: &str) -> Result<(), DataError> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(error))
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Row>, DataError> {
        self.client.query(sql, &[]).await.map_err(|error| self.failed(error))
    }

    pub(super) fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(
        &self,
        row: &Row,
        place: usize,
    ) -> Result<T, DataError> {
        row.try_get(place).map_err(|error| self.failed(error))
    }

    pub(super) fn failed(&self, source: tokio_postgres::Error) -> DataError {
        DataError::Query { what: "check".to_owned(), database: self.database.clone(), source }
    }
}
