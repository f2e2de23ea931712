//! Everything that an observation leaves out, with the reason. Nothing else may be left out anywhere: what is
//! not looked at here can be lost in a clone without a word. `catalogs.txt` says it for each column of each catalog of PostgreSQL.
//!
//! - Databases `template0` (lets nobody in) and `template1` (nobody's data).
//! - System schemas: they follow from the server's version. `information_schema`, `pg_catalog` and TOAST.
//! - Temporary tables: they end with their session.
//! - Predefined roles `pg_…`: they follow from the server's version. What they are members of is looked at.
//! - Passwords, in any form: each cluster's operator makes its own. Also options of user mappings and the
//!   connection strings of subscriptions, which hold passwords. Values of settings and of foreign objects' options are
//!   looked at as digests.
//! - Definitions of an extension's members: its name and version stand for them. Its tables are looked at in full, rows
//!   and all, and what was granted or revoked on any member.
//! - Comments on extensions and their members, and on what initdb has made, but for the schema `public`.
//! - Rows of foreign tables: they are not in the cluster (Spilo's `postgres_log` reads the server's log files).
//! - Replication slots and planner statistics: they are not brought back by a backup.
//! - The server's own configuration, `ALTER SYSTEM` included: it is Patroni's, and each cluster's own.
//! - Options of columns, relations and tablespaces that are none of those in `options.rs`: the server writes them for itself.
//! - Versions of collations: they are those of the machine's libraries.
//! - Rows of unlogged tables in a cluster that has recovered: no backup holds them. They are noted.

/// Databases that are not looked at.
pub(crate) const DATABASES: &str = "'template0', 'template1'";

/// A condition on `pg_namespace` as `n`: schemas that are looked at.
pub(super) const SCHEMA_IS_OBSERVED: &str =
    "(n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)')";

/// A condition on `pg_roles` as `r`: roles that are looked at.
pub(super) const ROLE_IS_OBSERVED: &str = "(r.rolname !~ '^pg_')";
