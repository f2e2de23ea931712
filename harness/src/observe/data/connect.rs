//! Connections to an observed cluster, all with the same session settings.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::DataError;
use crate::poll::done_within;
use crate::secret::Secret;

/// How long a server may take to let somebody in.
const OPEN: Duration = Duration::from_secs(30);

/// Where a cluster listens, and as whom to look at it: a superuser, or rows would be hidden.
#[derive(Debug, Clone)]
pub struct Connect {
    /// A host name, an IP address, or the absolute path of a folder with a Unix socket.
    pub host: String,
    /// TCP, or the number in the Unix socket's name.
    pub port: u16,
    /// A superuser.
    pub user: String,
    /// Of the user; never shown.
    pub password: Secret,
    /// The image that it runs in, as its node names it; none where nobody knows.
    pub image: Option<String>,
}

/// Everything that changes how a value is written as text is fixed; nothing may cut a long read short.
const SESSION: &str = "
    SET SESSION AUTHORIZATION DEFAULT;
    SET role = none;
    SET DateStyle = 'ISO, MDY';
    SET IntervalStyle = 'postgres';
    SET extra_float_digits = 3;
    SET bytea_output = 'hex';
    SET TimeZone = 'UTC';
    SET lc_monetary = 'C';
    SET lc_numeric = 'C';
    SET xmlbinary = 'base64';
    SET quote_all_identifiers = off;
    SET search_path = pg_catalog;
    SET row_security = off;
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SET lock_timeout = '60s';
    SET enable_tidscan = on;
    SET jit = off;
    SET max_parallel_workers_per_gather = 0;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout');
";

/// Without these nothing could be read of a database whose encoding is no encoding: the server refuses to hand out bytes that
/// are no UTF-8.
const ENCODING: &str =
    "SELECT set_config('client_encoding', 'SQL_ASCII', false) WHERE getdatabaseencoding() = 'SQL_ASCII'";

/// What a client of the database has for settings, but for limits, the role, what it may do, and the search path: a function that
/// is called IMMUTABLE and is not gives other values with others. What the database itself sets holds over what our role has of its own.
const OWN: &str = "
    SET SESSION AUTHORIZATION DEFAULT;
    SET role = none;
    SET search_path = pg_catalog;
    SELECT set_config(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1), false)
    FROM pg_db_role_setting s, unnest(setconfig) c
    WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND split_part(c, '=', 1) IN (SELECT name FROM pg_settings WHERE context IN ('user', 'superuser'))
      AND split_part(c, '=', 1) IN (SELECT split_part(r, '=', 1) FROM pg_db_role_setting, unnest(setconfig) r
                                    WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = session_user))
      AND split_part(c, '=', 1) NOT IN ('role', 'session_authorization', 'client_encoding', 'search_path');
    SET row_security = off;
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SET lock_timeout = '60s';
    SET jit = off;
    SET default_transaction_read_only = off;
    SET default_transaction_deferrable = off;
    SET default_transaction_isolation = 'read committed';
    SET client_min_messages = warning;
    SET session_replication_role = replica;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout');
    SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'event_triggers';
";

/// Damage is told, and in the words that are known: servers can be set to pass over a damaged page as if it were empty, and to
/// speak another language.
const PLAIN: &str = "
    SET zero_damaged_pages = off;
    SET ignore_checksum_failure = off;
    SET lc_messages = 'C';
";

/// What a session may do, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Session {
    /// Whatever its user may. Nothing cuts a long read short.
    #[default]
    Unlimited,
    /// The server itself refuses to change anything, and ends what takes too long. For a cluster that others use.
    ReadOnly {
        /// For one statement, such as the reading of 16 MiB of a table.
        statement: Duration,
        /// How long a transaction may wait for its next statement. A snapshot waits while other databases are read.
        idle_in_transaction: Duration,
    },
}

impl Session {
    /// Over what [`SESSION`] has set.
    fn settings(self) -> String {
        match self {
            Session::Unlimited => String::new(),
            Session::ReadOnly { statement, idle_in_transaction } => format!(
                "SET default_transaction_read_only = on; SET statement_timeout = {}; \
                 SET idle_in_transaction_session_timeout = {};",
                milliseconds(statement),
                milliseconds(idle_in_transaction)
            ),
        }
    }
}

/// As the server takes them; 0 would be no limit at all.
fn milliseconds(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1)
}

impl Connect {
    /// Opens a session in `database`. Its connection ends when the client is dropped.
    ///
    /// # Errors
    /// When the server cannot be reached, does not answer, refuses, or does not know a session setting.
    pub async fn open(&self, database: &str) -> Result<Client, DataError> {
        self.open_as(database, &Session::Unlimited).await
    }

    /// As [`Connect::open`], limited to what `limits` says.
    ///
    /// # Errors
    /// As there.
    pub async fn open_as(&self, database: &str, limits: &Session) -> Result<Client, DataError> {
        self.open_with(database, &format!("{SESSION}{}", limits.settings())).await
    }

    /// Opens a session that may change `database`, with the settings that its clients have, but for the search path. No event trigger fires in it
    /// but those that are `ENABLE ALWAYS`.
    ///
    /// # Errors
    /// As [`Connect::open`].
    pub(crate) async fn open_own(&self, database: &str) -> Result<Client, DataError> {
        self.open_with(database, OWN).await
    }

    async fn open_with(&self, database: &str, settings: &str) -> Result<Client, DataError> {
        let what = format!("{}:{} to let us into database {database}", self.host, self.port);
        done_within(what, OPEN, self.session(database, settings)).await
    }

    async fn session(&self, database: &str, settings: &str) -> Result<Client, DataError> {
        let failed = |source| DataError::Connect {
            host: self.host.clone(),
            port: self.port,
            database: database.to_owned(),
            source,
        };
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .password(self.password.reveal())
            .dbname(database)
            .application_name("clonedrill")
            // A database may have set one that is over before the session's own settings are read.
            .options("-c statement_timeout=0")
            .ssl_mode(SslMode::Prefer)
            .connect_timeout(Duration::from_secs(10));
        let client = if self.host.starts_with('/') {
            // A Unix socket has no TLS, and rustls no name to ask for there.
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(follow(connection));
            client
        } else {
            let (client, connection) =
                config.connect(MakeRustlsConnect::new(tls()?)).await.map_err(failed)?;
            tokio::spawn(follow(connection));
            client
        };
        client.batch_execute(&format!("{settings}{PLAIN}{ENCODING}")).await.map_err(failed)?;
        Ok(client)
    }
}

/// Moves the bytes of one connection, until its client is dropped.
async fn follow(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        // Whoever uses the client gets the error too.
        tracing::debug!(%error, "connection to a cluster ended");
    }
}

fn tls() -> Result<ClientConfig, DataError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth())
}

/// Spilo makes a certificate for itself that nobody has signed, so there is nothing to hold it against. Who the
/// server is follows from the address of the pod and, in the observation, from its system identifier.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
