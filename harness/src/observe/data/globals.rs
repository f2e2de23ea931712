//! What all databases of a cluster share, beside roles: settings, tablespaces, comments, grants on parameters, prepared
//! transactions.

use tokio_postgres::Client;

use super::bytes::Text;
use super::observation::SchemaObject;
use super::{DataError, options};

/// Every one as (kind, name, definition). Settings are shown as digests: a setting may hold a key.
const GLOBALS: &str = r#"
SELECT 'setting of all roles', split_part(c, '=', 1) || coalesce(' in ' || datname, ''),
       left(encode(sha256(convert_to(c, getdatabaseencoding())), 'hex'), 16)
FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) c
WHERE s.setrole = 0 AND s.setdatabase = 0

UNION ALL
SELECT 'tablespace', quote_ident(spcname),
       concat_ws('; ', format('owner %s', spcowner::regrole),
                 'access ' || (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
                               FROM unnest(coalesce(spcacl, acldefault('t', spcowner))) a)::text,
                 'options ' || (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(spcoptions) o WHERE :tablespace_option)::text)
FROM pg_tablespace WHERE spcname !~ '^pg_'

UNION ALL
SELECT 'comment', i.type || ' ' || i.identity, d.description
FROM pg_shdescription d, LATERAL pg_identify_object(d.classoid, d.objoid, 0) i
-- These come with initdb.
WHERE (i.identity, d.description) NOT IN (('postgres', 'default administrative connection database'),
                                          ('template1', 'default template for new databases'),
                                          ('template0', 'unmodifiable empty database'))

UNION ALL
SELECT 'security label', i.type || ' ' || i.identity, concat(l.provider, ': ', l.label)
FROM pg_shseclabel l, LATERAL pg_identify_object(l.classoid, l.objoid, 0) i

UNION ALL
SELECT 'replication origin', quote_ident(roname), 'number ' || roident FROM pg_replication_origin

UNION ALL
SELECT 'predefined role', quote_ident(member.rolname), 'member of ' || quote_ident(role.rolname)
FROM pg_auth_members m JOIN pg_roles member ON member.oid = m.member JOIN pg_roles role ON role.oid = m.roleid
-- Below 16384 is what initdb has made.
WHERE member.rolname ~ '^pg_' AND role.oid >= 16384

UNION ALL
SELECT 'prepared transaction', gid, format('of %s in %s', owner, database) FROM pg_prepared_xacts
"#;

/// Grants on parameters came with PostgreSQL 15.
const PARAMETERS: &str = r#"
UNION ALL
SELECT 'parameter', parname, 'access ' || (SELECT array_agg(a::text ORDER BY a::text COLLATE "C") FROM unnest(paracl) a)::text
FROM pg_parameter_acl
"#;

pub(super) async fn globals(client: &Client, database: &str) -> Result<Vec<SchemaObject>, DataError> {
    let failed = |source| DataError::Query {
        what: "list what all databases share".to_owned(),
        database: database.to_owned(),
        source,
    };
    let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await;
    let version: i32 = version.and_then(|row| row.try_get(0)).map_err(failed)?;
    let parameters = if version >= 150_000 { PARAMETERS } else { "" };
    let mut objects = Vec::new();
    for row in
        client.query(&options::fill_in(&format!("{GLOBALS}{parameters}")), &[]).await.map_err(failed)?
    {
        objects.push(SchemaObject {
            kind: row.try_get(0).map_err(failed)?,
            name: row.try_get::<_, Text>(1).map_err(failed)?.0,
            definition: row.try_get::<_, Option<Text>>(2).map_err(failed)?.unwrap_or_default().0,
        });
    }
    objects.sort();
    Ok(objects)
}
