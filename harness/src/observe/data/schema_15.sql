-- What PostgreSQL 15 has added to publications.
UNION ALL
SELECT 'publication', format('%I of table %s', pubname, prrelid::regclass),
       format('columns %s; rows %s',
              (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
               WHERE attrelid = prrelid AND attnum = ANY (prattrs::int2[])),
              pg_get_expr(prqual, prrelid))
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = prpubid
WHERE prattrs IS NOT NULL OR prqual IS NOT NULL

UNION ALL
SELECT 'publication', format('%I of schema %s', pubname, pnnspid::regnamespace), ''
FROM pg_publication_namespace JOIN pg_publication p ON p.oid = pnpubid
