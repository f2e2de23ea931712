//! Roles and databases: what is shared by the whole cluster.

use tokio_postgres::Client;

use super::DataError;
use super::bytes::{Text, plain};
use super::excluded;
use super::observation::Role;

/// `pg_roles` has no passwords. Settings are shown as digests: a setting may hold a key.
const ROLES: &str = r#"
SELECT r.rolname::text AS name,
       array_remove(ARRAY[
           CASE WHEN rolsuper THEN 'superuser' END,
           CASE WHEN rolinherit THEN 'inherit' END,
           CASE WHEN rolcreaterole THEN 'createrole' END,
           CASE WHEN rolcreatedb THEN 'createdb' END,
           CASE WHEN rolcanlogin THEN 'login' END,
           CASE WHEN rolreplication THEN 'replication' END,
           CASE WHEN rolbypassrls THEN 'bypassrls' END,
           CASE WHEN rolconnlimit <> -1 THEN 'connection limit ' || rolconnlimit END,
           CASE WHEN rolvaliduntil IS NOT NULL THEN 'valid until ' || rolvaliduntil END
       ]
       || ARRAY(SELECT 'set ' || coalesce('in ' || datname || ' ', '') || split_part(c, '=', 1) || ' '
                       || left(encode(sha256(convert_to(c, getdatabaseencoding())), 'hex'), 16)
                FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) c
                WHERE s.setrole = r.oid ORDER BY split_part(c, '=', 1) COLLATE "C", datname COLLATE "C"), NULL) AS attributes,
       ARRAY(SELECT concat(m.roleid::regrole,
                           CASE WHEN m.admin_option THEN ' with admin option' END,
                           -- Columns of PostgreSQL 16, and what they are by default.
                           CASE WHEN to_jsonb(m) ->> 'inherit_option' <> r.rolinherit::text
                                THEN ' with inherit ' || (to_jsonb(m) ->> 'inherit_option') END,
                           CASE WHEN to_jsonb(m) ->> 'set_option' = 'false' THEN ' with set false' END,
                           -- 10 is the role that initdb made.
                           CASE WHEN m.grantor <> 10 THEN ' by ' || m.grantor::regrole END)
             FROM pg_auth_members m WHERE m.member = r.oid
             -- By several grantors a membership may be granted twice.
             ORDER BY m.roleid::regrole::text COLLATE "C", m.grantor::regrole::text COLLATE "C") AS member_of
FROM pg_roles r
WHERE :observed
ORDER BY r.rolname COLLATE "C"
"#;

const DATABASES: &str = r#"
SELECT datname::text AS name,
       -- -2: dropping it was interrupted, and nobody can connect to it any more.
       datallowconn AND datconnlimit <> -2 AS connectable,
       concat_ws('; ',
           format('owner %s; encoding %s; collate %s; ctype %s', datdba::regrole, pg_encoding_to_char(encoding),
                  datcollate, datctype),
           format('access %s', (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
                                FROM unnest(coalesce(datacl, acldefault('d', datdba))) a)),
           CASE WHEN datistemplate THEN 'template' END,
           -- Columns that came with PostgreSQL 15 to 17.
           CASE WHEN to_jsonb(d) ->> 'datlocprovider' <> 'c' THEN
               concat_ws(' ', 'locale provider', to_jsonb(d) ->> 'datlocprovider', to_jsonb(d) ->> 'daticulocale',
                         to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticurules') END,
           CASE WHEN datconnlimit <> -1 THEN 'connection limit ' || datconnlimit END,
           (SELECT 'tablespace ' || spcname FROM pg_tablespace t WHERE t.oid = dattablespace),
           (SELECT string_agg('set ' || split_part(c, '=', 1) || ' '
                              || left(encode(sha256(convert_to(c, getdatabaseencoding())), 'hex'), 16), '; '
                              ORDER BY c COLLATE "C")
            FROM pg_db_role_setting s, unnest(setconfig) c WHERE s.setdatabase = d.oid AND s.setrole = 0)
       ) AS definition
FROM pg_database d
WHERE datname NOT IN (:excluded)
ORDER BY datname COLLATE "C"
"#;

/// A database as its cluster lists it.
pub(super) struct Listed {
    pub name: String,
    pub connectable: bool,
    pub definition: String,
}

pub(super) async fn roles(client: &Client, database: &str) -> Result<Vec<Role>, DataError> {
    let failed =
        |source| DataError::Query { what: "list roles".to_owned(), database: database.to_owned(), source };
    let sql = ROLES.replace(":observed", excluded::ROLE_IS_OBSERVED);
    let rows = client.query(&sql, &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(Role {
                name: row.try_get::<_, Text>("name").map_err(failed)?.0,
                attributes: plain(row.try_get("attributes").map_err(failed)?),
                member_of: plain(row.try_get("member_of").map_err(failed)?),
            })
        })
        .collect()
}

pub(super) async fn databases(client: &Client, database: &str) -> Result<Vec<Listed>, DataError> {
    let failed = |source| DataError::Query {
        what: "list databases".to_owned(),
        database: database.to_owned(),
        source,
    };
    let sql = DATABASES.replace(":excluded", excluded::DATABASES);
    let rows = client.query(&sql, &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(Listed {
                name: row.try_get::<_, Text>("name").map_err(failed)?.0,
                connectable: row.try_get("connectable").map_err(failed)?,
                definition: row.try_get::<_, Text>("definition").map_err(failed)?.0,
            })
        })
        .collect()
}

/// Databases that let nobody in; not those whose DROP was interrupted, which nothing can open.
const CLOSED: &str = "SELECT datname::text, quote_ident(datname) FROM pg_database
     WHERE NOT datallowconn AND datconnlimit <> -2 AND datname NOT IN (:excluded) ORDER BY datname COLLATE \"C\"";

pub(super) async fn open_closed(client: &Client, database: &str) -> Result<Vec<String>, DataError> {
    let failed = |source| DataError::Query {
        what: "open databases that let nobody in".to_owned(),
        database: database.to_owned(),
        source,
    };
    let sql = CLOSED.replace(":excluded", excluded::DATABASES);
    let mut opened = Vec::new();
    for row in client.query(&sql, &[]).await.map_err(failed)? {
        let (name, quoted): (String, String) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let open = format!(
            "SET default_transaction_read_only = off; ALTER DATABASE {quoted} ALLOW_CONNECTIONS true"
        );
        client.batch_execute(&open).await.map_err(failed)?;
        opened.push(name);
    }
    Ok(opened)
}
